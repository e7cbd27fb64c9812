"""Recognizes functions of the library and activations in a graph: softmax, sigmoid, mean, silu and so on.

No pattern is written by hand: each function is traced, and the graph is compared with the result.
"""

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np

from ... import library
from ...core import Graph
from ...core.node import ComputationNode as Node, Op, constant, placeholder
from ...nn.activations import exact_gelu, silu

Prepare = Callable[[Graph], Graph]
Matches = dict[Node, Node]  # for each node of the pattern the node of the graph that it matches


class Composite(Op):
    """A function of the library as one operation, to be read in a formula."""

    def __init__(self, name: str, function: Any = None) -> None:
        """Set the name and the function, None if its operand is never a constant; it is not in the registry."""
        self.name, self.function = name, function

    def forward(self, *arrays: Any, **params: Any) -> Any:
        """The value of the function, for operands that are constants."""
        return self.function(*map(constant, arrays), **params).value


class Pattern(NamedTuple):
    """A function of the library, the kinds of its arguments, and the parameters to try for an argument of n axes."""

    name: str
    function: Callable[..., Any]
    kinds: str  # a letter for each argument: "f" for floats, "i" for whole numbers
    axes: int  # how many the first argument has when the pattern is traced
    parameters: Callable[[int], Iterator[dict[str, Any]]] = lambda n: iter([{}])
    floats: tuple[Any, ...] = (float,)  # the dtypes for which its graphs differ


def _one_axis(n: int) -> Iterator[dict[str, Any]]:
    yield from ({"axis": axis} for axis in (-1, *range(n - 1)))


# Larger ones first: a cross-entropy contains a softmax.
PATTERNS = (
    Pattern("cross_entropy", library.cross_entropy, "fi", 2),
    Pattern("layer_norm", library.layer_norm, "f", 2),
    Pattern("gelu", library.gelu, "f", 1),
    Pattern("log_softmax", library.log_softmax, "f", 1, _one_axis),
    Pattern("softmax", library.softmax, "f", 1, _one_axis),
    Pattern("exact_gelu", exact_gelu, "f", 1, floats=(np.float32, float)),
    Pattern("silu", silu, "f", 1),
    Pattern("sigmoid", library.sigmoid, "f", 1),
    Pattern("maximum", library.maximum, "ff", 1),
)
OPERATIONS = {pattern.name: Composite(pattern.name, pattern.function) for pattern in PATTERNS}
OPERATIONS |= {"mean": Composite("mean", library.mean), "one_hot": Composite("one_hot")}


def with_composites(graph: Graph, prepare: Prepare) -> Graph:
    """The graph with each function of the library as one node. `prepare` is what was done to the graph before."""

    def rule(pattern: Pattern, node: Node) -> Node | None:
        for loose, arguments in _examples(pattern, prepare) if node.dtype.kind == "f" else ():
            matches = matched(loose, node, arguments, strict=False)
            composite = None if matches is None else _composite(pattern, [matches[x] for x in arguments], node, prepare)
            if composite is not None:
                return composite
        return None

    for pattern in PATTERNS:
        graph = graph.rewrite(partial(rule, pattern))
    return graph


@cache
def _examples(pattern: Pattern, prepare: Prepare) -> list[tuple[Node, list[Node]]]:
    """The graphs of the pattern on small arguments, for a first comparison that ignores shapes and parameters."""
    shape = (2, 3)[: pattern.axes]
    examples = []
    for dtype in pattern.floats:
        kinds = {"f": (shape, dtype), "i": (shape[:-1], int)}
        arguments = [placeholder(*kinds[kind]) for kind in pattern.kinds]
        forms = [_traced(pattern, arguments, params, prepare) for params in pattern.parameters(len(shape))]
        examples += [(form, arguments) for form in forms]
    return examples


def _traced(pattern: Pattern, arguments: list[Node], params: dict[str, Any], prepare: Prepare) -> Node:
    return prepare(Graph(arguments, [pattern.function(*arguments, **params)])).outputs[0]


def _composite(pattern: Pattern, operands: list[Node], node: Node, prepare: Prepare) -> Node | None:
    """The node of the composite, if the graph is exactly this function of these operands; else None."""
    if all(x.known for x in operands):  # a constant, which a pass folds
        return None
    arguments = [placeholder(x.shape, x.dtype) for x in operands]
    for params in pattern.parameters(operands[0].ndim):
        try:
            exact = _traced(pattern, arguments, params, prepare)
        except (ValueError, TypeError):  # these operands are not for this function
            return None
        matches = matched(exact, node, arguments, strict=True)
        if matches is not None and [matches[x] for x in arguments] == operands:
            named = {k: v for k, v in params.items() if v != -1}  # no axis where it is the last
            return Node(OPERATIONS[pattern.name], tuple(operands), named, node.shape, node.dtype)
    return None


def matched(pattern: Node, node: Node, arguments: list[Node], *, strict: bool) -> Matches | None:
    """The nodes that the arguments of the pattern match, if `node` is computed in the same way; else None."""
    matches: Matches = {}
    pairs = [(pattern, node)]
    for wanted, candidate in pairs:  # the list grows while it is read
        if wanted in matches:
            if matches[wanted] is not candidate:
                return None
        elif wanted in arguments:
            if strict and (wanted.shape, wanted.dtype) != (candidate.shape, candidate.dtype):
                return None
            matches[wanted] = candidate
        elif wanted.op is not candidate.op or len(wanted.parents) != len(candidate.parents):
            return None  # another operation
        elif strict and not _equal(wanted, candidate):
            return None
        else:
            matches[wanted] = candidate
            pairs += zip(wanted.parents, candidate.parents, strict=True)
    return matches if all(x in matches for x in arguments) else None


def _equal(a: Node, b: Node) -> bool:
    """Whether two nodes of one operation have the same parameters, and the same value if they are constants."""
    if a.params and repr(sorted(a.params.items())) != repr(sorted(b.params.items())):
        return False
    return bool(a.parents) or not a.known or (b.known and np.array_equal(a.value, b.value))
