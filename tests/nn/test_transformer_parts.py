"""What the transformers are made of: norms, activations, rotary positions, attention."""

from math import erf

import numpy as np
import pytest
from hypothesis import given, strategies as st

import tinygrad_lora as tl
from tinygrad_lora.errors import DtypeError, ShapeError
from tinygrad_lora.nn.activations import ACTIVATIONS, exact_gelu, silu
from tinygrad_lora.nn.attention import attention, causal_mask, heads, padding_mask
from tinygrad_lora.nn.norms import LayerNorm, RMSNorm
from tinygrad_lora.nn.rotary import rotary_angles, rotated


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


# --- Norms ---


def test_a_layer_norm_has_mean_0_and_variance_1_before_its_weight():
    layer, x = LayerNorm(6, eps=0.0), normal(2, 3, 6) * 5 + 3
    y = layer.forward(x)
    np.testing.assert_allclose(y.mean(-1), 0, atol=1e-14)
    np.testing.assert_allclose(y.var(-1), 1, rtol=1e-13)
    layer.set_parameter("weight", np.full(6, 2.0))
    layer.set_parameter("bias", np.arange(6.0))
    np.testing.assert_allclose(layer.forward(x), 2 * y + np.arange(6), rtol=1e-14)


@given(st.floats(1e-3, 1e3))
def test_an_rms_norm_does_not_depend_on_the_scale(scale):
    layer, x = RMSNorm(6, eps=0.0), normal(3, 6)
    np.testing.assert_allclose(layer.forward(scale * x), layer.forward(x), rtol=1e-12)
    np.testing.assert_allclose((layer.forward(x) ** 2).mean(-1), 1, rtol=1e-13)


@pytest.mark.parametrize("kind", [LayerNorm, RMSNorm])
def test_the_gradients_of_a_norm_are_right(kind):
    layer, direction = kind(5), normal(2, 5, seed=1)

    def f(x, weight):
        layer.weight = weight
        return tl.sum(layer(x) * direction)

    tl.check_gradients(f, normal(2, 5), normal(5, seed=2))


@pytest.mark.parametrize("kind", [LayerNorm, RMSNorm])
def test_a_norm_refuses_another_width(kind):
    with pytest.raises(ShapeError, match="4 does not match expected input size 5"):
        kind(5).forward(np.ones((2, 4)))
    with pytest.raises(ValueError, match="size must be positive"):
        kind(0)
    assert kind(5, dtype=np.float32).forward(np.ones((2, 5))).dtype == np.float32


# --- Activations ---

PHI = np.vectorize(lambda x: 0.5 * (1 + erf(x / 2**0.5)))


@pytest.mark.parametrize(("dtype", "bound"), [(np.float64, 1e-14), (np.float32, 2.5e-7)])
def test_exact_gelu_is_exact(dtype, bound):
    x = np.concatenate([np.linspace(-12, 12, 4801), [-1e6, -30, 30, 1e6, -1e-9, 1e-9]]).astype(dtype)
    y, wide = exact_gelu(x), x.astype(float)
    assert y.dtype == dtype
    assert np.abs(y - wide * PHI(wide)).max() / np.maximum(1, np.abs(wide)).max() < bound
    assert (np.abs(y - wide * PHI(wide)) <= bound * np.maximum(1, np.abs(wide))).all()


def test_the_derivative_of_exact_gelu_is_exact():
    x = tl.parameter(np.linspace(-12, 12, 2401))
    tl.sum(exact_gelu(x)).backward()
    slope = PHI(x.value) + x.value * np.exp(-(x.value**2) / 2) / np.sqrt(2 * np.pi)
    np.testing.assert_allclose(x.gradient, slope, atol=1e-13)


def test_exact_gelu_takes_lists_and_numbers_and_refuses_whole_numbers():
    assert exact_gelu([0.0, 1.0]).tolist() == [0.0, pytest.approx(PHI(1.0), rel=1e-14)]
    assert float(exact_gelu(1.0)) == pytest.approx(PHI(1.0), rel=1e-14)
    with pytest.raises(DtypeError, match="floats, not int"):
        exact_gelu(np.arange(3))


def test_silu_is_x_times_sigmoid():
    x = np.linspace(-700, 700, 101)
    np.testing.assert_allclose(silu(x), x / (1 + np.exp(-x)), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_keeps_the_dtype_and_has_the_right_gradient(name):
    f = ACTIVATIONS[name]
    assert f(tl.constant(np.ones(3, np.float32))).dtype == np.float32
    tl.check_gradients(lambda x: tl.sum(f(x) * np.arange(1.0, 7.0)), normal(6) + 0.1)


# --- Rotary positions ---


def test_scores_depend_on_the_distance_alone():
    q, k = (normal(8, 1, seed=seed) for seed in (0, 1))

    def score(i, j):
        turned = [
            rotated(tl.constant(x), tuple(map(tl.constant, rotary_angles([t], 8, dtype=np.float64))))
            for x, t in ((q, i), (k, j))
        ]
        return float(tl.sum(turned[0] * turned[1]))

    assert score(9, 4) == pytest.approx(score(105, 100), rel=1e-12)
    assert score(9, 4) != pytest.approx(score(4, 9), rel=1e-3)
    assert score(0, 0) == pytest.approx(float((q * k).sum()), rel=1e-14)


def test_a_turn_keeps_the_length_and_pairs_the_halves():
    x = normal(2, 4, 6, 3)
    cosines, sines = rotary_angles(np.arange(3), 6, base=100.0, dtype=np.float64)
    y = rotated(tl.constant(x), (tl.constant(cosines), tl.constant(sines))).value
    z = (x[..., :3, :] + 1j * x[..., 3:, :]) * np.exp(1j * 100.0 ** (-np.arange(3)[:, None] / 3) * np.arange(3))
    np.testing.assert_allclose(y, np.concatenate([z.real, z.imag], axis=-2), rtol=1e-12, atol=1e-14)
    with pytest.raises(ShapeError, match="pairs"):
        rotary_angles([0], 5, dtype=np.float64)


# --- Attention ---


def plain_attention(q, k, v, count, groups, mask):
    """One head after the other, one row a token, as the textbooks have it."""
    size, parts = q.shape[-1] // count, []
    for h in range(count):
        g = h // (count // groups)
        own = slice(g * size, (g + 1) * size)
        scores = q[..., h * size : (h + 1) * size] @ k[..., own].swapaxes(-1, -2) / np.sqrt(size) + mask
        e = np.exp(scores - scores.max(-1, keepdims=True))
        parts.append(e / e.sum(-1, keepdims=True) @ v[..., own])
    return np.concatenate(parts, -1)


def cut(q, k, v, count, groups):
    return heads(q, count), heads(k, groups), heads(v, groups)


@pytest.mark.parametrize(("count", "groups"), [(1, 1), (4, 4), (4, 2), (6, 1)])
def test_attention_is_the_textbook_s(count, groups):
    q, k, v = normal(2, 3, count * 2), normal(2, 5, groups * 2, seed=1), normal(2, 5, groups * 2, seed=2)
    mask = np.where(np.random.default_rng(3).random((2, 5)) < 0.6, 0.0, -1e9)
    nodes, maps = [tl.parameter(x) for x in (q, k, v)], []
    y = attention(*cut(*nodes, count, groups), padding_mask(tl.constant(mask > -1), np.float64), maps)
    np.testing.assert_allclose(y.value, plain_attention(q, k, v, count, groups, mask[:, None, :]), rtol=1e-12)
    assert maps[0].shape == (2, count, 3, 5)

    def f(q, k, v):
        result = attention(*cut(q, k, v, count, groups), tl.constant(mask[:, None, None, :, None]))
        return tl.sum(result * normal(*y.shape))

    tl.check_gradients(f, q, k, v)


def test_a_causal_mask_hides_the_future():
    x = normal(2, 4, 6)
    mask = causal_mask(4, dtype=np.float64)
    y = attention(*cut(*[tl.constant(x)] * 3, 2, 2), tl.constant(mask)).value
    np.testing.assert_allclose(y, plain_attention(x, x, x, 2, 2, mask.T), rtol=1e-12)
    np.testing.assert_allclose(y[:, 0], x[:, 0], rtol=1e-14)  # the first sees itself alone


def test_a_query_that_sees_nothing_gets_numbers():
    x = normal(1, 3, 4).astype(np.float32)
    mask = padding_mask(tl.constant(np.zeros((1, 3), int)), np.float32)
    y = attention(*cut(*[tl.constant(x)] * 3, 2, 2), mask)
    assert y.dtype == np.float32 and np.isfinite(y.value).all()


def test_heads_that_do_not_fit_are_refused():
    x, y, z = (heads(tl.constant(normal(1, time, 6)), count) for time, count in ((3, 3), (3, 2), (2, 3)))
    for arguments in ((x, y, y), (x, x, z), (y, x, x)):
        with pytest.raises(ShapeError, match="do not fit"):
            attention(*arguments)
    with pytest.raises(ShapeError, match="6 numbers a token cannot be cut into 4 heads"):
        heads(tl.constant(normal(1, 3, 6)), 4)


def test_cutting_heads_copies_nothing():
    x = tl.constant(normal(2, 5, 6))
    y = heads(x, 3)
    assert np.shares_memory(y.value, x.value)
    np.testing.assert_array_equal(y.value, x.value.reshape(2, 5, 3, 2).transpose(0, 2, 3, 1))
