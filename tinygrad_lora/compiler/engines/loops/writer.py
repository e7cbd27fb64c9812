"""The lines of a program of loops so far, and how each value is read in them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ....core import ComputationNode as Node, Graph, Shape
from ...text.lines import Names, Statement, array_source
from .scalars import number, short
from .views import FIXED, Axis, views, whole


class LoopWriter:
    """Collects lines. `letters` are the loop variables, one for each axis from the outermost on."""

    def __init__(self, graph: Graph, names: Names) -> None:
        self.names, self.known = names, views(graph.nodes)
        self.lines: list[Statement] = []
        self.constants: list[str] = []
        self.depth = 0
        self.copies: dict[Node, str] = {}  # views that were copied into arrays of their own
        self.readers: dict[Node, list[Node | None]] = {node: [] for node in graph.nodes}  # None: it is an output
        for node in graph.nodes:
            for p in node.parents if self.known[node].base is node else ():
                self.readers[self.known[p].base].append(node)
        for node in graph.outputs:
            self.readers[self.known[node].base].append(None)
        for node in graph.inputs:
            names.define(node, "x")
        most = max((node.ndim for node in graph.nodes), default=0) + 1
        self.letters = [names.free(letter) for letter in [*"ijklmn", *(f"n{k}" for k in range(6, most))][:most]]
        for node in graph.nodes:
            if not node.parents and node not in names.variables and node.shape:
                self.constants.append(f"{self.define(node)} = {array_source(node.value)}")

    def define(self, node: Node) -> str:
        """The variable of a node; a new one where it has none yet."""
        return self.names.variables.get(node) or self.names.define(node, "t" if node.parents else "c")

    def say(self, code: str, node: Node | None = None, comment: str = "") -> None:
        """Add a line, and to the line that computes a node its operation and its shape."""
        comment = comment if node is None else f"{node.op} {node.shape}"
        self.lines.append(Statement(f"{'    ' * self.depth}{code}", comment, node))

    def new(self, node: Node) -> str:
        """Add the line that makes the array of a node; its variable."""
        name = self.define(node)
        self.say(f"{name} = np.empty({node.shape}, {short(node.dtype)})")
        return name

    @contextmanager
    def over(self, shape: Shape, first: int = 0) -> Iterator[None]:
        """A loop over each axis, around the lines that are added inside. An axis with a single element needs none."""
        depth = self.depth
        for k, n in enumerate(shape, first):
            if n != 1:
                self.say(f"for {self.letters[k]} in range({n}):")
                self.depth += 1
        yield
        self.depth = depth

    def at(self, array: str, axes: Sequence[Axis], indices: Sequence[str]) -> str:
        """An element of an array, for these indices of a view of it; a number where there are no axes."""
        return f"{array}[{', '.join(_index(axis, indices) for axis in axes)}]" if axes else array

    def own(self, node: Node) -> str:
        """The element of a node's own array at the loop variables."""
        return self.at(self.define(node), whole(node.shape), self.letters)

    def read(self, operand: Node, indices: Sequence[str], dtype: object = None) -> str:
        """The element of an operand at these indices, in its own dtype or in another."""
        base, axes = self.known[operand]
        if not base.parents and base not in self.names.variables:
            return number(base.value, dtype or base.dtype)
        text = self.at(self.names.variables[base], axes, indices)
        return text if dtype in (None, operand.dtype) else f"{short(dtype)}({text})"

    def beside(self, operand: Node, ndim: int) -> list[str]:
        """The loop variables for an operand of a result with `ndim` axes: the last axis of both is the same."""
        return self.letters[ndim - operand.ndim :]

    def array(self, operand: Node) -> str:
        """An operand as an array in rows, or as the transpose of one: what a matrix product takes as it is."""
        base, axes = self.known[operand]
        rows = whole(operand.shape)
        if base.shape == operand.shape and axes == rows:
            return self.define(base)
        if operand.ndim == 2 and base.shape == operand.shape[::-1] and axes == rows[::-1]:
            return f"{self.define(base)}.T"
        if base.size == operand.size and base.shape and _long(axes) == _long(rows):
            return f"{self.define(base)}.reshape({operand.shape})"
        return self.copy(operand)

    def copy(self, node: Node) -> str:
        """The node as an array of its own, which is made here."""
        if node not in self.copies:
            element, known = self.read(node, self.letters), self.names.variables.get(node)
            self.copies[node] = name = self.names.free(f"{known}_copy") if known else self.define(node)
            if node.shape:
                self.say(f"{name} = np.empty({node.shape}, {short(node.dtype)})")
            with self.over(node.shape):
                self.say(f"{self.at(name, whole(node.shape), self.letters)} = {element}", node)
        return self.copies[node]


def _index(axis: Axis, indices: Sequence[str]) -> str:
    """The index along one axis as source."""
    if axis.along is None:
        return str(axis.start)
    scaled = indices[axis.along] if axis.step == 1 else f"{axis.step} * {indices[axis.along]}"
    return f"{axis.start} + {scaled}" if axis.start else scaled


def _long(axes: Sequence[Axis]) -> list[Axis]:
    return [axis for axis in axes if axis != FIXED]
