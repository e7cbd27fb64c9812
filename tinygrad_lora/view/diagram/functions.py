"""Calls of library functions in a picture: softmax, gelu and so on, each a frame that is drawn as one box when closed.

A result remembers the call that gave it (`library.remembered`). What the function made is found from the result back
to the arguments of the call, so no pattern is searched.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from inspect import signature
from typing import Any

from ...core.node import CONSTANT, ComputationNode
from ..words.sentences import parameter_text
from .layers import Frames, Ids, LayerFrame, every

Nodes = Sequence[ComputationNode]


def with_functions(clusters: Sequence[LayerFrame], nodes: Nodes, ids: Ids) -> Frames:
    """The frames of layers, and in them, or beside them, a frame for each call of a library function."""
    place = {box: frame.id for frame in every(clusters) for box in frame.boxes}  # the innermost frame of each box
    users: dict[ComputationNode, list[ComputationNode]] = defaultdict(list)
    for node in nodes:
        for parent in node.parents:
            users[parent].append(node)
    names = {frame.id: frame.name for frame in every(clusters)}
    inside: dict[str, list[LayerFrame]] = defaultdict(list)
    for node in reversed(nodes):  # an outer function gives its result after those inside it
        if made_by(node) != str(node.op):
            home = place.get(ids[node], "")
            boxes = [ids[n] for n in _made(node, users) if n.parents or place.get(ids[n], "") == home]
            if len(boxes) > 1 and all(place.get(box, "") == home for box in boxes):
                frame = _frame(node, names.get(home, ""), boxes, ids)
                place |= dict.fromkeys(boxes, frame.id)
                names[frame.id] = frame.name
                inside[home].append(frame)
    return _nested(clusters, inside, place, "")


def made_by(node: ComputationNode) -> str:
    """The library function whose result this is, or the operation."""
    name = node.call[0].__name__ if node.call else "gradients"
    return str(node.op) if name.startswith("_") or name == "gradients" else str(name)


def _made(result: ComputationNode, users: Mapping[ComputationNode, Nodes]) -> list[ComputationNode]:
    """The nodes between the arguments of a call and its result, with constants of their own.

    No nodes where the way back passes the arguments, as after a pass that has changed what is inside.
    """
    arguments = {*_nodes_in(result.call)}
    made = {result: None}
    stack = [result]
    while stack:
        for parent in stack.pop().parents:
            if parent in made or parent in arguments:
                continue
            if not parent.parents and parent.op is not CONSTANT:
                return []
            made[parent] = None
            stack.append(parent)
    return [node for node in made if node.parents or made.keys() >= {*users[node]}]


def _frame(result: ComputationNode, layer: str, boxes: list[str], ids: Ids) -> LayerFrame:
    """The frame of a call. Its arguments that are nodes become operands, the others parameters."""
    function, args, named = result.call
    arguments = signature(function).bind(*args, **named).arguments
    operands = tuple((ids[n], key) for key, x in arguments.items() for n in _nodes_in(x) if n in ids)
    settings = {k: x for k, x in arguments.items() if isinstance(x, int | float | tuple) and not [*_nodes_in(x)]}
    parameters = tuple((key, parameter_text(x)) for key, x in settings.items())
    ordered = operands if len(operands) > 1 else tuple((name, "") for name, _ in operands)
    name = function.__name__
    return LayerFrame(f"f{ids[result]}", layer, name, (), tuple(boxes), (), name, ordered, parameters)


def _nodes_in(value: Any) -> Iterator[ComputationNode]:
    """The nodes among the arguments of a call, also those in tuples and dictionaries."""
    if isinstance(value, ComputationNode):
        yield value
    elif isinstance(value, tuple | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _nodes_in(part)


def _nested(
    clusters: Iterable[LayerFrame], inside: Mapping[str, list[LayerFrame]], place: Mapping[str, str], home: str
) -> Frames:
    """The frames with those that stand inside them, each box in its innermost frame only."""
    frames: list[LayerFrame] = []
    for frame in [*clusters, *reversed(inside.get(home, ()))]:
        boxes = tuple(box for box in frame.boxes if place[box] == frame.id)
        frames.append(replace(frame, boxes=boxes, clusters=_nested(frame.clusters, inside, place, frame.id)))
    return tuple(frames)
