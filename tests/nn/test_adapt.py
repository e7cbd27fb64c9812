"""Choosing layers by PEFT's rules, replacing them in place, and what is done to all adapters of a model at once."""

import copy
import re

import numpy as np
import pytest
from hypothesis import given, strategies as st

import tinygrad_lora as tl
from tinygrad_lora.errors import AdaptError, MergedError
from tinygrad_lora.nn import (
    SGD,
    Layer,
    Linear,
    LoRALayer,
    LoRALinear,
    Sequential,
    adapt,
    adapter_weights,
    disabled,
    merge_all,
    unmerge_all,
)  # fmt: skip
from tinygrad_lora.nn.adapters.model.switching import adapters


class Attention(Layer):
    def __init__(self, rng):
        self.q_proj, self.v_proj, self.out = (Linear(4, 4, seed=rng) for _ in range(3))

    def __call__(self, x):
        return self.out(self.v_proj(x) * tl.sigmoid(self.q_proj(x)))


class Block(Layer):
    def __init__(self, rng):
        self.attn = Attention(rng)
        self.mlp = (Linear(4, 8, seed=rng), Linear(8, 4, seed=rng))

    def __call__(self, x):
        x = x + self.attn(x)
        return x + self.mlp[1](tl.gelu(self.mlp[0](x)))


class Model(Layer):
    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        self.input_shape = (4,)
        self.blocks = [Block(rng) for _ in range(11)]
        self.parts = {"head": Linear(4, 3, seed=rng)}
        self.scale = tl.parameter(np.ones(3), "scale")

    def __call__(self, x):
        for block in self.blocks:
            x = block(x)
        return self.parts["head"](x) * self.scale


LINEAR = [n for n, layer in Model().named_layers().items() if isinstance(layer, Linear)]


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def with_random_factors(model):
    model.set_parameters(numbers(model.parameter_count) * 0.1)
    return model


def test_the_names_that_the_tests_speak_of():
    assert len(LINEAR) == 56 and LINEAR[:6] == [
        "blocks.0.attn.q_proj", "blocks.0.attn.v_proj", "blocks.0.attn.out", "blocks.0.mlp.0", "blocks.0.mlp.1",
        "blocks.1.attn.q_proj",
    ] and LINEAR[-1] == "parts.head"  # fmt: skip


@pytest.mark.parametrize(
    "targets, exclude, pattern",
    [
        ("all-linear", None, r".*"),
        ("ALL-linear", None, r".*"),
        (["q_proj", "v_proj"], None, r".*\.(q_proj|v_proj)"),
        (("attn.q_proj",), None, r".*\.attn\.q_proj"),
        ({"1"}, None, r".*\.mlp\.1"),
        (["parts.head"], None, r"parts\.head"),
        (["blocks.1.attn.out"], None, r"blocks\.1\.attn\.out"),
        (r"blocks\.\d\.attn\..*", None, r"blocks\.[0-9]\.attn\..*"),
        (r".*\.(q|v)_proj", None, r".*(q|v)_proj"),
        ("parts.head", None, r"parts\.head"),
        ("all-linear", ["head"], r"blocks.*"),
        ("all-linear", r".*mlp.*", r".*attn.*|parts.*"),
        (["q_proj", "0"], ["blocks.3.attn.q_proj", "0"], r"blocks\.([0-24-9]|10)\.attn\.q_proj"),
    ],
)
def test_layers_are_chosen_as_peft_chooses_them(targets, exclude, pattern):
    model = adapt(Model(), 2, targets, exclude_modules=exclude)
    assert list(adapters(model)) == [n for n in LINEAR if re.fullmatch(pattern, n)]


@pytest.mark.parametrize(
    "targets, exclude, message",
    [
        (
            ["q_porj"],
            None,
            r"target_modules 'q_porj' fit no linear layer; the linear layers are 'blocks.0.attn.q_proj'",
        ),
        (["q_proj", "query"], None, "target_modules 'query' fit no linear layer"),
        (["proj"], None, "'proj' fit no linear layer"),  # only whole parts of a name
        (["attn"], None, "'attn' fit no linear layer"),
        ("q_proj", None, "nothing to adapt for 'q_proj'"),  # a string must fit the full name
        ([], None, "nothing to adapt"),
        (["q_proj"], ["q_proj"], r"nothing to adapt for \['q_proj'\] without \['q_proj'\]"),
        ("(", None, "not a regular expression"),
        ("all-linear", "[", "not a regular expression"),
    ],
)
def test_choosing_nothing_is_an_error_that_lists_the_names(targets, exclude, message):
    model = Model()
    with pytest.raises(AdaptError, match=message):
        adapt(model, 2, targets, exclude_modules=exclude)
    assert not adapters(model) and len(model.parameters()) == 113


@pytest.mark.parametrize("targets", [3, None, [3], b"q_proj"], ids=repr)
def test_targets_are_words(targets):
    with pytest.raises(TypeError, match="target_modules must be a string or a list of strings"):
        adapt(Model(), 2, targets)


def test_patterns_give_other_ranks_and_alphas():
    model = adapt(
        Model(), 2, "all-linear", alpha=8,
        rank_pattern={"q_proj": 1, r"blocks\.\d\.mlp\.[01]": 3, "mlp.0": 4}, alpha_pattern={"head": 5, "attn.*": 6},
    )  # fmt: skip
    results = {n: (a.lora.rank, a.lora.alpha) for n, a in adapters(model).items()}
    assert results["blocks.10.attn.q_proj"] == (1, 6) and results["blocks.2.attn.out"] == (2, 6)
    assert results["blocks.2.mlp.0"] == (3, 8)  # the first pattern that fits
    assert results["blocks.10.mlp.0"] == (4, 8) and results["blocks.10.mlp.1"] == (2, 8)  # \d is one digit
    assert results["parts.head"] == (2, 5)
    assert adapters(adapt(Model(), 2, rank_pattern={"out": 3}))["blocks.0.attn.out"].lora.alpha == 3  # -1: its own rank
    with pytest.raises(AdaptError, match="rank_pattern 'key' fits none of the chosen layers"):
        adapt(Model(), 2, ["q_proj"], rank_pattern={"key": 1})
    with pytest.raises(AdaptError, match="rank_pattern: '\\(' is not a regular expression"):
        adapt(Model(), 2, ["q_proj"], rank_pattern={"(": 1})


@pytest.mark.parametrize(
    "options",
    [
        {"rank": 4},  # the head has three outputs
        {"rank": 2, "rank_pattern": {"head": 9}},
        {"rank": 2, "alpha": 0},
        {"rank": 2, "init": "ones"},
        {"rank": 2, "alpha_pattern": {"head": float("nan")}},
    ],
    ids=str,
)
def test_a_failing_adapt_changes_nothing(options):
    model = Model()
    layers, trainable = list(model.named_layers().values()), model.parameters()
    with pytest.raises(ValueError):
        adapt(model, **options)
    assert list(model.named_layers().values()) == layers and model.parameters() == trainable


def test_only_the_adapters_are_trained():
    model = Model()
    assert adapt(model, 2, ["q_proj"]) is model
    factors = [p for a in adapters(model).values() for p in (a.lora.lora_A, a.lora.lora_B)]
    assert model.parameters() == factors and not model.scale.requires_gradient
    assert model.parameter_count == 11 * (4 * 2 + 2 * 4)
    SGD(model.parameters(), 0.1)


@pytest.mark.parametrize("second", ["all-linear", ["q_proj"], ["head"]], ids=str)
def test_adapting_twice_is_an_error(second):
    model = adapt(Model(), 2, ["q_proj"])
    if second == ["head"]:
        adapt(model, 1, second)  # another layer is fine, and the adapters that were there are trained on
        assert len(adapters(model)) == 12 and model.parameter_count == 11 * 16 + (4 + 3)
    else:
        with pytest.raises(AdaptError, match=r"have an adapter already: 'blocks\.0\.attn\.q_proj'"):
            adapt(model, 2, second)
        adapt(model, 2, "all-linear", exclude_modules=["q_proj"])
        assert list(adapters(model)) == LINEAR


def test_models_that_cannot_be_adapted():
    with pytest.raises(AdaptError, match=r"use LoRALinear\(model, rank\)"):
        adapt(Linear(3, 3), 1)
    with pytest.raises(AdaptError, match="the linear layers are none"):
        adapt(Sequential(tl.relu), 1)
    with pytest.raises(AdaptError, match="have an adapter already: ''"):
        adapt(LoRALinear(Linear(3, 3), 1), 1)
    with pytest.raises(TypeError, match="the model must be a Layer, not function"):
        adapt(lambda x: x, 1)
    model = adapt(Model(), 2, ["q_proj"])
    merge_all(model)
    with pytest.raises(MergedError):
        adapt(model, 2, ["v_proj"])


def test_a_layer_in_two_places_gets_one_adapter():
    shared = Linear(3, 3, seed=0)
    model = adapt(Sequential(shared, tl.tanh, shared, Sequential(shared)), 1)
    assert model[0] is model[2] is model[3][0] and isinstance(model[0], LoRALinear) and model.parameter_count == 6
    raw_first = Sequential(shared, LoRALinear(shared, 1))  # the base of an adapted layer is not adapted once more
    with pytest.raises(AdaptError, match="'1'"):
        adapt(raw_first, 1)


@pytest.mark.slow
@given(st.integers(0, 2**32 - 1))
def test_one_seed_makes_all_adapters_and_all_are_different(seed):
    one, two = adapt(Model(), 2, ["q_proj"], seed=seed), adapt(Model(), 2, ["q_proj"], seed=seed)
    three = adapt(Model(), 2, ["q_proj"], seed=np.random.default_rng(seed))
    matrices = [a.lora.get_matrix_a() for a in adapters(one).values()]
    for other in (two, three):
        for a, b in zip(matrices, adapters(other).values(), strict=True):
            np.testing.assert_array_equal(a, b.lora.get_matrix_a())
    assert len({a.tobytes() for a in matrices}) == len(matrices)


def test_at_the_start_nothing_changes():
    model, x = Model(), numbers(5, 4)
    expected = model.forward(x)
    np.testing.assert_array_equal(adapt(model, 2).forward(x), expected)


def test_switching_all_adapters_off_restores_every_bit():
    model, x = Model(), numbers(5, 4)
    expected = model.forward(x)
    with_random_factors(adapt(model, 2, seed=0))
    on = model.forward(x)
    assert np.abs(on - expected).max() > 1e-3
    with disabled(model):
        np.testing.assert_array_equal(model.forward(x), expected)
    np.testing.assert_array_equal(model.forward(x), on)
    merge_all(model)
    np.testing.assert_allclose(model.forward(x), on, rtol=1e-9, atol=1e-12)
    with disabled(model):
        np.testing.assert_array_equal(model.forward(x), expected)
    unmerge_all(model)
    np.testing.assert_array_equal(model.forward(x), on)


def test_the_weights_of_adapters_go_round():
    model = with_random_factors(adapt(Model(), 2, ["q_proj", "head"], seed=0))
    weights = adapter_weights(model)
    assert len(weights) == 24 and "blocks.0.attn.q_proj.lora.lora_A" in weights and "parts.head.lora.lora_B" in weights
    twin = adapt(Model(), 2, ["q_proj", "head"], seed=1)
    assert twin.load_weights(weights).success
    x = numbers(3, 4)
    np.testing.assert_array_equal(twin.forward(x), model.forward(x))
    weights["parts.head.lora.lora_B"][:] = 9
    np.testing.assert_array_equal(twin.forward(x), model.forward(x))


def test_a_model_without_adapters_says_so():
    assert adapters(Model()) == {} == adapter_weights(Model())
    for function in (merge_all, unmerge_all, lambda m: disabled(m).__enter__()):
        with pytest.raises(AdaptError, match=r"this Model has no adapters: adapt\(model, rank=...\) gives it some"):
            function(Model())


def test_adapted_models_are_copied_and_traced():
    model = with_random_factors(adapt(Model(), 2, seed=0))
    x = numbers(2, 4)
    np.testing.assert_array_equal(copy.deepcopy(model).forward(x), model.forward(x))
    np.testing.assert_array_equal(tl.trace(model, x)(x)[0], model.forward(x))
    names = {p.name for p in model.parameters()}
    assert "blocks.0.attn.q_proj.lora_A" in names and len(names) == len(model.parameters())


def test_lora_layers_are_not_taken_for_linear_ones():
    model = adapt(Sequential(Linear(3, 3), LoRALayer(3, 3, 1)), 1)
    assert list(adapters(model)) == ["0"] and isinstance(model[1], LoRALayer)
    assert not model[1].supports_training  # everything but the adapters is frozen
