"""What only compiled graphs have: several operations in one expression, inner products, additions in place.

They are not among the primitives of `Op.registry`: no function of nodes makes them, and they have no gradient.
"""

import re
from collections.abc import Iterable
from functools import cache, cached_property
from math import prod
from typing import Any, NamedTuple

import numpy as np

from ..core import ComputationNode as Node, Op, Shape, ops
from ..core.source import function_from_source
from .text.expressions import name, written


class FusedStep(NamedTuple):
    """One operation of a fused one. Operand i is operand i of the whole; operand n + j is the result of step j."""

    op: Op
    params: dict[str, Any]
    operands: tuple[int, ...]
    shape: Shape
    dtype: Any


class Fused(Op):
    r"""$y = f(x_0, x_1, \dots)$, several elementwise operations in one expression. The last step is the result."""

    elementwise = True

    def __init__(self, steps: Iterable[FusedStep], n: int) -> None:
        self.name, self.steps = "fused", tuple(steps)
        self.signature = ", ".join([f"x{i}" for i in range(n)])

    def line(self) -> str:
        """The expression, with operands called x0, x1, ..."""
        return written(self, {}, [name(x) for x in self.signature.split(", ")]).text

    @cached_property
    def forward(self) -> Any:
        return function_from_source("fused", f"def fused({self.signature}):\n    return {self.numpy}\n")

    def dtype(self, *dtypes: Any, **params: Any) -> Any:
        return self.steps[-1].dtype

    def flops(self, out: Shape, *shapes: Shape, **params: Any) -> int:
        shapes += tuple([step.shape for step in self.steps])
        return sum([s.op.flops(s.shape, *[shapes[i] for i in s.operands], **s.params) for s in self.steps])


# Written when somebody asks. In the class it would be compiled right there, as the line of a primitive is.
Fused.numpy = property(Fused.line)  # type: ignore[assignment]


def operations(op: Op) -> list[Op]:
    """The operations that a fused one is made of; any other operation itself."""
    return [step.op for step in op.steps] if isinstance(op, Fused) else [op]


class InnerProduct(Op):
    r"""$y = \sum_{ij\dots} a_{ij\dots} b_{ij\dots}$ for two arrays of one shape."""

    signature, numpy = "a, b", "np.vdot(a, b)"

    def __init__(self) -> None:
        """One instance, below; made here, it is not among the primitives."""

    def shape(self, a: Shape, b: Shape) -> Shape:
        return ()

    def flops(self, out: Shape, a: Shape, b: Shape) -> int:
        return 2 * prod(a)


class RowProducts(InnerProduct):
    r"""$y_{\dots} = \sum_j a_{\dots j} b_{\dots j}$ for two arrays of one shape."""

    numpy, ufunc = "np.vecdot(a, b)", "np.vecdot"

    def shape(self, a: Shape, b: Shape) -> Shape:
        return a[:-1]


inner_product, row_products = InnerProduct(), RowProducts()


class AddAt(Op):
    r"""$y$ with $x_k$ added at the place $(i_k, j_k, \dots)$; no place is named twice."""

    prelude = """\
def added_at(y, x, indices):
    y = y.copy()
    y[indices] += x
    return y

"""
    signature, numpy = "y, x, *indices", "added_at(y, x, indices)"
    in_place = "y[indices] += x"  # the same, where nobody else needs the first operand

    def __init__(self) -> None:
        """One instance, below; as part of the compiler it is not among the primitives."""

    def shape(self, y: Shape, x: Shape, *indices: Shape) -> Shape:
        return y

    def dtype(self, y: Any, x: Any, *indices: Any) -> Any:
        return y

    def flops(self, out: Shape, y: Shape, x: Shape, *indices: Shape) -> int:
        return int(np.prod(indices[0]))


add_at = AddAt()


@cache
def ufunc_call(op: Op) -> tuple[str, tuple[int | str, ...]]:
    """The NumPy function that an elementwise operation is, and its arguments; or "" if it is none.

    An argument is an operand, by its place in the signature, or a parameter or a number, as it is written.
    """
    if not op.elementwise or isinstance(op, Fused):
        return "", ()
    operands = re.findall(r"\w+", op.signature.partition("*")[0])
    match = re.fullmatch(r"(np\.\w+)\(([\w., ]+)\)", op.numpy)
    if op.ufunc:
        function, arguments = op.ufunc, re.findall(r"\w+", op.signature)
    elif match and isinstance(getattr(np, match[1][3:]), np.ufunc):
        function, arguments = match[1], match[2].split(", ")
    else:
        return "", ()
    return function, tuple(operands.index(a) if a in operands else a for a in arguments)


def gives_number(node: Node) -> bool:
    """Whether the NumPy line of an operation without axes gives a NumPy scalar; else an array of one number.

    That may be a view of an array that changes, and whoever has it can write to it.
    """
    last = operations(node.op)[-1]
    return bool(ufunc_call(last)[0]) or last in (ops.reduce_sum, ops.reduce_max, inner_product)
