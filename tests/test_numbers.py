"""What docs/numbers.md says of floats is so: eager numbers against exact ones and PyTorch's, compiled against eager."""

import pkgutil
import re
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
import sum_errors

import tinygrad_lora as tl
from tinygrad_lora.compiler import passes as compiler_passes
from tinygrad_lora.compiler.checks import agreement
from tinygrad_lora.compiler.patterns import ORDINARY
from tinygrad_lora.core import ops
from tinygrad_lora.core.graph import topological_order
from tinygrad_lora.nn.activations import exact_gelu, silu
from tinygrad_lora.nn.attention import attention, causal_mask, padding_mask
from tinygrad_lora.nn.norms import RMSNorm

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "numbers.md").read_text(encoding="utf-8")
RANDOM = np.random.default_rng(0)
HALF, FLOATS = np.float16, (np.float16, np.float32, np.float64)
ACTIVATIONS = {"sigmoid": tl.sigmoid, "silu": silu, "gelu": tl.gelu, "exact_gelu": exact_gelu, "tanh": tl.tanh}


def value_and_slope(f, x, seed=None):
    """The value of f at the array x, and the gradient of its sum, or of its sum weighted by `seed`."""
    p = tl.parameter(x)
    y = f(p)
    y.backward(np.ones(y.shape) if seed is None else seed)
    return y.value, p.gradient


def compiled_value_and_slope(f, x, **options):
    def both(x):
        y = f(x)
        return y, tl.gradients(tl.sum(y), x)

    return tl.compile(both, **options)(x)


# Values and gradients by PyTorch 2.13, in float32.
AT = np.array([-80, -20, -9.5, -5, -2, -0.5, 0.5, 5], np.float32)
TORCH = {
    "sigmoid": (
        [1.8048513e-35, 2.0611537e-09, 7.4846226e-05, 0.006692851, 0.11920292, 0.37754068, 0.62245935, 0.99330717],
        [1.8048513e-35, 2.0611537e-09, 7.4840624e-05, 0.0066480567, 0.10499358, 0.23500371, 0.23500371, 0.0066480329],
    ),
    "silu": (
        [-1.4438811e-33, -4.1223075e-08, -0.00071103917, -0.033464253, -0.23840584, -0.18877034, 0.31122968, 4.9665356],
        [-1.4258326e-33, -3.9161922e-08, -0.00063613965, -0.026547434, -0.090784252, 0.26003882, 0.73996121, 1.0265474],
    ),
    "gelu": (
        [-0, -0, -0, -2.9802322e-07, -0.045402288, -0.154286, 0.345714, 4.9999995],
        [0, 0, 0, -2.0108757e-06, -0.086099222, 0.13263011, 0.86736989, 1.000002],
    ),
    "exact_gelu": (
        [-0, -0, -0, -1.1920929e-06, -0.045500278, -0.15426877, 0.34573123, 4.999999],
        [0, 0, 0, -7.1227551e-06, -0.08523187, 0.13250491, 0.86749506, 1.0000072],
    ),
    "tanh": (
        [-1, -1, -1, -0.99990922, -0.96402758, -0.46211717, 0.46211717, 0.99990922],
        [0, 0, 0, 0.00018154751, 0.070650816, 0.7864477, 0.7864477, 0.00018154751],
    ),
}  # fmt: skip


# --- Tails ---


def exact_sigmoid(x):
    """The sigmoid and its slope with 40 digits, rounded to float64 once."""
    pairs = []
    for number in x.tolist():
        e = Decimal(number).exp()
        pairs.append((float(e / (e + 1)), float(e / (e + 1) ** 2)))
    return np.array(pairs).T


@pytest.mark.parametrize("dtype", FLOATS)
def test_sigmoid_and_silu_have_all_their_digits_where_they_are_small(dtype):
    limits = np.finfo(dtype)
    x = np.concatenate([-np.geomspace(1e-4, 80, 300), -np.arange(0.0, 20, 0.25)]).astype(dtype)
    s, slope = exact_sigmoid(x)
    for f, exact in ((tl.sigmoid, (s, slope)), (silu, (x * s, s + x * slope))):
        for result, right in zip(value_and_slope(f, x), exact, strict=True):
            scale = np.abs(right) if exact[0] is s else s * (1 + np.abs(x))  # the slope of silu is a difference
            assert (np.abs(result - right) <= 4 * limits.eps * scale + 2 * float(limits.smallest_subnormal)).all()


@pytest.mark.parametrize("name", TORCH)
def test_activations_are_as_close_as_those_of_pytorch(name):
    for mine, theirs in zip(value_and_slope(ACTIVATIONS[name], AT), TORCH[name], strict=True):
        small = (AT < 0) & (name in ("sigmoid", "silu"))  # where PyTorch has all digits; elsewhere it has those of 1
        scale = np.where(small, np.abs(theirs), np.maximum(np.abs(theirs), 1))
        assert mine.dtype == np.float32 and (np.abs(mine - theirs) <= 8 * 2.0**-23 * scale).all()


@pytest.mark.parametrize("name", TORCH)
def test_activations_of_float16_are_those_of_float32_rounded_once(name):
    x = np.arange(2**16, dtype=np.uint16).view(HALF)
    x = x[np.isfinite(x)]
    value, slope = value_and_slope(ACTIVATIONS[name], x)
    wide_value, wide_slope = value_and_slope(ACTIVATIONS[name], x.astype(np.float32))
    assert value.dtype == slope.dtype == HALF and np.isfinite(slope).all()
    if name == "tanh":  # one operation, which NumPy rounds; its slope is right to a unit of the last digit of 1
        np.testing.assert_allclose(slope.astype(float), wide_slope, atol=2.0**-9)
    else:
        np.testing.assert_array_equal(value, wide_value.astype(HALF))
        np.testing.assert_array_equal(slope, wide_slope.astype(HALF))


@pytest.mark.parametrize("name", TORCH)
@pytest.mark.parametrize(("dtype", "largest"), [(np.float32, 1e12), (np.float64, 1e100)])
def test_no_slope_of_an_activation_is_nan_far_out(name, dtype, largest):
    far = np.geomspace(1, largest, 200)
    x = np.concatenate([-far, far]).astype(dtype)
    for value, slope in (value_and_slope(ACTIVATIONS[name], x), compiled_value_and_slope(ACTIVATIONS[name], x)):
        assert np.isfinite(value).all()
        np.testing.assert_allclose(slope[x > 100], name in ("silu", "gelu", "exact_gelu"), atol=1e-6)
        np.testing.assert_allclose(slope[x < -100], 0, atol=1e-6)


def test_exact_gelu_is_off_by_what_the_page_says():
    from math import erfc, exp, pi, sqrt

    x = np.linspace(-9, 9, 4001)
    share = np.array([erfc(-v / sqrt(2)) / 2 for v in x])
    density = np.array([exp(-v * v / 2) / sqrt(2 * pi) for v in x])
    value, slope = value_and_slope(exact_gelu, x)
    assert np.abs(value - x * share).max() < 5e-15 * 9 and "at most 5e-15 in float64" in PAGE
    assert (np.abs(value - x * share) / np.maximum(np.abs(x), 1)).max() < 5e-15
    assert np.abs(slope - share - x * density).max() < 1e-13


def test_a_sigmoid_reaches_its_limits():
    x = np.array([np.inf, -np.inf, 1e5, -1e5, 41.0, np.nan])
    value, slope = value_and_slope(tl.sigmoid, x)
    np.testing.assert_array_equal(value, [1, 0, 1, 0, 1, np.nan])
    np.testing.assert_array_equal(slope, [0, 0, 0, 0, 0, np.nan])


# --- float16 ---

LABELS = np.arange(6) % 4
ACCUMULATING = {
    "mean": tl.mean, "mean of columns": lambda x: tl.mean(x, 0), "sum of columns": lambda x: tl.sum(x * 0.01, 0),
    "softmax": tl.softmax, "softmax of columns": lambda x: tl.softmax(x, 0), "log_softmax": tl.log_softmax,
    "layer_norm": tl.layer_norm, "RMSNorm": lambda x: RMSNorm(x.shape[-1], dtype=x.dtype)(x),
    "mse": lambda x: tl.mse(x * 0.1, x * 0.25), "cross_entropy": lambda x: tl.cross_entropy(x * 0.01, LABELS),
    "sigmoid": tl.sigmoid, "gelu": tl.gelu, "silu": silu, "exact_gelu": exact_gelu,
}  # fmt: skip


@pytest.mark.parametrize("f", ACCUMULATING.values(), ids=ACCUMULATING)
@pytest.mark.parametrize("level", [0.0, 200.0])
def test_float16_is_computed_in_float32_and_rounded_once(f, level):
    x = (level + RANDOM.normal(size=(6, 3000))).astype(HALF)
    seed = RANDOM.normal(size=f(tl.constant(x)).shape).astype(HALF)
    value, slope = value_and_slope(f, x, seed)
    exact_value, exact_slope = value_and_slope(f, x.astype(np.float64), seed.astype(np.float64))
    assert value.dtype == slope.dtype == HALF
    for result, exact in ((value, exact_value), (slope, exact_slope)):
        largest = max(float(np.abs(exact).max()), float(np.finfo(HALF).tiny))
        assert np.abs(result.astype(float) - exact).max() <= 3 * np.finfo(HALF).eps * largest


@pytest.mark.parametrize("f", ACCUMULATING.values(), ids=ACCUMULATING)
def test_compiled_float16_is_finite_and_right_as_well(f):
    x = (200 + RANDOM.normal(size=(6, 3000))).astype(HALF)
    seed = RANDOM.normal(size=f(tl.constant(x)).shape).astype(HALF)
    results = compiled_value_and_slope(lambda x: f(x) * seed, x)
    for result, eager in zip(results, value_and_slope(lambda x: f(x) * seed, x), strict=True):
        assert result.dtype == HALF
        largest = max(float(np.abs(eager).max()), float(np.finfo(HALF).tiny))
        assert np.abs(result.astype(float) - eager.astype(float)).max() <= 3 * np.finfo(HALF).eps * largest


def test_the_mean_of_a_thousand_hundreds_is_a_hundred():
    x = tl.parameter(np.full(1000, 100, HALF))
    loss = tl.mean(x)
    loss.backward()
    assert loss.value == 100 and loss.dtype == HALF
    np.testing.assert_array_equal(x.gradient, np.full(1000, 0.001, HALF))
    assert tl.compile(tl.mean)(np.full(1000, 100, HALF)) == 100


def test_the_gradient_of_what_was_repeated_is_summed_in_float32():
    bias = tl.parameter(np.zeros(3, HALF))
    tl.sum((np.zeros((5000, 3), HALF) + bias) * 0.5).backward()
    np.testing.assert_array_equal(bias.gradient, np.full(3, 2500, HALF))


@pytest.mark.parametrize("size", [1e-4, 1.0, 1e4])
def test_the_norm_of_float16_gradients_is_a_float32_norm(size):
    w = tl.parameter(np.ones(4, HALF))
    clipped = tl.SGD([w], lr=0.1, max_norm=size).clip([np.full(4, 3 * size, HALF)])[0]  # of norm 6 * size
    np.testing.assert_allclose(clipped, np.full(4, size / 2), rtol=2e-2)


@pytest.mark.parametrize("f", ACCUMULATING.values(), ids=ACCUMULATING)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_other_dtypes_are_not_converted(f, dtype):
    graph = topological_order([f(tl.placeholder((6, 4), dtype))])
    assert not any(node.op is ops.cast for node in graph)


def test_attention_of_float16_sees_no_nan():
    q, k, v = (tl.parameter(RANDOM.normal(size=(1, 1, 4, 3)).astype(HALF)) for _ in range(3))
    mask = tl.constant(causal_mask(3, dtype=HALF).T) + padding_mask(tl.constant([[0, 0, 0]]), HALF)
    y = attention(q, k, v, mask)
    tl.sum(y).backward()
    assert np.isfinite(mask.value).all() and np.isfinite(y.value).all() and np.isfinite(q.gradient).all()


# --- NaN, infinity, ties ---

WAYS = [{}, {"passes": ()}, {"buffers": False}]


def slopes(f, x):
    """The gradient of the sum of f, eager and compiled in several ways."""
    with np.errstate(all="ignore"):
        yield value_and_slope(f, x)[1]
        for options in WAYS:
            yield compiled_value_and_slope(f, x, **options)[1]


@pytest.mark.parametrize("dtype", FLOATS)
def test_max_sends_nan_to_each_element_that_it_looked_at(dtype):
    x = np.array([[1, np.nan, 3], [1, 3, 3], [np.inf, 1, np.inf]], dtype)
    for slope in slopes(lambda x: tl.max(x, 1), x):
        np.testing.assert_array_equal(slope, np.array([[np.nan] * 3, [0, 0.5, 0.5], [0.5, 0, 0.5]], dtype))
    for slope in slopes(tl.max, x):
        assert np.isnan(slope).all()


@pytest.mark.parametrize("shape", [(), (5,), (64, 5)])
def test_relu_sends_nothing_back_to_nan(shape):
    x = np.broadcast_to(np.array([np.nan, 1, 0, -1, np.inf])[: 1 if shape == () else 5], shape or (1,)).reshape(shape)
    expected = np.broadcast_to(np.array([0, 1, 0, 0, 1])[: 1 if shape == () else 5], shape or (1,)).reshape(shape)
    for slope in slopes(tl.relu, x.copy()):
        np.testing.assert_array_equal(slope, expected)


def test_maximum_is_a_comparison():
    x = np.array([np.nan, 1.0, 2.0, 3.0])
    assert tl.maximum(x, 2.0).tolist() == [2, 2, 2, 3] and np.isnan(tl.maximum(2.0, x)[0])
    for slope in slopes(lambda x: tl.maximum(x, 2.0), x):
        np.testing.assert_array_equal(slope, [0, 0, 0, 1])
    for slope in slopes(lambda x: tl.maximum(2.0, x), x):
        np.testing.assert_array_equal(slope, [1, 0, 1, 1])


SPECIAL = np.array([0.0, -0.0, 1.0, 4.0, np.inf, np.nan])
EDGES = {  # what PyTorch gives as well
    "x ** 0": (lambda x: x**0, [0, 0, 0, 0, 0, 0]),
    "x ** 1": (lambda x: x**1, [1, 1, 1, 1, 1, 1]),
    "x ** 0.5": (lambda x: x**0.5, [np.inf, np.inf, 0.5, 0.25, 0, np.nan]),
    "x ** 1.5": (lambda x: x**1.5, [0, 0, 1.5, 3, np.inf, np.nan]),
    "x ** -1": (lambda x: x**-1, [-np.inf, -np.inf, -1, -1 / 16, -0.0, np.nan]),
    "sqrt": (tl.sqrt, [np.inf, -np.inf, 0.5, 0.25, 0, np.nan]),
    "log": (tl.log, [np.inf, -np.inf, 1, 0.25, 0, np.nan]),
    "exp": (tl.exp, [1, 1, np.exp(1), np.exp(4), np.inf, np.nan]),
    "1 / x": (lambda x: 1.0 / x, [-np.inf, -np.inf, -1, -1 / 16, -0.0, np.nan]),
}


@pytest.mark.parametrize(("f", "expected"), EDGES.values(), ids=EDGES)
def test_slopes_at_zero_infinity_and_nan_are_their_limits(f, expected):
    if f(tl.constant(SPECIAL[2])).op is ops.power and f(tl.constant(2.0)).params["exponent"] == 0:
        assert tl.gradients(tl.sum(f(x := tl.parameter(SPECIAL))), x).value.tolist() == expected
        return
    for slope in slopes(f, SPECIAL):
        np.testing.assert_allclose(slope, expected, rtol=1e-14)


def test_one_infinite_logit_is_a_probability_of_zero_and_nothing_but_such_logits_is_nan():
    logits = np.array([[1.0, -np.inf, 0.0], [-np.inf, -np.inf, -np.inf]])
    with np.errstate(invalid="ignore"):
        for f in (tl.softmax, tl.log_softmax):
            value, slope = value_and_slope(f, logits, np.array([[1.0, 0, 0], [0, 0, 0]]))
            assert np.isnan(value[1]).all() and np.isfinite(slope[0]).all() and slope[0, 1] == 0
        loss, slope = value_and_slope(lambda x: tl.cross_entropy(x, np.array([0])), logits[:1])
    assert np.isfinite(loss) and slope[0, 1] == 0


# --- Compiled functions ---


def test_no_pass_takes_a_difference_or_a_product_with_zero_for_zero():
    x = np.array([1.0, np.inf, np.nan])
    with np.errstate(invalid="ignore"):
        for f in (lambda x: x - x, lambda x: x * 0.0, lambda x: 0 * x + 1.0, lambda x: (x - x) * 2 + x):
            np.testing.assert_array_equal(tl.compile(f)(x), f(tl.constant(x)).value)


WHOLE = {
    "scaled sums": lambda x: tl.sum(x * 3, 0) + tl.sum(x, 0) * 3,
    "products": lambda x: (x * 3) @ x.mT * 5,
    "differences": lambda x: x - x * 2 - x,
    "squares": lambda x: x * x * x * x,
    "largest": lambda x: tl.max(x, 1, keepdims=True) - x,
    "choices": lambda x: tl.where(x > 3, x, x * 2),
}


@pytest.mark.parametrize("f", WHOLE.values(), ids=WHOLE)
@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.int64])
def test_whole_numbers_are_equal_to_the_last_bit_also_where_they_wrap_around(f, dtype):
    limits = np.iinfo(dtype)
    x = RANDOM.integers(limits.min, limits.max, (5, 7), dtype=dtype, endpoint=True)
    with np.errstate(over="ignore"):
        eager, result = f(tl.constant(x)).value, tl.compile(f)(x)
    assert result.dtype == eager.dtype and result.shape == eager.shape and result.tobytes() == eager.tobytes()


ORDERED = {  # sums of float16 that come out differently in another order
    "a long sum of terms": lambda x: x + x * 0.001 + x * 1000 + x * 0.001 - x * 1000,
    "equal factors": lambda x: x * 0.1 + x * 0.3 + x * 0.7,
    "scales in a row": lambda x: x * 0.1 * 30 * 0.7,
    "products of matrices": lambda x: (x @ x.mT) @ x * 0.1,
    "a sum of sums": lambda x: tl.sum(tl.sum(x * 0.1, 1), 0),
    "a sum of products": lambda x: tl.sum(x * x * 0.1, 1) + tl.sum(x, 1) * 0.1,
}


@pytest.mark.parametrize("f", ORDERED.values(), ids=ORDERED)
def test_float16_sums_are_never_added_up_in_another_order(f):
    x = RANDOM.normal(size=(7, 40)).astype(HALF)
    np.testing.assert_array_equal(tl.compile(f)(x), f(tl.constant(x)).value)


QUOTIENTS = {
    "a b / c": lambda a, b, c: a * b / c,
    "a / b / c": lambda a, b, c: a / b / c,
    "a b + a c": lambda a, b, c: a * b + a * c,
    "a a / b - c a / b": lambda a, b, c: a * a / b - c * a / b,
    "a / (b / c)": lambda a, b, c: a / (b / c),
    "a b c a": lambda a, b, c: a * b * c * a,
    "(a / b) ** 2 c": lambda a, b, c: (a / b) ** 2 * c,
    "sums": lambda a, b, c: tl.sum(a * b, 1) * tl.sum(c, 1) + tl.sum(a * c, 1),
    "matrices": lambda a, b, c: (a @ b.mT) @ c * 1e-5,
    "scaled": lambda a, b, c: (a * 1e6) * (b * 1e-6) / (c * 1e3),
}


@pytest.mark.parametrize("f", QUOTIENTS.values(), ids=QUOTIENTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_finite_stays_finite_for_ordinary_magnitudes(f, dtype):
    decades = ORDINARY[np.dtype(dtype).itemsize]
    random = np.random.default_rng(1)
    both = tl.compile(lambda *x: (f(*x), *tl.gradients(tl.sum(f(*x)), list(x))))
    tried = 0
    for _ in range(200):
        magnitudes = random.uniform(-decades, decades, 3)
        arrays = [(10.0**m * random.uniform(0.5, 2, (3, 3))).astype(dtype) for m in magnitudes]
        x = [tl.parameter(a) for a in arrays]
        with np.errstate(all="ignore"):
            y = f(*x)
            nodes = topological_order([y, *tl.gradients(tl.sum(y), x)])
            sizes = np.abs(np.concatenate([np.ravel(node.value) for node in nodes]).astype(np.float64))
            sizes = sizes[sizes > 0]
            if np.isfinite(sizes).all() and 10.0**-decades < sizes.min() and sizes.max() < 10.0**decades:
                tried += 1
                for result, eager in zip(both(*arrays), (y, *tl.gradients(tl.sum(y), x)), strict=True):
                    np.testing.assert_allclose(result, eager.value, rtol=1e-4, atol=1e-4 * np.abs(eager.value).max())
    assert tried >= 10, tried


# --- The page ---


def test_the_table_has_the_errors_of_float32_sums():
    rows = re.findall(r"^\| (`.*) \| (\d+) \| (\d+) \|$", PAGE, re.MULTILINE)
    assert [name for name, _, _ in rows] == [row.name for row in sum_errors.SUMS]
    for row, (_, eager, compiled) in zip(sum_errors.SUMS, rows, strict=True):
        measured = sum_errors.errors(row)
        assert measured[1] <= 4 * max(measured[0], 1), row.name
        assert measured[0] <= 2 * int(eager) + 1 and measured[1] <= 2 * int(compiled) + 1, row.name


def test_the_page_names_what_the_first_call_allows():
    bounds = re.search(
        r"explains (\S+) of the largest .* float64, (\S+) in float32 and (\S+) in float16", PAGE
    ).groups()
    assert [float(bound) for bound in bounds] == [agreement.TOLERANCE[size] for size in (8, 4, 2)]
    assert agreement.FACTOR == 4 and "by 4 times what that moves" in " ".join(PAGE.split())


@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
def test_a_difference_that_is_nothing_but_rounding_may_become_zero():
    def both(x):
        a, b = x @ x.mT * 0.1, (x * 0.1) @ x.mT
        return tl.log(tl.mse(a, b)), a > b

    x = np.random.default_rng(0).normal(size=(50, 60))
    distance, larger = tl.compile(both, check=True)(x)
    assert np.isfinite(both(tl.constant(x))[0].value) and np.isneginf(distance) and not larger.any()
    assert "a difference that is nothing but rounding may become exactly zero" in PAGE
    assert "unless they depend on a comparison or a cast of floats" in PAGE


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_what_is_divided_by_such_a_difference_may_be_nan():
    def quotient(x, y):
        ratio = x / y
        nothing = 3.0 * (ratio / y) - ratio
        return ratio * ratio / (nothing / nothing)

    x, y = np.full(40, 0.6), np.full(40, 3.0)
    assert np.isfinite(quotient(tl.constant(x), tl.constant(y)).value).all()
    assert np.isnan(tl.compile(quotient, check=True)(x, y)).all()
    assert "Then its logarithm or its inverse is infinite, and zero divided by it is NaN" in " ".join(PAGE.split())


def test_the_page_names_the_magnitudes_and_the_passes_of_the_compiler():
    for size, text in ((8, "1e100"), (4, "1e12")):
        assert 10.0 ** ORDINARY[size] == pytest.approx(float(text)) and text in PAGE
    passes = {module.name for module in pkgutil.iter_modules(compiler_passes.__path__)}
    named = re.findall(r"`(\w+)`", PAGE.partition("Outside of that")[2].partition("```")[0])
    assert named and set(named) <= passes
