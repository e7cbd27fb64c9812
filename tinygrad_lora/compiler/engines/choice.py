"""`engine="auto"`: machine code where it is known to win, NumPy everywhere else.

A product of matrices is BLAS in both engines. What machine code saves is the way from one NumPy call to the next, and
the arrays between elementwise operations. So it pays where these cost as much as the products do: by
`python3 run.py bench`, chains of functions and of numbers take a half to a fiftieth of the time, small networks two
thirds, large products the same or more.
"""

from importlib.util import find_spec

from ...core import Graph, ops
from ..cost import node_cost
from .numba import has_dtype

LIBRARIES = ("numba", "scipy")


def choice(graph: Graph) -> tuple[str, str]:
    """The engine for a graph as it was traced, and the reason in a sentence."""
    products = rest = 0.0
    for node in graph.nodes:
        if node.op is ops.matmul:
            products += node_cost(node).nanoseconds
        elif node.parents:
            rest += node_cost(node).nanoseconds
    if rest < products:
        return "numpy", f"products of matrices are {products / (products + rest):.0%} of the estimated time"
    if missing := [library for library in LIBRARIES if find_spec(library) is None]:
        return "numpy", f"machine code would win, and {missing[0]} is not installed"
    if others := [node.dtype for node in graph.nodes if not has_dtype(node)]:
        return "numpy", f"machine code would win, and numba has no {others[0]}"
    return "numba", f"all but products of matrices is {rest / (products + rest):.0%} of the estimated time"
