"""LoRALayer, row by row of its table, and LoRALinear: merge, unmerge, disabled."""

import copy
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, strategies as st

import tinygrad_lora as tl
from tinygrad_lora.core.ops import Matmul
from tinygrad_lora.errors import AdaptError, MergedError, ShapeError, WeightsError
from tinygrad_lora.nn import Linear, LoRALayer, LoRALinear, Sequential


def card(**options):
    """The layer K whose numbers everyone can compute by hand."""
    layer = LoRALayer(3, 2, 2, alpha=4, **options)
    layer.set_parameters(np.array([1, 0, 0, 1, 1, 1, 1, 2, 3, 4], float))
    return layer


def adapted(n=5, m=4, rank=2, alpha=3, seed=0, **options):
    """An adapted linear layer whose adapter does something."""
    layer = LoRALinear(Linear(n, m, seed=seed), rank, alpha, seed=seed, **options)
    layer.lora.set_parameter("lora_B", np.random.default_rng(seed).normal(size=(rank, m)))
    return layer


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


# --- The anchor ---


def test_the_anchor_numbers():
    layer = card()
    np.testing.assert_array_equal(layer.forward([1, 2, 3]), [38, 56])
    np.testing.assert_array_equal(layer.merge_weights(), [[2, 4], [6, 8], [8, 12]])
    np.testing.assert_array_equal(layer.backward([1, 1]), [6, 14, 20])
    np.testing.assert_array_equal(layer.lora_A.gradient, [[6, 14], [12, 28], [18, 42]])
    np.testing.assert_array_equal(layer.lora_B.gradient, [[8, 8], [10, 10]])
    layer.update_parameters(0.1)
    np.testing.assert_allclose(layer.forward([1, 2, 3]), [-60.16, -98.16], rtol=1e-13)


@given(st.integers(1, 6), st.integers(1, 6), st.data())
def test_forward_and_gradients_are_the_formulas(n, m, data):
    r = data.draw(st.integers(1, min(n, m)))
    alpha, batch = data.draw(st.sampled_from([0.5, 1.0, 4.0])), data.draw(st.integers(0, 4))
    layer = LoRALayer(n, m, r, alpha, tl.tanh, seed=0)
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    A, B, x, g = (
        rng.normal(size=(n, r)),
        rng.normal(size=(r, m)),
        rng.normal(size=(batch, n)),
        rng.normal(size=(batch, m)),
    )
    layer.set_parameters(np.concatenate([A.ravel(), B.ravel()]))
    s = alpha / r
    y = np.tanh(s * ((x @ A) @ B))
    np.testing.assert_allclose(layer.forward(x), y, rtol=1e-12, atol=1e-14)
    dx = layer.backward(g)
    g1 = g * (1 - y * y)
    close = {"rtol": 1e-10, "atol": 1e-12}
    np.testing.assert_allclose(layer.lora_B.gradient, s * (x @ A).T @ g1, **close)
    np.testing.assert_allclose(layer.lora_A.gradient, s * x.T @ (g1 @ B.T), **close)
    np.testing.assert_allclose(dx, s * g1 @ B.T @ A.T, **close)


# --- Construction ---


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ((0, 5, 1), ValueError, "Input size must be positive"),
        ((5, -2, 1), ValueError, "Output size must be positive"),
        ((5, 5, 0), ValueError, "Rank must be positive"),
        ((10, 5, 6), ValueError, r"Rank \(6\) cannot exceed min\(input_size, output_size\) = 5"),
        ((5.0, 5, 1), TypeError, "Input size must be a whole number"),
        ((5, "5", 1), TypeError, "Output size must be a whole number"),
        ((5, 5, True), TypeError, "Rank must be a whole number"),
        ((5, 5, 2, 0), ValueError, "alpha must be positive"),
        ((5, 5, 2, -2), ValueError, "alpha must be"),
        ((5, 5, 2, math.nan), ValueError, "alpha must be"),
        ((5, 5, 2, math.inf), ValueError, "alpha must be"),
        ((5, 5, 2, "4"), TypeError, "alpha must be a number"),
        ((5, 5, 2, True), TypeError, "alpha must be a number"),
        ((5, 5, 2, 4, "relu"), TypeError, "the activation must be a function"),
        ((5, 5, 2, 4, Linear), TypeError, "the activation must be a function"),
    ],
    ids=repr,
)
def test_what_cannot_be_built_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        LoRALayer(*arguments)


def test_an_unknown_init_is_refused():
    with pytest.raises(ValueError, match="init must be 'gaussian' or 'kaiming_uniform'"):
        LoRALayer(5, 5, 2, init="zeros")


def test_sizes_may_be_numpy_integers_and_the_rank_the_smaller_size():
    assert LoRALayer(np.int64(10), np.int32(5), np.int8(5)).rank == 5


@pytest.mark.parametrize("alpha, expected", [(-1, 3), (None, 3), (-1.0, 3), (6, 6), (0.5, 0.5), (np.float32(2), 2)])
def test_alpha_and_scaling(alpha, expected):
    layer = LoRALayer(10, 5, 3, alpha)
    assert layer.alpha == expected and layer.scaling == expected / 3
    assert layer.parameter_count == 10 * 3 + 3 * 5 == 45 and layer.rank == 3
    assert layer.supports_training and layer.supports_jit_compilation


def test_a_is_random_and_b_is_zero():
    layer = LoRALayer(2000, 50, 16, seed=5)
    A = layer.get_matrix_a()
    assert A.std() == pytest.approx(1 / 4, rel=0.02) and abs(A.mean()) < 0.01
    assert not layer.get_matrix_b().any() and not layer.forward(numbers(3, 2000)).any()
    np.testing.assert_array_equal(A, LoRALayer(2000, 50, 16, seed=5).get_matrix_a())
    np.testing.assert_array_equal(A, LoRALayer(2000, 50, 16, seed=np.random.default_rng(5)).get_matrix_a())
    assert np.any(LoRALayer(2000, 50, 16, seed=6).get_matrix_a() != A)
    assert np.any(LoRALayer(4, 4, 2).get_matrix_a() != LoRALayer(4, 4, 2).get_matrix_a())
    uniform = LoRALayer(400, 50, 16, seed=5, init="kaiming_uniform").get_matrix_a()
    assert np.abs(uniform).max() <= 1 / 20 and uniform.std() == pytest.approx(1 / 20 / np.sqrt(3), rel=0.02)


def test_at_the_start_a_has_no_gradient_and_b_has():
    layer = LoRALayer(4, 3, 2, seed=0)
    layer.forward(numbers(5, 4))
    assert not layer.backward(numbers(5, 3)).any()
    assert not layer.lora_A.gradient.any() and layer.lora_B.gradient.any()


# --- Members ---


def test_matrices_are_copies():
    layer = card()
    layer.get_matrix_a()[:] = 0
    layer.get_matrix_b()[:] = 0
    layer.merge_weights()[:] = 0
    layer.get_parameters()[:] = 0
    np.testing.assert_array_equal(layer.forward([1, 2, 3]), [38, 56])


def test_the_vector_is_a_then_b_row_by_row():
    layer = card()
    np.testing.assert_array_equal(layer.get_parameters(), [1, 0, 0, 1, 1, 1, 1, 2, 3, 4])
    layer.forward([1, 2, 3])
    layer.backward([1, 1])
    np.testing.assert_array_equal(layer.get_parameter_gradients(), [6, 14, 12, 28, 18, 42, 8, 8, 10, 10])
    with pytest.raises(ValueError, match="Expected 45 parameters, got 100"):
        LoRALayer(10, 5, 3).set_parameters(np.zeros(100))


def test_errors_of_forward_and_backward():
    layer = LoRALayer(10, 5, 3, seed=0)
    with pytest.raises(ShapeError, match="Input size 8 does not match expected input size 10"):
        layer.forward(np.ones((2, 8)))
    with pytest.raises(RuntimeError, match="Forward pass must be called before backward pass"):
        layer.backward(np.ones((2, 5)))
    layer.forward(np.ones((2, 10)))
    with pytest.raises(ShapeError, match=r"has shape \(2, 10\); the output has \(2, 5\)"):
        layer.backward(np.ones((2, 10)))


@pytest.mark.parametrize("activation", [None, tl.identity], ids=["none", "identity"])
def test_merged_weights_are_the_layer(activation):
    layer, x = card(activation=activation), numbers(4, 3)
    np.testing.assert_allclose(x @ layer.merge_weights(), layer.forward(x), rtol=1e-13)


def test_a_layer_that_is_not_linear_has_no_merged_weight():
    with pytest.raises(ValueError, match="a layer with the activation relu is not a linear map"):
        card(activation=tl.relu).merge_weights()


def test_the_exported_graph_is_input_matmul_matmul_scale_activation():
    nodes = []
    y = card(activation=tl.relu).export_computation_graph(nodes)
    graph = tl.Graph([*nodes], [y])
    operations = [str(n.op) for n in graph.nodes if n.parents]
    assert operations == ["matmul", "matmul", "scale", "relu"] and y.parents[0].params == {"factor": 2.0}
    with pytest.raises(TypeError):
        card().export_computation_graph(None)


def test_jit_support_includes_the_activation():
    assert card(activation=tl.gelu).supports_jit_compilation
    assert not card(activation=lambda x: tl.constant(np.tanh(x.value))).supports_jit_compilation


def test_diagnostics():
    diagnostics = card(activation=tl.relu).get_diagnostics()
    layer = card()
    delta = layer.merge_weights()
    share = np.linalg.svd(delta, compute_uv=False)
    share = share / share.sum()
    expected = {
        "layer.type": "LoRALayer", "layer.input_shape": "[3]", "layer.output_shape": "[2]",
        "layer.parameter_count": "10", "layer.supports_training": "True", "layer.activation": "relu", "lora.rank": "2",
        "lora.alpha": "4", "lora.scaling": "2", "lora.a_norm": "2", "lora.b_norm": f"{np.sqrt(30):.6g}",
        "lora.delta_norm": f"{np.linalg.norm(delta):.6g}",
        "lora.delta_effective_rank": f"{np.exp(-(share * np.log(share)).sum()):.6g}",
    }  # fmt: skip
    assert {k: diagnostics[k] for k in expected} == expected
    assert layer.get_diagnostics()["layer.activation"] == "identity"
    assert LoRALayer(3, 2, 2).get_diagnostics()["lora.delta_effective_rank"] == "0"
    layer.forward([1, 2, 3])
    layer.backward([1, 1])
    assert float(layer.get_diagnostics()["gradient_norm.lora_B"]) == pytest.approx(
        np.linalg.norm([8, 8, 10, 10]), rel=1e-5
    )


def test_names():
    layer = LoRALayer(3, 2, 2, name="q")
    assert layer.get_parameter_names() == ["lora_A", "lora_B"] and layer.named_parameter_count == 2
    assert layer.get_parameter_shape("lora_A") == (3, 2) and layer.try_get_parameter("lora_C") is None
    assert (layer.lora_A.name, layer.lora_B.name) == ("q_A", "q_B")
    with pytest.raises(WeightsError, match="no weight for lora_B"):
        layer.load_weights({"lora_A": np.ones((3, 2))}, strict=True)
    report = layer.load_weights({"x.A": np.ones((3, 2)), "y": 0}, lambda n: {"x.A": "lora_A"}.get(n))
    assert report.loaded == ["lora_A"] and report.skipped == ["y"] and report.success


def test_float32_and_float16():
    for dtype in (np.float32, np.float16):
        layer = LoRALayer(4, 3, 2, 3, seed=0, dtype=dtype)
        assert layer.merge_weights().dtype == layer.forward(np.ones((2, 4))).dtype == dtype
        assert isinstance(layer.get_diagnostics(), dict)


# --- LoRALinear ---


@pytest.mark.parametrize("leading", [(), (3,), (0,), (2, 3)], ids=str)
def test_base_and_adapter_add_up(leading):
    layer = adapted()
    x = numbers(*leading, 5)
    total = layer.base.weight.value + layer.lora.merge_weights()
    np.testing.assert_allclose(layer.forward(x), x @ total + layer.base.bias.value, rtol=1e-12, atol=1e-14)


def test_at_the_start_the_adapter_changes_nothing():
    base = Linear(5, 4, seed=0)
    x = numbers(3, 5)
    expected = base.forward(x)
    np.testing.assert_array_equal(LoRALinear(base, 2).forward(x), expected)


def test_the_base_is_frozen_and_its_gradient_never_computed(monkeypatch):
    layer = adapted()
    assert layer.parameters() == [layer.lora.lora_A, layer.lora.lora_B] and layer.parameter_count == 18
    assert layer.get_parameter_names() == ["base.weight", "base.bias", "lora.lora_A", "lora.lora_B"]
    shapes = []
    rule = Matmul.vjp

    def counting(self, g, y, a, b):
        return tuple(
            lambda part=part: (shapes.append((out := part()).shape), out)[1] for part in rule(self, g, y, a, b)
        )

    monkeypatch.setattr(Matmul, "vjp", counting)
    layer.forward(numbers(7, 5))
    layer.backward(numbers(7, 4))
    assert layer.base.weight.shape not in shapes and layer.base.weight.gradient is None
    shapes.clear()
    tl.sum(layer(tl.constant(numbers(7, 5)))).backward()
    assert sorted(shapes) == sorted([(2, 4), (7, 2), (5, 2)])  # dB, d(xA), dA: nothing of the base's size


def test_a_trainable_base_keeps_its_parameters_as_they_are():
    layer = LoRALinear(Linear(5, 4, seed=0), 2, trainable_base=True)
    assert len(layer.parameters()) == 4


def test_the_adapter_has_the_dtype_of_the_base_unless_told_otherwise():
    base = Linear(5, 4, seed=0, dtype=np.float32)
    assert LoRALinear(base, 2).lora.dtype == np.float32
    assert LoRALinear(base, 2, dtype=np.float64).lora.dtype == np.float64


def test_options_reach_the_adapter():
    layer = LoRALinear(Linear(5, 4), 2, 6, seed=3, init="kaiming_uniform", name="q")
    same = LoRALayer(5, 4, 2, 6, seed=3, init="kaiming_uniform")
    np.testing.assert_array_equal(layer.lora.get_matrix_a(), same.get_matrix_a())
    assert layer.lora.scaling == 3 and layer.lora.lora_A.name == "q_A"


@pytest.mark.parametrize(
    "base, message",
    [
        (LoRALayer(3, 3, 1), "the base must be a Linear, not LoRALayer"),
        (np.ones((3, 3)), "the base must be a Linear, not ndarray"),
        (LoRALinear(Linear(3, 3), 1), "it has an adapter already"),
    ],
    ids=["lora", "array", "twice"],
)
def test_only_a_linear_can_be_the_base(base, message):
    with pytest.raises(TypeError, match=message):
        LoRALinear(base, 1)


class Bounded(Linear):
    def __call__(self, x):
        return tl.tanh(super().__call__(x))


class Doubled(Linear):
    def transform(self, x, weight):
        return 2.0 * super().transform(x, weight)


class Louder(tl.Embedding):
    def __call__(self, tokens):
        return 2.0 * super().__call__(tokens)


@pytest.mark.parametrize("kind", [Bounded, Doubled, Louder])
def test_a_base_that_computes_more_than_its_weight_says_is_refused(kind):
    adapted = tl.LoRAEmbedding if kind is Louder else LoRALinear
    with pytest.raises(TypeError, match=f"{kind.__name__} computes more than a"):
        adapted(kind(6, 5, seed=0), 2)
    model = Sequential(tl.Linear(6, 5, seed=0), kind(6, 5, seed=0))
    with pytest.raises(AdaptError, match=rf"these layers compute more .*: '1' \({kind.__name__}\); leave them out"):
        tl.adapt(model, 2, ["0", "1"])
    assert not tl.adapters(model) and len(model.parameters()) == len(model.named_parameters())
    tl.adapt(model, 2, ["0"], modules_to_save=["1"])  # a copy may compute what it likes


def test_an_option_that_there_is_not_is_named_with_those_that_there_are():
    with pytest.raises(TypeError, match=r"LoRALayer has no option 'lora_alpha'; did you mean 'alpha'\? Its .*'init'"):
        LoRALinear(Linear(3, 3), 2, lora_alpha=16)
    with pytest.raises(TypeError, match="LoRAEmbeddingLayer has no option 'activation'"):
        tl.LoRAEmbedding(tl.Embedding(3, 3), 2, activation=tl.relu)


def test_a_rank_that_does_not_fit_leaves_the_base_alone():
    base = Linear(3, 2, seed=0)
    with pytest.raises(ValueError, match="Rank"):
        LoRALinear(base, 3)
    assert len(base.parameters()) == 2


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 1000))
def test_merging_keeps_the_function_and_unmerging_every_bit(n, m, seed):
    layer, x = adapted(n, m, rank=min(n, m), seed=seed), numbers(3, n)
    expected, weight = layer.forward(x), layer.base.weight.value.copy()
    layer.merge()
    merged = layer.base.weight.value
    np.testing.assert_array_equal(merged, weight + layer.lora.merge_weights())
    layer.merge()
    assert layer.merged and layer.base.weight.value is merged
    np.testing.assert_allclose(layer.forward(x), expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(layer.forward(x), layer.base.forward(x))
    layer.unmerge()
    layer.unmerge()
    assert not layer.merged
    np.testing.assert_array_equal(layer.base.weight.value, weight)
    np.testing.assert_array_equal(layer.forward(x), expected)


def test_a_merged_layer_costs_what_the_base_costs():
    layer = adapted()
    layer.merge()
    assert tl.trace(layer, numbers(3, 5)).flops == tl.trace(layer.base, numbers(3, 5)).flops
    assert layer.supports_jit_compilation


def test_what_was_traced_before_a_merge_stays_right():
    layer, x = adapted(), numbers(3, 5)
    graph = tl.trace(layer, x)
    expected = graph(x)[0]
    layer.merge()
    np.testing.assert_array_equal(graph(x)[0], expected)


def test_a_merged_layer_is_not_trained():
    layer = adapted()
    model, x = Sequential(layer, tl.tanh), numbers(3, 5)
    model.forward(x)
    before = {n: p.value for n, p in model.named_parameters().items()}
    layer.merge()
    changes = [
        lambda m: m.backward(np.ones((3, 4))), lambda m: m.update_parameters(0.1), lambda m: m.freeze(),
        lambda m: m.set_parameters(np.zeros(18)), lambda m: m.load_weights({}), lambda m: m.unfreeze(),
        lambda m: m.set_parameter(m.get_parameter_names()[0], np.zeros((5, 4))),
    ]  # fmt: skip
    for change in changes:
        with pytest.raises(MergedError, match=r"the adapter of '0' is merged .*unmerge\(\) first"):
            change(model)
        with pytest.raises(MergedError, match="the adapter is merged"):
            change(layer)
    layer.unmerge()
    for n, p in model.named_parameters().items():
        np.testing.assert_array_equal(p.value, before[n])


def test_factors_changed_while_merged_are_noticed():
    layer, x = adapted(), numbers(3, 5)
    layer.merge()
    layer.lora.lora_B.value = np.ones((2, 4))
    with pytest.raises(MergedError, match="got new values while they are merged"):
        layer.forward(x)
    layer.unmerge()
    layer.merge()
    layer.forward(x)


def test_disabled_is_the_base_bit_for_bit():
    for leading in [(), (3,), (2, 3)]:
        layer, x = adapted(), numbers(*leading, 5)
        expected, on = layer.base.forward(x), layer.forward(x)
        with layer.disabled():
            np.testing.assert_array_equal(layer.forward(x), expected)
            with layer.disabled():
                pass
            np.testing.assert_array_equal(layer.forward(x), expected)  # the inner end does not switch it on
            layer.merge()
            np.testing.assert_array_equal(layer.forward(x), expected)
            assert layer.mode == "disabled"
        assert layer.merged and layer.mode == "merged"
        with layer.disabled():
            np.testing.assert_array_equal(layer.forward(x), expected)
            layer.unmerge()
            np.testing.assert_array_equal(layer.forward(x), expected)
        np.testing.assert_array_equal(layer.forward(x), on)
        assert layer.mode == ""


def test_an_error_inside_disabled_switches_the_adapter_on_again():
    layer = adapted()
    with pytest.raises(RuntimeError, match="stop"), layer.disabled():
        raise RuntimeError("stop")
    assert layer.mode == ""


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["copy", "pickle"])
def test_copies_of_a_merged_or_disabled_layer(duplicate):
    layer, x = adapted(), numbers(3, 5)
    on, base = layer.forward(x), layer.base.forward(x)
    layer.merge()
    merged = layer.forward(x)
    with layer.disabled():
        twin = duplicate(layer)
    np.testing.assert_array_equal(twin.forward(x), merged)  # a copy is switched on
    with twin.disabled():
        np.testing.assert_array_equal(twin.forward(x), base)
    twin.unmerge()
    np.testing.assert_array_equal(twin.forward(x), on)
    assert layer.merged and twin.base.weight is not layer.base.weight


def test_diagnostics_of_an_adapted_layer():
    diagnostics = adapted().get_diagnostics()
    assert (
        diagnostics["layer.type"] == "LoRALinear"
        and diagnostics["lora.rank"] == "2"
        and diagnostics["lora.mode"] == "active"
    )
    assert diagnostics["layer.parameter_count"] == "18" and diagnostics["layer.frozen_parameter_count"] == "24"


def test_training_the_adapter_leaves_the_base_as_it_was():
    layer, x = adapted(), numbers(30, 5)
    target = x @ numbers(5, 4, seed=3)
    before = copy.deepcopy(layer.base)
    losses = []
    for _ in range(50):
        y = layer.forward(x)
        losses.append(((y - target) ** 2).mean())
        layer.backward(2 * (y - target) / y.size)
        layer.update_parameters(0.2)
    assert losses[-1] < 0.7 * losses[0]
    np.testing.assert_array_equal(layer.base.weight.value, before.weight.value)
