"""Which layer made which nodes: every call of a layer is noted at the nodes, and pictures draw frames by these notes.

A call on numbers is noted at what it gives. A call on placeholders is noted at all nodes that it makes, beside their
line of code: what the compiler makes of them has the same line, and so the same note. A note lives as long as its
nodes, and keeps no layer alive, but for those made in `layers_stay`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from itertools import pairwise
from typing import Any
from weakref import ref

from ..core import topological_order
from ..core.node import INPUT, ComputationNode, tick

Layer = Any  # of layer.py, which is above: a layer is noted, not used
Reference = Callable[[], Layer | None]
Note = tuple[int, Reference, tuple[int, ...], tuple[int, ...]]  # when it began, the layer, what went in, out
_reference: Callable[[Layer], Reference] = ref  # to the layer of a note


class NotedOrigin(tuple[Any, ...]):
    """The origin of a node, file and line or nothing, and notes of the calls that made it, inner calls first."""

    calls: list[Note]


def recorded(call: Callable[..., Any]) -> Callable[..., Any]:
    """The `__call__` of a layer class, which refuses a closed layer and notes each call at the nodes."""

    @wraps(call)
    def wrapper(self: Layer, *args: Any, **kwargs: Any) -> Any:
        self.require_open()
        start = tick()
        result = call(self, *args, **kwargs)
        if len(args) == 1 and not kwargs and type(x := args[0]) is type(result) is ComputationNode and result.known:
            if (created := result.created) > start:  # else it was there before
                _notes_at(result).append((start, _reference(self), (x.created,), (created,)))
        else:
            _note(self, start, (*args, *kwargs.values()), result)
        return result

    return wrapper


@contextmanager
def layers_stay() -> Iterator[None]:
    """Calls in this block stay known when nobody else has the layers any more: `return loss(Linear(3, 2)(x))`."""
    global _reference
    before, _reference = _reference, lambda layer: lambda: layer
    try:
        yield
    finally:
        _reference = before


def _notes_at(node: ComputationNode) -> list[Note]:
    """The list of notes of a node, made here if it has none."""
    origin = node.origin
    if not isinstance(origin, NotedOrigin):
        node.origin = origin = NotedOrigin(origin or ())
        origin.calls = []
    return origin.calls


def give_line(node: ComputationNode, line: tuple[str, int]) -> None:
    """Tell a node the line that made it. What is noted there stays."""
    calls, node.origin = _noted(node), NotedOrigin(line)
    node.origin.calls = calls


def _note(layer: Layer, start: int, arguments: tuple[Any, ...], result: Any) -> None:
    """Note a call whatever it took and whatever it gave."""
    outputs = [y for y in (result if isinstance(result, tuple | list) else [result]) if isinstance(y, ComputationNode)]
    inputs = [x.created for x in arguments if isinstance(x, ComputationNode)]
    note = start, _reference(layer), tuple(inputs), tuple([y.created for y in outputs])
    made = _made_since(start, outputs)
    for node in made.intersection(outputs) if all(y.known for y in outputs) else made:
        if note not in (notes := _notes_at(node)):
            notes.append(note)


def _made_since(start: int, outputs: Iterable[ComputationNode]) -> set[ComputationNode]:
    """The operations made since then that the outputs depend on. What another thread made meanwhile is none of them."""
    made: set[ComputationNode] = set()
    stack = [*outputs]
    while stack:
        node = stack.pop()
        if node.parents and node.created > start and node not in made:
            made.add(node)
            stack += node.parents
    return made


# --- Reading the notes ---


@dataclass(eq=False)
class LayerCall:
    """One call of one layer: the nodes that went in, and the node that came out.

    name: the layer's dotted name in the model, and "" for the model itself
    layer: the layer
    inputs: the nodes that it was called on, a tuple
    output: the node that it gave, or a list of them
    outer: the call in which this one was made, None for the outermost
    nodes: those made in this call and in no inner one, with the parameters and constants that it was the first to use

    >>> model = tl.Sequential(tl.Linear(3, 2, seed=0), tl.relu)
    >>> y, calls = tl.nn.layer_calls(model, tl.placeholder((1, 3)))
    >>> [(call.name, call.output.shape, len(call.nodes)) for call in calls]
    [('', (1, 2), 1), ('0', (1, 2), 4)]
    """

    name: str
    layer: Layer
    inputs: tuple[ComputationNode, ...]
    output: Any
    outer: LayerCall | None
    nodes: list[ComputationNode] = field(default_factory=list)


def layer_calls(model: Callable[..., Any], *inputs: ComputationNode) -> tuple[Any, list[LayerCall]]:
    """Run a model once on nodes: what it gives, and every call of a layer that it depends on, outer calls first.

    model: a layer, or a function that calls layers
    *inputs: nodes; placeholders make the graph without computing it
    Returns a pair: what the model gives, and a list of `LayerCall`.

    >>> model = tl.Sequential(tl.Linear(3, 2, seed=0), tl.relu)
    >>> y, calls = tl.nn.layer_calls(model, tl.placeholder((1, 3)))
    >>> [call.name for call in calls]
    ['', '0']
    """
    result = model(*inputs)
    outputs = result if isinstance(result, tuple | list) else [result]
    return result, calls_behind(topological_order([*inputs, *outputs]))


def calls_behind(nodes: Sequence[ComputationNode]) -> list[LayerCall]:
    """The calls of layers that made these nodes of a graph, which are in order: outer calls before inner ones.

    Calls are known as long as the layer lives.
    """
    notes = _notes(nodes)
    _add_leaves(notes, nodes)
    by_start = sorted({note[0]: note for around in notes.values() for note in around}.items())
    outer = {inner[0]: note[0] for around in notes.values() for inner, note in pairwise(around)}
    born = {node.created: node for node in nodes}
    calls: dict[int, LayerCall] = {}  # by their start; outer ones start first
    names: dict[LayerCall | None, dict[int, str]] = {}  # of the layers, by the outermost call
    for start, (_, layer_ref, arguments, results) in by_start:
        around = calls.get(outer.get(start, 0))
        layer = layer_ref()
        if layer is None or layer._closed or (around and around.layer is layer):  # super().__call__ is no new call
            if around:
                calls[start] = around
            continue
        root = _outermost(around)
        known = names.get(root, {})
        if id(layer) not in known:
            known = {id(part): name for name, part in layer.named_layers().items()} | known
        inputs, outputs = (tuple([born[t] for t in ticks if t in born]) for ticks in (arguments, results))
        output = outputs[0] if len(outputs) == 1 else outputs
        calls[start] = LayerCall(known[id(layer)], layer, inputs, output, around)
        names[root or calls[start]] = known
    for node, around_it in notes.items():
        if around_it and (call := calls.get(around_it[0][0])):
            call.nodes.append(node)
    return [*dict.fromkeys(calls.values())]


def _outermost(call: LayerCall | None) -> LayerCall | None:
    while call and call.outer:
        call = call.outer
    return call


def _notes(nodes: Sequence[ComputationNode]) -> dict[ComputationNode, list[Note]]:
    """For each node the calls in which it was made, inner ones first: an inner call begins after its outer one."""
    notes: dict[ComputationNode, list[Note]] = {node: [] for node in nodes}
    for output in nodes:
        for note in _noted(output) if output.known else ():
            if output.created in note[3]:  # a call that gave it, not one that gave what it is a copy of
                for node in _made_since(note[0], [output]):
                    if note not in notes[node]:
                        notes[node].append(note)
    _add_places(notes, nodes)
    for around in notes.values():
        around.sort(key=lambda note: -note[0])
    return notes


def _noted(node: ComputationNode) -> list[Note]:
    """The notes at a node."""
    return node.origin.calls if isinstance(node.origin, NotedOrigin) else []


def _add_places(notes: Mapping[ComputationNode, list[Note]], nodes: Sequence[ComputationNode]) -> None:
    """The calls noted at the nodes themselves. A gradient has the line of what it is a gradient of, and the same note.

    So it comes back to a call that was already left, and is not part of that call: a layer is left once.
    """
    left: dict[ComputationNode, frozenset[int]] = {}  # calls, by their start, that a node depends on from outside
    for node in nodes:
        own = [note for note in _noted(node) if note not in notes[node]]
        inside = {note[0] for note in own}
        before = [left[p] | {note[0] for note in notes[p] if note[0] not in inside} for p in node.parents]
        left[node] = frozenset[int]().union(*before)
        back = [i for i, note in enumerate(own) if note[0] in left[node]]
        notes[node] += own[back[-1] + 1 :] if back else own


def _add_leaves(notes: dict[ComputationNode, list[Note]], nodes: Sequence[ComputationNode]) -> None:
    """A parameter or a constant belongs to the first call that uses it and did not get it as an argument."""
    for user in nodes:
        for node in user.parents:
            if not node.parents and node.op is not INPUT and not notes[node]:
                got = [i for i, (_, _, inputs, _) in enumerate(notes[user]) if node.created in inputs]
                notes[node] = notes[user][got[-1] + 1 :] if got else notes[user]
