"""What pictures show of layers: a frame around the nodes of each, the names of parameters, and their counts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ...core.node import INPUT, ComputationNode
from ...nn.calls import LayerCall, layer_calls
from ...nn.layer import Layer


@dataclass(frozen=True, slots=True)
class LayerFrame:
    """A frame around the boxes of one layer, with the frames of its parts inside; Graphviz calls it a cluster."""

    id: str
    name: str  # of the layer in the model: "0.lora"
    title: str  # "0.lora: LoRALayer"
    lines: tuple[str, ...]
    boxes: tuple[str, ...]  # ids of the boxes in this frame, without those in inner frames
    clusters: tuple[LayerFrame, ...] = ()


def run_layer(
    layer: Layer, example: ArrayLike | None = None
) -> tuple[ComputationNode, ComputationNode, list[LayerCall]]:
    """Run a layer: its input, its output, and the calls of layers; without numbers unless `example` is an array.

    `example` may also be the shape of the input; by default it is a batch of one sample.
    """
    inputs: list[ComputationNode] = []
    if example is None or isinstance(example, tuple):
        output, calls = layer_calls(lambda: layer.export_computation_graph(inputs, example))
    else:
        array = np.asarray(example)
        array = array if layer.takes_indices else array.astype(layer.dtype)
        inputs.append(ComputationNode(INPUT, (), {}, array.shape, array.dtype, False, np.array(array)[()], "x"))
        output, calls = layer_calls(layer, *inputs)
    return inputs[0], output, calls


def frames(calls: Sequence[LayerCall], ids: Mapping[ComputationNode, str]) -> tuple[LayerFrame, ...]:
    """A frame for each call of a layer that computed some of these nodes."""
    parts: dict[LayerCall | None, list[LayerFrame]] = defaultdict(list)
    times = _times(calls)
    for i in reversed(range(len(calls))):  # an inner call comes after its outer call, so the parts are there first
        call = calls[i]
        title = f"{call.name}: {type(call.layer).__name__}{times[i]}".removeprefix(": ")
        boxes, inside = tuple(ids[node] for node in call.nodes), tuple(reversed(parts[call]))
        if boxes or inside:
            parts[call.outer].append(LayerFrame(f"c{i}", call.name, title, (counts(call.layer),), boxes, inside))
    return tuple(reversed(parts[None]))


def _times(calls: Sequence[LayerCall]) -> list[str]:
    """For each call after the first of a layer, its number, as in " (call 2)"; "" for the first."""
    seen: dict[int, int] = defaultdict(int)
    marks = []
    for call in calls:
        seen[id(call.layer)] += 1
        n = seen[id(call.layer)]
        marks.append(f" (call {n})" if n > 1 else "")
    return marks


def own_names(calls: Iterable[LayerCall]) -> dict[ComputationNode, str]:
    """The parameters of the models that were called, each with its dotted name in the model."""
    names: dict[ComputationNode, str] = {}
    for layer in dict.fromkeys(call.layer for call in calls if call.outer is None):
        names = {p: name for name, p in layer.named_parameters().items()} | names
    return names


def counts(layer: Layer) -> str:
    """`9,088 parameters, 768 trainable`."""
    total, trainable = _counts(layer.named_parameters().values())
    how = "frozen" if not trainable else "trainable" if trainable == total else f"{trainable:,} trainable"
    return f"{total:,} parameters, {how}" if total else "no parameters"


def _counts(parameters: Iterable[ComputationNode]) -> tuple[int, int]:
    sizes = [(p.size, p.requires_gradient) for p in parameters]
    return sum(n for n, _ in sizes), sum(n for n, trainable in sizes if trainable)
