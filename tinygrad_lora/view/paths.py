r"""Explain a gradient as a sum over paths: along each path the local derivatives are multiplied.

Source: Bauer 1974, "Computational graphs and rounding error" (SIAM Journal on Numerical Analysis 11).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import islice
from typing import Any

import numpy as np

from ..core import Array, ComputationNode
from ..core.autodiff import pulling_back
from ..core.graph import topological_order, unique_names
from ..errors import GradientError, TraceError
from .contributions import contributions
from .formula.notation import symbol
from .words.bundle import Typeset
from .words.grammar import counted
from .words.markup import element
from .words.sentences import number, one_line, shape_text, short_array, spoken

MOST_PATHS = 12
MOST_STEPS = 8  # of a path; a longer one is shown without its middle


@dataclass(frozen=True)
class Path:
    """One path from a node to the output, and the part of the gradient that comes along it.

    `factors` are the local derivatives, one for each edge, where all nodes on the path are numbers; of arrays there are
    none. `product` is the part of the gradient: the product of the factors, or an array.
    """

    nodes: tuple[ComputationNode, ...]
    factors: tuple[float, ...]
    product: Array


@dataclass(frozen=True)
class Explanation(Typeset):
    """The gradient of `output` with respect to `node` as a sum over paths: `.text`, `.latex`.

    `count` says how many paths there are; `paths` holds the first of them, and `rest` is the sum over the others.
    """

    node: ComputationNode
    output: ComputationNode
    seed: Array
    paths: tuple[Path, ...]
    count: int
    total: Array
    labels: Mapping[ComputationNode, str]

    @property
    def rest(self) -> Array:
        """The part of the gradient that comes along the paths that are not shown."""
        return self.total - sum(path.product for path in self.paths)

    @property
    def text(self) -> str:
        """The sum as plain text, one path a line."""
        derivative, all_paths = self._derivative(), f"{counted(self.count, 'path')} from {self._label(self.node)}"
        ways = [" -> ".join(_shortened([self._label(n) for n in path.nodes])) for path in self.paths]
        width = max(map(len, ways), default=0)
        lines = [f"{derivative} = {_numbers(self.total)}, the sum over {all_paths} to {self._label(self.output)}"]
        if not self.count:
            lines = [f"{derivative} = 0: no path leads from {self._label(self.node)} to {self._label(self.output)}"]
        lines += [f"  {way:<{width}}  {self._line(path)}" for way, path in zip(ways, self.paths, strict=True)]
        if hidden := self.count - len(self.paths):
            lines.append(f"  and {counted(hidden, 'more path')}, together {_numbers(self.rest)}")
        return "\n".join([*lines, *self._remarks()])

    @property
    def latex(self) -> str:
        """The sum as a formula in LaTeX. Arrays are written as their shapes."""
        x, y = (_symbol(self._label(n)) for n in (self.node, self.output))
        terms = [rf"\underbrace{{{self._product(path)}}}_{{{self._way(path)}}}" for path in self.paths]
        hidden = self.count - len(self.paths)
        terms += [rf"\underbrace{{\cdots}}_{{\text{{{counted(hidden, 'more path')}}}}}"] if hidden else []
        total = [_latex_numbers(self.total)]
        return " = ".join([rf"\frac{{\partial {y}}}{{\partial {x}}}", " + ".join(terms) or "0", *total * bool(terms)])

    __repr__ = Typeset.__str__

    def _repr_html_(self) -> str:
        """The text, for pages that typeset no formulas."""
        return element("pre", self.text, style="font-family: monospace; white-space: pre-wrap")

    def _ipython_display_(self) -> None:
        """Show the formula and the text below it: a notebook shows only one of several forms of one output."""
        display = import_module("IPython.display").display
        display({"text/latex": self._repr_latex_()}, raw=True)
        display({"text/plain": self.text, "text/html": self._repr_html_()}, raw=True)

    # --- Words ---

    def _label(self, node: ComputationNode) -> str:
        return spoken(node.op, self.labels[node])

    def _derivative(self) -> str:
        y, x = (self._label(n) for n in (self.output, self.node))
        return "/".join(f"d({label})" if " " in label else f"d{label}" for label in (y, x))

    def _line(self, path: Path) -> str:
        if path.factors:
            texts = _shortened([f"({number(f)})" if f < 0 and i else number(f) for i, f in enumerate(path.factors)])
            return f"{' * '.join(texts)} = {number(path.product)}" if len(texts) > 1 else number(path.product)
        sizes = _shortened([shape_text(n.shape) for n in path.nodes])
        return f"{_numbers(path.product)}   shapes {' <- '.join(sizes)}"

    def _product(self, path: Path) -> str:
        """The factors as LaTeX; for arrays, the shape of this part of the gradient."""
        if not path.factors:
            return rf"\text{{an array {shape_text(path.product.shape)}}}"
        texts = [_latex_number(f, bracketed=i > 0) for i, f in enumerate(path.factors)]
        return r" \cdot ".join(_shortened(texts, r"\cdots"))

    def _way(self, path: Path) -> str:
        return r" \to ".join(_shortened([_symbol(self._label(n)) for n in path.nodes], r"\cdots"))

    def _remarks(self) -> Iterator[str]:
        """Sentences about what may surprise a reader: a seed other than 1, or a gradient with parts from elsewhere."""
        if not self.output.shape and float(self.seed) != 1:
            yield f"{number(self.seed)} was sent into {self._label(self.output)}, the last factor of every path"
        held = self.node.gradient if self.output.gradient is not None else None  # else backward() has not reached it
        if held is not None and not np.allclose(held, self.total, equal_nan=True):
            held_by_node = f"the gradient that the node holds is {_numbers(held)}"
            yield f"{held_by_node}: it also has parts from other outputs or earlier calls of backward()"


def explain(node: ComputationNode, output: ComputationNode | None = None, *, most: int = MOST_PATHS) -> Explanation:
    r"""$\frac{\partial L}{\partial x} = \sum_{\text{paths}} \prod_{\text{edges}}$: a gradient as a sum over paths.

    Between numbers, each path shows the product of the local derivatives along it; between arrays, its part of the
    gradient.

    node: the node whose gradient is explained
    output: the node on which `backward()` was called; None takes the one that gave `node` its gradient, which a
        variable of the caller must hold
    most: how many paths are shown; all are counted
    Returns an explanation; `print` shows it, and a notebook.
    Raises GradientError if it is not clear which output is meant, TraceError for symbolic nodes: those have
    `formula(tl.gradients(output, node))`; TypeError for what is no node, ValueError for a `most` below 1.

    >>> x = tl.parameter(2.0, name="x")
    >>> loss = x * x + 3.0 * x
    >>> loss.backward()
    >>> print(tl.explain(x))
    d(add %3)/dx = 7, the sum over 3 paths from x to add %3
      x -> multiply %1 -> add %3  2 * 1 = 2
      x -> multiply %1 -> add %3  2 * 1 = 2
      x -> scale %2 -> add %3     3 * 1 = 3
    """
    for x in (node,) if output is None else (node, output):
        if not isinstance(x, ComputationNode):
            raise TypeError(f"explain() takes nodes, not {type(x).__name__}: explain(x, loss)")
    if most < 1:
        raise ValueError(f"at least one path must be shown, not {most}")
    output = _output_of(node, sys._getframe(1)) if output is None else output
    if not node.known or not output.known:
        raise TraceError("explain() needs numbers: of symbolic nodes print formula(tl.gradients(output, node))")
    order = topological_order([output])
    if node not in order and node is not output:
        order = [node, *order]
    seed = _seed(output)
    ways = _Ways(node, output, order)
    total = dict(pulling_back(output, seed, [node])).get(node, np.zeros(node.shape, node.dtype)[()])
    paths = tuple(islice(ways.walk(seed), most))
    return Explanation(node, output, seed, paths, ways.count, total, unique_names(order))


def _seed(output: ComputationNode) -> Array:
    """The gradient of the output itself: what `backward()` was seeded with, or else 1."""
    if output.gradient is not None:
        return np.asarray(output.gradient)[()]
    if output.shape:
        problem = f"explain() starts at a number, and {output.name or 'the output'} has shape {output.shape}"
        raise GradientError(f"{problem}: take tl.sum or tl.mean first, or call output.backward(seed=...)")
    return output.dtype.type(1)


def _output_of(node: ComputationNode, caller: Any) -> ComputationNode:
    """The node on which `backward()` was called, found by the caller's variables: a node does not know its users."""
    alive = topological_order(sorted(_in_variables(caller), key=lambda n: n.created))
    above, used = {node}, set[ComputationNode]()
    for user in alive:
        if user.gradient is not None and not above.isdisjoint(user.parents):
            above.add(user)
            used.update(user.parents)
    ends = [n for n in alive if n in above and n not in used and n.gradient is not None]
    ends = [n for n in ends if n is not node or n.parents]  # a leaf got its gradient from something else
    if len(ends) == 1:
        return ends[0]
    name = one_line(node.name or "x")
    if ends:
        outputs = f"{len(ends)} outputs ({', '.join(repr(n) for n in ends[:3])})"
        problem = f"{name} got its gradient from {outputs}: say which one is meant, explain({name}, y)"
    elif node.gradient is not None:
        problem = f"no variable holds what {name} got its gradient from: say explain({name}, y) with that y"
    else:
        problem = f"nothing was sent back to {name} yet: call backward() on a result, or say explain({name}, y)"
    raise GradientError(problem)


def _in_variables(frame: Any) -> set[ComputationNode]:
    """The nodes that the variables of this frame hold, and those of its callers, themselves or in a list or dict."""
    namespaces: dict[int, Mapping[str, Any]] = {}  # by identity: modules have one for all their frames
    while frame is not None:
        namespaces |= {id(namespace): namespace for namespace in (frame.f_locals, frame.f_globals)}
        frame = frame.f_back
    things = [thing for namespace in namespaces.values() for thing in [*namespace.values()]]
    held = (x.values() if type(x) is dict else x if type(x) in (list, tuple) else [x] for x in things)
    return {part for parts in held for part in [*parts] if type(part) is ComputationNode}


class _Ways:
    """The paths from `node` to `output`: their number, and each with the part of the gradient that comes along it."""

    def __init__(self, node: ComputationNode, output: ComputationNode, order: Sequence[ComputationNode]) -> None:
        self.node, self.output = node, output
        self.counts = {node: 1}  # for each node on a path, how many paths lead to it
        for user in order:
            if user is node or not user.op.differentiable or self.counts.keys().isdisjoint(user.parents):
                continue
            ones = np.ones(user.shape, user.dtype)[()]
            if ways := sum(self.counts[parent] for _, parent, _ in self.sent(user, ones)):
                self.counts[user] = ways
        self.count = self.counts.get(output, 0)

    def sent(self, node: ComputationNode, g: Array) -> list[tuple[int, ComputationNode, Array]]:
        """The contributions of a node to those of its operands that lie on a path."""
        return [*contributions(node, g, wanted=self.counts.__contains__)]

    def walk(self, seed: Array) -> Iterator[Path]:
        """The paths one by one, from the output down: at each edge the gradient passes through the operation's rule."""
        first = () if not self.output.shape and float(seed) == 1 else (seed,)
        waiting: list[tuple[tuple[ComputationNode, ...], tuple[Array, ...], Array]] = [((self.output,), first, seed)]
        while waiting and self.count:
            nodes, factors, g = waiting.pop()
            last = nodes[0]
            if last is self.node:
                numbers = all(n.shape == () for n in nodes)
                yield Path(nodes, tuple(map(float, factors)) or (1.0,) if numbers else (), g)  # () for arrays
                continue
            slopes = {} if last.shape else {i: (part,) for i, _, part in self.sent(last, last.dtype.type(1))}
            for i, parent, part in reversed(self.sent(last, g)):
                local = () if parent.shape else slopes.get(i, ())
                waiting.append(((parent, *nodes), local + factors, part))


def _shortened(steps: list[str], dots: str = "...") -> list[str]:
    """The steps, without those in the middle if there are too many."""
    half = MOST_STEPS // 2
    return steps if len(steps) <= MOST_STEPS else [*steps[:half], dots, *steps[-half:]]


def _numbers(array: Array) -> str:
    return "; ".join(short_array(array))


def _symbol(label: str) -> str:
    operation, _, place = label.rpartition(" %")
    return f"{symbol(operation)}_{{{place}}}" if operation else symbol(label)


def _latex_number(x: Any, bracketed: bool = False) -> str:
    text = number(x)
    mantissa, _, exponent = text.partition("e")
    text = rf"{mantissa} \times 10^{{{int(exponent)}}}" if exponent else text
    return f"({text})" if bracketed and (exponent or text.startswith("-")) else text


def _latex_numbers(array: Array) -> str:
    return _latex_number(array) if not np.shape(array) else rf"\text{{an array {shape_text(np.shape(array))}}}"
