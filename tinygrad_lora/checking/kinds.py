"""Kinds of lines. Each writes a line, or a few that belong together, and returns the number of the last.

They raise UnfitError where no earlier line is what they need, or the writer refuses a line.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from . import kinds_shape
from .kinds_shape import indexed, joined, placed, reduced, repeated, reshaped, scattered, taken, transposed
from .programs import ArrayLine
from .writer import ProgramWriter, UnfitError, is_float

Kind = Callable[[ProgramWriter], int]


# --- Elementwise ---


def pair(word: str, w: ProgramWriter) -> int:
    """An operation on two arrays that broadcast, in either order; sometimes on one array twice."""
    a = w.pick()
    b = a if w.chance(0.12) else w.pick_beside(a)
    return w.write(word, *((a, b) if w.chance(0.6) else (b, a)))


def unary(word: str, w: ProgramWriter) -> int:
    """A function of one array."""
    return w.write(word, w.pick())


def scaled(w: ProgramWriter) -> int:
    """A number times an array."""
    exact = (2, -1, 0.5, 3, 1, -0.25, 4.0, 0, -3, 1.0, -2.0)
    return w.write("scale", w.pick(), factor=w.one(exact if w.style.exact else (*exact, 0.3, -1.7, 1e-3)))


def shifted(w: ProgramWriter) -> int:
    """A number and an array: Python's number takes the dtype of the array."""
    if w.chance(0.3) and not w.style.exact:
        return w.write("over", w.pick(), number=w.one((1.0, 2, -0.5)))
    return w.write("plus", w.pick(), number=w.one((1, -1, 2.0, 0.0, 0, 1.0, 3)))


def powered(w: ProgramWriter) -> int:
    """A small power."""
    exponents = (2, 3, 2, 0, 1, 4) if w.style.exact else (2, 3, -1, 0.5, -2, 1.5, 0, -0.5)
    return w.write("power", w.pick(), exponent=w.one(exponents))


def halved(w: ProgramWriter) -> int:
    """An array divided by powers of two."""
    a = w.pick()
    shape = w.values[a].shape
    powers = 2.0 ** w.rng.integers(-1, 3, shape[int(w.rng.integers(len(shape) + 1)) :])
    return w.write("divide", a, w.keep(ArrayLine(w.one(("input", "constant")), powers.astype(w.one(w.dtypes)))))


def chosen(w: ProgramWriter) -> int:
    """Elements of two arrays, selected by a condition."""
    a = w.pick()
    b = w.pick_beside(a)
    condition = w.write("greater", w.pick_beside(a, b), w.pick_beside(a, b)) if w.chance(0.7) else w.pick_beside(a, b)
    return w.write("where", condition, *((a, b) if w.chance(0.5) else (b, a)))


def masked(w: ProgramWriter) -> int:
    """The mean of the elements that a mask of ones and zeros keeps."""
    x = w.pick(lambda v: v.ndim > 0)
    axis = int(w.rng.integers(w.values[x].ndim))
    mask = w.leaf(w.values[x].shape, w.one(("bool", "int64", "float64", "uint8")), low=0)
    total = w.write("sum", w.write("multiply", x, mask), axis=axis, keepdims=False)
    return w.write("divide", total, w.write("plus", w.write("sum", mask, axis=axis, keepdims=False), number=1.0))


def cast(w: ProgramWriter) -> int:
    """An array cast to another dtype."""
    return w.write("cast", w.pick(), dtype=w.one(w.style.dtypes))


# --- Products ---


def product(w: ProgramWriter, a: int | None = None) -> int:
    """The product of two matrices, vectors or batches that fit; with a new one where none fits."""
    a = w.pick(lambda v: v.ndim > 0) if a is None else a
    p = w.values[a]
    right = w.chance(0.7)
    inner = p.shape[-1] if right or p.ndim == 1 else p.shape[-2]
    fitting = w.line_numbers(lambda v: v.ndim > 0 and v.shape[-2 if right and v.ndim > 1 else -1] == inner)
    if not fitting or w.chance(0.5):
        other = inner if w.chance(0.4) else w.one(w.sizes)  # square matrices hide a wrong transpose
        shape = ((inner, other) if right else (other, inner)) if w.chance(0.85) else (inner,)
        b = w.leaf(shape, w.dtype_beside(a), w.one(("input", "input", "parameter", "frozen", "frozen")))
    else:
        b = w.one(fitting)
    return w.write("matmul", *((a, b) if right else (b, a)))


def weighted_sum(w: ProgramWriter) -> int:
    """The sum of products, or of a multiple, over one or more axes."""
    a = w.pick(lambda v: v.ndim > 0)
    if w.chance(0.4):
        weighted = w.write("scale", a, factor=w.one((2, 3, -1, 0.5)))
    else:
        weighted = w.write("multiply", a, w.pick_beside(a, new=0.7))
    return reduced("sum", w, weighted)


def transposed_product(w: ProgramWriter) -> int:
    """The transpose of a product."""
    return w.write("transpose", product(w))


def chain(w: ProgramWriter) -> int:
    """A product of three or more."""
    y = product(w)
    for _ in range(int(w.rng.integers(1, 3))):
        y = product(w, y) if w.values[y].ndim else y
    return y


def matrix_power(w: ProgramWriter) -> int:
    """$A^4$, one factor after the other."""
    a = w.pick(lambda v: v.ndim > 1 and v.shape[-1] == v.shape[-2])
    y = a
    for _ in range(3):
        y = w.write("matmul", y, a)
    return y


def common_factor(w: ProgramWriter) -> int:
    """$A C \\pm B C$, or with the factor on the left, as a product of matrices or element by element."""
    a = w.pick()
    b = w.leaf(w.values[a].shape, w.values[a].dtype.name)
    if w.values[a].ndim > 1 and w.chance(0.6):
        right = w.chance(0.6)
        inner = w.values[a].shape[-1 if right else -2]
        c = w.leaf((inner, w.one(w.sizes)) if right else (w.one(w.sizes), inner), w.values[a].dtype.name)
        parts = [w.write("matmul", *((x, c) if right else (c, x))) for x in (a, b)]
    else:
        factor = w.pick_beside(a, new=0.5)
        parts = [w.write(w.one(("multiply", "multiply", "divide")), x, factor) for x in (a, b)]
    return w.write(w.one(("add", "add", "subtract")), *parts)


def adapted(w: ProgramWriter) -> int:
    """$x W + s (x A) B$, or with A B bracketed first, or added to W: LoRA; or $(s x) W$ alone."""
    x = w.pick(lambda v: v.ndim > 1 and is_float(v))
    dtype, n, m, r = w.values[x].dtype.name, w.values[x].shape[-1], w.one(w.sizes), w.one((1, 2))
    weight = w.leaf((n, m), dtype, "frozen")
    a, b = (w.leaf(shape, dtype, "parameter") for shape in ((n, r), (r, m)))
    factor, order = w.one((2, 0.5, -3)), w.one((0, 1, 2, 3))
    if order == 3:
        return w.write("matmul", w.write("scale", x, factor=factor), weight)
    if order == 0:
        both = w.write("add", weight, w.write("scale", w.write("matmul", a, b), factor=factor))
        return w.write("matmul", x, both)
    inner = ("matmul", w.write("matmul", x, a), b) if order == 1 else ("matmul", x, w.write("matmul", a, b))
    return w.write("add", w.write("matmul", x, weight), w.write("scale", w.write(*inner), factor=factor))


# --- Gradients, and lines that repeat or undo earlier ones ---


def gradient(w: ProgramWriter) -> int:
    """The gradient of a sum, or of a sum of squares, of an earlier result."""
    y = w.pick(is_float)
    x = w.pick(is_float)
    return w.write(w.one(("gradient", "gradient", "gradient_of_square")), y, x)


def doubled(w: ProgramWriter) -> int:
    """An earlier line repeated, sometimes with its operands swapped."""
    steps = [i for i, line in enumerate(w.lines) if hasattr(line, "word")]
    if not steps:
        raise UnfitError
    line: Any = w.lines[w.one(steps)]
    # Swapped, `scatter_add` may repeat its x as NumPy does, which a trace refuses: it wants one element for each place.
    as_it_is = w.chance(0.7) or line.word == "scatter_add"
    again = w.write(line.word, *(line.operands if as_it_is else line.operands[::-1]), **line.params)
    first = w.pick_beside(again, new=0.0)
    return again if w.chance(0.4) else w.write(w.one(("add", "multiply", "subtract")), first, again)


def alike(words: tuple[str, ...], w: ProgramWriter) -> int:
    """One function applied to two arrays, and the results combined: $f(a) + f(b)$."""
    a = w.pick()
    b = w.pick_beside(a)
    word = w.one(words)
    params = {"axis": w.one((None, 0, -1)), "keepdims": w.chance(0.3)} if word in ("sum", "max") else {}
    return w.write(w.one(("add", "multiply", "subtract")), w.write(word, a, **params), w.write(word, b, **params))


def undone(w: ProgramWriter) -> int:
    """An operation, then its inverse."""
    x = w.pick()
    way = w.one(("plus", "scale", "subtract", "divide", "cast", "transpose", "broadcast"))
    if way == "plus":
        return w.write("plus", w.write("plus", x, number=2.0), number=-2.0)
    if way == "scale":
        return w.write("scale", w.write("scale", x, factor=w.one((4.0, 3, 8))), factor=w.one((0.25, -1, 3)))
    if way == "cast":
        first = w.write("cast", x, dtype=w.one(w.style.dtypes))
        return w.write("cast", first, dtype=str(w.values[x].dtype))
    if way == "transpose":
        return w.write("transpose", transposed(w))
    if way == "broadcast":
        longer = w.write("broadcast", x, shape=(w.one(w.sizes), *w.values[x].shape))
        return w.write("sum", longer, axis=0, keepdims=False)
    other = w.pick_beside(x)
    return w.write(way, w.write({"subtract": "add", "divide": "multiply"}[way], x, other), other)


def twice(kind: Kind, w: ProgramWriter) -> int:
    """Two lines of one kind on one operand, which may differ in their parameters, and the results combined."""
    x = w.focus if w.focus is not None else w.pick()
    results = kinds_shape.two_on(x, kind, w)
    return w.write(w.one(("add", "subtract", "multiply")), *results)


# Kinds that follow each other in chains: the few pairs of ALGEBRA come often, those of EXACT_CORE less so.
ALGEBRA: tuple[Kind, ...] = (
    *(partial(pair, word) for word in ("add", "subtract", "multiply")), partial(unary, "relu"),
    *(partial(reduced, word) for word in ("sum", "mean", "max")),
    scaled, powered, product, transposed, reshaped, indexed, taken, joined,
)  # fmt: skip
EXACT_CORE: tuple[Kind, ...] = (
    *ALGEBRA, partial(pair, "maximum"), shifted, halved, chosen, cast, transposed_product, common_factor, undone,
    adapted, repeated, placed, scattered, gradient, partial(alike, ("relu", "sum", "max", "transpose")),
)  # fmt: skip
SHARED: tuple[Kind, ...] = (
    *EXACT_CORE, partial(pair, "greater"), *(partial(unary, word) for word in ("sign", "identity", "stop_gradient")),
    weighted_sum, weighted_sum, chain, matrix_power, kinds_shape.returned, doubled,
)  # fmt: skip
EXACT: tuple[Kind, ...] = (*SHARED, *(partial(twice, kind) for kind in (partial(reduced, "sum"), scaled, taken)))
