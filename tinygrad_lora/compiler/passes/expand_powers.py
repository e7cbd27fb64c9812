"""Powers as products, roots and quotients: NumPy's `power` takes ten times as long."""

from __future__ import annotations

from ... import ops
from ...core.graph import Graph
from ...core.node import ComputationNode as Node
from ...core.node import constant

LARGEST = 8  # whole exponents up to here take at most four products


def expand_powers(graph: Graph) -> Graph:
    r"""$x^{2n} = (x^n)^2$, $x^{2n + 1} = x\,x^{2n}$, $x^{-n} = 1 / x^n$ and $x^{\frac12} = \sqrt x$."""
    return graph.rewrite(_rule)


def _rule(node: Node) -> Node | None:
    if node.op is not ops.power or node.dtype.kind != "f" or node.dtype != node.parents[0].dtype:
        return None
    n, x = node.params["exponent"], node.parents[0]
    positive = _power(x, abs(n))
    if positive is None or n > 0:
        return positive
    quotient: Node = constant(node.dtype.type(1)) / positive
    return quotient


def _power(x: Node, n: float) -> Node | None:
    """$x^n$ for a positive n, or None."""
    result: Node | None = None
    if n == 0.5:
        result = ops.sqrt(x)
    elif n in range(1, LARGEST + 1):
        half = _power(x, n // 2) if n > 1 else None
        result = x if half is None else half * half if n % 2 == 0 else half * half * x
    return result
