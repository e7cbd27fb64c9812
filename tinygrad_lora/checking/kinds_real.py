"""Kinds of lines whose results are rounded: functions of real numbers, what networks are made of, and layers."""

from __future__ import annotations

from functools import partial

from .kinds import SHARED, Kind, alike, gradient, masked, pair, powered, product, scaled, unary
from .kinds_shape import joined, reduced
from .programs import LayerLine
from .writer import ProgramWriter, is_float


def logarithm(w: ProgramWriter) -> int | None:
    """The logarithm or square root of positive numbers or of an exponential."""
    x = w.pick(is_float)
    positive = x if w.chance(0.3) else w.write("exp", x) if w.chance(0.5) else w.write("plus", square(w, x), number=1.0)
    return w.write(w.one(("log", "log", "sqrt")), positive)


def square(w: ProgramWriter, x: int | None) -> int | None:
    """The square of line x, as a product or as a power."""
    return w.write("multiply", x, x) if w.chance(0.5) else w.write("power", x, exponent=2)


def inverse(w: ProgramWriter) -> int | None:
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


def along_axis(word: str, w: ProgramWriter) -> int | None:
    """A softmax along some axis; sometimes of shifted numbers, which gives the same."""
    x = w.pick(lambda v: v.ndim > 0 and is_float(v))
    if x is None:
        return None
    if w.chance(0.3):
        x = w.write("add", x, w.leaf((*w.values[x].shape[:-1], 1), w.dtype_beside(x)))
    return w.write(word, x, axis=int(w.rng.integers(-w.values[x].ndim, w.values[x].ndim))) if x is not None else None


def softmax_by_hand(w: ProgramWriter) -> int | None:
    """Exponentials divided by their sum, or the logarithm of the sum."""
    x = w.pick(lambda v: v.ndim > 0 and is_float(v))
    if x is None:
        return None
    e = w.write("exp", x)
    total = w.write("sum", e, axis=-1, keepdims=True)
    return w.write("divide", e, total) if w.chance(0.6) else w.write("log", total)


def normalized(w: ProgramWriter) -> int | None:
    """A layer norm, with or without a weight and a bias."""
    x = w.pick(lambda v: v.ndim > 0 and v.shape[-1] > 1 and is_float(v))
    if x is None or w.chance(0.3):
        return w.write("normalized", x)
    n, dtype = w.values[x].shape[-1], w.values[x].dtype.name
    return w.write(
        "layer_norm", x, w.leaf((n,), dtype, w.one(("input", "parameter"))), w.leaf((n,), dtype, "parameter")
    )


def loss(w: ProgramWriter) -> int | None:
    """A squared error, or the cross entropy of some labels."""
    y = w.pick(lambda v: v.size > 0 and is_float(v))
    if y is None:
        return None
    shape, dtype = w.values[y].shape, w.values[y].dtype.name
    if shape and w.chance(0.6):
        return w.write("cross_entropy", y, w.indices(shape[-1], shape[:-1], least=0))
    return w.write("mse", y, w.leaf(shape, dtype))


def attended(w: ProgramWriter) -> int | None:
    """Attention over tokens of (batch, time, width)."""
    x = w.pick(lambda v: v.ndim == 3 and v.size > 0 and is_float(v))
    if x is None:
        sizes = [n for n in w.sizes if n] or [2]
        x = w.leaf((w.one((1, 2)), w.one(sizes), 2 * w.one((1, 2))), w.style.dtypes[0])
        if not is_float(w.values[x]):
            return None
    width = w.values[x].shape[-1]
    others = w.line_numbers(lambda v: v.shape == w.values[x].shape and v.dtype == w.values[x].dtype)
    count = w.one([n for n in (1, 2, 3) if width % n == 0])
    return w.write("attention", x, w.one(others), w.one(others), count=count)


def layer(w: ProgramWriter) -> int | None:
    """A layer that fits, called; sometimes followed by the gradient of one of its parameters."""
    x = w.pick(lambda v: v.ndim > 0 and v.shape[-1] > 0 and is_float(v))
    if x is None:
        return None
    n, m, dtype = w.values[x].shape[-1], w.one([s for s in w.sizes if s] or [2]), w.values[x].dtype
    r = min(n, m, w.one((1, 2)))
    options = f", dtype={dtype.name!r}" if dtype != "float64" else ""
    linear = f"tl.Linear({n}, {m}, bias={w.chance(0.7)}, seed=0{options})"
    activation = w.one(("relu", "gelu", "tanh", "sigmoid", "softmax"))
    text = w.one((
        linear, linear, f"tl.LoRALinear({linear}, {r}, {w.one((-1, 2, 8))}, seed=0)",
        f"tl.LoRALinear({linear}, {r}, seed=0)", f"tl.LoRALayer({n}, {m}, {r}, seed=0{options})",
        f"tl.LayerNorm({n}{options})", f"tl.RMSNorm({n}{options})",
        f"tl.Sequential({linear}, tl.{activation}, tl.Linear({m}, {n}, seed=1{options}))",
    ))  # fmt: skip
    called = w.keep(LayerLine(text, int(w.rng.integers(2**31))))
    y = w.write("called", called, x)
    if y is None or w.chance(0.5):
        return y
    name = w.one(list(w.values[called].named_parameters()))
    return w.write("gradient_of_square", y, w.write("weight", called, name=name))


def embedded(w: ProgramWriter) -> int | None:
    """The embeddings of some tokens, with or without an adapter."""
    width, dtype = w.one([s for s in w.sizes if s] or [2]), w.dtypes[0]
    options = f", dtype={dtype!r}" if dtype.startswith("float") and dtype != "float64" else ""
    text = f"tl.Embedding(5, {width}, seed=0{options})"
    called = w.keep(
        LayerLine(text if w.chance(0.6) else f"tl.LoRAEmbedding({text}, 1, seed=0)", int(w.rng.integers(2**31)))
    )
    return w.write("called", called, w.indices(5, w.shape(w.one((1, 2))), least=0))


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
    *SHARED, *(partial(unary, word) for word in FUNCTIONS), *REAL_CORE, logarithm, loss, loss, masked, attended,
    attended, layer, layer, layer, embedded,
)  # fmt: skip
