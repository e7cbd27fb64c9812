r"""`engine="scipy"`: one BLAS call for $C + s A B$, everything else as NumPy expressions.

NumPy computes the product into an array of its own and adds it in a second pass. `gemm` adds it where it is computed.
BLAS counts matrices column by column, and NumPy row by row: what BLAS sees is $C^\top + s B^\top A^\top$, which are
views of the same arrays, so nothing is copied.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from ...core import ops
from ...core.graph import Graph, rebuilt
from ...core.node import ComputationNode as Node
from ...core.node import Op, Shape
from ...core.source import function_from_source
from ..passes.fuse_elementwise import fuse_elementwise
from ..patterns import is_real, one_factor, uses
from ..text.plain import emit
from . import Built, library
from .loops.kernels import opened

FUNCTIONS = {"float32": "sgemm", "float64": "dgemm"}
WORDS = FUNCTIONS.values()  # what its programs call, and no others do


class Gemm(Op):
    r"""$Y = \alpha A B + \beta C$. The array of C is written over: nobody else may need it."""

    def __init__(self, function: str, turned_a: bool, turned_b: bool, adds: bool) -> None:
        """`turned_a`: the first operand is the transpose of A. As part of an engine it is not among the primitives."""
        self.name, self.turned_a, self.turned_b, self.adds = "gemm", turned_a, turned_b, adds
        self.prelude = f"from scipy.linalg.blas import {function}\n"
        self.signature = "a, b, c, *, alpha, beta" if adds else "a, b, *, alpha"
        arguments = ["alpha", "b.T", "a.T", *["beta", "c.T"] * adds]
        arguments += ["trans_a=1"] * turned_b + ["trans_b=1"] * turned_a + ["overwrite_c=1"] * adds
        self.numpy = f"{function}({', '.join(arguments)}).T"

    def shape(self, a: Shape, b: Shape, *c: Shape, **factors: float) -> Shape:
        return a[1 if self.turned_a else 0], b[0 if self.turned_b else 1]

    def flops(self, out: Shape, a: Shape, *others: Shape, **factors: float) -> int:
        return 2 * out[0] * out[1] * a[0 if self.turned_a else 1]


gemm = cache(Gemm)


def build(graph: Graph, name: str, names: Mapping[Node, str] | None = None) -> Built:
    """The program of a graph with its accumulated products as BLAS calls.

    Raises CompileError where SciPy is not installed. Where nothing is accumulated, the program is NumPy's.
    """
    library("scipy", "scipy.linalg.blas")
    better = accumulate_products(opened(graph)[0])
    better = fuse_elementwise(better) if any(isinstance(node.op, Gemm) for node in better.nodes) else graph
    source, variables = emit(better, name, names)
    found = {node: variables[node] for node in graph.nodes if node in variables}
    found |= {old: variables[new] for old, new in zip(graph.outputs, better.outputs, strict=True) if new in variables}
    return Built(source, found, function_from_source(name, source))


def accumulate_products(graph: Graph) -> Graph:
    r"""$C + s (A B)$ is one operation, where nobody else needs the arrays of $C$ and of the product."""
    once: set[Node] = set()  # results with one user, in arrays of their own

    def build(old: Node, parents: tuple[Node, ...]) -> Node:
        node = _accumulated(rebuilt(old, parents), once)
        if uses(graph, old) == 1 and not old.op.view:
            once.add(node)
        return node

    return graph.map(build)


def _accumulated(node: Node, once: set[Node]) -> Node:
    made = None
    if node.op is ops.scale:
        made = _product(node.parents[0], node.params["factor"], once)
    elif node.op in (ops.add, ops.subtract):
        a, b = node.parents
        sign = 1 if node.op is ops.add else -1
        made = _product(b, sign, once, a, 1)
        made = _product(a, 1, once, b, sign) if made is None else made
    return node if made is None else made


def _product(product: Node, alpha: float, once: set[Node], c: Node | None = None, beta: float = 1) -> Node | None:
    """alpha times the product, plus beta c, as one operation; None if it is not such a product, or not for BLAS."""
    if product not in once or product.known or product.dtype.name not in FUNCTIONS or not is_real(product):
        return None
    if c is not None and (c not in once or c is product or (c.shape, c.dtype) != (product.shape, product.dtype)):
        return None
    if isinstance(product.op, Gemm) and not product.op.adds:
        earlier: float = product.params["alpha"]
        (a, b), (turned_a, turned_b) = product.parents, (product.op.turned_a, product.op.turned_b)
    elif product.op is ops.matmul and product.ndim == 2 and product.size and product.parents[0].size:
        earlier = 1
        (a, turned_a), (b, turned_b) = map(_upright, product.parents)
    else:
        return None
    factor = one_factor(earlier, alpha, product.dtype)
    if factor is None:
        return None
    op = gemm(FUNCTIONS[product.dtype.name], turned_a, turned_b, c is not None)
    operands, factors = ((a, b), {}) if c is None else ((a, b, c), {"beta": beta})
    return Op.__call__(op, *operands, alpha=factor, **factors)


def _upright(factor: Node) -> tuple[Node, bool]:
    """A factor, or what it is the transpose of, and whether it is one: BLAS reads a matrix either way."""
    return (factor.parents[0], True) if factor.op is ops.transpose else (factor, False)
