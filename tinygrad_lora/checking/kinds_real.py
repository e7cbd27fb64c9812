"""Kinds of lines whose results are rounded: functions of real numbers, and what networks are made of."""

from functools import partial

from .kinds import SHARED, Kind, alike, gradient, masked, pair, powered, product, scaled, unary
from .kinds_shape import joined, reduced
from .writer import ProgramWriter, is_float


def logarithm(w: ProgramWriter) -> int:
    """The logarithm or square root of positive numbers or of an exponential."""
    x = w.pick(is_float)
    positive = x if w.chance(0.3) else w.write("exp", x) if w.chance(0.5) else w.write("plus", square(w, x), number=1.0)
    return w.write(w.one(("log", "log", "sqrt")), positive)


def square(w: ProgramWriter, x: int) -> int:
    """The square of line x, as a product or as a power."""
    return w.write("multiply", x, x) if w.chance(0.5) else w.write("power", x, exponent=2)


def inverse(w: ProgramWriter) -> int:
    """A function, then its inverse."""
    x = w.pick(is_float)
    way = w.one(("exp", "log", "square", "sqrt", "divide", "divide"))
    if way == "exp":
        return w.write("log", w.write("exp", x))
    if way == "log":
        return w.write("exp", w.write("log", x))
    if way == "divide":
        other = w.pick_beside(x)
        return w.write("divide", w.write("multiply", x, other), other)
    return w.write("sqrt", square(w, x)) if way == "square" else square(w, w.write("sqrt", x))


def along_axis(word: str, w: ProgramWriter) -> int:
    """A softmax along some axis; sometimes of shifted numbers, which gives the same."""
    x = w.pick(lambda v: v.ndim > 0 and is_float(v))
    if w.chance(0.3):
        x = w.write("add", x, w.leaf((*w.values[x].shape[:-1], 1), w.dtype_beside(x)))
    return w.write(word, x, axis=int(w.rng.integers(-w.values[x].ndim, w.values[x].ndim)))


def softmax_by_hand(w: ProgramWriter) -> int:
    """Exponentials divided by their sum, or the logarithm of the sum."""
    x = w.pick(lambda v: v.ndim > 0 and is_float(v))
    e = w.write("exp", x)
    total = w.write("sum", e, axis=-1, keepdims=True)
    return w.write("divide", e, total) if w.chance(0.6) else w.write("log", total)


def normalized(w: ProgramWriter) -> int:
    """A layer norm, with or without a weight and a bias."""
    x = w.pick(lambda v: v.ndim > 0 and v.shape[-1] > 1 and is_float(v))
    if w.chance(0.3):
        return w.write("normalized", x)
    n, dtype = w.values[x].shape[-1], w.values[x].dtype.name
    weight, bias = (w.leaf((n,), dtype, kind) for kind in (w.one(("input", "parameter")), "parameter"))
    return w.write("layer_norm", x, weight, bias)


def loss(w: ProgramWriter) -> int:
    """A squared error, or the cross entropy of some labels."""
    y = w.pick(lambda v: v.size > 0 and is_float(v))
    shape, dtype = w.values[y].shape, w.values[y].dtype.name
    if shape and w.chance(0.6):
        return w.write("cross_entropy", y, w.indices(shape[-1], shape[:-1], least=0))
    return w.write("mse", y, w.leaf(shape, dtype))


FUNCTIONS = ("exp", "log", "sqrt", "tanh", "sigmoid", "gelu", "exact_gelu", "silu")
FUNCTIONS_CORE: tuple[Kind, ...] = (
    *(partial(unary, word) for word in ("exp", "log", "sqrt")), *(partial(pair, word) for word in ("add", "multiply")),
    partial(pair, "divide"), partial(reduced, "sum"), scaled, powered, inverse, partial(alike, ("exp", "log", "sqrt")),
)  # fmt: skip
REAL_CORE: tuple[Kind, ...] = (
    *FUNCTIONS_CORE, *(partial(unary, word) for word in ("tanh", "relu", "sigmoid")), softmax_by_hand, joined, product,
    *(partial(reduced, word) for word in ("mean", "max")), partial(along_axis, "softmax"),
    partial(along_axis, "log_softmax"), normalized, gradient,
)  # fmt: skip
REAL: tuple[Kind, ...] = (
    *SHARED, *(partial(unary, word) for word in FUNCTIONS), *REAL_CORE, logarithm, loss, loss, masked,
)  # fmt: skip
