"""Find functions of the library and activations in a graph again: softmax, sigmoid, mean, silu and their kind.

What a function looks like is not written down here: it is traced, and the graph is compared with what comes out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np

from ... import library
from ...core.graph import Graph
from ...core.node import ComputationNode as Node
from ...core.node import Op, constant, placeholder
from ...nn.activations import exact_gelu, silu

Prepare = Callable[[Graph], Graph]
Matches = dict[Node, Node]  # an argument of the pattern, and what stands in its place


class Composite(Op):
    """A function of the library as one operation, for reading only."""

    def __init__(self, name: str, function: Any = None) -> None:
        """One instance a name, in OPERATIONS; it is not among the primitives. None: its operand is never a constant."""
        self.name, self.function = name, function

    def forward(self, *arrays: Any, **params: Any) -> Any:
        """What the function gives, where the operands turn out to be constants."""
        return self.function(*map(constant, arrays), **params).value


class Pattern(NamedTuple):
    """A function of the library, the kinds of its arguments, and the parameters to try for an argument of n axes."""

    name: str
    function: Callable[..., Any]
    kinds: str  # a letter an argument: "f" for numbers, "i" for whole numbers
    axes: int  # of the first argument in the first try: some functions need two
    parameters: Callable[[int], Iterator[dict[str, Any]]] = lambda n: iter([{}])
    floats: tuple[Any, ...] = (float,)  # kinds of numbers, if its graph is another one for each


def _one_axis(n: int) -> Iterator[dict[str, Any]]:
    yield from ({"axis": axis} for axis in (-1, *range(n - 1)))


# Larger ones first: a softmax stands inside of a cross-entropy.
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
    """The graph with one node for each function of the library in it. `prepare` was applied to the graph as well."""

    def rule(pattern: Pattern, node: Node) -> Node | None:
        for loose, arguments in _examples(pattern, prepare) if node.dtype.kind == "f" else ():
            found = matched(loose, node, arguments, strict=False)
            made = None if found is None else _made(pattern, [found[x] for x in arguments], node, prepare)
            if made is not None:
                return made
        return None

    for pattern in PATTERNS:
        graph = graph.rewrite(partial(rule, pattern))
    return graph


@cache
def _examples(pattern: Pattern, prepare: Prepare) -> list[tuple[Node, list[Node]]]:
    """The pattern on small arguments, in each of its forms. Their shapes and parameters do not matter yet."""
    shape = (2, 3)[: pattern.axes]
    examples = []
    for dtype in pattern.floats:
        kinds = {"f": (shape, dtype), "i": (shape[:-1], int)}
        arguments = [placeholder(*kinds[kind]) for kind in pattern.kinds]
        forms = [_traced(pattern, arguments, params, prepare) for params in pattern.parameters(len(shape))]
        examples += [(form, arguments) for form in forms]
    return examples


def _traced(pattern: Pattern, arguments: list[Node], params: dict[str, Any], prepare: Prepare) -> Node:
    graph = prepare(Graph(arguments, [partial(pattern.function, **params)(*arguments)]))
    return graph.outputs[0]


def _made(pattern: Pattern, operands: list[Node], node: Node, prepare: Prepare) -> Node | None:
    """The function as one node, if it is that function of these operands, to the last parameter."""
    if all(x.known for x in operands):  # a number, which the passes compute
        return None
    arguments = [placeholder(x.shape, x.dtype) for x in operands]
    for params in pattern.parameters(operands[0].ndim):
        try:
            exact = _traced(pattern, arguments, params, prepare)
        except (ValueError, TypeError):  # these operands are not for this function
            return None
        found = matched(exact, node, arguments, strict=True)
        if found is not None and [found[x] for x in arguments] == operands:
            told = {k: v for k, v in params.items() if v != -1}  # no axis where it is the last
            return Node(OPERATIONS[pattern.name], tuple(operands), told, node.shape, node.dtype)
    return None


def matched(pattern: Node, node: Node, arguments: list[Node], *, strict: bool) -> Matches | None:
    """What stands in the place of each argument, if `node` is computed as `pattern` is; else None."""
    found: Matches = {}
    pairs = [(pattern, node)]
    for wanted, given in pairs:  # the list grows while it is read
        if wanted in found:
            if found[wanted] is not given:
                return None
        elif wanted in arguments:
            if strict and (wanted.shape, wanted.dtype) != (given.shape, given.dtype):
                return None
            found[wanted] = given
        elif wanted.op is not given.op or len(wanted.parents) != len(given.parents):
            return None  # another operation
        elif strict and not _equal(wanted, given):
            return None
        else:
            found[wanted] = given
            pairs += zip(wanted.parents, given.parents, strict=True)
    return found if all(x in found for x in arguments) else None


def _equal(a: Node, b: Node) -> bool:
    """Whether two nodes of one operation have the same parameters, and the same value if they are constants."""
    if a.params and repr(sorted(a.params.items())) != repr(sorted(b.params.items())):
        return False
    return bool(a.parents) or not a.known or (b.known and np.array_equal(a.value, b.value))
