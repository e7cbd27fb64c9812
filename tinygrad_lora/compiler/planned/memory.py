"""The memory of a program as data: which array lies where, and from when to when."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import prod
from typing import NamedTuple

from ...core import ComputationNode as Node, Shape
from ..operations import operations
from ..text.lines import columns
from .plan import MemoryPlan
from .write import Planned

HEADINGS = ("array", "shape", "bytes", "made in step", "last read in step", "")


class Array(NamedTuple):
    """An array in the memory of a program, from the step that makes it to the one that reads it last.

    Steps count from 0; what the caller gets is read in the step after the last one. From step `end` on others may use
    these bytes: already in the last step that reads it where the result is written right over it. Of an array that runs
    block by block, the memory holds one block.
    """

    name: str
    shape: Shape
    made: int
    read: int
    end: int
    start: int  # its first byte
    size: int  # in bytes
    note: str  # "over t1" or "part of t2", or ""


@dataclass(frozen=True)
class Memory:
    """The memory of a program. As text it is a table, one array a line."""

    arrays: tuple[Array, ...]
    steps: tuple[str, ...]  # what each one does
    size: int  # bytes
    least: int  # bytes in use at once, at most: no plan can do with less
    separate: int  # bytes with a place for each array

    @property
    def in_use(self) -> list[int]:
        """The bytes that are taken in each step; by a vector made of parts, from its first part on."""
        changes, begun = [0] * (len(self.steps) + 2), dict[str, int]()
        for array in self.arrays:
            part_of = array.note.removeprefix("part of ")
            if part_of != array.note:
                begun.setdefault(part_of, array.made)
            else:
                changes[begun.get(array.name, array.made)] += array.size
                changes[array.end] -= array.size
        return list(accumulate(changes))[: len(self.steps)]

    def profile(self, most: int = 40) -> str:
        """The bytes in use as bars, a line for each step; of more than `most` steps, one for the largest of several."""
        in_use, each = self.in_use, -(-len(self.steps) // most) or 1
        rows = [max(range(i, min(i + each, len(in_use))), key=in_use.__getitem__) for i in range(0, len(in_use), each)]
        bars = ["#" * round(40 * in_use[i] / max(self.size, 1)) for i in rows]
        lines = [f"{i:>5} {self.steps[i][:14]:<14} {in_use[i]:>13,} {b}" for i, b in zip(rows, bars, strict=True)]
        return "\n".join(map(str.rstrip, lines))

    def __str__(self) -> str:
        moments = dict(enumerate([*(f"{i} {step}" for i, step in enumerate(self.steps)), "the caller's"]))
        rows = [
            (a.name, str(a.shape), f"{a.start:,} to {a.start + a.size:,}", moments[a.made], moments[a.read], a.note)
            for a in self.arrays
        ]
        needed = f"{self.size:,} bytes; {self.least:,} are in use at once"
        return "\n".join([*columns([HEADINGS, *rows]), f"{needed}; {self.separate:,} with a place for each array"])


def memory_of(planned: Planned) -> Memory:
    """The memory that was planned for a program."""
    plan, order = planned.lowered.plan, [node for unit in planned.lowered.units for node in unit.nodes]
    runs = [int(plan.places[node].kind != "view") for node in order]  # a view costs no step
    number = [0, *accumulate(runs)]  # of steps before each operation
    steps = (" ".join(map(str, operations(node.op))) for node, run in zip(order, runs, strict=True) if run)
    arrays = (_array(node, plan, number, planned) for node in order if node in plan.offsets)
    return Memory(tuple(arrays), tuple(steps), plan.size, plan.least, plan.separate)


def _array(node: Node, plan: MemoryPlan, number: Sequence[int], planned: Planned) -> Array:
    names, shape = planned.variables, plan.shapes[node]
    made, read = (number[i] for i in plan.lives[node])
    note = f"over {names[plan.replaced[node]]}" if node in plan.replaced else ""
    if node in plan.parts:
        note = f"part of {names[plan.parts[node][0]]}"
    handed_over = node in plan.parts or node in plan.replaced.values()
    size = prod(shape) * node.dtype.itemsize
    return Array(names[node], shape, made, read, read + (not handed_over), plan.offsets[node], size, note)
