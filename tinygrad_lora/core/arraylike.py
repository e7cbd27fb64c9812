"""How a node behaves where Python or NumPy expects an array: operators and truth. The engine needs none of it.

Operators find their operations by name, in the registry: this module knows no operation, and imports none.
"""

from __future__ import annotations

from math import log, prod
from typing import Any

import numpy as np

from ..errors import ShapeError, TraceError
from ..refusals.arrays import base_of_power
from ..refusals.lost import NumberLike
from ..refusals.nodes import AdvisingNode, fixed
from ..refusals.words import LOST

registry: dict[str, Any] = {}  # every operation by name: `Op.registry`

OPERATORS = {  # what NumPy calls for `array + node` and its like, and the node's methods for it
    np.add: ("__add__", "__radd__"), np.subtract: ("__sub__", "__rsub__"), np.multiply: ("__mul__", "__rmul__"),
    np.divide: ("__truediv__", "__rtruediv__"), np.matmul: ("__matmul__", "__rmatmul__"),
    np.greater: ("__gt__", "__lt__"), np.less: ("__lt__", "__gt__"), np.power: ("__pow__", "__rpow__"),
    np.greater_equal: ("__ge__", "__le__"), np.less_equal: ("__le__", "__ge__"),
    np.floor_divide: ("__floordiv__", "__rfloordiv__"), np.remainder: ("__mod__", "__rmod__"),
    np.bitwise_and: ("__and__", "__rand__"), np.bitwise_or: ("__or__", "__ror__"),
}  # fmt: skip


def _infix(name: str) -> Any:
    """The two methods of an operator: for `node + other`, and for `other + node`."""
    return (
        lambda self, other: registry[name].apply(self, other),
        lambda self, other: registry[name].apply(other, self),
    )


class ArrayLike(AdvisingNode, NumberLike):
    """What `ComputationNode` inherits so that formulas read as they do on arrays."""

    __slots__ = ()
    op: Any
    name: str | None
    _shape: tuple[int, ...]
    _dtype: Any
    _value: Any
    _gradient: Any
    value: Any

    __add__, __radd__ = _infix("add")
    __sub__, __rsub__ = _infix("subtract")
    __truediv__, __rtruediv__ = _infix("divide")
    __matmul__, __rmatmul__ = _infix("matmul")
    __gt__, __lt__ = _infix("greater")

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, (int, float)):  # a tuple: `int | float` would be built anew, in twice the time of a * b
            return registry["scale"].apply(self, other)
        return registry["multiply"].apply(self, other)

    __rmul__ = __mul__

    def __neg__(self) -> Any:
        return self * -1

    def __pow__(self, exponent: float) -> Any:
        return registry["power"].apply(self, exponent)

    def __rpow__(self, base: Any) -> Any:
        r"""$b^x = e^{x \ln b}$ for numbers b > 0."""
        array = base_of_power(base, self.dtype)
        return registry["exp"](self * (np.log(array) if array.ndim else log(array)))

    def __abs__(self) -> Any:
        return self * registry["sign"](self)

    def __pos__(self) -> Any:
        return self

    def __getitem__(self, key: Any) -> Any:
        return registry["index"].apply(self, key)

    @fixed("node = node.reshape(shape) makes another")
    def shape(self) -> tuple[int, ...]:
        """The length of each axis; () for a number."""
        return self._shape

    @fixed("node = tl.cast(node, dtype) makes another")
    def dtype(self) -> Any:
        """The kind of its numbers."""
        return self._dtype

    @fixed("node = node.reshape(shape) makes another")
    def ndim(self) -> int:
        """The number of axes."""
        return len(self._shape)

    @fixed("node = node.reshape(shape) makes another")
    def size(self) -> int:
        """The number of elements."""
        return prod(self._shape)

    @fixed("tl.transpose(node) makes another")
    def mT(self) -> Any:  # noqa: N802, NumPy's name
        """The matrix transpose: the last two axes swapped."""
        return registry["transpose"](self)

    @fixed("tl.transpose(node) makes another")
    def T(self) -> Any:
        """The transpose of a matrix."""
        if self.ndim != 2:
            raise ShapeError(f".T is for matrices; this node has shape {self.shape}: .mT swaps the last two axes")
        return self.mT

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a single number has no len(): this node has shape (), and node.size is 1")
        return self.shape[0]

    def __array_ufunc__(self, ufunc: Any, method: str, *operands: Any, **options: Any) -> Any:
        """`array @ node` asks the node, as `node @ array` does; np.exp and `array += node` are refused as above."""
        if ufunc in (np.equal, np.not_equal):  # `array == node`: equality is identity
            return ufunc is np.not_equal
        if ufunc not in OPERATORS or method != "__call__" or options:
            raise TypeError(LOST.format(ufunc.__name__))
        (a, b), (forward, reflected) = operands, OPERATORS[ufunc]
        return getattr(a, forward)(b) if isinstance(a, ArrayLike) else getattr(b, reflected)(a)

    def __bool__(self) -> bool:
        if self._value is None:
            raise TraceError(f"{self!r} is neither true nor false while it is traced: use tl.where(condition, a, b)")
        if self._value.size != 1:
            remedy = "choose with tl.where(condition, a, b), write (a < b) * (b < c) for a < b < c, or ask node.value"
            raise ValueError(f"an array has no one truth value, and this node has shape {self.shape}: {remedy}")
        return bool(self._value)

    def _label(self) -> str:
        return f"{self.op} {self.name}" if self.name else f"{self.op}"

    def __repr__(self) -> str:
        label = self._label()
        if self._value is None:
            return f"ComputationNode({label}, shape={self.shape}, dtype={self.dtype})"
        return f"ComputationNode({label}, value={_short(self._value)}, gradient={_short(self._gradient)})"


def _short(value: Any) -> str:
    """A few numbers of an array, or "-" for none."""
    return "-" if value is None else np.array2string(np.asarray(value), precision=4, threshold=6, edgeitems=2)
