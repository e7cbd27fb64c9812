"""What pictures show of layers: a frame around the nodes of each, the names of parameters, and their counts."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from ...core.node import INPUT, ComputationNode
from ...nn import Layer, LayerCall, layer_calls

TOKENS = 8  # of an example text

Ids: TypeAlias = Mapping[ComputationNode, str]  # of the boxes of nodes
Frames: TypeAlias = "tuple[LayerFrame, ...]"
LayerRun: TypeAlias = tuple[ComputationNode, ComputationNode, list[LayerCall]]  # input, output, calls of layers


@dataclass(frozen=True, slots=True)
class LayerFrame:
    """A frame around the boxes of one layer, with the frames of its parts inside; Graphviz calls it a cluster.

    A frame around what a library function made, its result first, has the name of the `function`, its `operands` as
    pairs of a box and the name of the argument, and its other `parameters`. Its `name` is that of the layer around it.
    """

    id: str
    name: str  # of the layer in the model: "0.lora"
    title: str  # "0.lora: LoRALayer"
    lines: tuple[str, ...]
    boxes: tuple[str, ...]  # ids of the boxes in this frame, without those in inner frames
    clusters: Frames = ()
    function: str = ""
    operands: tuple[tuple[str, str], ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()

    @property
    def closed(self) -> str:
        """The id of the box that stands for this frame when it is closed: of a function that of its result."""
        return self.boxes[0] if self.function else self.id


def every(frames: Sequence[LayerFrame]) -> Iterator[LayerFrame]:
    """All frames, each before those inside it."""
    waiting = [*reversed(frames)]
    while waiting:
        frame = waiting.pop()
        yield frame
        waiting += reversed(frame.clusters)


def mapped(frames: Iterable[LayerFrame], change: Callable[[LayerFrame], LayerFrame]) -> Frames:
    """The frames, and those inside them, each of them changed."""
    return tuple(replace(change(frame), clusters=mapped(frame.clusters, change)) for frame in frames)


def run_layer(layer: Layer, example: ArrayLike | None = None) -> LayerRun:
    """Run a layer: its input, its output, and the calls of layers; without numbers unless `example` is an array.

    `example` may also be the shape of the input; by default it is a batch of one sample, of TOKENS for a network that
    takes texts of any length.
    """
    inputs: list[ComputationNode] = []
    if example is None and layer.takes_indices and layer.input_shape is None and layer._run is None:
        example = 1, TOKENS
    if example is None or isinstance(example, tuple):
        output, calls = layer_calls(lambda: layer.export_computation_graph(inputs, example))
    else:
        array = np.asarray(example)
        array = array if layer.takes_indices else array.astype(layer.dtype)
        inputs.append(ComputationNode(INPUT, (), {}, array.shape, array.dtype, False, np.array(array)[()], "x"))
        output, calls = layer_calls(layer, *inputs)
    return inputs[0], output, calls


def frames(calls: Sequence[LayerCall], ids: Ids) -> Frames:
    """A frame for each call of a layer that computed some of these nodes."""
    parts: dict[LayerCall | None, list[LayerFrame]] = defaultdict(list)
    counters: dict[int, Iterator[int]] = defaultdict(lambda: count(1))
    numbers = [next(counters[id(call.layer)]) for call in calls]  # which call of its layer each one is
    for i in reversed(range(len(calls))):  # an inner call comes after its outer call, so the parts are there first
        call = calls[i]
        again = f" (call {numbers[i]})" if numbers[i] > 1 else ""
        title = f"{call.name}: {type(call.layer).__name__}{again}".removeprefix(": ")
        boxes, inside = tuple(ids[node] for node in call.nodes), tuple(reversed(parts[call]))
        if boxes or inside:
            parts[call.outer].append(LayerFrame(f"c{i}", call.name, title, (counts(call.layer),), boxes, inside))
    return tuple(reversed(parts[None]))


def own_names(calls: Iterable[LayerCall]) -> dict[ComputationNode, str]:
    """The parameters of the models that were called, each with its dotted name in the model."""
    names: dict[ComputationNode, str] = {}
    for layer in dict.fromkeys(call.layer for call in calls if call.outer is None):
        names = {p: name for name, p in layer.named_parameters().items()} | names
    return names


def counts(layer: Layer) -> str:
    """`9,088 parameters, 768 trainable`."""
    total, trainable = sum(p.size for p in layer.named_parameters().values()), layer.parameter_count
    how = "frozen" if not trainable else "trainable" if trainable == total else f"{trainable:,} trainable"
    return f"{total:,} parameters, {how}" if total else "no parameters"
