"""A smaller picture of a large graph: functions and layers become single boxes, or its end stands for the whole."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from typing import Any, NamedTuple, TypeAlias

from .data import Arrow, Box, Diagram
from .layers import LayerFrame, every
from .repeats import with_repeats

MOST_BOXES = 200  # in a picture: nobody can follow more
LARGE = 60  # from here on repeated blocks are folded
FITTING = 40  # boxes of a picture with folded blocks, so that it fits two screens

Open: TypeAlias = "bool | str | Iterable[str]"  # what is drawn open: all, or what has one of these names


class Collapsed(NamedTuple):
    """A smaller picture. `box_of` maps each box of the large one to the box that shows it now, if any does, by id."""

    diagram: Diagram
    box_of: Mapping[str, str]
    layers: Mapping[str, str]  # the ids of boxes that stand for a layer or a function, with its title or label
    note: str  # a sentence that says what is left out; "" if nothing is


def collapsed(diagram: Diagram, open: Open = ()) -> Collapsed:
    """The picture with at most MOST_BOXES boxes: functions, and where needed layers, are drawn as one box each.

    Layers are closed from the inside out. Where that is not enough, the end of the graph is shown.
    """
    few = smaller(diagram, open)
    if len(few.diagram.boxes) <= MOST_BOXES:
        return few
    last = {box.id: box.id for box in diagram.boxes[-MOST_BOXES:]}  # these include all users of each of them
    note = f"The graph has {len(diagram.boxes):,} nodes; the last {MOST_BOXES} are shown, up to the output."
    return Collapsed(diagram.part(last, diagram.title), last, {}, note)


def smaller(diagram: Diagram, open: Open = (), depth: int | None = None) -> Collapsed:
    """The picture with functions, and where it is still too large some layers, drawn as one box each.

    With a `depth`, the layers so many levels inside the model are closed. Without one, a picture of more than LARGE
    boxes has repeated blocks in one box, but for the first, and is then made as small.
    """
    few = with_functions_closed(diagram, open)
    if depth is not None:
        few = _smaller_still(few, _to_depth(few.diagram, depth))
    elif len(few.diagram.boxes) > LARGE and open is not True and (folded := _folded(few.diagram, _names(open))):
        few = _smaller_still(few, folded)
        few = _smaller_still(few, fewer) if (fewer := _fitting(few.diagram)) else few
    if len(few.diagram.boxes) > MOST_BOXES and (fewer := by_layer(few.diagram)):
        few = _smaller_still(few, fewer)
    return few


def _smaller_still(few: Collapsed, fewer: Collapsed) -> Collapsed:
    """What two steps make of a picture."""
    box_of = {box: fewer.box_of[shown] for box, shown in few.box_of.items()}
    note = f"The graph has {len(box_of):,} nodes: some of its layers are shown as one box each." if fewer.layers else ""
    return Collapsed(fewer.diagram, box_of, {**few.layers, **fewer.layers}, note or few.note)


def _to_depth(diagram: Diagram, depth: int) -> Collapsed:
    """The picture in which the layers so many levels inside the model are closed."""
    if depth < 0:
        raise ValueError(f"depth is how many levels of layers are open, 0 or more, not {depth}")
    levels = {frame.id: int(bool(frame.name)) for frame in diagram.clusters}
    for frame in every(diagram.clusters):
        levels |= dict.fromkeys([part.id for part in frame.clusters], levels[frame.id] + 1)
    closed = _outermost(diagram.clusters, lambda frame: not frame.function and levels[frame.id] >= depth)
    return _with_frames_closed(diagram, closed)


def _fitting(diagram: Diagram) -> Collapsed | None:
    """The picture without the innermost layers, or as many levels of them as it takes for FITTING boxes."""
    levels: dict[str, int] = {}  # of layers inside each frame
    for frame in reversed([*every(diagram.clusters)]):
        levels[frame.id] = 1 + max((levels[part.id] for part in frame.clusters if not part.function), default=-1)

    def closed(level: int) -> Collapsed:
        frames = _outermost(diagram.clusters, lambda frame: not frame.function and levels[frame.id] <= level)
        return _with_frames_closed(diagram, frames)

    pictures = map(closed, range(max(levels.values())))
    return next((p for p in pictures if len(p.diagram.boxes) <= FITTING and _in_one_direction(p.diagram)), None)


def _folded(diagram: Diagram, open: set[str]) -> Collapsed | None:
    """The picture with repeated blocks in one box, but for the first; None if it has none."""
    shown, folded = with_repeats(diagram, open)
    few = _with_frames_closed(shown, folded)
    return few if folded and _in_one_direction(few.diagram) else None


def _names(open: Open) -> set[str]:
    return {open} if isinstance(open, str) else set() if isinstance(open, bool) else {*open}


def with_functions_closed(diagram: Diagram, open: Open = ()) -> Collapsed:
    """The picture with each call of a library function as one box, but for those to be drawn open.

    What is around an open function is open as well, and so is a function that is all there is to see.
    """
    names = _names(open)
    operations = {box.id for box in diagram.boxes if box.operands}

    def opened(frame: LayerFrame) -> bool:
        inside = [part.function for part in every([frame])]
        return open is True or not names.isdisjoint(inside) or operations <= {*_inside(frame)}

    closed = _outermost(diagram.clusters, lambda frame: bool(frame.function) and not opened(frame))
    few = _with_frames_closed(diagram, closed)
    if not _in_one_direction(few.diagram):  # of a function that others look into, an argument may depend on it
        few = _with_frames_closed(diagram, [frame for frame in closed if not _is_used_inside(diagram, frame)])
    return few


def with_layers_closed(diagram: Diagram, name: str) -> Diagram:
    """The picture with each layer as one box that its model knows by this name: `base` closes `0.base`."""
    last = f".{name}"
    return _with_frames_closed(diagram, _outermost(diagram.clusters, lambda f: f".{f.name}".endswith(last))).diagram


def for_listing(diagram: Diagram, open: Open = (), depth: int | None = None) -> Diagram:
    """The picture as lines of text show it: functions closed, and with a `depth` layers; nothing for want of room."""
    return (with_functions_closed(diagram, open) if depth is None else smaller(diagram, open, depth)).diagram


def _outermost(frames: Sequence[LayerFrame], condition: Callable[[LayerFrame], bool]) -> list[LayerFrame]:
    """The frames for which this holds, without those inside them."""
    found, waiting = [], deque(frames)
    while waiting:
        frame = waiting.popleft()
        if condition(frame):
            found.append(frame)
        else:
            waiting += frame.clusters
    return found


def _is_used_inside(diagram: Diagram, frame: LayerFrame) -> bool:
    """Whether a box outside this frame uses one inside it that is not the result."""
    inside = {*_inside(frame)}
    return any(a.start in inside and a.start != frame.closed and a.end not in inside for a in diagram.arrows)


def by_layer(diagram: Diagram) -> Collapsed | None:
    """The picture with some layers drawn as one box each; None if it is still too large."""
    few = _with_frames_closed(diagram, _closed(diagram))
    return few if few.layers and len(few.diagram.boxes) <= MOST_BOXES and _in_one_direction(few.diagram) else None


def _closed(diagram: Diagram) -> list[LayerFrame]:
    """The layers to draw as one box each: level by level, a layer is opened if there is room for its contents."""
    framed = sum(len(_inside(cluster)) for cluster in diagram.clusters)
    count = len(diagram.boxes) - framed + len(diagram.clusters)

    def without_room(frame: LayerFrame) -> bool:
        nonlocal count
        opened = count - 1 + len(frame.boxes) + len(frame.clusters)
        count = opened if opened <= MOST_BOXES else count
        return opened > MOST_BOXES

    return _outermost(diagram.clusters, without_room)


def _inside(frame: LayerFrame) -> list[str]:
    """The ids of all boxes in a frame and in the frames inside it."""
    return [box for part in every([frame]) for box in part.boxes]


def _in_one_direction(diagram: Diagram) -> bool:
    """Whether the arrows form no cycle. After a pass has moved work between layers, two may depend on each other."""
    try:
        TopologicalSorter(diagram.operands).prepare()
    except CycleError:
        return False
    return True


def _with_frames_closed(diagram: Diagram, closed: list[LayerFrame]) -> Collapsed:
    """The picture with each of these layers and functions drawn as one box instead of its contents."""
    box_of = {box.id: box.id for box in diagram.boxes}
    labels = {box.id: box.label for box in diagram.boxes}
    sizes = {box.id: box.inside or 1 for box in diagram.boxes if box.role == "operation"}
    last: dict[str, Box] = {}
    for frame in closed:
        box_of |= dict.fromkeys(_inside(frame), frame.closed)
    for box in diagram.boxes:  # in order, so the last box of a layer is its output
        last.pop(name := box_of[box.id], None)
        last[name] = box
    frames = {frame.closed: frame for frame in closed}
    boxes = [_closed_box(box, frames[name], labels, sizes) if name in frames else box for name, box in last.items()]
    arrows: dict[Any, Arrow] = {}
    for i, arrow in enumerate(diagram.arrows):
        start, end = box_of[arrow.start], box_of[arrow.end]
        if start != end:
            label = dict(frames[end].operands).get(arrow.start, "") if end in frames else arrow.label
            key = (start, end, label) if start in frames or end in frames else i
            gradient = arrow.gradient or (key in arrows and arrows[key].gradient)
            arrows[key] = replace(arrow, start=start, end=end, label=label, gradient=gradient)
    shown = {box.id: box.label for box in boxes}
    now = {label: shown[box_of[name]] for name, label in labels.items()}  # what shows a box that has this label
    operands: dict[str, dict[str, None]] = defaultdict(dict)
    for arrow in arrows.values():
        operands[arrow.end][shown[arrow.start]] = None
    layers = {frame.closed for frame in closed if not frame.function}
    for i, box in enumerate(boxes):
        sources = operands[box.id] if box.id in layers else (now.get(label, label) for label in box.operands)
        boxes[i] = replace(box, operands=tuple(sources))
    titles = {frame.closed: labels[frame.closed] if frame.function else frame.title for frame in closed}
    left = _opened(diagram.clusters, {frame.id for frame in closed})
    return Collapsed(Diagram(diagram.title, tuple(boxes), tuple(arrows.values()), left), box_of, titles, "")


def _opened(clusters: Sequence[LayerFrame], closed: set[str]) -> tuple[LayerFrame, ...]:
    """The frames that remain when these layers are drawn as boxes."""
    frames: list[LayerFrame] = []
    for frame in [frame for frame in clusters if frame.id not in closed]:
        boxes = (*frame.boxes, *(part.closed for part in frame.clusters if part.id in closed))
        frames.append(replace(frame, boxes=boxes, clusters=_opened(frame.clusters, closed)))
    return tuple(frames)


def _closed_box(output: Box, frame: LayerFrame, labels: Mapping[str, str], sizes: Mapping[str, int]) -> Box:
    """The box of a closed function or layer, with the shape of its output. The whole model has its output's name."""
    inside = sum(sizes.get(name, 0) for name in _inside(frame))
    box = replace(output, id=frame.closed, formula="", role="operation", inside=inside, operands=(), parameters=())
    if frame.function:
        operands = tuple(labels[name] for name, _ in frame.operands)
        return replace(box, operation=frame.function, operands=operands, parameters=frame.parameters)
    return replace(box, label=frame.name or output.label, operation=frame.title.rpartition(": ")[2])
