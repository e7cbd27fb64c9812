"""A loop over blocks of rows, rehearsed: which of its blocks run, and what need not be looked at again in each."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate
from math import prod
from operator import is_
from typing import Any, NamedTuple

from ...core import ops
from ...core.node import ComputationNode as Node
from .buffers import Buffer, ByteRange


class RowBlock(int):
    """The first row of a block, or of several at once: `start + rows` is where the last of them ends.

    `held` is how many rows of it an array holds that each block fills anew.
    """

    stop: int
    rows: int
    held: int

    def __add__(self, rows: int) -> int:
        if rows != self.rows:
            raise ValueError(f"a loop in steps of {self.rows} rows has blocks of {rows}")
        return self.stop

    def fits(self, rows: int) -> bool:
        """Whether these are as many rows as the block has, or, where that stands for several, as one of them."""
        return rows == self.held or rows == self.stop - self


class BlockCall(NamedTuple):
    """A call in the first block: the operands, their nodes, and the array that is written.

    The node is None for a number, and for what is in no memory that anything could be written to.
    """

    node: Node
    operands: Sequence[Any]
    sources: Sequence[Node | None]
    out: Any


class Loop:
    """A loop over blocks of `rows` of `length` rows, and the calls of its first block.

    A later block repeats a call if it gives it the same arrays, or as many of their first rows as the block has. Then
    all is as it was in the first block, if what moves on with the blocks is never written over such an array.
    """

    def __init__(self, start: int, length: int, rows: int) -> None:
        if rows < 1:
            raise ValueError(f"a loop in steps of {rows} rows")
        self.start, self.length, self.rows = start, length, rows
        self.block = RowBlock(start)
        self.row_sizes: dict[Node, int | None] = {}
        self.calls: list[BlockCall | None] = []  # None: no later block repeats it
        self.next = 0
        self.alone: set[Node] = set()  # those with a call that is not to be repeated: then none of theirs is
        self.read_alone: set[Node] = set()  # what they may read
        self.copies = False  # whether there are calls for no node: who knows what these read
        self.fixed: dict[int, tuple[Any, Node, int | None]] = {}  # arrays of repeated calls, a node, the bytes of a row
        self.seen: set[tuple[int, int]] = set()  # arrays of this block that are the first rows of such
        self.moving: dict[Buffer, set[tuple[int, int]]] = {}  # bytes that are written and move on with the blocks

    def blocks(self) -> Iterator[RowBlock]:
        """The first block, all those between as a single one, and the last.

        From block to block, every array moves on by its own rows, or not at all. So where two blocks are in each
        other's way, those at an end of the loop are, too: the first and a later one, or the last and an earlier one.
        """
        start, rows, length = self.start, self.rows, self.length
        last = start + (length - 1 - start) // rows * rows
        for first, stop in {start: start + rows, start + rows: last, last: length}.items():
            if start <= first <= last:
                if first != start and self.block == start:
                    self._choose()
                self.block, self.next = RowBlock(first), 0
                self.block.stop, self.block.rows = length if first == last else min(stop, last), rows
                self.block.held = min(self.block.stop - first, rows)
                self.seen.clear()
                yield self.block
        self._end()

    def row_of(self, operand: Node, node: Node) -> int | None:
        """The bytes of a row of an operand, if a block of the node needs just these rows; None if it needs all."""
        if operand not in self.row_sizes:
            shape = operand.shape
            cut = bool(shape) and shape[0] == self.length
            self.row_sizes[operand] = prod(shape[1:]) * operand.dtype.itemsize if cut else None
        row = self.row_sizes[operand]
        if row is not None and operand is not node:
            if node.op is ops.matmul:
                return row if operand is node.parents[0] else None
            if node.op.elementwise and operand.ndim != node.ndim:
                return None
        return row

    def note(self, call: BlockCall | None, node: Node | None) -> None:
        """A call of the first block, or None for one that no other block repeats."""
        self.calls.append(call)
        if node is None:
            self.copies = True
        elif call is None:
            self.alone.add(node)

    def _choose(self) -> None:
        """After the first block: which of its calls the others repeat. Of a node's calls it is all, or none."""
        calls = [call for call in self.calls if call is not None]
        written = {call.out.key for call in calls}
        for node, operands, sources, _ in calls:
            for array, source in zip(operands, sources, strict=True):
                if source is not None and array.key not in written and self.row_of(source, node) is not None:
                    self.alone.add(node)  # it reads rows that no block makes
        self.calls = [None if call is None or call.node in self.alone else call for call in self.calls]
        for node in self.alone:
            self.read_alone.update(_readable(node))
        for node, operands, sources, out in filter(None, self.calls):
            for array, source in zip((*operands, out), (*sources, node), strict=True):
                if source is not None and array.key not in self.fixed:
                    self.fixed[array.key] = array, source, self.row_of(source, node)

    def repeats(self, operands: Sequence[Any], out: Any) -> bool:
        """Whether this is the next call of the first block once more."""
        call, self.next = self.calls[self.next], self.next + 1
        if call is None:
            return False
        same = self.block.held == self.rows and out is call.out and all(map(is_, operands, call.operands))
        if not same and not all(map(self._is_same, (*operands, out), (*call.operands, call.out))):
            return False
        if call.node in self.read_alone or self.copies:
            self._put(out, call.node)
        return True

    def _put(self, array: Any, node: Node) -> None:
        """This array holds its rows of the block."""
        row = self.fixed[array.key][2]
        if row:
            array.buffer.put(array.start, ByteRange(array.stop, node, array.start - self.block * row, False))

    def _is_same(self, array: Any, before: Any) -> bool:
        """Whether a call gets what it got in the first block, or as many of the first rows as this block has."""
        if (id(array), id(before)) in self.seen:
            return True
        known = self.fixed.get(getattr(before, "key", 0))
        if known is None or known[2] is None:  # a number, or an array that is not cut
            return array is before
        same: bool = array.key == before.key and array.stop - array.start == known[2] * self.block.held
        if same:
            self.seen.add((id(array), id(before)))
        return same

    def moves(self, buffer: Buffer, start: int, stop: int) -> None:
        """These bytes are written, if there are any; in another block it is others."""
        if start == stop:
            return
        self.moving.setdefault(buffer, set()).add((start, stop))

    def _end(self) -> None:
        """See that nothing moved over the arrays of repeated calls, and note what they hold after the last block."""
        moving = {buffer: sorted(written) for buffer, written in self.moving.items()}
        stops = {buffer: [*accumulate((stop for _, stop in written), max)] for buffer, written in moving.items()}
        for array, node, _ in self.fixed.values():
            before = bisect_left(moving.get(array.buffer, []), (array.stop, 0))
            if before and stops[array.buffer][before - 1] > array.start:
                raise ValueError(f"a block writes over {node.op} {node.shape}, which each block uses, for it moves on")
            self._put(array, node)


def _readable(node: Node) -> Iterator[Node]:
    """A node, its operands, and all that these are views of."""
    for value in (node, *node.parents):
        yield value
        while value.parents and value.op.view:
            value = value.parents[0]
            yield value
