"""Frames inside frames: each is laid out for itself, from the inside out, and is one block for what is around it.

A line that crosses a border does so through a gate. All lines from one block share the gate, so that inside the frame
they are one line for as long as they can be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from .level import Level, Segment, level
from .ranks import neighbors, topological
from .rows import LayoutEdge

GATE_WIDTH = 2.0


class LayoutBlock(NamedTuple):
    """A box to be placed."""

    id: str
    width: float
    height: float


class LayoutLine(NamedTuple):
    """From the lower edge of one block down to the upper edge of another, where it takes `room` of its width."""

    start: str
    end: str
    room: float


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
    """Left, top, width and height of every block and frame, and for each line its straight parts from the top down."""

    width: float
    height: float
    blocks: Mapping[str, tuple[float, float, float, float]]
    frames: Mapping[str, tuple[float, float, float, float]]
    lines: Sequence[Sequence[Segment]]


WHOLE = Frame("", (), ())
NOTHING = Level(0.0, 0.0, [], [], [])


class Gate(NamedTuple):
    """Where all lines from one block pass a border, inward or outward."""

    source: str
    inward: bool


class Passage(NamedTuple):
    """A part of a line, inside one frame. Lines from one block to one gate or frame have it together."""

    start: str | Gate
    end: str | Gate
    source: str
    line: int | None  # where it is this line's alone
    room: float


@dataclass(slots=True)
class _Inside:
    """What a frame holds, by number: blocks and frames first, then the gates."""

    frame: Frame
    numbers: dict[str | Gate, int] = field(default_factory=dict)
    edges: dict[Passage, int] = field(default_factory=dict)
    made: Level = NOTHING
    width: float = 0.0
    height: float = 0.0
    x: float = 0.0  # of the contents, from the frame's left
    y: float = 0.0

    def gate(self, block: str, inward: bool) -> float:
        """Where the gate of the lines from this block is, from the middle of the frame."""
        return self.x + self.made.middles[self.numbers[Gate(block, inward)]] - self.width / 2


def arrange(blocks: Sequence[LayoutBlock], lines: Sequence[LayoutLine], frames: Sequence[Frame] = ()) -> Placed:
    """Place blocks so that lines lead downward and cross seldom, nothing overlaps, and frames hold what is theirs.

    A frame that a line leaves and enters again by way of a block outside is left away: it cannot be one block for the
    others. Raises ValueError where lines form a cycle.
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


def _containers(
    sizes: Mapping[str, LayoutBlock], lines: Sequence[LayoutLine], frames: Sequence[Frame]
) -> tuple[dict[str, str], dict[str, Frame]]:
    """For each block and frame the frame around it, "" for none; and the frames, "" for the whole picture."""
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


def _tangled(lines: Sequence[LayoutLine], within: Mapping[str, str], every: Mapping[str, Frame]) -> list[str]:
    """Frames on a cycle: some line leaves them and comes back by way of something outside."""
    members = {name: i for i, name in enumerate(within)}
    edges = [(members[start], members[end]) for start, end in (_meeting(line, within) for line in lines)]
    above, below = neighbors(len(members), edges)
    settled = {*topological(above, below), *topological(below, above)}
    return [name for name, i in members.items() if i not in settled and name in every]


def _meeting(line: LayoutLine, within: Mapping[str, str]) -> tuple[str, str]:
    """What holds each end, in the innermost frame that holds both."""
    start, starts = line.start, {within[line.start]: line.start}
    while outer := within[start]:
        start = outer
        starts[within[start]] = start
    end = line.end
    while within[end] not in starts:
        end = within[end]
    return starts[within[end]], end


def _route(
    i: int, line: LayoutLine, within: Mapping[str, str], insides: Mapping[str, _Inside]
) -> list[tuple[str, int]]:
    """Enter the parts of a line into the frames that it passes; the result numbers them from the top down."""
    start, end = _meeting(line, within)
    parts: list[tuple[str, str | Gate, str | Gate]] = [(within[start], start, end)]
    at = end
    for inner in _between(line.end, end, within):
        parts.append((at, Gate(line.start, True), inner))
        at = inner
    at = start
    for inner in _between(line.start, start, within):
        parts.insert(0, (at, inner, Gate(line.start, False)))
        at = inner
    route = []
    for name, a, b in parts:
        inside = insides[name]
        for gate in (a, b):
            inside.numbers.setdefault(gate, len(inside.numbers))
        last = b == line.end
        passage = Passage(a, b, line.start, i if last else None, line.room if last else 0.0)
        route.append((name, inside.edges.setdefault(passage, len(inside.edges))))
    return route


def _between(inner: str, outer: str, within: Mapping[str, str]) -> list[str]:
    """What holds `inner` inside `outer`, from the outside in, and `inner` itself; nothing where they are the same."""
    found = []
    while inner != outer:
        found.append(inner)
        inner = within[inner]
    return found[::-1]


def _lay_out(inside: _Inside, sizes: Mapping[str, LayoutBlock], insides: Mapping[str, _Inside]) -> None:
    """Place what the frame holds, and find out how large that makes the frame."""
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
    for start, end, source, _, room in inside.edges:
        leave = 0.0 if isinstance(start, Gate) or start in sizes else insides[start].gate(source, False)
        enter = 0.0 if isinstance(end, Gate) else None if end in sizes else insides[end].gate(source, True)
        edges.append(LayoutEdge(inside.numbers[start], inside.numbers[end], source, leave, enter, room))
    made = inside.made = level(widths, heights, edges, gates[True], gates[False])
    inside.y = 0.0 if gates[True] else frame.above
    inside.width = max(frame.left + made.width + frame.right, frame.width)
    inside.height = max(inside.y + made.height + (0.0 if gates[False] else frame.below), frame.height)
    inside.x = frame.left + (inside.width - frame.left - made.width - frame.right) / 2


def _placed(
    sizes: Mapping[str, LayoutBlock], within: Mapping[str, str], insides: Mapping[str, _Inside],
    routes: Sequence[Sequence[tuple[str, int]]],
) -> Placed:  # fmt: skip
    """From places in frames to places in the picture, from the outside in."""
    corner = {"": (0.0, 0.0)}  # where the contents of each frame begin
    found: dict[str, tuple[float, float, float, float]] = {}
    for name in [*(name for name in insides if name), *sizes]:
        holder, part = insides[within[name]], sizes.get(name) or insides[name]
        x, y = corner[within[name]]
        i = holder.numbers[name]
        left, top = x + holder.made.middles[i] - part.width / 2, y + holder.made.tops[i]
        found[name] = left, top, part.width, part.height
        if isinstance(part, _Inside):
            corner[name] = left + part.x, top + part.y
    lines = []
    for route in routes:
        segments = []
        for name, number in route:
            segments += [segment.moved(*corner[name]) for segment in insides[name].made.lines[number]]
        lines.append(segments)
    whole = insides[""]
    blocks, frames = (
        {name: place for name, place in found.items() if (name in sizes) == kind} for kind in (True, False)
    )
    return Placed(whole.width, whole.height, blocks, frames, lines)
