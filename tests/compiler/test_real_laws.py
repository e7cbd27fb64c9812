"""Laws of real numbers hold for floats of one dtype alone: elsewhere a pass leaves the numbers as they are.

Whole numbers wrap around, booleans saturate, another dtype rounds differently, and shapes that differ are repeated.
"""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import tinygrad_lora as tl
from tinygrad_lora.compiler.passes.collect_factors import collect_factors
from tinygrad_lora.compiler.passes.expand_powers import expand_powers
from tinygrad_lora.compiler.passes.join_scatters import join_scatters
from tinygrad_lora.compiler.passes.raise_reshapes import raise_reshapes
from tinygrad_lora.compiler.passes.repeat_rows import repeat_rows
from tinygrad_lora.compiler.pipeline import DEFAULT, PASSES as BY_NAME
from tinygrad_lora.core import ops

PASSES = [p for p in BY_NAME.values() if p is not repeat_rows]
RNG = np.random.default_rng(5)


@pytest.fixture(autouse=True)
def same_numbers():
    """Every test draws the same numbers, whichever tests ran before it."""
    RNG.bit_generator.state = np.random.default_rng(5).bit_generator.state


def whole(shape, dtype=np.float64):
    """Small whole numbers: sums of their products are exact in every dtype of floats but float16."""
    return RNG.integers(-3, 4, shape).astype(dtype)


def frozen(apply):
    """A pass that is told which inputs are frozen: all that are captured."""

    def a_pass(graph):
        return apply(graph, graph.weights)

    a_pass.__name__ = apply.__name__
    return a_pass


EVERY = [*PASSES, frozen(repeat_rows)]


def assert_kept(function, *arrays, passes=None):
    """Every pass alone, and the compiled program, compute what the function does: shape, dtype and every number."""
    eager = function(*map(tl.constant, arrays))
    eager = [y.value for y in (eager if isinstance(eager, list | tuple) else [eager])]
    graph = tl.trace(function, *arrays)
    for apply in EVERY if passes is None else passes:
        for a, b in zip(eager, apply(graph)(*arrays), strict=True):
            assert (np.shape(a), a.dtype) == (np.shape(b), b.dtype), apply.__name__
            assert_array_equal(b, a, err_msg=apply.__name__)
    if passes is None:
        result = tl.compile(function, buffers=False)(*arrays)
        for a, b in zip(eager, result if isinstance(result, list | tuple) else [result], strict=True):
            assert (np.shape(a), a.dtype) == (np.shape(b), b.dtype)
            assert_array_equal(b, a)


# --- Shapes that differ ---


@pytest.mark.parametrize("shape", [(4, 4, 6), (5, 4, 6), (1, 4, 6), (4, 4, 1), (4, 1, 6)])
@pytest.mark.parametrize("factor", [(4, 1), (4, 1, 1), (1, 4, 1), (1, 1), (6,), (1,), (4, 6), (4, 4, 6)])
@pytest.mark.parametrize("axis", [0, 1, 2, (0, 1), (1, 2), (0, 2)])
@pytest.mark.parametrize("keepdims", [False, True])
def test_a_factor_stands_before_a_sum_in_the_shape_that_it_has_there(shape, factor, axis, keepdims):
    x, p = whole(shape), whole(factor)
    if fits(x, p):
        assert_kept(lambda x, p: tl.sum(p * x * 0.5, axis, keepdims), x, p, passes=[collect_factors])


def fits(*arrays):
    try:
        np.broadcast_shapes(*(a.shape for a in arrays))
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("other", [(4, 5), (1, 5), (4, 1), (5,), (1,), (), (2, 4, 1)])
def test_what_is_scattered_is_added_in_its_place_only_where_nothing_is_repeated(other):
    x, y = whole((4, 1)), whole(other)

    def f(x, y, columns):
        (slope,) = tl.gradients(tl.sum(tl.take(x, np.arange(4), columns) * 2.0), [x])
        return [slope + y, y + slope, slope - y, y - slope, slope * 2.0, tl.sum(slope, 1)]

    for k in range(6):
        assert_kept(lambda *a, k=k: f(*a)[k], x, y, np.zeros(4, int), passes=[join_scatters])


# --- Other numbers than floats of one dtype ---

DTYPES = [np.float64, np.float32, np.float16, np.int64, np.int8, np.uint8, bool]
PAIRS = [(a, b) for a, b in itertools.product(DTYPES, repeat=2) if a is b or np.float64 in (a, b) or {a, b} & {np.int8}]
LAWS = {
    "a factor of a product": lambda x, w, b: [(x * 3) @ w, w.mT @ (x.mT * 3), (x * 0.5) @ w, 3 * (x @ w)],
    "a negative factor": lambda x, w, b: [(-x) @ w, -(x @ w), x @ (-w), b - (-x), b + (-x)],
    "a factor of a sum": lambda x, w, b: [tl.sum(x * 100, 1), tl.sum(100 * (x * b), 0), 2 * tl.sum(x, 0)],
    "a common factor": lambda x, w, b: [x * b + x * b, 2 * (x * b) + x * b, x * b - b * x, (x * b + x * x) * b],
    "a sum of products": lambda x, w, b: [tl.sum(x * b), tl.sum(x * x, 1), tl.sum(x * b, 0), tl.sum(x, 1)],
    "a chain": lambda x, w, b: [x @ w @ w.mT @ w, x @ (w @ (w.mT @ w)), 2 * (x @ (w @ w.mT))],
    "a product in a sum": lambda x, w, b: [x @ (w @ w.mT + b.mT @ x), (x.mT @ b - w @ w.mT) @ w],
    "a stack": lambda x, w, b: [
        tl.reshape(x, (2, 2, 3)) @ w,
        tl.sum(tl.reshape(x, (2, 2, 3)).mT @ tl.reshape(b, (2, 2, 3)), 0),
        tl.sum(tl.reshape(x, (2, 2, 3)), (0, 1)),
    ],
    "a power": lambda x, w, b: [x**3, x**2 * x, (x * b) ** 2, x**4],
    "a scatter": lambda x, w, b: [
        y for s in [ops.scatter_add(x[:, 0], tl.constant(np.arange(4)), tl.constant([0, 2, 1, 0]), shape=(4, 3))]
        for y in (s + b, b - s, s - b, 3 * s, tl.sum(s, 1))
    ],
    "nothing": lambda x, w, b: [x + 0, x * 1, x - 0.0, x / 1, 1 * x, x + x, tl.sum(x, ()), x.mT.mT, b + x * -1],
}  # fmt: skip


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_a_law_of_real_numbers_changes_no_whole_number_and_no_dtype(law, first, second):
    limits = {"i": (-128, 128), "u": (0, 256), "b": (0, 2)}
    x, w, b = (
        RNG.integers(*limits.get(np.dtype(dtype).kind, (-3, 4)), shape).astype(dtype)
        for shape, dtype in (((4, 3), first), ((3, 2), second), ((4, 3), second if law != "a chain" else first))
    )
    for k in range(10):

        def one(x, w, b, k=k):
            return LAWS[law](x, w, b)[k]

        # One result at a time: others may be refused for these dtypes, as 3 * x is for some of them.
        try:
            with np.errstate(all="ignore"):
                one(*map(tl.constant, (x, w, b)))
        except Exception:
            continue
        with np.errstate(all="ignore"):
            assert_kept(one, x, w, b)


# --- float16 ---


def test_sums_of_float16_are_added_up_as_they_stand():
    x, w, v = (RNG.normal(size=s).astype(np.float16) for s in [(4, 8, 64), (64, 64), (64, 2)])

    def f(x, w, v):
        y = 0.3 * (x @ w)
        return [
            tl.sum(y * y), tl.sum(y, -1), tl.sum(y, (0, 1)), (x @ w) @ v, tl.sum(x * 0.7, 1), x * 0.1 + x * 0.7,
            tl.sum(tl.reshape(y, (32, 64)), 0), 3.0 * (0.1 * x), (0.1 * x) @ v, x**3, tl.sum(x.mT @ y, 0),
        ]  # fmt: skip

    for k in range(11):
        graph = tl.trace(lambda *a, k=k: f(*a)[k], x, w, v)
        for apply in EVERY:
            assert_array_equal(apply(graph)(x, w, v)[0], graph(x, w, v)[0], err_msg=f"{apply.__name__} {k}")


# --- What exists already, in the wrong place ---


def test_a_constant_of_whole_numbers_is_not_scaled():
    x, count = whole((3, 4)), np.arange(12).reshape(4, 3)
    assert_kept(lambda x: 0.5 * (x @ tl.constant(count)), x)
    assert_kept(lambda x: 0.5 * (tl.constant(count) @ x), x)


@pytest.mark.parametrize(("shape", "axis"), [((0,), None), ((3, 0), 1), ((0, 3), 0)])
def test_a_sum_of_nothing_is_not_divided(shape, axis):
    """It is 0, even where a division of its terms by zero would be none of theirs."""
    x, zero = np.ones(shape), np.float64(0)
    assert_array_equal(tl.compile(lambda x, s: tl.sum(x / s, axis))(x, zero), np.zeros(np.sum(x, axis).shape))
    slope = tl.compile(lambda x, s: tl.gradients(tl.sum(tl.exp(x / s) * tl.exp(x / s), axis).sum(), s))
    assert_array_equal(slope(x, zero), 0.0)


def test_an_array_without_columns_may_get_more_rows():
    for shape, other in itertools.permutations([(5, 0), (2, 0), (0, 0), (2, 3, 0)], 2):
        for axis in (-1, 0, (0, 1)):
            assert_kept(lambda x, o=other, a=axis: tl.sum(tl.reshape(x, o), a), np.ones(shape), passes=[raise_reshapes])


def test_an_index_that_is_out_of_range_is_refused_after_every_pass():
    x, y = np.ones((4, 1)), np.ones((4, 1))

    def f(x, y, columns):
        return tl.take(x * 2.0 - y, np.arange(4), columns)

    graph = tl.trace(f, x, y, np.zeros(4, int))
    for apply in PASSES:
        with pytest.raises(IndexError):
            apply(graph)(x, y, np.full(4, 3))


# --- Division by zero ---


@pytest.mark.parametrize(
    "function",
    [
        lambda a, b: a * a / a,
        lambda a, b: (-a * a) / a,
        lambda a, b: a / b * b,
        lambda a, b: (a * b) / (b * 2.0),
        lambda a, b: a - a,
        lambda a, b: a * 0.0,
        lambda a, b: b * ops.sign(tl.relu(a)),
        lambda a, b: a**-1 * a,
        lambda a, b: tl.tanh(tl.tanh((a - a) ** -1)),
    ],
)
def test_what_is_no_number_stays_none(function):
    numbers = [np.nan, np.inf, -np.inf, 0.0, 1.0, -2.0]
    a, b = (np.array(x) for x in zip(*itertools.product(numbers, repeat=2), strict=True))
    with np.errstate(all="ignore"):
        assert_kept(function, a, b)


@pytest.mark.parametrize("exponent", [0.5, -0.5, 1, -1, 2, -2, 3, -3, 4, 8, -8])
@pytest.mark.parametrize("shape", [(), (1,), (1000,), (1000, 1)])
def test_a_power_that_is_finite_stays_finite(exponent, shape):
    for number in (np.inf, -np.inf, 0.0, -0.0, np.nan, 2.0, -2.0, 1e-12, 1e12, -1e12):
        x = np.full(shape, number)
        graph = tl.trace(lambda x: x**exponent, x)
        with np.errstate(all="ignore"):
            (expected,), (result,) = graph(x), expand_powers(graph)(x)
        if np.isfinite(expected).all() or shape == ():
            np.testing.assert_allclose(result, expected, rtol=1e-14, err_msg=str(number))


# --- How many digits a sum loses ---


def worst(compute, numbers, axis):
    """The largest relative error of float32 sums, of numbers that are as hard as it gets and such as data is."""
    errors = []
    for arrays in numbers:
        exact = np.prod(np.asarray(arrays, np.float64), 0)
        size = np.abs(exact).sum(axis)
        errors.append(np.max(np.abs(compute(*arrays).astype(np.float64) - exact.sum(axis)) / size))
    return max(errors)


def samples(shape, n):
    """n arrays of each kind: equal numbers, nearly equal ones, positive ones, and mixed signs."""
    for kind in ("equal", "near", "positive", "mixed"):
        for _ in range(4):
            yield [
                {
                    "equal": lambda: np.full(shape, RNG.random()),
                    "near": lambda: RNG.random() + 0.01 * RNG.random(shape),
                    "positive": lambda: RNG.random(shape),
                    "mixed": lambda: RNG.normal(size=shape),
                }[kind]().astype(np.float32)
                for _ in range(n)
            ]


SUMS = [
    (lambda a, b: tl.sum(a * b), 2, None, "row_products"),
    (lambda a, b: tl.sum(a * b, -1), 2, -1, "row_products"),
    (lambda a: tl.sum(a, -1), 1, -1, "matmul"),
    (lambda a: tl.sum(a, 0), 1, 0, "matmul"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("function", "n", "axis", "kind"), SUMS)
@pytest.mark.parametrize("shape", [(1, 1000), (4, 4096), (1000, 40), (300, 1000), (100, 10_000), (10_000, 1)])
def test_a_sum_in_float32_loses_at_most_four_times_as_many_digits_as_numpys(function, n, axis, kind, shape):
    numbers = list(samples(shape, n))
    compiled = tl.compile(function)
    eager = worst(lambda *arrays: np.prod(arrays, 0).sum(axis), numbers, axis)
    assert worst(compiled, numbers, axis) <= 4 * max(eager, np.finfo(np.float32).eps)


def test_the_mean_of_ten_million_squares_keeps_its_digits():
    z = np.full(10_000_000, 0.7, np.float32)
    compiled = tl.compile(lambda z: tl.mean(z * z))
    assert abs(float(compiled(z)) / float(z[0]) ** 2 - 1) < 1e-6
    assert any(n.op.name == "row_products" for n in compiled.graph.nodes)  # and is as fast as before


# --- Finite stays finite ---

EXTREME = {np.float64: 1e100, np.float32: 1e12}
PRODUCTS = {
    "factors": lambda a, b, c, d: a * b * c * d,
    "a sum of products": lambda a, b, c, d: a * (b * c) + a * (d * (b * c)) + a,
    "quotients": lambda a, b, c, d: (a / b) * (c / d) * (a / d),
    "one divisor after another": lambda a, b, c, d: a / b / d / b + a / b,
    "numbers": lambda a, b, c, d: (a * 1e12) * (b * 1e-12) * (1e12 * (c * 1e-12)),
    "a row": lambda a, b, c, d: tl.sum((a * b) * (c * d), -1) * tl.sum(a * c, -1),
    "a chain": lambda a, b, c, d: a @ b.mT @ c @ d.mT @ a,
    "a scaled chain": lambda a, b, c, d: 1e12 * (a @ (1e-12 * (b.mT @ (c @ (d.mT * 1e12)))) * 1e-12),
    "a power": lambda a, b, c, d: (a * b) ** 3 * (b / d) ** -2,
    "a mean": lambda a, b, c, d: tl.mean(tl.mean(a * b, 0) * tl.sum(c, 0)),
}


def in_range(graph, arrays):
    """Whether every number on the way is zero or of ordinary size."""
    for _, value in graph.running(*arrays):
        limit = EXTREME.get(value.dtype.type, np.inf)
        size = np.abs(value[value != 0])
        if not (np.all(size <= limit) and np.all(size >= 1 / limit)):
            return False
    return True


@pytest.mark.parametrize("dtype", EXTREME)
def test_no_product_is_formed_that_leaves_the_range_of_its_dtype(dtype):
    limit = EXTREME[dtype]
    x, column = np.full((40, 40), 1 / limit, dtype), np.full((40, 1), limit, dtype)

    def columns_first(x, c):
        return (x * c) * (x * c * 1.5) * (x * c * 2.5) * (x * c * 3.5) * (x * c * 4.5)

    zero, large = np.zeros((200, 200), dtype), np.full((200, 200), limit / 1000, dtype)

    def long_chain(z, a, b, c):
        return z @ a @ b @ c @ c[:, :1]

    for function, arrays in ((columns_first, (x, column)), (long_chain, (zero, large, large / 2, large / 4))):
        graph = better = tl.trace(function, *arrays)
        assert in_range(graph, arrays)
        for apply in (p for row in DEFAULT[:-1] for p in row):
            assert_close_to_eager(apply(graph), graph, arrays)
            better = apply(better)
        assert_close_to_eager(better, graph, arrays)


def assert_close_to_eager(better, graph, arrays):
    for result, expected in zip(better(*arrays), graph(*arrays), strict=True):  # warnings are errors
        np.testing.assert_allclose(result, expected, rtol=1e-4 if result.dtype == np.float32 else 1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", EXTREME)
@pytest.mark.parametrize("form", PRODUCTS)
def test_what_is_finite_with_ordinary_numbers_on_the_way_stays_finite(form, dtype):
    rng = np.random.default_rng(3)
    limit, function = EXTREME[dtype], PRODUCTS[form]
    sizes = [1 / limit, limit**-0.5, 1.0, limit**0.5, limit]
    tried = 0
    for scale in itertools.product(sizes, repeat=4):
        # What is multiplied by zero may be as large as it likes; divisors are not zero.
        zero = [0.0, 1.0, 0.0, 1.0]
        arrays = [(s * rng.choice([z, 1.0, 0.5], (40, 40))).astype(dtype) for s, z in zip(scale, zero, strict=True)]
        graph = tl.trace(function, *arrays)
        with np.errstate(all="ignore"):
            if not in_range(graph, arrays):
                continue
        tried += 1
        better = graph
        for apply in (*(p for row in DEFAULT for p in row), *(p for row in DEFAULT[:-1] for p in row)):
            better = apply(better) if apply.__name__ != "fuse_elementwise" else better
        assert_close_to_eager(better, graph, arrays)
    assert tried >= 3
