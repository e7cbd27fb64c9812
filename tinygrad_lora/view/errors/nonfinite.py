"""Finds the node in which the first NaN or infinity appears."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...core import Array, ComputationNode
from ...core.graph import Graph, topological_order, unique_names
from ...core.trace import trace
from ...errors import TraceError
from ..diagram.data import Diagram, role_of
from ..words.bundle import Explained
from ..words.markup import element
from ..words.sentences import number, one_line, shape_text, short_array, spoken, with_article
from .excerpt import above, marked_image, whole
from .lines import SourceLine


@dataclass(frozen=True)
class NonFinite(Explained):
    """The first node whose value is not finite. It prints as one sentence and draws itself in a notebook.

    `index` is the place of the first such number in its value. `line` is the user's line; None for a node that was
    computed eagerly, which does not record it.
    """

    node: ComputationNode
    value: Array
    operands: tuple[Array, ...]  # their values
    labels: dict[ComputationNode, str]
    index: tuple[int, ...]

    @property
    def line(self) -> SourceLine | None:
        """The user's line that created the node."""
        return SourceLine(*self.node.origin) if self.node.origin else None

    @property
    def text(self) -> str:
        """`log %2 is the first that is not finite: -inf at [1], 1 of 3 numbers; there x is 0`."""
        wrong = int(np.count_nonzero(~np.isfinite(self.value)))
        bad_value = f"{number(np.asarray(self.value)[self.index])}"
        many = f" at {list(self.index)}, {wrong:,} of {np.size(self.value):,} numbers" if self.index else ""
        why = "; ".join(self._operands()) or f"it is {_kind(self.node)}"
        where = f" ({self.line})" if self.line else ""
        return one_line(f"{self._label(self.node)} is the first that is not finite: {bad_value}{many}; {why}{where}")

    __repr__ = Explained.__str__

    @property
    def diagram(self) -> Diagram:
        """The node, and what it was computed from."""
        diagram, ids = whole([self.node], self.labels)  # the sentence speaks of the same labels
        values = {ids[self.node]: short_array(self.value)}
        values |= {ids[p]: short_array(v) for p, v in zip(self.node.parents, self.operands, strict=True)}
        boxes = tuple(replace(box, value=values.get(box.id, box.value), numbered=True) for box in diagram.boxes)
        return above(replace(diagram, boxes=boxes), ids[self.node], f"{self._label(self.node)} is not finite")

    @property
    def html(self) -> str:
        """The sentence and the picture as one HTML element, which even an untrusted notebook shows."""
        marked = self.diagram.boxes[-1].id
        return element("div", element("p", self.text), marked_image(self.diagram, marked))

    def _label(self, node: ComputationNode) -> str:
        return spoken(node.op, self.labels[node])

    def _operands(self) -> Iterable[str]:
        """The operands in words: for an elementwise operation the numbers at that index, else each in short."""
        elementwise = self.node.op.elementwise
        for operand, value in dict(zip(self.node.parents, self.operands, strict=True)).items():
            if elementwise or not np.shape(value):
                there = np.broadcast_to(value, np.shape(self.value))[self.index] if elementwise else value
                yield f"{'there ' if self.index and elementwise else ''}{self._label(operand)} is {number(there)}"
            else:
                yield f"{self._label(operand)} is {shape_text(np.shape(value))}, {', '.join(short_array(value))}"


def first_nonfinite(obj: ComputationNode | Graph | Callable[..., Any], *arrays: ArrayLike) -> NonFinite | None:
    """The first node, in the order of computation, whose value is NaN or infinite; None if all values are finite.

    obj: a node with values: everything it was computed from is looked at. Or a Graph or a function of nodes (a layer is
        one), which is run: then the answer knows the user's line
    *arrays: the inputs of a Graph or a function
    Returns a report, which `print` shows, or None.
    Raises TraceError for a symbolic node, TypeError for anything else.

    >>> with np.errstate(divide="ignore"):
    ...     y = tl.log(tl.constant([0.0, 1.0])) * 2.0
    >>> print(tl.first_nonfinite(y))
    log %1 is the first that is not finite: -inf at [0], 1 of 2 numbers; there constant %0 is 0
    >>> tl.first_nonfinite(lambda x: tl.exp(x), np.zeros(2)) is None
    True
    """
    if isinstance(obj, ComputationNode):
        if arrays:
            raise TypeError("a node has its values already: pass arrays with a function or a Graph only")
        if not obj.known:
            raise TraceError(f"{obj!r} is symbolic: put the function in its place, first_nonfinite(f, *arrays)")
        nodes = topological_order([obj])
        return _first(((node, node.value) for node in nodes), unique_names(nodes))
    if isinstance(obj, Graph):
        graph = obj
    elif isinstance(obj, Callable):  # type: ignore[arg-type]
        arrays = tuple(np.asarray(a) if isinstance(a, list) else a for a in arrays)
        graph = trace(getattr(obj, "function", obj), *arrays)
        arrays = tuple(a for a in arrays if isinstance(a, np.ndarray | np.generic))
    else:
        raise TypeError(f"a node, a Graph or a function is looked at, not {type(obj).__name__}")
    return _first(graph.running(*arrays), unique_names(graph.nodes))


def _first(values: Iterable[tuple[ComputationNode, Array]], labels: dict[ComputationNode, str]) -> NonFinite | None:
    known: dict[ComputationNode, Array] = {}
    with np.errstate(all="ignore"):  # warnings about infinities would say the same
        for node, value in values:
            known[node] = value
            if np.asarray(value).dtype.kind in "fc" and not np.isfinite(value).all():
                index = tuple(int(i) for i in np.argwhere(~np.isfinite(np.asarray(value)))[0])
                return NonFinite(node, value, tuple(known[p] for p in node.parents), labels, index)
    return None


def _kind(node: ComputationNode) -> str:
    role = role_of(node)
    return with_article(f"{role} parameter" if role in ("trainable", "frozen") else role)
