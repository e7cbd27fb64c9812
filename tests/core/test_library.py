"""The composites against formulas written in NumPy, and at the places where the formulas overflow."""

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st
from strategies import arrays, assert_same, examples, inner, shapes

import tinygrad_lora as tl
from tinygrad_lora.errors import DtypeError, GradientError, ShapeError

RANDOM = np.random.default_rng(7)
X, Y = RANDOM.normal(size=(2, 3, 4))
EACH = st.sampled_from((1, 2, 3))


def softmax(x, axis=-1):
    """As in the textbook; right where nothing overflows."""
    return np.exp(x) / np.exp(x).sum(axis=axis, keepdims=True)


def layer_norm(x, eps=1e-5):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + eps)


W, BIAS = np.array([1.0, -2.0, 0.5, 3.0]), np.array([0.5, 0.0, -1.0, 2.0])
LABELS = np.array([3, 0, 2])
FORMULAS = {
    "sigmoid": (tl.sigmoid, lambda x: 1 / (1 + np.exp(-x))),
    "gelu": (tl.gelu, lambda x: x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))),
    "relu": (tl.relu, lambda x: np.where(x > 0, x, 0)),
    "softmax": (tl.softmax, softmax),
    "softmax over columns": (lambda x: tl.softmax(x, axis=0), lambda x: softmax(x, 0)),
    "log_softmax": (tl.log_softmax, lambda x: np.log(softmax(x))),
    "log_softmax over columns": (lambda x: tl.log_softmax(x, axis=0), lambda x: np.log(softmax(x, 0))),
    "layer_norm": (tl.layer_norm, layer_norm),
    "layer_norm with weight and bias": (lambda x: tl.layer_norm(x, W, BIAS), lambda x: layer_norm(x) * W + BIAS),
    "layer_norm with a large eps": (lambda x: tl.layer_norm(x, eps=1.0), lambda x: layer_norm(x, 1.0)),
    "mse": (lambda x: tl.mse(x, Y), lambda x: ((x - Y) ** 2).mean()),
    "cross_entropy": (lambda x: tl.cross_entropy(x, LABELS), lambda x: -np.log(softmax(x))[range(3), LABELS].mean()),
    "maximum": (lambda x: tl.maximum(x, Y), lambda x: np.maximum(x, Y)),
    "maximum of a number": (lambda x: tl.maximum(0.1, x), lambda x: np.maximum(0.1, x)),
}
SMOOTH = sorted(set(FORMULAS) - {"relu", "maximum", "maximum of a number"})


@pytest.mark.parametrize("f, formula", FORMULAS.values(), ids=FORMULAS)
def test_a_composite_is_its_formula(f, formula):
    np.testing.assert_allclose(f(tl.constant(X)).value, formula(X), rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(tl.trace(f, X)(X)[0], formula(X), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("f", [f for name, (f, _) in FORMULAS.items() if name != "cross_entropy"])
def test_a_composite_computes_on_plain_arrays_too(f):
    assert_same(f(X), f(tl.constant(X)).value)


@pytest.mark.parametrize("f", [f for f, _ in FORMULAS.values()], ids=FORMULAS)
def test_the_gradient_of_a_composite(f):
    weights = np.linspace(-1.0, 2.0, X.size).reshape(X.shape)
    tl.check_gradients(lambda x: tl.sum(f(x) * (weights if f(x).shape else 1.0)), X, rtol=1e-7)


@pytest.mark.parametrize("name", SMOOTH)
def test_the_gradient_of_a_smooth_composite_is_its_complex_step(name):
    f = FORMULAS[name][0]
    graph = tl.trace(f, X)  # the largest of complex numbers is one with the largest real part: softmax works on them
    x = tl.parameter(X)
    y = f(x)
    seed = np.linspace(-1.0, 2.0, y.size).reshape(y.shape)
    y.backward(seed=seed)
    for entry in np.ndindex(X.shape):
        step = np.zeros(X.shape, complex)
        step[entry] = 1e-30j
        assert x.gradient[entry] == pytest.approx(inner(seed, graph(X + step)[0].imag / 1e-30), rel=1e-11, abs=1e-13)


# --- Large logits ---

LARGE = np.array([[1e4, -1e4, 0.0], [-1e4, -1e4, -1e4], [1e4, 1e4, -1e4], [-1e4, 0.0, 1e4]])
LIMITS = np.array([[1, 0, 0], [1 / 3, 1 / 3, 1 / 3], [1 / 2, 1 / 2, 0], [0, 0, 1]])


def test_softmax_of_large_logits_is_its_limit():
    np.testing.assert_allclose(tl.softmax(LARGE), LIMITS, rtol=1e-15)
    np.testing.assert_allclose(tl.log_softmax(LARGE)[[0, 2, 3], [1, 0, 0]], [-2e4, -math.log(2), -2e4], rtol=1e-15)
    assert np.isfinite(tl.log_softmax(LARGE)).all()


@pytest.mark.parametrize("logits", [LARGE, RANDOM.normal(size=(4, 3)), np.full((4, 3), 1e4), -1e4 * np.ones((4, 3))])
@pytest.mark.parametrize("labels", [np.array([0, 1, 2, 0]), np.array([1, 1, 2, 1])])
def test_the_gradient_of_cross_entropy_is_softmax_minus_one_hot(logits, labels):
    x = tl.parameter(logits)
    loss = tl.cross_entropy(x, labels)
    loss.backward()
    shifted = softmax(logits - logits.max(-1, keepdims=True))
    expected = (shifted - np.eye(3)[labels]) / 4
    assert np.isfinite(loss.value)
    np.testing.assert_allclose(x.gradient, expected, rtol=1e-12, atol=1e-16)
    np.testing.assert_allclose(tl.gradients(loss, x).value, expected, rtol=1e-12, atol=1e-16)


@pytest.mark.parametrize("dtype", [bool, int, np.float32])
def test_cross_entropy_with_a_mask_is_that_of_the_samples_that_count(dtype):
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(3, 5, 4)), rng.integers(0, 4, (3, 5))
    mask = rng.random((3, 5)) < 0.6
    x, real = tl.parameter(logits), tl.parameter(logits[mask])
    masked, expected = tl.cross_entropy(x, labels, mask.astype(dtype)), tl.cross_entropy(real, labels[mask])
    assert masked.value == pytest.approx(expected.value, rel=1e-15)
    masked.backward()
    expected.backward()
    np.testing.assert_allclose(x.gradient[mask], real.gradient, rtol=1e-14)
    assert not x.gradient[~mask].any()
    compiled = tl.compile(tl.cross_entropy)
    assert compiled(logits, labels, mask.astype(dtype)) == pytest.approx(expected.value, rel=1e-15)


def test_cross_entropy_of_padding_alone_is_zero_and_so_is_its_gradient():
    x = tl.parameter(np.ones((2, 3)))
    loss = tl.cross_entropy(x, np.array([0, 1]), np.zeros(2, bool))
    loss.backward()
    assert loss.value == 0 and not np.signbit(loss.value) and not x.gradient.any()


def test_cross_entropy_of_a_confident_mistake_is_the_distance_of_the_logits():
    assert float(tl.cross_entropy(tl.constant([[1e4, -1e4]]), np.array([1]))) == 2e4
    assert float(tl.cross_entropy(tl.constant([[1e4, -1e4]]), np.array([0]))) == 0.0


def test_sigmoid_and_gelu_do_not_overflow():
    x = np.array([-1e4, -50.0, 0.0, 50.0, 1e4])
    np.testing.assert_allclose(tl.sigmoid(x), [0, 0, 0.5, 1, 1], atol=1e-15)
    np.testing.assert_allclose(tl.gelu(x), [0, 0, 0, 50, 1e4], atol=1e-15)


# --- Labels ---


def test_labels_are_checked():
    x = tl.constant(np.zeros((2, 3)))
    for labels, error, sentence in (
        (np.array([0, 3]), ValueError, "label 3 is not a class; 3 logits stand for classes 0 to 2"),
        (np.array([-1, 0]), ValueError, "label -1 is not a class"),
        (np.array([0.0, 1.0]), DtypeError, r"whole numbers, not float64: use labels.astype\(int\)"),
        (np.array([True, False]), DtypeError, "whole numbers, not bool"),
        (np.array([0]), ShapeError, r"logits \(2, 3\) need labels of shape \(2,\), not \(1,\)"),
        (np.array([[0], [1]]), ShapeError, r"labels of shape \(2,\), not \(2, 1\)"),
        (np.eye(3)[:2], DtypeError, "whole numbers"),
    ):
        with pytest.raises(error, match=sentence):
            tl.cross_entropy(x, labels)


def test_labels_may_be_a_list_a_node_unsigned_or_traced():
    logits = RANDOM.normal(size=(2, 3))
    expected = tl.cross_entropy(tl.constant(logits), np.array([2, 0])).value
    for labels in ([2, 0], np.array([2, 0], np.uint8), tl.constant([2, 0])):
        assert_same(tl.cross_entropy(tl.constant(logits), labels).value, expected)
    graph = tl.trace(tl.cross_entropy, logits, np.array([1, 1]))
    assert_same(graph(logits, np.array([2, 0]))[0], expected)


def test_logits_may_have_any_number_of_axes():
    logits, labels = RANDOM.normal(size=(2, 3, 4)), np.array([[0, 1, 2], [3, 2, 1]])
    whole = tl.cross_entropy(tl.constant(logits), labels).value
    flat = tl.cross_entropy(tl.constant(logits.reshape(6, 4)), labels.reshape(6)).value
    assert whole == pytest.approx(flat, rel=1e-15)
    assert tl.cross_entropy(tl.constant(logits[0, 0]), 2).value == pytest.approx(-np.log(softmax(logits[0, 0]))[2])


# --- Sums, means, largest elements and shapes, as NumPy has them ---


@examples(40)
@given(st.data())
def test_a_reduction_is_numpys(draw):
    x = draw.draw(shapes(0, 3, EACH).flatmap(arrays))
    axis = draw.draw(st.none() | st.integers(-x.ndim, x.ndim - 1) if x.ndim else st.none())
    if x.ndim and draw.draw(st.booleans()):
        axis = tuple(draw.draw(st.sets(st.integers(0, x.ndim - 1))))
    for ours, theirs in ((tl.sum, np.sum), (tl.max, np.max), (tl.mean, np.mean)):
        for keepdims in (True, False):
            expected = theirs(x, axis=axis, keepdims=keepdims)
            result = ours(tl.constant(x), axis, keepdims).value
            assert np.shape(result) == np.shape(expected)
            np.testing.assert_allclose(result, expected, rtol=1e-14, atol=1e-15)


@examples(30)
@given(shapes(1, 3, EACH).flatmap(arrays))
def test_one_axis_of_a_reshape_may_be_what_remains(x):
    assert_same(tl.reshape(tl.constant(x), -1).value, x.reshape(-1))
    assert_same(tl.reshape(tl.constant(x), (x.shape[0], -1)).value, x.reshape(x.shape[0], -1))
    assert tl.reshape(tl.placeholder(x.shape), (-1, 1)).shape == (x.size, 1)


def test_concatenate_counts_axes_from_either_end():
    a, b = np.ones((2, 3)), np.zeros((2, 1))
    assert_same(tl.concatenate([tl.constant(a), b], axis=-1).value, np.concatenate([a, b], axis=1))
    assert_same(tl.concatenate([a, a]), np.concatenate([a, a]))


def test_what_has_no_elements_has_no_mean_and_no_largest():
    for x in (np.ones((0, 3)), tl.constant(np.ones((0, 3))), tl.placeholder((0, 3))):
        with pytest.raises(ShapeError, match=r"\(0, 3\) is a mean of no elements"):
            tl.mean(x)
        with pytest.raises(ShapeError, match="no largest element"):
            tl.max(x, axis=0)
    assert tl.sum(tl.constant(np.ones((0, 3)))).value == 0.0
    assert tl.mean(tl.constant(np.ones((0, 3))), axis=1).shape == (0,)


@pytest.mark.parametrize("f", [tl.sum, tl.mean, tl.max, tl.softmax, tl.log_softmax])
@pytest.mark.parametrize("axis", [2, -3])
def test_an_axis_that_is_not_there_is_named(f, axis):
    for x in (X, tl.constant(X), tl.placeholder(X.shape)):
        with pytest.raises(ShapeError, match=rf"there is no axis {axis}: an array of shape \(3, 4\) has 2 axes"):
            f(x, axis)


def test_mse_broadcasts_nothing():
    with pytest.raises(ShapeError, match=r"y has shape \(3, 1\) and the target \(3,\): reshape one of them"):
        tl.mse(tl.constant(np.ones((3, 1))), np.ones(3))


# --- The checker checks ---


def wrong(mistake):
    """$y = x^2$ with a mistake in its rule."""

    class Square(tl.Op):
        r"""$y = x^2$."""

        signature, numpy, elementwise = "x", "x * x", True

        def vjp(self, g, y, x):
            return (mistake(2 * x * g),)

    op = Square()
    del tl.Op.registry["square"]
    return op


def test_check_gradients_passes_what_is_right():
    assert tl.check_gradients(lambda x: tl.sum(wrong(lambda g: g)(x)), X) < 1e-8


@pytest.mark.parametrize("mistake", [lambda g: -g, lambda g: 2 * g, lambda g: 1.001 * g, lambda g: g + 1e-3])
def test_check_gradients_finds_a_wrong_rule(mistake):
    with pytest.raises(GradientError, match=r"argument 0, entry \(\d, \d\): the gradient .*, central differences"):
        tl.check_gradients(lambda x: tl.sum(wrong(mistake)(x)), X)


def test_check_gradients_names_the_argument_and_the_entry():
    at = np.zeros((3, 4))
    at[1, 2] = 0.5
    op = wrong(lambda g: g + at)
    with pytest.raises(GradientError, match=r"argument 1, entry \(1, 2\)"):
        tl.check_gradients(lambda x, y: tl.sum(x) + tl.sum(op(y)), X, Y)


def test_check_gradients_finds_what_is_not_a_number_and_leaves_its_arguments():
    x = X.copy()
    with pytest.raises(GradientError, match="nan"):
        tl.check_gradients(lambda x: tl.sum(wrong(lambda g: g * np.nan)(x)), x)
    assert_same(x, X)


def test_lists_are_arrays():
    assert_same(tl.add([1.0, 2.0], [3.0, 4.0]), np.array([4.0, 6.0]))
    assert_same(tl.scale([1, 2], 2), np.array([2, 4]))
    assert_same(tl.greater([1, 5], [2, 3]), np.array([False, True]))
    assert_same(tl.sum([1.0, 2.0, 3.0]), np.float64(6.0))
    assert_same(tl.mean(3.0), np.float64(3.0))
    for f in (tl.gelu, tl.softmax, tl.log_softmax, tl.sigmoid, tl.layer_norm, tl.relu, tl.exp):
        assert_same(f([1.0, 2.0]), f(np.array([1.0, 2.0])))
