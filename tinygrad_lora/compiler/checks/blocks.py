"""A loop over blocks of rows, rehearsed: which of its blocks run, and which operands are cut into their rows."""

from collections.abc import Iterator
from math import prod

from ...core import ops
from ...core.node import ComputationNode as Node


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


class Loop:
    """A loop over blocks of `rows` of `length` rows."""

    def __init__(self, start: int, length: int, rows: int) -> None:
        if rows < 1:
            raise ValueError(f"a loop in steps of {rows} rows")
        self.start, self.length, self.rows = start, length, rows
        self.block = RowBlock(start)
        self.row_sizes: dict[Node, int | None] = {}

    def blocks(self) -> Iterator[RowBlock]:
        """The first block, all those between as a single one, and the last.

        From block to block, every array moves on by its own rows, or not at all. So where two blocks are in each
        other's way, those at an end of the loop are, too: the first and a later one, or the last and an earlier one.
        """
        start, rows, length = self.start, self.rows, self.length
        last = start + (length - 1 - start) // rows * rows
        for first, stop in {start: start + rows, start + rows: last, last: length}.items():
            if start <= first <= last:
                self.block = RowBlock(first)
                self.block.stop, self.block.rows = length if first == last else min(stop, last), rows
                self.block.held = min(self.block.stop - first, rows)
                yield self.block

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
