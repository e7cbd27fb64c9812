"""Any traced graph as an ONNX file, which many other programs run. The only module that imports onnx."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...core.graph import Graph, unique_names
from ...core.node import PARAMETER, ComputationNode, Shape
from ...core.trace import ARRAY, trace
from ...errors import ExportError
from ...errors.install import needing
from ...files import FilePath, write_atomically
from ...nn.calls import calls_behind
from ...nn.layer import Layer
from .builder import FixedBatchError, GraphBuilder, place_of, twins_of
from .rules import rule_for

OPSET, IR_VERSION = 17, 8
LARGEST = 2**31 - 2**20  # bytes: a file of this format holds 2 GB
TRIED = 2, 3  # batch sizes: two graphs say what depends on the size
PROOF = 6  # a third one, for which what they say must hold
BATCH = "batch"

Dims = tuple[int | str, ...]


@dataclass(frozen=True)
class OnnxFile:
    """What was written: inputs and outputs with their shapes, in which "batch" is a size that is left open.

    `swappable` are parameters that may be fed like inputs; what is not fed has the value that was written. `fixed` says
    why the batch size is fixed, and is empty if it is left open.
    """

    path: Path
    inputs: Mapping[str, Dims]
    outputs: Mapping[str, Dims]
    swappable: Mapping[str, Shape]
    fixed: str

    def __str__(self) -> str:
        parts = ("input", self.inputs), ("output", self.outputs), ("swappable", self.swappable)
        lines = [f"  {what:<9}  {name} {_dims_text(dims)}" for what, named in parts for name, dims in named.items()]
        lines += [f"  {self.fixed}"] if self.fixed else []
        return "\n".join([f"{self.path.name}: ONNX opset {OPSET}", *lines])


def save_onnx(
    f: Callable[..., Any] | Graph, path: FilePath, *examples: Any,
    swappable: bool | Collection[str] = False, dynamic: bool = True,
) -> OnnxFile:  # fmt: skip
    """Write what `f` computes for inputs like `examples` as an ONNX file (opset 17), and say what is in it.

    A layer with an adapter is written as it is now: after `merge_all(model)` the adapter is part of the weights. The
    first axis is left open where all inputs share it and the function works for any size: what is returned says
    whether.

    f: a layer, a function of nodes, or a Graph
    path: that of the file
    *examples: an array for each argument of f; none for a Graph
    swappable: names of parameters that may also be fed as inputs, so that another adapter needs no other file; True
        stands for all trainable ones
    dynamic: False fixes the first axis
    Returns a record: `path`, `inputs` and `outputs` with their shapes, `swappable`, and `fixed`, which says why the
    first axis is fixed.
    Raises ExportError for an operation that ONNX does not have, an unknown name, or more than 2 GB; TypeError for what
    cannot be exported; ImportError without the onnx package.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     print(tl.save_onnx(tl.Linear(3, 2, seed=0), pathlib.Path(folder, "linear.onnx"), np.ones((1, 3))))
    linear.onnx: ONNX opset 17
      input      x (batch, 3)
      output     output (batch, 2)
    """
    library = _library()
    if not callable(f) and not isinstance(f, Graph):
        raise TypeError(f"a layer, a function of nodes or a Graph is exported, not {type(f).__name__}")
    if isinstance(f, Graph) and examples:
        raise ExportError("a Graph has the shapes that it was made with: save_onnx(graph, path) takes no examples")
    if isinstance(f, Layer):
        examples = _for_layer(f, examples)
    fixed = ""
    try:
        graph, other = _for_two_sizes(f, examples, dynamic)
        exported = _OnnxGraph(graph, other, _names(f, graph), swappable)
    except FixedBatchError as reason:
        graph = f if isinstance(f, Graph) else trace(f, *examples)
        exported, fixed = _OnnxGraph(graph, None, _names(f, graph), swappable), f"The batch size is fixed: {reason}."
    target = Path(path)
    write_atomically(target, _content(library, exported, target.stem))
    return OnnxFile(target, exported.inputs, exported.outputs, exported.swappable, fixed)


# --- The graph ---


def _for_layer(layer: Layer, examples: tuple[Any, ...]) -> tuple[Any, ...]:
    """Examples in the dtype of the layer, as `forward` takes them; whole numbers stay. Without any, one sample."""
    if not examples:
        inputs: list[ComputationNode] = []
        layer.export_computation_graph(inputs)
        examples = tuple(np.zeros(x.shape, x.dtype) for x in inputs)
    kinds = [x.dtype.kind if isinstance(x, ARRAY) else "" for x in examples]
    return tuple(np.zeros(x.shape, layer.dtype) if k == "f" else x for x, k in zip(examples, kinds, strict=True))


def _for_two_sizes(f: Any, examples: tuple[Any, ...], dynamic: bool) -> tuple[Graph, Graph]:
    """The same graph for a batch of two and of three. Raises FixedBatchError unless the examples give it too."""
    arrays = [x for x in examples if isinstance(x, ARRAY)]
    if not dynamic:
        raise FixedBatchError("dynamic=False")
    if isinstance(f, Graph):
        raise FixedBatchError("a Graph has the shapes that it was made with; pass the function itself")
    if not arrays or len({x.shape[:1] for x in arrays}) > 1 or not arrays[0].ndim:
        raise FixedBatchError("not all inputs have a first axis of the same length")
    try:
        one, other, third = (trace(f, *(_resized(x, n) for x in examples)) for n in (*TRIED, PROOF))
    except Exception as error:  # whatever the function says of another size: it may work for the given one
        raise FixedBatchError(f"another one gives {type(error).__name__}: {error}") from None
    _check_in_line(third, one, other, PROOF)
    if (n := arrays[0].shape[0]) not in (*TRIED, PROOF):
        _check_in_line(trace(f, *examples), one, other, n)
    return one, other


def _check_in_line(graph: Graph, one: Graph, other: Graph, n: int) -> None:
    """Raise FixedBatchError unless the graph for a batch of n is what those for two and three say that it is."""
    twins, others, step = twins_of(graph, one), twins_of(graph, other), TRIED[1] - TRIED[0]
    for node in graph.nodes:
        sizes = zip(node.shape, twins[node].shape, others[node].shape, strict=True)
        if any((size - a) * step != (b - a) * (n - TRIED[0]) for size, a, b in sizes):
            raise FixedBatchError(f"a size of {node.op} is no multiple of the batch size{place_of(node)}")


def _resized(x: Any, n: int) -> Any:
    """An array for a batch of n; anything else as it is."""
    return np.broadcast_to(np.zeros((), x.dtype), (n, *x.shape[1:])) if isinstance(x, ARRAY) else x


def _held(graph: Graph) -> dict[ComputationNode, ComputationNode]:
    """The parameter behind each input that stands for one."""
    return dict(zip(graph.weights, graph.captured, strict=True))


def _names(f: Any, graph: Graph) -> dict[ComputationNode, str]:
    """A name for each leaf: its dotted name in its layer, or its own, or what it is."""
    calls, held = calls_behind(graph.nodes), _held(graph)
    layers = [f] if isinstance(f, Layer) else [*dict.fromkeys(call.layer for call in calls if call.outer is None)]
    dotted = {p: name for layer in reversed(layers) for name, p in layer.named_parameters().items()}
    leaves, taken = [node for node in graph.nodes if not node.parents], GraphBuilder()
    return {node: taken.free(dotted.get(held.get(node, node)) or node.name or str(node.op)) for node in leaves}


class _OnnxGraph:
    """The graph as ONNX has it, with its inputs and outputs."""

    def __init__(
        self, graph: Graph, other: Graph | None, names: Mapping[ComputationNode, str],
        swappable: bool | Collection[str],
    ) -> None:  # fmt: skip
        self.twins = twins_of(graph, other) if other else {}
        held = _held(graph)
        inputs = [node for node in graph.inputs if node not in held]
        batch = (names[inputs[0]], *TRIED) if other else None
        builder = self.builder = GraphBuilder([*names.values()], self.twins, batch)
        inside = {node: call.name for call in calls_behind(graph.nodes) for node in call.nodes}
        names_there = {node: names[node] for node in names}
        for node, label in unique_names(graph.nodes).items():
            builder.layer = inside.get(node, "").replace(".", "/")
            if node.parents:
                names_there[node] = rule_for(node, label)(builder, node, *(names_there[p] for p in node.parents))
            elif node not in inputs:
                builder.store(names[node], held.get(node, node).value)
        builder.layer = ""
        self.kinds: dict[str, tuple[Any, Dims]] = {names[node]: (node.dtype, self.dims(node)) for node in names}
        self.inputs = {names[node]: self.dims(node) for node in inputs}
        there = {name: node for node, name in names.items() if node.op is PARAMETER and node not in inputs}
        self.swappable = {name: there[name].shape for name in _swappable(there, swappable)}
        self.outputs: dict[str, Dims] = {}
        for node in graph.outputs:
            name = builder.call(names_there[node], builder.free(node.name or "output"))
            self.outputs[name] = self.dims(node)
            self.kinds[name] = node.dtype, self.dims(node)

    def dims(self, node: ComputationNode) -> Dims:
        """The shape, with words for what grows with the batch."""
        return tuple(map(_growing, node.shape, self.twins.get(node, node).shape))


def _growing(a: int, b: int) -> int | str:
    """A size: a number, or `batch`, or `4*batch+1`."""
    if a == b:
        return a
    k = (b - a) // (TRIED[1] - TRIED[0])
    c = a - k * TRIED[0]
    return (BATCH if k == 1 else f"{k}*{BATCH}") + (f"{c:+}" if c else "")


def _swappable(there: Mapping[str, ComputationNode], wanted: bool | Collection[str]) -> list[str]:
    """The parameters that were asked for, by name."""
    if isinstance(wanted, bool):
        return [name for name, node in there.items() if wanted and node.requires_gradient]
    asked = [wanted] if isinstance(wanted, str) else [*wanted]
    if unknown := [name for name in asked if name not in there]:
        raise ExportError(f"swappable: no parameter is called {unknown[0]!r}; there are {', '.join(there) or 'none'}")
    return asked


# --- The file ---


def _content(library: Any, exported: _OnnxGraph, title: str) -> bytes:
    """The file, checked by the library."""
    helper, builder = library.helper, exported.builder
    if (size := sum(array.nbytes for array in builder.arrays.values())) > LARGEST:
        raise ExportError(f"the arrays hold {size:,} bytes; an ONNX file holds up to 2 GB: use a smaller dtype")

    def info(name: str) -> Any:
        dtype, dims = exported.kinds[name]
        return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), dims)

    def attribute(value: Any) -> Any:
        if isinstance(value, np.dtype):
            return helper.np_dtype_to_tensor_dtype(value)
        return library.numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value

    nodes = []
    for w in builder.nodes:
        attributes = {key: attribute(value) for key, value in w.attributes.items()}
        nodes.append(helper.make_node(w.kind, [*w.inputs], [w.output], name=w.name, **attributes))
    arrays = [library.numpy_helper.from_array(np.asarray(a, order="C"), name) for name, a in builder.arrays.items()]
    inputs, outputs = [*map(info, [*exported.inputs, *exported.swappable])], [*map(info, exported.outputs)]
    graph = helper.make_graph(nodes, title or "graph", inputs, outputs, arrays)
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, producer_name="tinygrad_lora", ir_version=IR_VERSION, opset_imports=opsets)
    library.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def _dims_text(dims: Dims) -> str:
    return f"({', '.join(map(str, dims))}{',' * (len(dims) == 1)})"


def _library() -> Any:
    """The onnx package."""
    with needing("ONNX files need a package", "interop"):
        import onnx
        import onnx.checker
        import onnx.helper
        import onnx.numpy_helper
    return onnx
