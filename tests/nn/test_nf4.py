"""Weights in four bits: the bytes of bitsandbytes, gradients through them, programs that read them."""

import copy
import pickle
from statistics import NormalDist

import nf4_in_bitsandbytes
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_lora as tl
from tinygrad_lora.errors import AdaptError, ShapeError
from tinygrad_lora.nn import quantize
from tinygrad_lora.nn.adapters.quantized import (
    LEVELS,
    NF4,
    PAIRS,
    QuantizedLinear,
    dequantize_nf4,
    dynamic_map,
    quantize_nf4,
)

ARRAYS = nf4_in_bitsandbytes.arrays()
PARTS = ("packed", "codes", "factors", "offset")


def agree(result, wanted):
    """Every byte is equal; of the two that are means and largest values of floats, all but the last bit."""
    assert_array_equal(result.packed, wanted["packed"])
    assert_array_equal(result.codes, wanted["codes"])
    assert_allclose(result.factors, wanted["factors"], rtol=5e-7)
    assert_allclose(result.offset, np.squeeze(wanted["offset"]), rtol=2e-7)


@pytest.mark.parametrize("name", ARRAYS)
def test_the_bytes_are_those_of_bitsandbytes(name):
    agree(quantize_nf4(ARRAYS[name]), nf4_in_bitsandbytes.stored()[name])


@pytest.fixture(scope="module", name="live")
def _live():
    pytest.importorskip("torch", reason="torch is not installed")
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed", exc_type=ImportError)
    return nf4_in_bitsandbytes.from_bitsandbytes


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(6))
def test_the_bytes_are_those_of_the_bitsandbytes_that_is_installed(live, seed):
    rng = np.random.default_rng(seed)
    array = rng.normal(size=rng.integers(1, 100, 2) * [1, 2]) * np.exp(3 * rng.normal())
    agree(quantize_nf4(array), live(array.astype(np.float32)))


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("width", [64, 192, 33])
def test_the_numbers_are_those_of_the_bitsandbytes_that_is_installed(live, width):
    # Version 0.50.2 on a CPU gives wrong numbers where a row is even and no multiple of 64: an error of 0.25, not 0.09.
    array = np.random.default_rng(width).normal(size=(9, width)).astype(np.float32)
    assert_allclose(dequantize_nf4(quantize_nf4(array)), live(array)["numbers"], rtol=1e-6, atol=1e-12)


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore")
def test_the_map_of_scales_is_that_of_bitsandbytes_to_the_last_bit(live):
    from bitsandbytes.functional import create_dynamic_map, get_4bit_type

    assert_array_equal(dynamic_map(), create_dynamic_map().numpy())
    assert_array_equal(LEVELS, get_4bit_type("nf4", device="cpu").numpy())


def test_the_relative_error_of_normal_numbers_is_what_is_stated():
    x = np.random.default_rng(0).normal(size=(1000, 1000))
    error = np.sqrt(np.mean((dequantize_nf4(quantize_nf4(x)) - x) ** 2) / np.mean(x**2))
    assert 0.0915 < error < 0.0935


def test_a_number_takes_a_little_more_than_four_bits():
    stored = quantize_nf4(np.ones((1024, 1024)))
    blocks = 1024 * 1024 // 64
    assert stored.nbytes == 1024 * 1024 // 2 + blocks + 4 * blocks // 256 + 4
    assert 8 * stored.nbytes / 1024**2 == pytest.approx(4.127, abs=1e-3)


def test_levels_are_kept_exactly_where_one_block_has_its_own_scale():
    """The largest number of a block is a level, and so are its products with the levels."""
    block = np.resize(LEVELS, 64).reshape(1, 64)
    assert_array_equal(dequantize_nf4(quantize_nf4(block)), block)
    assert_array_equal(PAIRS[0x1F], [LEVELS[1], LEVELS[15]])


def test_quantizing_twice_changes_little_and_zero_stays_zero():
    x = np.random.default_rng(1).normal(size=(8, 64)).astype(np.float32)
    x[:, ::3] = 0
    once = dequantize_nf4(quantize_nf4(x))
    assert not once[:, ::3].any()
    assert_allclose(dequantize_nf4(quantize_nf4(once)), once, atol=0.02 * np.abs(x).max())


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan, 1e39])
def test_what_is_not_finite_is_refused(bad):
    with pytest.raises(ValueError, match="finite"):
        quantize_nf4(np.array([[1.0, bad]]))


# --- Layers ---

SIZES = [(64, 64), (100, 128), (7, 9), (1, 1), (30, 1)]


def layers(sizes, dtype=np.float64):
    layer = tl.Linear(*sizes, seed=2, dtype=dtype)
    return layer, QuantizedLinear.from_linear(layer)


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=str)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_a_quantized_layer_is_the_layer_with_the_weight_that_its_bytes_stand_for(sizes, dtype):
    layer, quantized = layers(sizes, dtype)
    x = np.random.default_rng(0).normal(size=(3, sizes[0])).astype(dtype)
    weight = dequantize_nf4(quantize_nf4(layer.weight.value.T)).T.astype(dtype)
    assert_array_equal(quantized.weight.value, weight)
    y = quantized.forward(x)
    assert y.dtype == dtype and quantized.dtype == dtype
    assert_allclose(y, x @ weight + layer.bias.value, rtol=1e-6, atol=1e-6)
    assert_allclose(quantized.backward(np.ones_like(y)), np.ones_like(y) @ weight.T, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("without", [[], ["pack_weights"]], ids=["packed", "made anew"])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_a_compiled_quantized_layer_gives_the_same(sizes, without):
    _, quantized = layers(sizes)
    x = np.random.default_rng(0).normal(size=(3, sizes[0]))
    compiled = tl.compile(quantized, without=without)
    assert_allclose(compiled(x), quantized.forward(x), rtol=1e-12, atol=1e-12)
    assert len(compiled.source) < 3000  # the bytes are inputs of the program, and not part of its text


def test_gradients_pass_a_quantized_layer_to_what_is_before_it():
    first, (_, quantized) = tl.Linear(5, 8, seed=0), layers((8, 4))
    weight = first.weight.value

    def loss(w):
        return tl.sum(tl.tanh(quantized(tl.tanh(tl.constant(np.ones((2, 5))) @ w))))

    tl.check_gradients(loss, weight)


def test_only_the_bias_has_a_name_and_nothing_can_be_trained():
    _, quantized = layers((6, 4))
    assert quantized.get_parameter_names() == ["bias"] and not quantized.parameters()
    model = tl.Sequential(quantized, tl.Linear(4, 2, seed=0)).unfreeze()
    assert set(model.named_parameters()) == {"0.bias", "1.weight", "1.bias"}
    assert quantized.get_diagnostics()["quantized.bytes"] == str(quantized.nbytes)


def test_copies_share_nothing_and_pickles_come_back():
    _, quantized = layers((6, 4))
    x = np.ones((2, 6))
    for other in (copy.deepcopy(quantized), pickle.loads(pickle.dumps(quantized))):
        assert_array_equal(other.forward(x), quantized.forward(x))
        assert not np.shares_memory(other.stored.packed, quantized.stored.packed)


def test_the_layer_that_was_given_is_left_alone():
    layer, quantized = layers((6, 4))
    before = layer.weight.value.copy()
    quantized.bias.value = np.zeros(4)
    assert_array_equal(layer.weight.value, before)
    assert layer.bias.value.any() and layer.weight.requires_gradient


def test_it_is_built_in_every_way_that_a_linear_layer_is():
    layer, quantized = layers((6, 4))
    for other in (QuantizedLinear(6, 4, seed=2), QuantizedLinear.from_arrays(layer.weight.value, layer.bias.value)):
        assert_array_equal(other.forward(np.eye(6)), quantized.forward(np.eye(6)))
    assert QuantizedLinear(6, 4, bias=False, seed=0).get_parameter_names() == []


def test_parts_that_do_not_fit_are_refused():
    stored = quantize_nf4(np.ones((4, 64)))
    QuantizedLinear.from_stored(stored)
    for wrong in (stored._replace(shape=(4, 63)), stored._replace(codes=stored.codes[:-1])):
        with pytest.raises(ShapeError, match="no NF4 of a weight"):
            QuantizedLinear.from_stored(wrong)
    with pytest.raises(ShapeError, match="bias"):
        QuantizedLinear.from_stored(stored, np.zeros(5))
    with pytest.raises(TypeError, match="Embedding"):
        QuantizedLinear.from_linear(tl.nn.embedding.Embedding(3, 2))


# --- Models ---


def network():
    return tl.Sequential(tl.Linear(64, 32, seed=0), tl.relu, tl.Linear(32, 5, seed=1))


def test_a_model_is_quantized_in_place_where_it_is_asked_to():
    model = network()
    assert quantize(model, ["0"]) is model
    assert isinstance(model[0], QuantizedLinear) and type(model[2]) is tl.Linear
    with pytest.raises(AdaptError, match="no plain Linear"):
        quantize(model, ["0"])
    with pytest.raises(AdaptError, match="'2'"):
        quantize(model, ["3"])


def test_a_quantized_model_can_be_adapted_trained_and_merged():
    direct, in_two = tl.adapt(network(), 2, variant="qlora", seed=3), tl.adapt(quantize(network()), 2, seed=3)
    x, target = np.random.default_rng(0).normal(size=(9, 64)), np.zeros((9, 5))
    assert_array_equal(direct.forward(x), in_two.forward(x))
    steps = [tl.compile_training_step(m, tl.mse, tl.AdamW(m.parameters(), 0.01)) for m in (direct, in_two)]
    losses = [[step(x, target) for _ in range(20)] for step in steps]
    assert losses[0] == losses[1] and losses[0][-1] < losses[0][0] / 2
    y = direct.forward(x)
    tl.merge_all(direct)
    assert_allclose(direct.forward(x), y, atol=1e-12)
    tl.unmerge_all(direct)
    assert isinstance(direct[0].base, QuantizedLinear)


def test_a_stored_weight_of_bitsandbytes_can_be_taken_over():
    wanted = nf4_in_bitsandbytes.stored()["normal"]
    parts = [wanted[part] for part in PARTS]
    layer = QuantizedLinear.from_stored(NF4(*parts[:3], parts[3][0], (24, 40)))
    assert_array_equal(layer.stored.packed, wanted["packed"])
    assert layer.forward(np.eye(40, dtype=np.float32)).shape == (40, 24)


def test_a_layer_that_computes_more_than_its_weight_says_is_not_quantized():
    class Bounded(tl.Linear):
        def __call__(self, x):
            return tl.tanh(super().__call__(x))

    with pytest.raises(TypeError, match="only a plain Linear can be quantized, not one of type Bounded"):
        QuantizedLinear.from_linear(Bounded(4, 4))


def test_a_weight_in_four_bits_takes_no_change_for_good():
    layer = tl.LoRALinear(QuantizedLinear(6, 4, seed=0), 2, seed=1)
    with pytest.raises(AdaptError, match="for good: a QuantizedLinear keeps no weight of floats"):
        layer.absorb()


def test_the_levels_cut_each_side_of_zero_into_equal_shares():
    normal = NormalDist()
    shares = np.diff([normal.cdf(float(level) * normal.inv_cdf(0.9677083)) for level in LEVELS])
    assert_allclose(shares[:7], shares[:7].mean(), rtol=1e-5)
    assert_allclose(shares[7:], shares[7:].mean(), rtol=1e-5)
    assert shares[0] > 1.1 * shares[-1]
