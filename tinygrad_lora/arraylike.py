"""How a node behaves where Python or NumPy expects an array: operators, truth, conversion. The engine needs none of it.

Operators find their operations by name, in the registry: this module knows no operation, and imports none.
"""

from __future__ import annotations

from math import prod
from operator import index
from typing import Any

import numpy as np

from .errors import DtypeError, ShapeError, TraceError

registry: dict[str, Any] = {}  # every operation by name: `Op.registry`

SHAPES = {np.shape: "shape", np.ndim: "ndim", np.size: "size"}  # what a node answers without a value
OPERATORS = {  # what NumPy calls for `array + node` and its like, and the node's methods for it
    np.add: ("__add__", "__radd__"), np.subtract: ("__sub__", "__rsub__"), np.multiply: ("__mul__", "__rmul__"),
    np.divide: ("__truediv__", "__rtruediv__"), np.matmul: ("__matmul__", "__rmatmul__"),
    np.greater: ("__gt__", "__lt__"), np.less: ("__lt__", "__gt__"),
}  # fmt: skip
QUESTIONS = {np.allclose, np.array_equal, np.isclose}  # NumPy functions that only ask about values
LOST = (
    "np.{} does not work on nodes, since the gradient would be lost: use the function of tinygrad_lora, or pass "
    "node.value if no gradient is wanted"
)


def _infix(name: str) -> Any:
    """The two methods of an operator: for `node + other`, and for `other + node`."""
    return (
        lambda self, other: registry[name].__call__(self, other),
        lambda self, other: registry[name].__call__(other, self),
    )


class ArrayLike:
    """What `ComputationNode` inherits so that formulas read as they do on arrays."""

    __slots__ = ()
    __iter__ = None  # iterating would index forever

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
            raise TypeError(LOST.format(function.__name__))
        return function(*(x.value if isinstance(x, ArrayLike) else x for x in args), **kwargs)

    def __array_ufunc__(self, ufunc: Any, method: str, *operands: Any, **options: Any) -> Any:
        """`array @ node` asks the node, as `node @ array` does; np.exp and `array += node` are refused as above."""
        if ufunc in (np.equal, np.not_equal):  # `array == node`: equality is identity
            return ufunc is np.not_equal
        if ufunc not in OPERATORS or method != "__call__" or options:
            raise TypeError(LOST.format(ufunc.__name__))
        (a, b), (forward, reflected) = operands, OPERATORS[ufunc]
        return getattr(a, forward)(b) if isinstance(a, ArrayLike) else getattr(b, reflected)(a)

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


def listed(x: Any) -> Any:
    """A list as an array; nodes, arrays and numbers as they are. Raises TypeError for a list of nodes."""
    return np.asarray(_nodeless(x)) if isinstance(x, (list, tuple)) else x


def _nodeless(x: Any) -> Any:
    """A list, if no node is in it: NumPy would take the values alone."""
    for item in x:
        if isinstance(item, ArrayLike):
            raise TypeError(
                "a list of nodes would become an array, and the gradient would be lost: add nodes with + or with "
                "Python's sum, join them with tl.concatenate"
            )
        if isinstance(item, (list, tuple)):
            _nodeless(item)
    return x


def as_arrays(operands: tuple[Any, ...]) -> list[Any]:
    """Lists as arrays. A Python number stays one beside an array, whose dtype it takes, and is an array without."""
    plain = not any(hasattr(x, "dtype") for x in operands)
    return [np.asarray(listed(x))[()] if plain else listed(x) for x in operands]


def as_python(number: Any) -> Any:
    """NumPy's single number as one of Python's own, which takes the dtype of an array: float32 stays float32."""
    return number.item() if isinstance(number, np.generic) else number


def beside(x: Any, like: Any) -> Any:
    """A single number in the dtype that it takes beside arrays of the dtype `like`; anything else as it is.

    Python's numbers take that of the arrays. NumPy's do so beside floats only, where they would make all that follows
    float64.
    """
    weak = isinstance(x, (int, float)) or (isinstance(x, np.number) and np.dtype(like).kind == "f")
    return np.array(as_python(x), np.result_type(like, as_python(x))) if weak and like is not None else x


def as_shape(shape: Any) -> tuple[int, ...]:
    """A shape as a tuple of Python's numbers; a number alone is the length of one axis. Raises TypeError for 2.5."""
    return tuple(index(n) for n in (shape if np.iterable(shape) else (shape,)))


REMEDIES = {  # by the kind of the dtype
    "c": "gradients are real numbers, so pass .real and .imag as two arrays",
    "O": "Python objects are not numbers; np.asarray(data, dtype=float) converts those that stand for numbers",
    "U": "text is not numbers; np.asarray(data, dtype=float) reads numbers from text",
    "S": "text is not numbers; np.asarray(data, dtype=float) reads numbers from text",
    "M": "dates have no unit; subtract a date and divide by np.timedelta64(1, 's')",
    "m": "divide by np.timedelta64(1, 's') to have seconds",
    "V": "pass one field at a time, as in array['name']",
}


def real_array(data: Any, what: str, dtype: Any = None) -> Any:
    """`data` as a plain NumPy array of real numbers, or an error that names `what`. A plain array is not copied.

    This is the door that arrays from outside pass once: lists, numbers and what has `__array__` are converted. Raises
    DtypeError for masked arrays, np.matrix, complex numbers, text, dates, objects, and where `dtype` is given for what
    does not convert to it; ShapeError for a list with rows of different lengths.
    """
    array = data
    if type(data) is not np.ndarray:
        if isinstance(data, np.ndarray):
            refuse_subclass(data, what)
        try:
            array = np.asarray(listed(data))
        except ValueError as error:
            if "inhomogeneous" not in str(error):
                raise
            raise ShapeError(f"{what} is a list with rows of different lengths: pad the short ones, or drop them") from None
    if array.dtype.kind not in "biuf" or not np.can_cast(array.dtype, dtype or array.dtype, "same_kind"):
        kind = "None" if data is None else array.dtype
        remedy = REMEDIES.get(array.dtype.kind, "convert it first, with .astype")
        raise DtypeError(f"{what} must hold {dtype or 'numbers'}, not {kind}: {remedy}")
    return array


def refuse_subclass(array: np.ndarray, what: str) -> None:
    """Raise DtypeError for arrays that mean more than their numbers: that would be lost without a word."""
    if isinstance(array, np.ma.MaskedArray):
        remedy = "fill it, as in array.filled(0.0), or pass array.data and choose with tl.where(mask, a, b)"
        raise DtypeError(f"{what} is a masked array, and its mask would be lost: {remedy}")
    if isinstance(array, np.matrix):
        raise DtypeError(f"{what} is an np.matrix, for which * is the matrix product and here it is not: pass np.asarray(matrix)")


def checked(data: Any, what: str, dtype: Any = None, shape: Any = None) -> Any:
    """A copy of `data` (a NumPy scalar where there are no axes), or an error: `what` must have this dtype and shape."""
    array = real_array(data, what, dtype)
    if shape is not None and array.shape != shape:
        raise ShapeError(f"{what} has shape {shape}; the new value has {array.shape}")
    return np.array(array, dtype or array.dtype)[()]


def checked_kind(shape: Any, dtype: Any) -> tuple[tuple[int, ...], Any]:
    """Shape and dtype of an array that is yet to come, in NumPy's terms, or an error."""
    sizes = as_shape(shape)
    if min(sizes, default=0) < 0:
        raise ShapeError(f"a placeholder cannot have the shape {sizes}: no axis is shorter than 0")
    return sizes, checked(np.empty(0, dtype), "a placeholder").dtype


def read_only(array: Any) -> Any:
    """The array, marked; a NumPy scalar cannot be written to anyway."""
    if array.ndim:
        array.setflags(write=False)
    return array
