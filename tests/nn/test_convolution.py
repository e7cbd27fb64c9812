"""Convolution and pooling are what the definition says, number by number, and what PyTorch computes."""

from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_lora as tl
from tinygrad_lora.errors import DtypeError, ShapeError

CONV = {1: tl.conv1d, 2: tl.conv2d}
SETTINGS = list(product([1, 2, 3], [0, 1, 2], [1, 2], [1, 2]))


def whole(*shape, seed=0):
    return np.random.default_rng(seed).integers(-3, 4, shape).astype(float)


def by_definition(x, weight, stride, padding, dilation, groups):
    """A convolution with one loop for each index, over one axis of space or two."""
    axes = x.ndim - 2
    x = np.pad(x, [(0, 0), (0, 0), *[(padding, padding)] * axes])
    size = weight.shape[2:]
    space = [(n - dilation * (k - 1) - 1) // stride + 1 for n, k in zip(x.shape[2:], size, strict=True)]
    y = np.zeros((len(x), len(weight), *space))
    per_group = len(weight) // groups
    for b, o in np.ndindex(y.shape[:2]):
        for at in np.ndindex(*space):
            for c, *offset in np.ndindex(weight.shape[1:]):
                place = [stride * i + dilation * j for i, j in zip(at, offset, strict=True)]
                channel = o // per_group * weight.shape[1] + c
                y[(b, o, *at)] += weight[(o, c, *offset)] * x[(b, channel, *place)]
    return y


@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize(("stride", "padding", "dilation", "groups"), SETTINGS[::3])
def test_a_convolution_is_its_definition(axes, stride, padding, dilation, groups):
    x, weight = whole(2, 4, *(7, 6)[:axes]), whole(4, 4 // groups, *(3, 2)[:axes], seed=1)
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    expected = by_definition(x, weight, **options)
    assert_array_equal(CONV[axes](x, weight, **options), expected)
    bias = whole(4, seed=2)
    with_bias = CONV[axes](tl.constant(x), tl.constant(weight), tl.constant(bias), **options)
    assert_array_equal(with_bias.value, expected + bias.reshape(4, *[1] * axes))


@pytest.mark.parametrize("padding", [0, 1])
def test_gradients_are_what_differences_say(padding):
    x, weight, bias = whole(2, 2, 5, 4), whole(4, 1, 2, 3, seed=1), whole(4, seed=2)

    def loss(x, weight, bias):
        return tl.sum(tl.conv2d(x, weight, bias, stride=(2, 1), padding=padding, groups=2) ** 2)

    assert tl.check_gradients(loss, x, weight, bias) < 1e-6
    assert tl.check_gradients(lambda x: tl.sum(tl.avg_pool(x, 2, padding=padding) ** 2), x) < 1e-6
    distinct = np.random.default_rng(0).permutation(40).astype(float).reshape(2, 1, 5, 4)
    assert tl.check_gradients(lambda x: tl.sum(tl.max_pool(x, (2, 3), 1, padding) ** 2), distinct) < 1e-6


def test_windows_are_pooled():
    x = np.arange(24.0).reshape(1, 1, 4, 6)
    assert_array_equal(tl.max_pool(x, 2)[0, 0], [[7, 9, 11], [19, 21, 23]])
    assert_array_equal(tl.avg_pool(x, (2, 3))[0, 0], [[4, 7], [16, 19]])
    assert_array_equal(tl.max_pool(-x, 3, padding=1)[0, 0], [[0, -2], [-12, -14]])
    assert_array_equal(tl.avg_pool(x[0], 2, padding=1), tl.avg_pool(np.pad(x[0], [(0, 0), (0, 0), (1, 1)]), 2))
    assert_array_equal(tl.max_pool(x, 2, stride=1).shape, (1, 1, 3, 5))


def test_the_first_of_the_largest_gets_the_gradient():
    x = tl.parameter(np.array([[[2.0, 5.0, 5.0, 5.0, 1.0, 1.0]]]))
    tl.sum(tl.max_pool(x, 3)).backward()
    assert_array_equal(x.gradient[0, 0], [0, 1, 0, 1, 0, 0])


def test_a_nan_is_the_largest():
    x = tl.parameter(np.array([[[1.0, np.nan, 3.0, np.inf, -np.inf, 0.0]]]))
    y = tl.max_pool(x, 3)
    assert_array_equal(y.value[0, 0], [np.nan, np.inf])
    tl.sum(y).backward()
    assert_array_equal(x.gradient[0, 0], [0, 1, 0, 1, 0, 0])


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_the_dtype_stays(dtype):
    x, weight = whole(2, 2, 6, 6).astype(dtype), whole(3, 2, 3, 3, seed=1).astype(dtype)
    assert tl.conv2d(x, weight, padding=1).dtype == tl.max_pool(x, 2).dtype == tl.avg_pool(x, 2).dtype == dtype
    half = x.astype(np.float16)
    assert tl.conv2d(half, weight).dtype == tl.conv2d(tl.constant(half), weight).dtype == dtype, "as in a product"
    many = np.ones((1, 1, 64, 64), np.float16)
    assert tl.conv2d(many, many)[0, 0, 0, 0] == 4096, "2048 + 1 is 2048 in float16"


def test_a_network_compiles():
    def slopes(x, w):
        return tl.gradients(tl.sum(tl.max_pool(tl.relu(tl.conv2d(x, w, padding=1)), 2) ** 2), [x, w])

    x, w = whole(4, 2, 8, 8), whole(3, 2, 3, 3, seed=1)
    for ours, expected in zip(
        tl.compile(slopes, check=True)(x, w), slopes(tl.parameter(x), tl.parameter(w)), strict=True
    ):
        assert_array_equal(ours, expected.value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, w: tl.conv2d(x[0], w), r"conv2d takes an x of \(batch, channels, height, width\)"),
        (lambda x, w: tl.conv1d(x, w), r"conv1d takes an x of \(batch, channels, length\)"),
        (lambda x, w: tl.conv2d(x, w[:, :1]), r"x has 2 channels; a weight of \(4, 1, 3, 3\) takes 1"),
        (lambda x, w: tl.conv2d(x, w, groups=2), "x has 2 channels; in 2 groups a weight of .* takes 4"),
        (lambda x, w: tl.conv2d(x, w[:3, :1], groups=2), "channels"),
        (lambda x, w: tl.conv2d(x, w, np.ones(3)), r"a bias for 4 outputs has the shape \(4,\), not \(3,\)"),
        (lambda x, w: tl.conv2d(x, w, dilation=3), r"windows of \(7, 7\) do not fit into \(6, 6\)"),
        (lambda x, w: tl.conv2d(x, w, stride=0), "stride must be a whole number from 1 on"),
        (lambda x, w: tl.conv2d(x, w, padding=(1, 1, 1)), "padding must be a whole number from 0 on, or a tuple of 2"),
        (lambda x, w: tl.conv2d(x, w, padding=0.5), "padding must be a whole number"),
        (lambda x, w: tl.conv2d(x, w, groups=0), "groups must be a whole number from 1 on"),
        (lambda x, w: tl.conv2d(x, w[..., :0]), "the size of the kernel must be a whole number from 1 on"),
        (lambda x, w: tl.max_pool(x[0, 0], 2), "pooling takes"),
        (lambda x, w: tl.max_pool(x, 7), r"windows of \(7, 7\) do not fit"),
        (lambda x, w: tl.avg_pool(x, 2, padding=2), "at most half of a window is padding"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ShapeError, match=message):
        call(whole(2, 2, 6, 6), whole(4, 2, 3, 3))


def test_whole_numbers_have_no_smallest():
    assert_array_equal(tl.max_pool(np.arange(6).reshape(1, 1, 6), 2)[0, 0], [1, 3, 5])
    with pytest.raises(DtypeError, match="cast x to float64"):
        tl.max_pool(np.arange(6).reshape(1, 1, 6), 2, padding=1)
    assert_array_equal(tl.max_pool(np.array([[[True, False, False, False]]]), 2)[0, 0], [True, False])


def test_a_call_that_means_nothing_is_told_by_its_name():
    with pytest.raises(TypeError, match="conv1d: missing a required argument 'weight'"):
        tl.conv1d(whole(1, 1, 3))
    with pytest.raises(DtypeError, match="conv1d: x is a masked array"):
        tl.conv1d(np.ma.array(whole(1, 1, 3)), whole(1, 1, 2))


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_a_group_norm_has_mean_zero_in_each_group(groups):
    layer = tl.GroupNorm(groups, 4)
    y = layer(tl.constant(whole(3, 4, 5))).value.reshape(3, groups, -1)
    assert_allclose(y.mean(2), 0, atol=1e-12)
    assert_allclose(y.var(2), 1, rtol=1e-4)
    assert_allclose(tl.LayerNorm(20)(tl.constant(whole(3, 20))).value.reshape(3, 1, -1), y) if groups == 1 else None


def test_a_batch_norm_keeps_what_it_is_told_to():
    layer, x = tl.BatchNorm(4), whole(6, 4, 5)
    y, statistics = layer.on_batch(tl.constant(x))
    assert_allclose(y.value.mean((0, 2)), 0, atol=1e-12)
    assert_array_equal(layer.mean.value, np.zeros(4), "nothing changes by itself")
    layer.remember(statistics)
    assert_allclose(layer.mean.value, 0.1 * x.mean((0, 2)))
    assert_allclose(layer.variance.value, 0.9 + 0.1 * x.var((0, 2), ddof=1))
    expected = (x - layer.mean.value[:, None]) / np.sqrt(layer.variance.value[:, None] + 1e-5)
    assert_allclose(layer(tl.constant(x)).value, expected)
    step = tl.compile(layer.on_batch, check=True)
    y, moved = step(x)
    assert_allclose(moved[0], 0.9 * layer.mean.value + 0.1 * x.mean((0, 2)))


def test_a_batch_norm_of_float16_does_not_overflow():
    x = np.random.default_rng(0).normal(0, 300, (64, 2, 8)).astype(np.float16)
    layer = tl.BatchNorm(2, dtype=np.float16)
    y, (mean, variance) = layer.on_batch(tl.constant(x))
    assert y.dtype == mean.dtype == variance.dtype == np.float16
    assert_allclose(y.value.astype(float).std((0, 2)), 1, rtol=1e-3)
    assert_allclose(variance.value, 0.9 + 0.1 * x.astype(float).var((0, 2), ddof=1), rtol=1e-3)


def test_a_group_norm_of_no_examples_has_none():
    assert tl.GroupNorm(2, 4)(tl.constant(np.ones((0, 4, 5)))).shape == (0, 4, 5)


def test_norms_of_channels_refuse_what_does_not_fit():
    with pytest.raises(ValueError, match="4 channels cannot be divided into 3 groups"):
        tl.GroupNorm(3, 4)
    for layer in (tl.GroupNorm(2, 4), tl.BatchNorm(4)):
        with pytest.raises(ShapeError, match=r"takes \(batch, 4, ...\), not \(2, 3, 5\)"):
            layer(tl.constant(np.ones((2, 3, 5))))
    with pytest.raises(ShapeError, match="a variance takes two"):
        tl.BatchNorm(4).on_batch(tl.constant(np.ones((1, 4))))
    layer = tl.BatchNorm(4)
    for statistics in ((np.ones(4), np.ones(3)), np.ones((3, 4))):
        with pytest.raises(ShapeError, match=r"a mean and a variance have shape \(4,\) each"):
            layer.remember(statistics)
    assert_array_equal(layer.mean.value, np.zeros(4), "neither is kept")


@pytest.mark.peers
@pytest.mark.parametrize("axes", [1, 2])
def test_convolutions_are_those_of_pytorch(axes):
    torch = pytest.importorskip("torch")
    theirs = getattr(torch.nn.functional, f"conv{axes}d")
    for seed, (stride, padding, dilation, groups) in enumerate(SETTINGS):
        rng = np.random.default_rng(seed)
        arrays = rng.normal(size=(2, 4, *(9, 8)[:axes])), rng.normal(size=(6, 4 // groups, *(3, 2)[:axes]))
        arrays = *arrays, rng.normal(size=6)
        nodes = [tl.parameter(a) for a in arrays]
        tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
        y, expected = (f(*x, stride, padding, dilation, groups) for f, x in ((CONV[axes], nodes), (theirs, tensors)))
        assert_same(y, expected, nodes, tensors, rng)


@pytest.mark.peers
@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize("kind", ["max", "avg"])
def test_pools_are_those_of_pytorch(axes, kind):
    torch = pytest.importorskip("torch")
    ours, theirs = getattr(tl, f"{kind}_pool"), getattr(torch.nn.functional, f"{kind}_pool{axes}d")
    for seed, settings in enumerate(product([2, 3], [None, 1, 2], [0, 1])):
        rng = np.random.default_rng(seed)
        x = rng.integers(0, 3, (2, 4, *(9, 8)[:axes])).astype(float)
        x.flat[5] = np.nan
        node, tensor = tl.parameter(x), torch.tensor(x, requires_grad=True)
        assert_same(ours(node, *settings), theirs(tensor, *settings), [node], [tensor], rng)


@pytest.mark.peers
def test_norms_of_channels_are_those_of_pytorch():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 4, 5, 2))
    node, tensor = tl.parameter(x), torch.tensor(x, requires_grad=True)
    assert_same(tl.GroupNorm(2, 4)(node), torch.nn.GroupNorm(2, 4).double()(tensor), [node], [tensor], rng)
    ours, theirs = tl.BatchNorm(4), torch.nn.BatchNorm2d(4).double()
    for _ in range(2):
        node, tensor = tl.parameter(x), torch.tensor(x, requires_grad=True)
        y, statistics = ours.on_batch(node)
        assert_same(y, theirs(tensor), [node], [tensor], rng)
        ours.remember(statistics)
    assert_allclose(ours.mean.value, theirs.running_mean)
    assert_allclose(ours.variance.value, theirs.running_var)
    assert_same(ours(node), theirs.eval()(tensor), [node], [tensor], rng)


def assert_same(y, expected, nodes, tensors, rng):
    """The results, and the gradients for a random seed, are equal."""
    assert_allclose(y.value, expected.detach(), rtol=1e-9, atol=1e-12)
    seed = rng.normal(size=y.shape)
    for node, tensor in zip(nodes, tensors, strict=True):
        node.gradient, tensor.grad = None, None
    y.backward(seed)
    expected.backward(expected.new_tensor(seed))
    for node, tensor in zip(nodes, tensors, strict=True):
        assert_allclose(node.gradient, tensor.grad, rtol=1e-9, atol=1e-11)
