"""How a node behaves where Python or NumPy expects an array: operators, truth, conversion. The engine needs none of it.

Operators find their operations by name, in the registry: this module knows no operation, and imports none.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from .errors import DtypeError, ShapeError, TraceError

registry: dict[str, Any] = {}  # every operation by name: `Op.registry`

SHAPES = {np.shape: "shape", np.ndim: "ndim", np.size: "size"}  # what a node answers without a value
QUESTIONS = {np.allclose, np.array_equal, np.isclose}  # NumPy functions that only ask about values


def _infix(name: str) -> Any:
    """The two methods of an operator: for `node + other`, and for `other + node`."""
    return (
        lambda self, other: registry[name].__call__(self, other),
        lambda self, other: registry[name].__call__(other, self),
    )


class ArrayLike:
    """What `ComputationNode` inherits so that formulas read as they do on arrays."""

    __slots__ = ()
    __array_ufunc__ = None  # so that `ndarray @ node` asks the node
    __iter__ = None  # iterating would index for ever

    op: Any
    name: str | None
    shape: tuple[int, ...]
    dtype: Any
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
            return registry["scale"](self, factor=other)
        return registry["multiply"].__call__(self, other)

    __rmul__ = __mul__

    def __neg__(self) -> Any:
        return self * -1

    def __pow__(self, exponent: float) -> Any:
        return registry["power"](self, exponent=exponent)

    def __getitem__(self, key: Any) -> Any:
        return registry["index"](self, key=key)

    def __setitem__(self, key: Any, new: Any) -> None:
        raise TypeError("nodes are read-only: build a new one with tl.where(mask, a, b) or tl.concatenate([a, b])")

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def mT(self) -> Any:  # noqa: N802, NumPy's name
        """The matrix transpose: the last two axes swapped."""
        return registry["transpose"](self)

    @property
    def T(self) -> Any:
        """The transpose of a matrix."""
        if self.ndim != 2:
            raise ShapeError(f".T is for matrices; this node has shape {self.shape}: .mT swaps the last two axes")
        return self.mT

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """NumPy's functions would give plain arrays, and the gradient would be lost without a word."""
        if function in SHAPES and not kwargs and len(args) == 1:
            return getattr(self, SHAPES[function])
        if function not in QUESTIONS:
            raise TypeError(
                f"np.{function.__name__} knows no nodes, so the gradient would be lost: use the function of "
                "tinygrad_lora, or pass node.value if no gradient is wanted"
            )
        return function(*(x.value if isinstance(x, ArrayLike) else x for x in args), **kwargs)

    def __array__(self: Any, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.array(self.value, dtype=dtype)

    def __float__(self: Any) -> float:
        return float(self.value)

    def __bool__(self) -> bool:
        if self._value is None:
            raise TraceError(f"{self!r} is neither true nor false while it is traced: use tl.where(condition, a, b)")
        return bool(self._value)

    def __repr__(self) -> str:
        label = f"{self.op} {self.name}" if self.name else f"{self.op}"
        if self._value is None:
            return f"ComputationNode({label}, shape={self.shape}, dtype={self.dtype})"
        return f"ComputationNode({label}, value={_short(self._value)}, gradient={_short(self._gradient)})"


def _short(value: Any) -> str:
    """A few numbers of an array, or "-" for none."""
    return "-" if value is None else np.array2string(np.asarray(value), precision=4, threshold=6, edgeitems=2)


def as_arrays(operands: tuple[Any, ...]) -> list[Any]:
    """Lists as arrays. A Python number stays one beside an array, whose dtype it takes, and is an array without."""
    plain = not any(hasattr(x, "dtype") for x in operands)
    return [np.asarray(x)[()] if plain or isinstance(x, (list, tuple)) else x for x in operands]


def checked(data: Any, what: str, dtype: Any = None, shape: Any = None) -> Any:
    """A copy of `data` (a NumPy scalar where there are no axes), or an error: `what` must have this dtype and shape."""
    array = np.array(data)
    if array.dtype.kind not in "biufc" or not np.can_cast(array.dtype, dtype or array.dtype, "same_kind"):
        raise DtypeError(f"{what} must hold {dtype or 'numbers'}, not {array.dtype}: convert it first, with .astype")
    if shape is not None and array.shape != shape:
        raise ShapeError(f"{what} has shape {shape}; the new value has {array.shape}")
    return array.astype(dtype or array.dtype, copy=False)[()]


def checked_kind(shape: Any, dtype: Any) -> tuple[tuple[int, ...], Any]:
    """Shape and dtype of an array that is yet to come, in NumPy's terms, or an error."""
    if min(shape, default=0) < 0:
        raise ShapeError(f"a placeholder cannot have the shape {tuple(shape)}: no axis is shorter than 0")
    return tuple(int(n) for n in shape), checked(np.empty(0, dtype), "a placeholder").dtype


def read_only(array: Any) -> Any:
    """The array, marked; a NumPy scalar cannot be written to anyway."""
    if array.ndim:
        array.setflags(write=False)
    return array
