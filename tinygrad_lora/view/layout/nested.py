"""Lays out frames inside frames: each by itself, from the inside out; to its surroundings it is one block.

A line crosses the border of a frame through a gate. All lines from one block share a gate, so that inside the frame
they are one line for as long as possible.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from .level import NOTHING, Level, Segment, level
from .ranks import neighbors, topological
from .rows import LayoutEdge

GATE_WIDTH = 2.0


class LayoutBlock(NamedTuple):
    """A box to be placed, with its size."""

    id: str
    width: float
    height: float


class LayoutLine(NamedTuple):
    """A line from the lower edge of one block down to the upper edge of another, with room at its end."""

    start: str
    end: str
    left: float
    right: float


class Frame(NamedTuple):
    """A border around blocks and other frames, at least `width` wide and `height` high, with room inside it."""

    id: str
    blocks: Sequence[str]
    frames: Sequence[Frame]
    width: float = 0.0
    height: float = 0.0
    above: float = 0.0
    below: float = 0.0
    left: float = 0.0
    right: float = 0.0


class Placed(NamedTuple):
    """The result: left, top, width and height of each block and frame, and the segments of each line, from the top."""

    width: float
    height: float
    blocks: Mapping[str, tuple[float, float, float, float]]
    frames: Mapping[str, tuple[float, float, float, float]]
    lines: Sequence[Sequence[Segment]]


WHOLE = Frame("", (), ())
Sizes = Mapping[str, LayoutBlock]
Frames = dict[str, Frame]  # by name; "" is the whole picture
Holders = dict[str, str]  # for each block and frame the name of the frame around it
Route = list[tuple[str, int]]  # the frames that a line passes, from the top, and the number of its part in each


class Gate(NamedTuple):
    """The point at which all lines from one block cross a border, inward or outward."""

    source: str
    inward: bool


class Passage(NamedTuple):
    """The part of a line inside one frame. Lines from one block to the same gate or frame share it."""

    start: str | Gate
    end: str | Gate
    source: str
    line: int | None  # the number of the line, if it does not share this part
    left: float = 0.0
    right: float = 0.0


@dataclass(slots=True)
class _Inside:
    """The contents of a frame by number, blocks and frames first, then the gates; and its size."""

    frame: Frame
    numbers: dict[str | Gate, int] = field(default_factory=dict)
    edges: dict[Passage, int] = field(default_factory=dict)
    contents: Level = NOTHING
    width: float = 0.0
    height: float = 0.0
    x: float = 0.0  # of the contents, from the frame's left
    y: float = 0.0

    def gate(self, block: str, inward: bool) -> float:
        """The distance of the gate for lines from this block to the middle of the frame."""
        return self.x + self.contents.middles[self.numbers[Gate(block, inward)]] - self.width / 2


def arrange(blocks: Sequence[LayoutBlock], lines: Sequence[LayoutLine], frames: Sequence[Frame] = ()) -> Placed:
    """Place blocks so that lines lead down and rarely cross, nothing overlaps, and frames hold their contents.

    A frame that is left and entered again, by way of a block outside, is omitted: it cannot be one block to the others.
    Raises ValueError if lines form a cycle.
    """
    sizes = {block.id: block for block in blocks}
    within, every = _containers(sizes, lines, frames)
    insides = {name: _Inside(frame) for name, frame in every.items()}
    for name in [*sizes, *(name for name in every if name)]:
        insides[within[name]].numbers[name] = len(insides[within[name]].numbers)
    routes = [_route(i, line, within, insides) for i, line in enumerate(lines)]
    for inside in reversed(insides.values()):  # parts come after what holds them
        _lay_out(inside, sizes, insides)
    return _placed(sizes, within, insides, routes)


def _containers(sizes: Sizes, lines: Sequence[LayoutLine], frames: Sequence[Frame]) -> tuple[Holders, Frames]:
    """The name of the frame around each block and frame; and all frames by name. "" is the whole picture."""
    every, within = {"": WHOLE}, dict.fromkeys(sizes, "")
    waiting = [(frame, "") for frame in reversed(frames)]
    while waiting:
        frame, outer = waiting.pop()
        every[frame.id], within[frame.id] = frame, outer
        within |= dict.fromkeys(frame.blocks, frame.id)
        waiting += [(part, frame.id) for part in reversed(frame.frames)]
    while tangled := _tangled(lines, within, every):
        for name in tangled:
            outer = within.pop(name)
            del every[name]
            within = {inner: outer if holder == name else holder for inner, holder in within.items()}
    return within, every


def _tangled(lines: Sequence[LayoutLine], within: Holders, every: Frames) -> list[str]:
    """The frames on a cycle: a line leaves them, and another comes back from a block outside."""
    members = {name: i for i, name in enumerate(within)}
    edges = [(members[start[-1]], members[end[-1]]) for start, end in (_ends(line, within) for line in lines)]
    above, below = neighbors(len(members), edges)
    settled = {*topological(above, below), *topological(below, above)}
    return [name for name, i in members.items() if i not in settled and name in every]


def _ends(line: LayoutLine, within: Holders) -> tuple[list[str], list[str]]:
    """Both ends of a line, each followed by the frames around it, up to the innermost frame that holds both."""
    start, end = _outward(line.start, within), _outward(line.end, within)
    while min(len(start), len(end)) > 1 and start[-1] == end[-1]:
        start.pop()
        end.pop()
    return start, end


def _outward(item: str, within: Holders) -> list[str]:
    """The item, and the frames around it from the inside out."""
    items = [item]
    while outer := within[items[-1]]:
        items.append(outer)
    return items


def _route(i: int, line: LayoutLine, within: Holders, insides: Mapping[str, _Inside]) -> Route:
    """Add the parts of a line to the frames that it passes; returns frames and numbers of the parts, from the top."""
    starts, ends = _ends(line, within)
    parts: list[tuple[str, str | Gate, str | Gate]] = [(within[starts[-1]], starts[-1], ends[-1])]
    parts[:0] = [(within[inner], inner, Gate(line.start, False)) for inner in starts[:-1]]
    parts += [(within[inner], Gate(line.start, True), inner) for inner in reversed(ends[:-1])]
    route = []
    for name, a, b in parts:
        inside = insides[name]
        for gate in (a, b):
            inside.numbers.setdefault(gate, len(inside.numbers))
        last = b == line.end
        passage = Passage(a, b, line.start, i, line.left, line.right) if last else Passage(a, b, line.start, None)
        route.append((name, inside.edges.setdefault(passage, len(inside.edges))))
    return route


def _lay_out(inside: _Inside, sizes: Sizes, insides: Mapping[str, _Inside]) -> None:
    """Lay out the contents of a frame, and set its size."""
    frame, widths, heights = inside.frame, list[float](), list[float]()
    gates: dict[bool, set[int]] = {True: set(), False: set()}
    for name, i in inside.numbers.items():
        if isinstance(name, Gate):
            gates[name.inward].add(i)
            widths.append(GATE_WIDTH)
            heights.append(frame.above if name.inward else frame.below)
        else:
            block = sizes.get(name) or insides[name]
            widths.append(block.width)
            heights.append(block.height)
    edges = []
    for start, end, source, _, left, right in inside.edges:
        leave = 0.0 if isinstance(start, Gate) or start in sizes else insides[start].gate(source, False)
        enter = 0.0 if isinstance(end, Gate) else None if end in sizes else insides[end].gate(source, True)
        edges.append(LayoutEdge(inside.numbers[start], inside.numbers[end], source, leave, enter, left, right))
    contents = inside.contents = level(widths, heights, edges, gates[True], gates[False])
    inside.y = 0.0 if gates[True] else frame.above
    inside.width = max(frame.left + contents.width + frame.right, frame.width)
    inside.height = max(inside.y + contents.height + (0.0 if gates[False] else frame.below), frame.height)
    inside.x = frame.left + (inside.width - frame.left - contents.width - frame.right) / 2
    _make_room(inside, sorted(inside.x + contents.middles[i] for i in gates[frame.above >= frame.below]))


def _make_room(inside: _Inside, xs: Sequence[float]) -> None:
    """Widen a frame on one side if lines at these places leave no room for its text, which is `frame.width` wide."""
    needed = inside.frame.width
    if any(b - a >= needed for a, b in pairwise([0.0, *xs, inside.width])):
        return
    left, right = needed - xs[0], needed - (inside.width - xs[-1])
    inside.x += left if left < right else 0.0
    inside.width += min(left, right)


def _placed(sizes: Sizes, within: Holders, insides: Mapping[str, _Inside], routes: Sequence[Route]) -> Placed:
    """The places in the whole picture, computed from those in the frames."""
    corner = {"": (0.0, 0.0)}  # where the contents of each frame begin
    places: dict[str, tuple[float, float, float, float]] = {}
    for name in [*(name for name in insides if name), *sizes]:
        holder, part = insides[within[name]], sizes.get(name) or insides[name]
        x, y = corner[within[name]]
        i = holder.numbers[name]
        left, top = x + holder.contents.middles[i] - part.width / 2, y + holder.contents.tops[i]
        places[name] = left, top, part.width, part.height
        if isinstance(part, _Inside):
            corner[name] = left + part.x, top + part.y
    lines = [
        [segment.moved(*corner[name]) for name, number in route for segment in insides[name].contents.lines[number]]
        for route in routes
    ]
    whole = insides[""]
    blocks = {name: places[name] for name in sizes}
    frames = {name: place for name, place in places.items() if name not in sizes}
    return Placed(whole.width, whole.height, blocks, frames, lines)
