"""A loop over blocks of rows, rehearsed once for all of its blocks.

An array that is cut gives each block its own rows: `x[rows]`, with `rows = slice(start, start + size)`. Any other array
is filled anew by every block: `t0`, or `t0[left]` with `left = slice(length - start)` where the last block is shorter.
So the body runs a single time, for a `start` that stands for all: `x[rows]` are all rows of x, and `t0` holds those of
any block. What remains to be seen is that no block is in another's way.
"""

from collections.abc import Iterator
from math import prod
from typing import Any, Self

from ...core import ComputationNode as Node, ops
from .buffers import Buffer, ByteRange

ROWS, LEFT = "rows", "left"  # how an array is cut for a block; None if it is not


class BlockRow(int):
    """A number that is another one in each block of a loop."""

    loop: "Loop"

    @classmethod
    def of(cls, loop: "Loop", number: int) -> Self:
        edge = cls(number)
        edge.loop = loop
        return edge


class End(BlockRow):
    """Where a block ends: `start + size`."""


class Left(BlockRow):
    """How many rows there are from a block on: `length - start`."""


class Start(BlockRow):
    """The first row of a block, of each block at once: 0, and `start + size` is the end of all of them."""

    def __add__(self, size: int) -> End:
        if size != self.loop.step:
            raise ValueError(f"a loop in steps of {self.loop.step} rows has blocks of {size}")
        return End.of(self.loop, self.loop.length)

    def __rsub__(self, length: int) -> Left:
        if length != self.loop.length:
            raise ValueError(f"a loop over {self.loop.length} rows counts those left of {length}")
        return Left.of(self.loop, length)


def cut(key: Any, length: int, loop: "Loop | None") -> str | None:
    """How an index cuts so many rows in a loop: into those of a block, or to no more than there are left."""
    parts = key if type(key) is tuple else (key,)
    edges = [edge for part in parts for edge in _numbers(part) if isinstance(edge, BlockRow)]
    if not edges:
        return None
    if type(key) is slice and key.step is None and all(edge.loop is loop for edge in edges):
        if type(key.start) is Start and type(key.stop) is End and length == key.stop:
            return ROWS
        if type(key.stop) is Left and key.start is None:
            return LEFT
    raise ValueError(f"an array of {length} rows is cut into blocks by {key}")


def _numbers(part: Any) -> list[Any]:
    return [part.start, part.stop, part.step] if type(part) is slice else [part]


class Loop:
    """A loop over `length` rows, in steps of so many."""

    def __init__(self, length: int, step: int) -> None:
        if step < 1:
            raise ValueError(f"a loop in steps of {step} rows")
        self.length, self.step, self.size = length, step, min(step, length)
        self.start = Start.of(self, 0)
        self.filled = (LEFT,) if length % self.size else (None, LEFT)
        self.made = set[Node]()  # in this loop
        self.row_sizes: dict[Node, tuple[int | None, int]] = {}  # bytes of a row, and how many axes
        # What a block reads as it was before the loop, and what it writes, by buffer: the bytes from where to where, by
        # how many a row moves on (0: each block has the same bytes), whether they are written, and of which node.
        self.touched: dict[Buffer, dict[tuple[int, int, int, bool], Node]] = {}

    def fits(self, array: Any) -> bool:
        """Whether these are the rows of a block."""
        if array.cut is ROWS:
            return bool(array.length == self.length)
        return array.cut in self.filled and array.length == self.size

    def has(self, array: Any, piece: ByteRange) -> bool:
        """Whether an array is what a block has of a node: its rows of the whole, or what it put there itself."""
        own = array.cut is not ROWS and piece.node in self.made if piece.block else array.cut is ROWS
        return own and self.fits(array)

    def row_of(self, operand: Node, node: Node) -> int | None:
        """The bytes of a row of an operand, if a block of the node needs just these rows; None if it needs all."""
        row, axes = self.row_sizes.get(operand) or self._measured(operand)
        if row is not None and operand is not node:
            if node.op is ops.matmul:
                return row if operand is node.parents[0] else None
            if node.op.elementwise and axes != (self.row_sizes.get(node) or self._measured(node))[1]:
                return None
        return row

    def _measured(self, node: Node) -> tuple[int | None, int]:
        shape = node.shape
        cut = bool(shape) and shape[0] == self.length
        self.row_sizes[node] = prod(shape[1:]) * node.dtype.itemsize if cut else None, len(shape)
        return self.row_sizes[node]

    def touch(self, array: Any, node: Node, written: bool) -> None:
        """A block reads bytes of a node as they were before the loop, or writes them."""
        moves = array.array.strides[0] if array.cut is ROWS else 0
        self.touched.setdefault(array.buffer, {})[array.start, array.stop, moves, written] = node

    def clashes(self) -> Iterator[tuple[Node, Node]]:
        """Nodes of which one block writes bytes that are another block's.

        Blocks that move through the same rows never meet. And those that have the same bytes may all write there, since
        what a block needs of that, it wrote itself.
        """
        for touched in self.touched.values():
            ordered = sorted(touched)
            for i, (start, stop, moves, written) in enumerate(ordered):
                for other in ordered[i + 1 :]:
                    if other[0] >= stop:
                        break
                    same_rows = moves and other[:3] == (start, stop, moves)
                    refilled = not moves and not other[2] and written and other[3]
                    if (written or other[3]) and not same_rows and not refilled:
                        yield touched[start, stop, moves, written], touched[other]
