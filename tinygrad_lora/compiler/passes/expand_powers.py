"""Powers as products, roots and quotients: NumPy's `power` takes ten times as long on an array that is not small.

Why it is legal. A whole power is a product by definition. Multiplying is exact to the last digit or so, and much faster
than a general power.
"""

from ...core import ComputationNode as Node, Graph, constant, ops
from ..cost import price, price_of_new
from ..patterns import is_precise

LARGEST = 8  # whole exponents up to here take at most four products


def expand_powers(graph: Graph) -> Graph:
    r"""$x^{2n} = (x^n)^2$, $x^{2n + 1} = x\,x^{2n}$, $x^{-n} = 1 / x^n$ and $x^{\frac12} = \sqrt x$.

    Each where it pays: a few products of small arrays take longer than one power. The gradient of a loss of fourth
    powers of (64, 128) numbers takes a twentieth of the time: `python tests/benchmarks/passes.py expand_powers`.
    """
    return graph.rewrite(_rule) if any(node.op is ops.power for node in graph.nodes) else graph


def _rule(node: Node) -> Node | None:
    if node.op is not ops.power or node.dtype != node.parents[0].dtype:
        return None
    n, x = node.params["exponent"], node.parents[0]
    if not is_precise(node.dtype) and (node.dtype.kind == "f" or n < 0 or n % 1):
        return None
    one = constant(node.dtype.type(1))
    if n == -0.5:  # minus infinity gives zero, as in NumPy; with the root first it would give nan
        better: Node | None = ops.sqrt(one / x)
    else:
        better = _power(x, abs(n))
        better = one / better if better is not None and n < 0 else better
    pays = better is not None and price_of_new(better, lambda new: new is not x and bool(new.parents)) <= price(node)
    return better if pays else None


def _power(x: Node, n: float) -> Node | None:
    """$x^n$ for a positive n, or None."""
    result: Node | None = None
    if n == 0.5 and x.shape:  # of a single number NumPy takes no root: minus infinity gives infinity
        result = ops.sqrt(x)
    elif n in range(1, LARGEST + 1):
        half = _power(x, n // 2) if n > 1 else None
        result = x if half is None else half * half if n % 2 == 0 else half * half * x
    return result
