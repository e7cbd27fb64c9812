"""A value that a reader of the page can move: what every box shows for each place of a slider, computed beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...core import Array, ComputationNode, rebuilt
from ...core.autodiff import pulling_back
from ..words.grammar import counted
from ..words.sentences import number
from .events import Event, State

if TYPE_CHECKING:
    from .steps import GraphWalk

MOST_NUMBERS = 8  # of a value that can be moved: a slider each
PLACES = 21  # of a slider


@dataclass(frozen=True)
class Slider:
    """A slider for one number: its places, where it begins, and what changes in the boxes at each place, by id."""

    label: str
    places: tuple[float, ...]
    start: int
    shown: tuple[Mapping[str, State], ...]


def sliders(walk: GraphWalk, last: Event, name: str, low: float | None, high: float | None) -> tuple[Slider, ...]:
    """A slider for each number of the leaf with this name; the others stay as they are while one is moved.

    `last` is the last step, in which all values and gradients are complete.
    """
    names = [walk.labels[node] for node in walk.graph.nodes if not node.parents]
    leaf = next((node for node in walk.graph.nodes if not node.parents and walk.labels[node] == name), None)
    if leaf is None:
        raise ValueError(f"no leaf is called {name!r}; there are {', '.join(names)}")
    if leaf.size > MOST_NUMBERS or leaf.dtype.kind != "f":
        problem = f"{name} has {counted(leaf.size, 'number')} of {leaf.dtype}"
        raise ValueError(f"{problem}: up to {MOST_NUMBERS} real numbers can be moved")
    made = []
    for index in np.ndindex(leaf.shape):
        value = float(leaf.value[index])
        span = max(1.0, abs(value))
        ends = value - span if low is None else low, value + span if high is None else high
        grid = np.linspace(*ends, PLACES)
        places = np.union1d(grid[abs(grid - value) > 1e-9 * span], [value])  # one that is but rounding moves nothing
        with np.errstate(all="ignore"):  # a logarithm may be moved below zero: then it shows nan
            shown = [_changed(moved_states(walk, leaf, index, place), last.states) for place in places]
        label = f"{name}[{', '.join(map(str, index))}]" if index else name
        made.append(Slider(label, tuple(map(float, places)), int(np.searchsorted(places, value)), tuple(shown)))
    return tuple(made)


def moved_states(walk: GraphWalk, leaf: ComputationNode, index: tuple[int, ...], place: float) -> dict[str, State]:
    """What each box shows when all is computed with one number of a leaf in another place."""
    from .steps import brief

    array: Array = np.array(leaf.value)
    array[index] = place
    kind = leaf.shape, leaf.dtype, leaf.requires_gradient
    other = ComputationNode(leaf.op, (), leaf.params, *kind, array[()], leaf.name)
    graph = walk.graph.map(rebuilt, {leaf: other})
    nodes = dict(zip(graph.nodes, walk.graph.nodes, strict=True))
    states: dict[str, State] = {}
    for node, old in nodes.items():
        if old in walk.visible:
            states[walk.box_of[old]] = State(brief(node.value))
    for node, g in pulling_back(graph.outputs[0], walk.seed) if walk.seed is not None else ():
        if nodes[node] in walk.visible:
            box = walk.box_of[nodes[node]]
            states[box] = states[box]._replace(gradient=brief(g))
    return states


def _changed(states: Mapping[str, State], before: Mapping[str, State]) -> dict[str, State]:
    return {box: state for box, state in states.items() if state[:2] != before[box][:2]}


def slider_data(slider: Slider) -> dict[str, object]:
    """The slider for the script."""
    shown = [{box: [*state[:2]] for box, state in states.items()} for states in slider.shown]
    return {"label": slider.label, "places": [*map(number, slider.places)], "start": slider.start, "shown": shown}
