r"""Views as arithmetic on indices: element $(i, j)$ of a view is an element of the array beneath it.

A transpose, a slice or a repeated axis needs no code of its own in a loop: the loop reads the array beneath it at
another index. Along each axis of that array the index is $\text{start} + \text{step} \cdot i$ for one index $i$ of the
view, or a fixed number.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ....core import ComputationNode as Node, Shape, ops
from ....recomputation import later


class Axis(NamedTuple):
    """The index along one axis: `start + step * i`, where i counts along axis `along` of the view (None: no axis)."""

    along: int | None
    start: int = 0
    step: int = 1


FIXED = Axis(None)


class View(NamedTuple):
    """The array beneath a node, and where in it the node's elements are."""

    base: Node
    axes: tuple[Axis, ...]


def views(nodes: Iterable[Node]) -> dict[Node, View]:
    """The view that each node is. One that is computed is a view of itself. Parents come first."""
    views_by_node: dict[Node, View] = {}
    for node in nodes:
        places = _places(node)
        if places is None:
            views_by_node[node] = View(node, whole(node.shape))
        else:
            beneath = views_by_node[node.parents[0]]
            views_by_node[node] = View(beneath.base, tuple(_through(axis, places) for axis in beneath.axes))
    return views_by_node


def whole(shape: Shape) -> tuple[Axis, ...]:
    """Every element at its own index. Along an axis of length 1 that is always 0."""
    return tuple(FIXED if n == 1 else Axis(k) for k, n in enumerate(shape))


def places_of(key: Sequence[object], shape: Shape) -> list[Axis]:
    """Where the elements of `x[key]` are along each axis of x."""
    known = sum(part is not None and part is not ... for part in key)
    parts: list[object] = []
    for part in key:
        parts += [slice(None)] * (len(shape) - known) if part is ... else [part]
    parts += [slice(None)] * (len(shape) - sum(part is not None for part in parts))
    places: list[Axis] = []
    along = 0
    for part in parts:
        if part is None:
            along += 1
        elif isinstance(part, slice):
            chosen = range(*part.indices(shape[len(places)]))
            places.append(Axis(None if len(chosen) == 1 else along, chosen.start, chosen.step))
            along += 1
        elif isinstance(part, int):
            places.append(Axis(None, part % max(shape[len(places)], 1)))
    return places


def _places(node: Node) -> Sequence[Axis] | None:
    """Where the elements of a view are along each axis of its parent; None for what is not such a view."""
    if not node.parents:
        return None
    x = node.parents[0].shape
    if node.op in (ops.identity, ops.stop_gradient, later):
        return whole(x)
    if node.op is ops.transpose:
        axes = whole(node.shape)
        return [*axes[:-2], axes[-1], axes[-2]]
    if node.op is ops.broadcast:
        return [FIXED if n == 1 else Axis(k + node.ndim - len(x)) for k, n in enumerate(x)]
    if node.op is ops.index:
        return places_of(node.params["key"], x)
    if node.op is ops.reshape and [n for n in x if n != 1] == [n for n in node.shape if n != 1]:
        long = iter([k for k, n in enumerate(node.shape) if n != 1])  # only axes of length 1 came or went
        return [FIXED if n == 1 else Axis(next(long)) for n in x]
    return None


def _through(axis: Axis, places: Sequence[Axis]) -> Axis:
    """The index along an axis of the base, for a view of a view."""
    if axis.along is None:
        return axis
    place = places[axis.along]
    return Axis(place.along, axis.start + axis.step * place.start, axis.step * place.step)
