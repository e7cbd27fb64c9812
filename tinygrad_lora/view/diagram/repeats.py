"""Repeated blocks of a network: the first is shown, and one frame holds the others, so that they can be one box."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from .data import Box, Diagram
from .layers import LayerFrame, mapped


def with_repeats(diagram: Diagram, open: Collection[str]) -> tuple[Diagram, list[LayerFrame]]:
    """The picture in which frames of equal layers that follow each other are one frame, but for the first; and those.

    Layers are equal if they are of one class and do the same with arrays of the same shapes; their names count upward,
    as `encoder.layer.0` and `encoder.layer.1`, or one layer is called again. Names and classes in `open` are left out.
    """
    boxes = {box.id: box for box in diagram.boxes}
    folded: list[LayerFrame] = []

    def fold(frames: Sequence[LayerFrame]) -> tuple[LayerFrame, ...]:
        result: list[LayerFrame] = []
        for first, *others in _runs(frames, boxes):
            names = {_counted(first)[0], first.title.rpartition(": ")[2]}
            if not others or not names.isdisjoint(open):
                result += [replace(frame, clusters=fold(frame.clusters)) for frame in (first, *others)]
                continue
            result.append(_first(first, len(others) + 1, fold(first.clusters)))
            folded.append(_rest(others))
            result.append(folded[-1])
        return tuple(result)

    return replace(diagram, clusters=fold(diagram.clusters)), folded


def _runs(frames: Sequence[LayerFrame], boxes: Mapping[str, Box]) -> list[list[LayerFrame]]:
    """The frames in order, those in one list that are equal and count upward."""
    runs: list[list[LayerFrame]] = []
    for frame in frames:
        if runs and _follows(frame, runs[-1][-1]) and _kind(frame, boxes) == _kind(runs[-1][0], boxes):
            runs[-1].append(frame)
        else:
            runs.append([frame])
    return runs


def _follows(frame: LayerFrame, before: LayerFrame) -> bool:
    """Whether the name of a layer is the next one, or the same."""
    (base, number), (first, last) = _counted(frame), _counted(before)
    return not frame.function and base == first and (number == last + 1 or frame.name == before.name)


def _counted(frame: LayerFrame) -> tuple[str, int]:
    """`encoder.layer` and 3 of `encoder.layer.3`; -1 for a name that ends in no number."""
    base, _, number = frame.name.rpartition(".")
    return (base, int(number)) if number.isdecimal() else (frame.name, -1)


def _kind(frame: LayerFrame, boxes: Mapping[str, Box]) -> Any:
    """What two equal layers have in common: their class, and all operations with their parameters and shapes."""
    inside = [boxes[name] for name in frame.boxes]
    operations = [(b.operation, b.parameters, b.shape, b.dtype) for b in inside if b.role == "operation"]
    return frame.title.rpartition(": ")[2].partition(" (")[0], operations, [_kind(p, boxes) for p in frame.clusters]


def _first(frame: LayerFrame, many: int, clusters: tuple[LayerFrame, ...]) -> LayerFrame:
    """The first of many, whose frame says how many there are."""
    base, number = _counted(frame)
    title = f"{f'{base} ' if base else ''}\N{MULTIPLICATION SIGN} {many}: {frame.title.rpartition(': ')[2]}"
    lines = ", ".join([f"the first {'is' if number >= 0 else 'call is'} shown", *frame.lines])
    return replace(frame, title=title, lines=(lines,), clusters=_briefly(clusters, f"{frame.name}."))


def _briefly(frames: Sequence[LayerFrame], within: str) -> tuple[LayerFrame, ...]:
    """The parts of a block, named as in the block, without their counts."""
    return mapped(frames, lambda frame: replace(frame, title=frame.title.removeprefix(within), lines=()))


def _rest(frames: Sequence[LayerFrame]) -> LayerFrame:
    """One frame around the others."""
    first, last = frames[0], frames[-1]
    kind = first.title.rpartition(": ")[2].partition(" (")[0]
    names = first.name if first.name == last.name else f"{first.name} to {_counted(last)[1]}"
    return LayerFrame(f"r{first.id}", names, f"{names}: {len(frames)} more {kind}", (), (), tuple(frames))
