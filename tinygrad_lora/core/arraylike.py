"""How a node behaves where Python or NumPy expects an array: operators, truth, conversion. The engine needs none of it.

Operators find their operations by name, in the registry: this module knows no operation, and imports none.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log, prod
from operator import index
from typing import Any, NoReturn, TypeVar, cast

import numpy as np

from ..advice import INSTEAD, LOST, NUMBERS, OPERATORS_REFUSED
from ..errors import DtypeError, ShapeError, TraceError

T = TypeVar("T")
registry: dict[str, Any] = {}  # every operation by name: `Op.registry`
MISSING: Any = object()  # an operand that a call lacks

SHAPES = {np.shape: "shape", np.ndim: "ndim", np.size: "size"}  # what a node answers without a value
OPERATORS = {  # what NumPy calls for `array + node` and its like, and the node's methods for it
    np.add: ("__add__", "__radd__"), np.subtract: ("__sub__", "__rsub__"), np.multiply: ("__mul__", "__rmul__"),
    np.divide: ("__truediv__", "__rtruediv__"), np.matmul: ("__matmul__", "__rmatmul__"),
    np.greater: ("__gt__", "__lt__"), np.less: ("__lt__", "__gt__"), np.power: ("__pow__", "__rpow__"),
    np.greater_equal: ("__ge__", "__le__"), np.less_equal: ("__le__", "__ge__"),
    np.floor_divide: ("__floordiv__", "__rfloordiv__"), np.remainder: ("__mod__", "__rmod__"),
    np.bitwise_and: ("__and__", "__rand__"), np.bitwise_or: ("__or__", "__ror__"),
}  # fmt: skip
QUESTIONS = {np.allclose, np.array_equal, np.isclose}  # NumPy functions that only ask about values


def _infix(name: str) -> Any:
    """The two methods of an operator: for `node + other`, and for `other + node`."""
    return (
        lambda self, other: registry[name].apply(self, other),
        lambda self, other: registry[name].apply(other, self),
    )


def _refusing(sentence: str) -> Any:
    """A method that raises TypeError."""

    def refuse(self: Any, *others: Any) -> NoReturn:
        raise TypeError(sentence)

    return refuse


class Absent:
    """An attribute that arrays or tensors have and nodes have not: asking for it raises AttributeError with advice.

    So `hasattr` is false. A `__getattr__` would do the same, and make every other attribute three times slower.
    """

    def __init__(self, name: str) -> None:
        self.message = f"a node has no .{name}: write {INSTEAD[name]}"

    def __get__(self, node: Any, owner: Any = None) -> NoReturn:
        raise AttributeError(self.message)

    def __set__(self, node: Any, new: Any) -> NoReturn:
        raise AttributeError(self.message)


def _fixed(remedy: str) -> Callable[[Callable[[Any], T]], T]:
    """A property that refuses to be set, and says what to write. To a type checker it is what it gives."""

    def refuse(self: Any, *new: Any) -> NoReturn:
        raise AttributeError(f"the structure of a node is fixed when it is made: {remedy}")

    def decorate(get: Callable[[Any], T]) -> T:
        return cast(T, property(get, refuse, refuse, get.__doc__))

    return decorate


class ArrayLike:
    """What `ComputationNode` inherits so that formulas read as they do on arrays."""

    __slots__ = ()
    __reversed__ = None
    __iter__ = _refusing(
        "a node is not iterable: write [node[i] for i in range(len(node))], or tl.sum for Python's sum"
    )
    __contains__ = _refusing("a node is not searched with `in`, since nodes equal only themselves: ask node.value")

    op: Any
    name: str | None
    _shape: tuple[int, ...]
    _dtype: Any
    _value: Any
    _gradient: Any
    value: Any
    _leave_note: Any  # node.py says how

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
        if self.dtype.kind != "f":
            told = f"base ** node is exp(node * log(base)), which are floats, and this node holds {self.dtype}"
            raise DtypeError(f"{told}: write base ** tl.cast(node, float)")
        array = real_array(float(base) if isinstance(base, int) else base, "the base of **")
        if not (np.isfinite(array) & (array > 0)).all():
            raise ValueError("base ** node is exp(node * log(base)): the base must be finite and greater than 0")
        return registry["exp"](self * (np.log(array) if array.ndim else log(array)))

    def __abs__(self) -> Any:
        return self * registry["sign"](self)

    def __pos__(self) -> Any:
        return self

    def __getitem__(self, key: Any) -> Any:
        return registry["index"].apply(self, key)

    __setitem__ = __delitem__ = _refusing(
        "nodes are read-only: build a new one with tl.where(mask, a, b) or tl.concatenate([a, b])"
    )

    @_fixed("node = node.reshape(shape) makes another")
    def shape(self) -> tuple[int, ...]:
        """The length of each axis; () for a number."""
        return self._shape

    @_fixed("node = tl.cast(node, dtype) makes another")
    def dtype(self) -> Any:
        """The kind of its numbers."""
        return self._dtype

    @_fixed("node = node.reshape(shape) makes another")
    def ndim(self) -> int:
        """The number of axes."""
        return len(self._shape)

    @_fixed("node = node.reshape(shape) makes another")
    def size(self) -> int:
        """The number of elements."""
        return prod(self._shape)

    @_fixed("tl.transpose(node) makes another")
    def mT(self) -> Any:  # noqa: N802, NumPy's name
        """The matrix transpose: the last two axes swapped."""
        return registry["transpose"](self)

    @_fixed("tl.transpose(node) makes another")
    def T(self) -> Any:
        """The transpose of a matrix."""
        if self.ndim != 2:
            raise ShapeError(f".T is for matrices; this node has shape {self.shape}: .mT swaps the last two axes")
        return self.mT

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a single number has no len(): this node has shape (), and node.size is 1")
        return self.shape[0]

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
        self._leave_note()
        return np.array(self.value, dtype=dtype)

    def _number(self: Any, who: str) -> Any:
        """The value as one of Python's numbers, or a sentence."""
        if self.value.size != 1:
            remedy = "take one of its numbers, or tl.sum or tl.mean of all"
            raise TypeError(f"{who} is for a single number (a scalar), and this node has shape {self.shape}: {remedy}")
        return self.value.item()

    def __float__(self) -> float:
        self._leave_note()
        return float(self._number("float()"))

    def __int__(self) -> int:
        self._leave_note()
        return int(self._number("int()"))

    def __round__(self, digits: int | None = None) -> Any:
        self._leave_note()
        return round(self._number("round()"), digits)

    def __format__(self, spec: str) -> str:
        return format(self._number(f"the format {spec!r}"), spec) if spec else str(self)

    def __bool__(self) -> bool:
        if self._value is None:
            raise TraceError(f"{self!r} is neither true nor false while it is traced: use tl.where(condition, a, b)")
        if self._value.size != 1:
            remedy = "choose with tl.where(condition, a, b), write (a < b) * (b < c) for a < b < c, or ask node.value"
            raise ValueError(f"an array has no one truth value, and this node has shape {self.shape}: {remedy}")
        return bool(self._value)

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if name not in INSTEAD]

    def _label(self) -> str:
        return f"{self.op} {self.name}" if self.name else f"{self.op}"

    def __repr__(self) -> str:
        label = self._label()
        if self._value is None:
            return f"ComputationNode({label}, shape={self.shape}, dtype={self.dtype})"
        return f"ComputationNode({label}, value={_short(self._value)}, gradient={_short(self._gradient)})"


for _name in INSTEAD:
    setattr(ArrayLike, _name, Absent(_name))
for _names, _sentence in OPERATORS_REFUSED.items():
    for _name in _names.split():
        setattr(ArrayLike, f"__{_name}__", _refusing(_sentence))


def _short(value: Any) -> str:
    """A few numbers of an array, or "-" for none."""
    return "-" if value is None else np.array2string(np.asarray(value), precision=4, threshold=6, edgeitems=2)


def listed(x: Any) -> Any:
    """A list as an array; nodes, arrays and numbers as they are. Raises TypeError for a list of nodes."""
    return np.asarray(_nodeless(x)) if isinstance(x, (list, tuple)) else x


def _nodeless(x: Any) -> Any:
    """A list, if no node and no masked array is in it: NumPy would take their values alone."""
    for item in x:
        if isinstance(item, ArrayLike):
            raise TypeError(
                "a list of nodes would become an array, and the gradient would be lost: add nodes with + or with "
                "Python's sum, join them with tl.concatenate"
            )
        if isinstance(item, (list, tuple)):
            _nodeless(item)
        else:
            refuse_subclass(item, "an item of the list")
    return x


def as_arrays(operands: tuple[Any, ...], what: str = "an operand") -> list[Any]:
    """Lists as arrays. A Python number stays one beside an array, whose dtype it takes, and is an array without.

    Raises DtypeError for what holds no numbers. Complex numbers pass: a rule can be checked with them.
    """
    plain = not any(hasattr(x, "dtype") for x in operands)
    arrays = [np.asarray(listed(x))[()] if plain else listed(x) for x in operands]
    for x in arrays:
        if type(x) is not np.ndarray:
            refuse_subclass(x, what)
        if not isinstance(x, (int, float, complex)) and getattr(x, "dtype", np.dtype(object)).kind not in "biufc":
            real_array(x, what)
    return arrays


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


def real_array(data: Any, what: str, dtype: Any = None) -> Any:
    """`data` as a plain NumPy array of real numbers, or an error that names `what`. A plain array is not copied.

    Arrays from outside pass this door once: lists, numbers and what has `__array__` are converted. Raises DtypeError
    for masked arrays, np.matrix, complex numbers, text, dates, objects, and for what does not convert to `dtype`;
    ShapeError for a list with rows of different lengths.
    """
    array = data
    if type(data) is not np.ndarray:
        refuse_subclass(data, what)
        try:
            array = np.asarray(listed(data))
        except ValueError as error:
            if "inhomogeneous" not in str(error):
                raise
            raise ShapeError(f"{what} is a list with rows of different lengths: pad the short ones") from None
    if array.dtype.kind not in "biuf" or not np.can_cast(array.dtype, dtype or array.dtype, "same_kind"):
        if array.dtype.kind in "OUS" and array.ndim == 0:
            raise DtypeError(f"{what} is {words_for(data)}: pass an array of numbers, or a number")
        remedy = NUMBERS.get(array.dtype.kind, "convert it first, with .astype")
        raise DtypeError(f"{what} must hold {dtype or 'real numbers'}, not {array.dtype}: {remedy}")
    return array if array.dtype.isnative else array.astype(array.dtype.type)  # bytes in this machine's order


def words_for(x: Any) -> str:
    """What an argument is, for a sentence of one line."""
    if x is None:
        return "None"
    if not isinstance(x, (str, int, float, complex, tuple, list)) or "\n" in (text := repr(x)) or len(text) > 40:
        return f"an object of type {type(x).__name__}"
    return f"the {'text' if isinstance(x, str) else type(x).__name__} {text}"


def refuse_subclass(array: Any, what: str) -> None:
    """Raise DtypeError for arrays that mean more than their numbers, which would be lost without a word."""
    if not isinstance(array, np.ndarray) or type(array) is np.ndarray:
        return
    if isinstance(array, np.ma.MaskedArray):
        remedy = "fill it, as in array.filled(0.0), or choose with tl.where(array.mask, 0.0, array.data)"
        raise DtypeError(f"{what} is a masked array, and its mask would be lost: {remedy}")
    if isinstance(array, np.matrix):
        raise DtypeError(f"{what} is an np.matrix, whose * is the matrix product: pass np.asarray(matrix), and write @")


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
    if isinstance(array, np.ndarray):
        array.setflags(write=False)
    return array
