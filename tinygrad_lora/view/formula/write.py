"""Writes any graph as a formula, gradients included: as text, and as LaTeX."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from ...core import Graph, ops, rebuilt, topological_order
from ...core.node import CONSTANT, INPUT, ComputationNode, Shape, constant, placeholder
from ...errors import RenderError
from ...nn.layer import Layer
from ..diagram.layers import run_layer
from ..words.bundle import Typeset
from ..words.sentences import one_line, shape_text, with_article
from .notation import Fragment, Latex, Notation
from .reading import readable

LARGEST = 1_000  # operations
LONGEST = 72  # characters of one line; a part that does not fit gets a name and a line of its own
SHORTEST_SHARED = 12  # characters; a part that is used twice and is at least this long gets a name
LETTERS = {"input": "xyzuvw", "matrix": "WABCDEFHKM", "vector": "abcdefk", "constant": "CDEFKM", "step": "huvpqtz"}

Lines = list[tuple[str, tuple[Fragment, ...]]]  # names, each with what it stands for in each notation
Names = Mapping[Any, str]  # of nodes, and of numbers such as a scaling
Equations = ComputationNode | Mapping[str, ComputationNode] | Graph | Layer  # what a formula is of


class Formula(Typeset):
    """A formula that notebooks typeset and terminals print: `.text`, `.latex`."""

    def __init__(self, text: str, latex: str) -> None:
        self.text, self.latex = text, latex


def formula(obj: Equations, names: Names | None = None, example: ArrayLike | None = None) -> Formula:
    r"""What `obj` computes, in named variables: $\frac{\partial L}{\partial B} = s\,A^\top x^\top G$.

    Products side by side are those of matrices, and vectors are rows. The formula is simplified by the compiler's
    passes, so it may differ from what was written. If all intermediate numbers are finite it gives the same results, up
    to rounding.

    obj: a node, a mapping of names to nodes, a Graph, or a layer. Nodes with a name are variables, and an operation
        with a name gets a line of its own. Other parameters, inputs and arrays get a letter
    names: gives nodes other names, and numbers: `{layer.lora_A: "A", layer.scaling: "s"}`
    example: an input for a layer, an array or a shape
    Returns a formula: `.latex` is the equation, `print` shows it as text.
    Raises TypeError for anything else, RenderError above 1,000 operations.

    >>> x, w = tl.placeholder((4, 3), name="x"), tl.parameter(np.ones((3, 2)), name="w")
    >>> f = tl.formula(tl.sum(tl.tanh(x @ w)))
    >>> print(f)
    sum(tanh(x w))
    >>> f.latex
    '\\sum_{ij} \\tanh(x w)_{ij}'
    """
    heads, own_names = _heads(obj, example)
    names = own_names | dict(names or {})
    _check(heads, names)
    return _Page(heads, names).formula()


def _heads(obj: Equations, example: ArrayLike | None) -> tuple[list[tuple[str, ComputationNode]], dict[Any, str]]:
    """The name and the node of each equation, and names for nodes that do not have one of their own."""
    if example is not None and not isinstance(obj, Layer):
        raise TypeError("an example input is for layers only: a graph has the shapes that it was made with")
    match obj:
        case ComputationNode():
            return [(obj.name or "", obj)], {}
        case Graph():
            single = len(obj.outputs) == 1
            return [(y.name or ("" if single else f"y{i}"), y) for i, y in enumerate(obj.outputs)], {}
        case Layer():
            _, y, _ = run_layer(obj, example)
            return [("y", y)], {p: name for name, p in obj.named_parameters().items()}
        case Mapping() if all(isinstance(k, str) and isinstance(y, ComputationNode) for k, y in obj.items()) and obj:
            return list(obj.items()), {}
    problem = f"a formula is of a node, a Graph, a layer or a mapping of names to nodes, not of {type(obj).__name__}"
    raise TypeError(f"{problem}: of a Python function take its graph, formula(tl.trace(f, *examples))")


def _check(heads: list[tuple[str, ComputationNode]], names: Names) -> None:
    for key, name in names.items():
        if not isinstance(key, ComputationNode | int | float) or not isinstance(name, str) or not name.strip():
            example = "{x: 'x', 0.5: 's'}"
            raise TypeError(f"names are strings for nodes and numbers, as in {example}, not {key!r}: {name!r}")
    operations = sum(1 for node in topological_order([y for _, y in heads]) if node.parents)
    if operations > LARGEST:
        remedy = "print(listing(obj)) lists them, formula(node) of an earlier node shows a part"
        raise RenderError(f"a formula of {operations:,} operations cannot be read; the limit is {LARGEST:,}: {remedy}")


class _Page:
    """Builds one formula: its variables, its lines, and the fragments written so far in both notations."""

    def __init__(self, heads: list[tuple[str, ComputationNode]], names: Names) -> None:
        self.heads, self.names = heads, names
        self.taken: set[str] = set()
        self.notes: list[tuple[str, str]] = []  # letters that were chosen here, and what they stand for
        self.rows: set[ComputationNode] = set()  # indices of take and scatter_add, which may be constants 0, 1, 2, ...
        self.symbols: dict[ComputationNode, str] = {}  # the names of variables in the graph that is written
        self.notations = (Notation(), Latex())
        self.pieces: dict[ComputationNode, tuple[Fragment, ...]] = {}
        self.lines: Lines = []  # below "where", in the order of computation

    # --- What is a variable ---

    def graph(self) -> tuple[Graph, list[str]]:
        """The graph to write, and the names of its outputs: the heads, then the operations with names.

        Its leaves are placeholders, and so is each operation with a name where others use it.
        """
        wanted = [y for _, y in self.heads]
        order = topological_order(wanted)
        labels = {n: name for n in order if (name := self._name(n))} | {y: s for s, y in self.heads if s and y.parents}
        self.taken |= {one_line(name) for name in labels.values()} | {one_line(name) for name, _ in self.heads}
        named_numbers = ((x, name) for x, name in self.names.items() if not isinstance(x, ComputationNode))
        numbers = {x: self._leaf((), np.float16, name) for x, name in named_numbers}  # narrow: others keep their dtype
        self.rows = {n.parents[1] for n in order if n.op in (ops.take, ops.scatter_add)}
        new: dict[ComputationNode, ComputationNode] = {}
        definitions: dict[ComputationNode, ComputationNode] = {}  # operations, not replaced by their names
        for node in order:
            if not node.parents:
                new[node] = self._of_leaf(node, labels.get(node))
                continue
            parents = tuple(new[p] for p in node.parents)
            factor = node.params.get("factor") if node.op is ops.scale else None
            written = parents[0] * numbers[factor] if factor in numbers else rebuilt(node, parents)
            definitions[node] = new[node] = written
            if node in labels:
                new[node] = self._leaf(node.shape, node.dtype, labels[node])
                labels[node] = self.symbols[new[node]]
        defined = [n for n in order if n in labels and n.parents and n not in wanted]
        outputs = [definitions.get(n, new[n]) for n in [*wanted, *defined]]
        inputs = [n for n in topological_order(outputs) if not n.parents and not n.known]
        # Of several names for one node the last is its label; the others are equal to that label.
        last = {y: name for name, y in self.heads}
        heads = [labels[y] if name and y.parents and name == last[y] else name for name, y in self.heads]
        return Graph(inputs, outputs), [*heads, *(labels[n] for n in defined)]

    def _name(self, node: ComputationNode) -> str:
        return self.names.get(node) or one_line(node.name or "")

    def _of_leaf(self, node: ComputationNode, label: str | None) -> ComputationNode:
        number = node.dtype.kind == "f" and _filled(node) is not None
        if node.op is CONSTANT and not label and (number or node in self.rows):
            return constant(node.value)
        kind = "input" if node.op is INPUT else "constant" if node.op is CONSTANT else "parameter"
        if not label:
            label = self._letter(kind if kind != "parameter" else "matrix" if node.ndim > 1 else "vector")
            self.notes.append((label, f"{with_article(kind)}, {shape_text(node.shape)}"))
        return self._leaf(node.shape, node.dtype, label)

    def _leaf(self, shape: Shape, dtype: DTypeLike, label: str) -> ComputationNode:
        """A variable. A second one of the same name gets a number, so that a reader can tell them apart."""
        used = set(self.symbols.values())
        name = next(n for i in count(1) if (n := label if i == 1 else f"{label}_{i}") not in used)
        self.taken.add(name)
        leaf = placeholder(shape, dtype, name)
        self.symbols[leaf] = name
        return leaf

    def _letter(self, kind: str) -> str:
        letters = LETTERS[kind]
        numbered = (f"{letters[0]}{i}" for i in count(1))
        letter = next(name for source in (letters, numbered) for name in source if name not in self.taken)
        self.taken.add(letter)
        return letter

    # --- What is written ---

    def formula(self) -> Formula:
        graph, names = self.graph()
        graph = readable(graph)
        uses = Counter(p for node in graph.nodes for p in node.parents) + Counter(graph.outputs)
        for node in graph.nodes:
            self.write(node)
            text = self.pieces[node][0].text
            if node.parents and uses[node] > 1 and len(text) >= SHORTEST_SHARED and text != "0":
                self.set_apart(node)
        written = [(name, self.pieces[node]) for name, node in zip(names, graph.outputs, strict=True)]
        n = len(self.heads)
        return self._laid_out(written[:n], [*written[n:], *self.lines])

    def write(self, node: ComputationNode) -> None:
        """Write one node. While that is too long, give its longest operand a name, and write it again."""
        while True:
            self.pieces[node] = tuple(self._piece(notation, i, node) for i, notation in enumerate(self.notations))
            longest = max(node.parents, key=lambda p: len(self.pieces[p][0].text), default=None)
            if len(self.pieces[node][0].text) <= LONGEST or longest is None or not longest.parents:
                return
            if len(self.pieces[longest][0].text) < SHORTEST_SHARED:
                return
            self.set_apart(longest)

    def set_apart(self, node: ComputationNode) -> None:
        """Give a node a letter and a line of its own; from here on it is written as that letter."""
        letter = self._letter("step")
        self.lines.append((letter, self.pieces[node]))
        self.pieces[node] = tuple(notation.name(letter) for notation in self.notations)

    def _piece(self, notation: Notation, i: int, node: ComputationNode) -> Fragment:
        if node in self.symbols:
            return notation.name(self.symbols[node])
        filled = _filled(node)
        if filled is not None:
            return notation.filled(filled, node.shape) if node.size != 1 else notation.number(filled)
        if not node.parents:
            self.symbols[node] = self._letter("constant")
            self.notes.append((self.symbols[node], f"a constant, {shape_text(node.shape)}"))
            return notation.name(self.symbols[node])
        return notation.write(node, [self.pieces[p][i] for p in node.parents])

    def _laid_out(self, heads: Lines, below: Lines) -> Formula:
        width = max(len(one_line(name)) for name, _ in [*heads, *below])
        latex = self.notations[1]

        def text(name: str, pieces: tuple[Fragment, ...], pad: int) -> str:
            return f"{one_line(name):>{pad}} = {pieces[0].text}" if name else pieces[0].text

        def aligned(name: str, pieces: tuple[Fragment, ...]) -> str:
            return f"{latex.name(name).text} &= {pieces[1].text}" if name else f"& {pieces[1].text}"

        lines = [text(name, pieces, width) for name, pieces in heads]
        rows = [aligned(name, pieces) for name, pieces in heads]
        if below:
            lines += ["where", *(text(name, pieces, width) for name, pieces in below)]
            rows += [r"\text{where}\quad " + aligned(*below[0]), *(aligned(*line) for line in below[1:])]
        if self.notes:
            lines.append("; ".join(f"{letter} is {meaning}" for letter, meaning in self.notes))
            rows += [rf"& {latex.name(letter).text}\text{{ is {meaning}}}" for letter, meaning in self.notes]
        single = len(rows) == 1
        body = rows[0].replace("&= ", "= ", 1).removeprefix("& ") if single else " \\\\\n".join(rows)
        return Formula("\n".join(lines), body if single else f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}")


def _filled(node: ComputationNode) -> Any:
    """The number that fills this constant array; None for any other node."""
    while node.op is ops.broadcast or node.op is ops.reshape:
        (node,) = node.parents
    if node.parents or not node.known or not node.size:
        return None
    first = node.value.flat[0] if node.shape else node.value
    return first if node.size == 1 or bool((node.value == first).all()) else None
