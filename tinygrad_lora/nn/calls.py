"""Which layer made which nodes: the calls of layers, written down while a model runs once. Pictures frame them."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

from ..core.node import ComputationNode

Layer = Any  # of layer.py, which is above: a layer is recorded, not used


@dataclass(eq=False)
class LayerCall:
    """One call of one layer: the nodes that went in, and the node that came out.

    `name` is the layer's dotted name in the model, and "" for the model itself. `outer` is the call in which this one
    was made, None for the outermost.
    """

    name: str
    layer: Layer
    inputs: tuple[ComputationNode, ...]
    output: Any
    outer: LayerCall | None


@dataclass
class _Recording:
    calls: list[LayerCall] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)
    current: LayerCall | None = None

    def run(self, call: Callable[..., Any], layer: Layer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if id(layer) not in self.names:
            self.names = {id(part): name for name, part in layer.named_layers().items()} | self.names
        inputs = tuple(x for x in (*args, *kwargs.values()) if isinstance(x, ComputationNode))
        entry = LayerCall(self.names[id(layer)], layer, inputs, None, self.current)
        self.calls.append(entry)
        self.current = entry
        try:
            entry.output = call(layer, *args, **kwargs)
        finally:
            self.current = entry.outer
        return entry.output


_recording: ContextVar[_Recording | None] = ContextVar("recording", default=None)  # each thread has its own


def recorded(call: Callable[..., Any]) -> Callable[..., Any]:
    """The `__call__` of a layer class, which refuses a closed layer and is written down while someone records."""

    @wraps(call)
    def wrapper(self: Layer, *args: Any, **kwargs: Any) -> Any:
        self.require_open()
        recording = _recording.get()
        if recording is None or (
            recording.current and recording.current.layer is self
        ):  # super().__call__ is no new call
            return call(self, *args, **kwargs)
        return recording.run(call, self, args, kwargs)

    return wrapper


def layer_calls(model: Callable[..., Any], *inputs: ComputationNode) -> tuple[Any, list[LayerCall]]:
    """Run `model` once on nodes: what it gives, and every call of a layer on the way, outer calls before inner ones.

    `model` is a layer, or a function that calls layers. Placeholders as inputs make the graph without computing it.
    """
    recording = _Recording()
    token = _recording.set(recording)
    try:
        return model(*inputs), recording.calls
    finally:
        _recording.reset(token)
