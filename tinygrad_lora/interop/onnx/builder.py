"""An ONNX graph while it is written, as plain data: nodes and constant arrays, each result under a name of its own.

The size of a batch may be left open. Then the same function was traced for two sizes, and what differs between the two
graphs, number by number, is computed from the size that comes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import numpy as np

from ...core import ComputationNode, Graph, Shape

Sizes = Callable[[ComputationNode], Shape]  # what is asked of a node and of its twin


class FixedBatchError(Exception):
    """The batch size cannot be left open; the message says why."""


@dataclass(frozen=True)
class OnnxNode:
    """One node of ONNX. An attribute may be a NumPy array or dtype."""

    kind: str
    name: str
    inputs: tuple[str, ...]
    output: str
    attributes: Mapping[str, Any]


class GraphBuilder:
    """The nodes and constant arrays so far."""

    def __init__(
        self, taken: Sequence[str] = (), twins: Mapping[ComputationNode, ComputationNode] | None = None,
        batch: tuple[str, int, int] | None = None,
    ) -> None:  # fmt: skip
        """`batch` is the name of an input whose first axis is open, and its length in a graph and in that of twins."""
        self.nodes: list[OnnxNode] = []
        self.arrays: dict[str, Any] = {}
        self.taken, self.twins, self.batch = set(taken), twins or {}, batch
        self.layer = ""  # where the next nodes belong
        self._known: dict[Any, str] = {}
        self._called: dict[str, str] = {}
        self._size_of_batch = ""

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node; return the name of its result."""
        name = self.free(f"{self.layer}/{kind}".lstrip("/"))
        self.nodes.append(OnnxNode(kind, name, inputs, name, attributes))
        return name

    def call(self, result: str, name: str) -> str:
        """Give a result this name. What has a name that must stay is copied."""
        result = self._called.get(result, result)
        if result in self._called.values() or result not in {w.output for w in self.nodes}:
            self.nodes.append(OnnxNode("Identity", name, (result,), name, {}))
            return name
        self._called[result] = name
        for i, w in enumerate(self.nodes):
            if result == w.output or result in w.inputs:
                inputs, output = (tuple(name if x == result else x for x in old) for old in (w.inputs, (w.output,)))
                self.nodes[i] = replace(w, inputs=inputs, output=output[0])
        return name

    def free(self, name: str) -> str:
        """This name, or with a number if it is taken."""
        free = next(n for i in count(1) if (n := name if i == 1 else f"{name}_{i}") not in self.taken)
        self.taken.add(free)
        return free

    def constant(self, array: Any) -> str:
        """The name of an array that never changes; whole numbers are int64. Equal ones are stored once."""
        array = np.asarray(array, None if hasattr(array, "dtype") else np.int64)
        key = array.dtype.str, array.shape, array.tobytes()
        if key not in self._known:
            self._known[key] = self.store(self.free("constant"), array)
        return self._known[key]

    def store(self, name: str, array: Any) -> str:
        """Keep an array under this very name."""
        self.arrays[name] = np.asarray(array)
        return name

    def cast(self, x: str, old: Any, new: Any) -> str:
        """x in another dtype."""
        return x if old == new else self.add("Cast", x, to=np.dtype(new))

    def zeros(self, node: ComputationNode, sizes: Sizes) -> str:
        """Zeros of the node's dtype."""
        return self.add("ConstantOfShape", self.sizes(node, sizes), value=np.zeros(1, node.dtype))

    # --- Sizes that depend on the batch ---

    def both(self, node: ComputationNode, sizes: Sizes) -> tuple[Shape, Shape]:
        """What the node says and what its twin says."""
        return sizes(node), sizes(self.twins.get(node, node))

    def grown(self, node: ComputationNode, x: str, operand: int, sizes: Sizes) -> str:
        """That operand of the node, called x here, repeated up to these sizes."""
        if self.both(node, lambda n: n.parents[operand].shape) == self.both(node, sizes):
            return x
        return self.add("Expand", x, self.sizes(node, sizes))

    def need_fixed(self, node: ComputationNode, sizes: Sizes) -> None:
        """Refuse what depends on the batch."""
        one, other = self.both(node, sizes)
        if one != other:
            problem = "writes to single places of an array that grows with the batch"
            raise FixedBatchError(f"{node.op} {problem}{place_of(node)}")

    def sizes(self, node: ComputationNode, sizes: Sizes) -> str:
        """The name of an array of sizes: a constant, or computed from that of the batch."""
        one, other = self.both(node, sizes)
        if one == other:
            return self.constant(one)
        parts = [self._size(node, a, b) for a, b in zip(one, other, strict=True)]
        return self.add("Concat", *parts, axis=0) if len(parts) > 1 else parts[0]

    def _size(self, node: ComputationNode, a: int, b: int) -> str:
        """An array of one size. In the batch size n it is k n + c: two sizes of it say which."""
        if a == b or self.batch is None:
            return self.constant([a])
        source, n, m = self.batch
        self._size_of_batch = name = self._size_of_batch or self.add("Shape", source, start=0, end=1)
        k, rest = divmod(b - a, m - n)
        c = a - k * n
        if rest or k < 0 or c < 0:
            raise FixedBatchError(f"a size of {node.op} is no multiple of the batch size{place_of(node)}")
        name = name if k == 1 else self.add("Mul", name, self.constant([k]))
        return name if c == 0 else self.add("Add", name, self.constant([c]))


def twins_of(graph: Graph, other: Graph) -> dict[ComputationNode, ComputationNode]:
    """For each node of a graph the one that takes its place in the same graph for another batch size.

    Raises FixedBatchError where they differ in more than sizes.
    """
    place = {node: i for i, node in enumerate(graph.nodes)}
    other_place = {node: i for i, node in enumerate(other.nodes)}
    if len(graph.nodes) != len(other.nodes) or len(graph.outputs) != len(other.outputs):
        raise FixedBatchError("the graph for another batch size has more or fewer nodes")
    for node, twin in zip(graph.nodes, other.nodes, strict=True):
        if node.op is not twin.op or [place[p] for p in node.parents] != [other_place[p] for p in twin.parents]:
            problem = f"for another batch size there is {twin.op} in the place of {node.op}"
            raise FixedBatchError(f"{problem}{place_of(node)}")
        if node.ndim != twin.ndim or node.dtype != twin.dtype:
            raise FixedBatchError(f"{node.op} has other axes for another batch size{place_of(node)}")
        for key, value in node.params.items():
            if key != "shape" and value != twin.params[key]:
                raise FixedBatchError(f"the {key} of {node.op} depends on the batch size{place_of(node)}")
        if node.known and twin.known and not np.array_equal(node.value, twin.value):
            raise FixedBatchError("an array that the function holds depends on the batch size")
    return dict(zip(graph.nodes, other.nodes, strict=True))


def place_of(node: ComputationNode) -> str:
    """` (model.py line 12)`, where that is known."""
    return f" ({node.origin[0].replace(chr(92), '/').rpartition('/')[2]} line {node.origin[1]})" if node.origin else ""
