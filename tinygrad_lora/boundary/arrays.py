"""The door by which arrays come in from outside, and the sentences for what cannot come in."""

from collections.abc import Sequence
from math import prod
from operator import index
from typing import Any

import numpy as np

from ..errors import DtypeError, GraphError, ShapeError
from .nodes import AdvisingNode
from .words import NUMBERS

Axis = int | tuple[int, ...] | None


def listed(x: Any) -> Any:
    """A list as an array; nodes, arrays and numbers as they are. Raises TypeError for a list of nodes."""
    return np.asarray(_nodeless(x)) if isinstance(x, (list, tuple)) else x


def _nodeless(x: Any) -> Any:
    """A list, if no node and no masked array is in it: NumPy would take their values alone."""
    for item in x:
        if isinstance(item, AdvisingNode):
            remedy = "add nodes with + or with Python's sum, join them with tl.concatenate"
            raise TypeError(f"a list of nodes would become an array, and the gradient would be lost: {remedy}")
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


def as_shape(shape: Any, elements: int | None = None) -> tuple[int, ...]:
    """A shape as a tuple of Python's numbers; a number alone is the length of one axis. Raises TypeError for 2.5.

    Where the number of elements is known, one axis may be -1: what remains. Raises ShapeError for other negative sizes.
    """
    sizes = tuple(index(n) for n in (shape if np.iterable(shape) else (shape,)))
    if elements is None:
        return sizes
    if any(n < -1 for n in sizes) or sizes.count(-1) > 1:
        raise ShapeError(f"{sizes} is not a shape: sizes are 0 or more, and at most one may be -1 for the rest")
    rest = prod(n for n in sizes if n != -1)
    return tuple(elements // rest if n == -1 and rest else n for n in sizes)


def as_axes(axis: Axis, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The axes of an array of this shape, counted from 0, in order; None means all."""
    n = len(shape)
    if axis is None:
        return tuple(range(n))
    axes = axis if isinstance(axis, tuple) else (axis,)
    if not all(isinstance(i, int | np.integer) for i in axes):
        raise TypeError(f"an axis is a whole number, or a tuple of them, not {axis!r}")
    if bad := [i for i in axes if not -n <= i < n]:
        raise ShapeError(f"there is no axis {bad[0]}: an array of shape {shape} has {n} axes")
    if len({i % n for i in axes}) < len(axes):
        raise ShapeError(f"an axis is listed twice in {axis}")
    return tuple(sorted(int(i) % n for i in axes))


def elements(axes: tuple[int, ...], shape: tuple[int, ...], refusal: str) -> int:
    """How many elements there are along these axes; or a ShapeError if there are none."""
    if (n := prod([shape[i] for i in axes])) == 0:
        raise ShapeError(refusal.format(axes, shape))
    return n


def refuse_no_list(arrays: Any) -> None:
    """Raise unless this is a list of arrays to join."""
    if not isinstance(arrays, list | tuple):
        raise TypeError(f"concatenate takes a list of arrays, not {type(arrays).__name__}: write concatenate([a, b])")
    if not arrays:
        raise ShapeError("nothing to concatenate: the list is empty")


def refuse_unequal(shape: tuple[int, ...], target: tuple[int, ...]) -> None:
    """Raise ShapeError unless a result and its target have one shape."""
    if shape != target:
        remedy = ": reshape one of them" if prod(shape) == prod(target) else ""
        raise ShapeError(f"mse: y has shape {shape} and the target {target}{remedy}")


def refuse_labels(labels: Any, logits: tuple[int, ...], mask: Any) -> None:
    """Raise unless the node `labels` holds a class for each sample of logits of that shape, and a mask fits it."""
    if not logits:
        raise ShapeError("cross_entropy: logits is a single number: pass an array with a score for each class")
    classes = logits[-1]
    if labels.dtype.kind not in "iu":
        raise DtypeError(f"cross_entropy: labels must be whole numbers, not {labels.dtype}: use labels.astype(int)")
    if labels.shape != logits[:-1]:
        raise ShapeError(f"cross_entropy: logits {logits} need labels of shape {logits[:-1]}, not {labels.shape}")
    if mask is not None and np.shape(mask) != labels.shape:
        raise ShapeError(f"cross_entropy: labels {labels.shape} need a mask of that shape, not {np.shape(mask)}")
    if labels.known and labels.size and (labels.value.min() < 0 or labels.value.max() >= classes):
        wrong = next(t for t in labels.value.flat if not 0 <= t < classes)
        known = f"{classes} logits stand for classes 0 to {classes - 1}"
        raise ValueError(f"cross_entropy: label {wrong} is not a class; {known}")


def as_key(key: Any) -> tuple[Any, ...]:
    """What stands in brackets, as a tuple of Python's numbers, slices, None and `...`; or a DtypeError."""
    parts = [int(k) if isinstance(k, np.integer) else k for k in (key if isinstance(key, tuple) else (key,))]
    if not all(k is None or k is Ellipsis or type(k) in (int, slice) for k in parts):
        remedy = "for an array of indices use take(x, indices), for a condition tl.where"
        raise DtypeError(f"index: only numbers and slices; {remedy}")
    return tuple(parts)


def as_indices(indices: Sequence[Any]) -> list[Any]:
    """Arrays or nodes of whole numbers, or a DtypeError."""
    arrays = [i if hasattr(i, "dtype") else np.asarray(i) for i in indices]
    if any(i.dtype.kind not in "iu" for i in arrays):
        raise DtypeError("take: indices must be whole numbers; convert them with .astype(int)")
    return arrays


def name_of_dtype(dtype: Any) -> str:
    """The name of a dtype, such as "float32". Raises DtypeError for None, which is float64 to NumPy, and for text."""
    if dtype is None or np.dtype(dtype).kind not in "biuf":
        raise DtypeError(f"cast: dtype is {dtype!r}: pass a dtype of real numbers, such as 'float32'")
    return np.dtype(dtype).name


def transposed_fit(a: tuple[int, ...], b: tuple[int, ...]) -> str:
    """The end of a message about two matrices: which one would fit if it was transposed, if one would."""
    if a[-1] == b[-1]:
        return f"; b.mT is {b[:-2] + b[:-3:-1]}"
    return f"; a.mT is {a[:-2] + a[:-3:-1]}" if a[-2] == b[-2] else ""


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


def real_number(value: Any, refusal: str) -> float:
    """The number as one of Python's own, which takes the dtype of an array: float32 stays float32. Or a DtypeError."""
    if not isinstance(value, (int, float, np.integer, np.floating)):
        raise DtypeError(refusal.format(type(value).__name__))
    return int(value) if isinstance(value, (int, np.integer)) else float(value)


def base_of_power(base: Any, dtype: Any) -> Any:
    """The base of `base ** node` as an array of positive numbers, or an error; `dtype` is that of the node."""
    if dtype.kind != "f":
        problem = f"base ** node is exp(node * log(base)), which are floats, and this node holds {dtype}"
        raise DtypeError(f"{problem}: write base ** tl.cast(node, float)")
    array = real_array(float(base) if isinstance(base, int) else base, "the base of **")
    if not (np.isfinite(array) & (array > 0)).all():
        raise ValueError("base ** node is exp(node * log(base)): the base must be finite and greater than 0")
    return array


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


def input_arrays(inputs: Sequence[Any], arrays: Sequence[Any]) -> list[Any]:
    """An array for each input of a graph, or an error that names the input."""
    names = [x.name or f"{list(x.shape)}" for x in inputs]
    if len(arrays) != len(names):
        raise GraphError(f"the graph has {len(names)} inputs ({', '.join(names)}); it was given {len(arrays)} arrays")
    taken = [np.asarray(*as_arrays((x,), f"input {name}")) for x, name in zip(arrays, names, strict=True)]
    for node, array in zip(inputs, taken, strict=True):
        if array.shape != node.shape:
            raise ShapeError(f"input {node.name or ''} has shape {node.shape}; the array has {array.shape}")
    return taken


def read_only(array: Any) -> Any:
    """The array, marked; a NumPy scalar cannot be written to anyway."""
    if isinstance(array, np.ndarray):
        array.setflags(write=False)
    return array
