"""One adapter out of several: cat, svd, linear, TIES, DARE and pruning, with PEFT's numbers."""

import copy

import numpy as np
import pytest
from hypothesis import given, strategies as st

import tinygrad_lora as tl
from tinygrad_lora.errors import AdaptError, MergedError
from tinygrad_lora.nn import TrainedCopy
from tinygrad_lora.nn.adapters.model.combine import agreeing, combined, drop_at_random, keep_largest, low_rank

DENSE = {"density": 0.5}
PRUNED = ["ties", "dare_linear", "dare_ties", "magnitude_prune"]


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def tiny(rank=(2, 2), alpha=(2, 8)):
    """A model of two layers with the adapters a and b, whose numbers are small fractions."""
    model = tl.Sequential(tl.Embedding(6, 4, seed=0), tl.Linear(4, 5, seed=1))
    for i, name in enumerate("ab"):
        tl.adapt(model, rank[i], ["0", "1"], name=name, alpha=alpha[i], seed=i)
    rng = np.random.default_rng(3)
    for layer in tl.adapters(model).values():
        for adapter in layer.adapters.values():
            for p in adapter.named_parameters().values():
                p.value = rng.integers(-8, 9, p.shape) / 8
    return model


def delta(layer, name):
    return layer.adapters[name].merge_weights()


@given(st.floats(-3, 3), st.floats(-3, 3))
def test_cat_is_exact_and_the_ranks_add_up(u, v):
    model = tiny((2, 3))
    tl.add_weighted_adapter(model, {"a": u, "b": v}, name="both")
    tokens = np.array([[0, 5, 2]])
    for layer in tl.adapters(model).values():
        assert layer.adapters["both"].rank == 5 and layer.adapters["both"].scaling == 1
        np.testing.assert_allclose(delta(layer, "both"), u * delta(layer, "a") + v * delta(layer, "b"), atol=1e-12)
    tl.activate(model, {"a": u, "b": v})
    expected = model.forward(tokens)
    tl.activate(model, "both")
    np.testing.assert_allclose(model.forward(tokens), expected, atol=1e-10)


def test_cat_beyond_the_size_of_the_layer():
    model = tl.adapt(tl.Sequential(tl.Linear(3, 3, seed=0)), 3, name="a", seed=0)
    model[0].lora.lora_B.value = numbers(3, 3)
    tl.add_weighted_adapter(model, {"a": 2.0}, name="b")
    tl.add_weighted_adapter(model, {"a": 1, "b": 1}, name="c")
    assert model[0].adapters["c"].rank == 6
    np.testing.assert_allclose(delta(model[0], "c"), 3 * delta(model[0], "a"), rtol=1e-12)


@pytest.mark.parametrize("rank", [None, 1, 2, 3, 9])
def test_svd_is_the_best_of_its_rank(rank):
    model = tiny((2, 3))
    tl.add_weighted_adapter(model, {"a": 1, "b": -0.5}, name="both", combination="svd", rank=rank)
    for layer in tl.adapters(model).values():
        total = delta(layer, "a") - 0.5 * delta(layer, "b")
        singular = np.linalg.svd(total, compute_uv=False)
        r = layer.adapters["both"].rank
        assert r == min(3 if rank is None else rank, 4)
        error = np.linalg.norm(total - delta(layer, "both"))
        assert error == pytest.approx(np.linalg.norm(singular[r:]), abs=1e-12)


def test_linear_has_cross_terms():
    model = tiny()
    tl.add_weighted_adapter(model, {"a": 1, "b": -0.25}, name="both", combination="linear")
    layer = model[1]
    (A, B), (C, D) = ((x.lora_A.value, x.lora_B.value) for x in (layer.adapters["a"], layer.adapters["b"]))
    expected = (A - C) @ (B + D)  # the scales are 1 and 4, so the roots of the weights are 1 and 1
    np.testing.assert_allclose(delta(layer, "both"), expected, rtol=1e-12)
    assert np.abs(expected - (A @ B - C @ D)).max() > 0.1


@pytest.mark.parametrize("svd", ["", "_svd"])
@pytest.mark.parametrize("combination", PRUNED)
def test_all_are_made_and_one_seed_makes_one_adapter(combination, svd):
    weights = []
    for seed in (0, 0, 1):
        model = tiny()
        tl.add_weighted_adapter(model, {"a": 1, "b": 2}, name="c", combination=combination + svd, seed=seed, **DENSE)
        weights.append(tl.adapter_weights(model, "c"))
    same = [all((weights[0][n] == other[n]).all() for n in other) for other in weights[1:]]
    assert same == [True, "dare" not in combination]


def test_the_new_adapter_is_one_like_others():
    model = tiny()
    tl.activate(model, "a")
    tl.add_weighted_adapter(model, {"a": 1, "b": 1}, name="c")
    assert tl.adapter_names(model) == ["a", "b", "c"] and model[1].active == {"a": 1}
    assert not any(".c." in n for n, p in model.named_parameters().items() if p.requires_gradient)
    tl.activate(model, "c")
    assert model.get_parameter_names()[-2:] == ["1.c.lora_A", "1.c.lora_B"] and model.parameter_count == 4 * 19
    kept = tl.adapter_settings(model)["c"]
    assert kept.rank == 4 and kept.target_modules == ["0", "1"] and kept.rank_pattern == {}
    copy.deepcopy(model)


def test_a_layer_that_has_only_one_of_them():
    model = tl.Sequential(tl.Linear(4, 4, seed=0), tl.Linear(4, 4, seed=1), tl.Linear(4, 4, seed=2))
    tl.adapt(model, 1, ["0"], name="a", seed=0)
    tl.adapt(model, 2, ["0", "1"], name="b", seed=0)
    tl.add_weighted_adapter(model, {"a": 1, "b": 2}, name="c")
    assert [x.adapters["c"].rank for x in tl.adapters(model).values()] == [3, 2] and len(tl.adapters(model)) == 2
    assert tl.adapter_settings(model)["c"].rank_pattern == {"1": 2}


def test_biases_are_added():
    model = tl.Sequential(tl.Linear(4, 3, seed=0))
    for name, alpha in (("a", 1), ("b", 4)):
        tl.adapt(model, 2, name=name, alpha=alpha, lora_bias=True, seed=0)
        model[0].lora.lora_B_bias.value = numbers(3, seed=alpha)
    tl.add_weighted_adapter(model, {"a": 1, "b": 0.5}, name="c")
    x = numbers(2, 4)
    tl.activate(model, {"a": 1, "b": 0.5})
    expected = model.forward(x)
    tl.activate(model, "c")
    np.testing.assert_allclose(model.forward(x), expected, rtol=1e-12)


def test_svd_takes_adapters_of_any_kind():
    model = tl.Sequential(tl.Linear(4, 3, seed=0))
    tl.adapt(model, 3, name="dora", variant="dora", seed=0)
    tl.adapt(model, 2, name="pissa", init="pissa", seed=0)
    x, rng = numbers(5, 4), np.random.default_rng(0)
    for adapter in model[0].adapters.values():
        for p in adapter.named_parameters().values():
            p.value = p.value + 0.1 * rng.normal(size=p.shape)
    outputs = {}
    for name in ("dora", "pissa"):
        tl.activate(model, name)
        outputs[name] = model.forward(x)
    with tl.disabled(model):
        base = model.forward(x)
    tl.add_weighted_adapter(model, {"dora": 1, "pissa": 2}, name="both", combination="svd")
    tl.activate(model, "both")
    expected = base + (outputs["dora"] - base) + 2 * (outputs["pissa"] - base)
    np.testing.assert_allclose(model.forward(x), expected, rtol=1e-10)
    with pytest.raises(AdaptError, match=r"'dora', of type DoRA, 'pissa', of type PiSSA, is not s A B alone in '0'"):
        tl.add_weighted_adapter(model, {"dora": 1, "pissa": 1}, name="c", combination="cat")


@pytest.mark.parametrize("options", [{}, {"combination": "linear"}, {"combination": "ties", "density": 0.5}], ids=str)
def test_what_a_class_makes_of_a_and_b_in_its_own_way_is_not_combined_as_factors(options):
    model = tl.Sequential(tl.Linear(4, 3, seed=0))
    for name in "ab":
        tl.adapt(model, 2, name=name, variant="adalora", seed=0)
        model[0].lora.set_parameters(numbers(model[0].lora.parameter_count))
    with pytest.raises(AdaptError, match="'a', of type AdaLoRA, 'b', of type AdaLoRA, is not s A B alone"):
        tl.add_weighted_adapter(model, {"a": 1, "b": 1}, name="c", **options)
    tl.add_weighted_adapter(model, {"a": 1, "b": 1}, name="c", combination="svd", rank=3)
    np.testing.assert_allclose(delta(model[0], "c"), delta(model[0], "a") + delta(model[0], "b"), atol=1e-12)


@pytest.mark.parametrize("combination", ["cat", "svd", "linear"])
def test_an_adapter_with_an_activation_adds_no_matrix(combination):
    model = tl.Sequential(tl.Linear(4, 3, seed=0))
    tl.adapt(model, 2, name="a", seed=0, activation=tl.relu)
    tl.adapt(model, 2, name="b", seed=1)
    with pytest.raises(AdaptError, match="in '0' these have an activation, so they add no matrix: 'a'"):
        tl.add_weighted_adapter(model, {"a": 1, "b": 1}, name="c", combination=combination)
    assert tl.adapter_names(model) == ["a", "b"]


def test_trained_copies():
    model = tl.Sequential(tl.Linear(4, 4, seed=0), tl.Linear(4, 3, seed=1))
    tl.adapt(model, 1, ["0"], name="a", modules_to_save=["1"], seed=0)
    tl.adapt(model, 1, ["0"], name="b", seed=0)
    model[1].adapters["a"].weight.value = numbers(4, 3)
    tl.add_weighted_adapter(model, {"a": 1, "b": 1}, name="c")
    mine, theirs = (model[1].adapters[n] for n in "ca")
    assert isinstance(model[1], TrainedCopy) and mine is not theirs
    np.testing.assert_array_equal(mine.weight.value, theirs.weight.value)
    with pytest.raises(AdaptError, match="'a', 'c' each train a copy of '1' as a whole"):
        tl.add_weighted_adapter(model, {"a": 1, "c": 1}, name="d")


@pytest.mark.parametrize(
    "weights, options, error, message",
    [
        ({"a": 1, "z": 1}, {}, AdaptError, "no adapter is called 'z': there are 'a', 'b'"),
        ({}, {}, AdaptError, "no adapter is named"),
        ({"a": 1}, {"name": "b"}, AdaptError, "an adapter is called 'b' already"),
        ({"a": 1}, {"combination": "sum"}, ValueError, "combination must be one of 'cat', 'svd', 'linear'"),
        ({"a": 1, "b": 1}, {"combination": "linear"}, AdaptError, r"they are 'a' 2, 'b' 3: use 'cat' or 'svd'"),
        ({"a": 1}, {"combination": "ties"}, ValueError, "say which, as in density=0.5"),
        ({"a": 1}, {"combination": "ties_svd"}, ValueError, "say which, as in density=0.5"),
        ({"a": 1}, {"combination": "dare_ties", "density": 0}, ValueError, "density must be above 0"),
        ({"a": 1}, {"combination": "dare_ties", "density": 1.5}, ValueError, "density must be above 0, and at most 1"),
        ({"a": 1}, {"density": 0.5}, ValueError, "'cat' keeps all numbers: leave density out"),
        ({"a": 1}, {"combination": "svd", "rank": 0}, ValueError, "the rank must be positive"),
        ({"a": 1}, {"majority": "most"}, ValueError, "majority must be 'total' or 'frequency'"),
        ({"a": 1}, {"majority": "frequency"}, ValueError, "'cat' does not vote: leave majority out"),
        ({"a": 1}, {"rank": 1}, ValueError, "'cat' has no singular values: leave rank out"),
        ({"a": 1}, {"combination": "linear", "clamp": 0.5}, ValueError, "'linear' has no singular values: leave clamp"),
        ({"a": 1}, {"combination": "svd", "clamp": 7}, ValueError, "clamp must be above 0, and at most 1, not 7"),
    ],
    ids=str,
)
def test_what_is_refused_changes_nothing(weights, options, error, message):
    model = tiny((2, 3))
    with pytest.raises(error, match=message):
        tl.add_weighted_adapter(model, weights, **({"name": "c"} | options))
    assert tl.adapter_names(model) == ["a", "b"] and "c" not in tl.adapter_settings(model)


def test_nothing_is_added_while_one_layer_is_merged():
    model = tiny()
    model[1].merge()
    with pytest.raises(MergedError):
        tl.add_weighted_adapter(model, {"a": 1}, name="c")
    assert tl.adapter_names(model) == ["a", "b"]


# --- The parts ---


def test_the_largest_are_kept():
    x = np.array([[1.0, -4, 2], [0.5, 3, -0.1]])
    np.testing.assert_array_equal(keep_largest(x, 0.5), [[0, -4, 2], [0, 3, 0]])
    np.testing.assert_array_equal(keep_largest(x, 0.4), [[0, -4, 0], [0, 3, 0]])  # 2.4 are 2
    assert keep_largest(x, 1) is x


def test_what_is_dropped_at_random_leaves_the_mean():
    x = np.ones(100_000)
    kept = drop_at_random(x, 0.25, np.random.default_rng(0))
    assert set(kept) == {0.0, 4.0} and kept.mean() == pytest.approx(1, rel=0.02)


def test_the_majority():
    stack = np.array([[5.0, -1, 0], [-1, -1, 0], [-1, 3, 2]])
    np.testing.assert_array_equal(agreeing(stack, "total"), [[1, 0, 0], [0, 0, 0], [0, 1, 1]])
    np.testing.assert_array_equal(agreeing(stack, "frequency"), [[0, 1, 0], [1, 1, 0], [1, 0, 1]])
    ties = combined([*stack], [1, 1, 1], "ties", density=1, majority="total", rng=None)
    np.testing.assert_array_equal(ties, [5, 3, 2])


def test_clamping():
    A, B = low_rank(numbers(6, 5), 3)
    clipped = low_rank(numbers(6, 5), 3, clamp=0.9)
    largest = np.quantile(np.concatenate([A.ravel(), B.ravel()]), 0.9)
    for whole, cut in zip((A, B), clipped, strict=True):
        np.testing.assert_array_equal(cut, np.clip(whole, -largest, largest))


# --- PEFT ---

# A B of the linear layer for {"a": 1, "b": -0.25} and density 0.5: made by PEFT 0.21.2 in float64.
STORED = {
    "linear": [
        [0.625, -0.875, 0.1875, -0.25, -0.875],
        [0.125, -0.19140625, 0.0234375, -0.03125, -0.109375],
        [0.3828125, -0.51953125, 0.12890625, -0.171875, -0.6015625],
        [0.21875, -0.30078125, 0.0703125, -0.09375, -0.328125],
    ],
    "ties": [
        [0.25, -0.3125, 0.0, -0.21875, -0.3125],
        [0.1875, -0.234375, 0.0, -0.1640625, -0.234375],
        [0.21875, -0.2734375, 0.0, -0.19140625, -0.2734375],
        [-0.013671875, 0.015625, 0.01171875, 0.017578125, 0.0],
    ],
    "magnitude_prune": [
        [0.5, -0.625, 0.0, -0.4375, -0.625],
        [0.1875, -0.234375, 0.0, -0.1640625, -0.234375],
        [0.21875, -0.2734375, 0.0, -0.19140625, -0.2734375],
        [-0.02734375, 0.03125, 0.0, 0.0, 0.0],
    ],
    "ties_svd": [
        [0.198806173281, -0.294229436664, -0.031331507437, -0.348933769704, -0.439905280856],
        [-0.062677665672, 0.058066542162, -0.030519953145, -0.042888741613, -0.051645246928],
        [0.235686062282, -0.274966488552, 0.048838075216, -0.088240731305, -0.116407831111],
        [-0.192405984463, 0.159989952724, -0.114951586861, -0.212132041753, -0.258716556393],
    ],
}


def by_peft(model, names, weights, masks=None, **options):
    """The products A B, (in, out) or (num_embeddings, dim), of PEFT's own combination of the same adapters."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("peft")
    from peft import LoraConfig, get_peft_model

    plain = torch.nn.Sequential(torch.nn.Embedding(6, 4), torch.nn.Linear(4, 5)).double()
    theirs = None
    for name in names:
        part = model[1].adapters[name]
        config = LoraConfig(r=part.rank, lora_alpha=part.alpha, target_modules=["0", "1"])
        if theirs is None:
            theirs = get_peft_model(plain, config, adapter_name=name)
        else:
            theirs.add_adapter(name, config)
    table, linear = theirs.base_model.model
    for name in names:
        factors = [table.lora_embedding_A[name], table.lora_embedding_B[name]]
        factors += [linear.lora_A[name].weight, linear.lora_B[name].weight]
        ours = [*model[0].adapters[name].named_parameters().values()]
        ours += [*model[1].adapters[name].named_parameters().values()]
        for parameter, p in zip(factors, ours, strict=True):
            parameter.data = torch.tensor(p.value.T.copy())
    theirs.add_weighted_adapter(list(names), list(weights), "c", **options)
    table, linear = theirs.base_model.model
    return table.get_delta_weight("c").detach().numpy(), linear.get_delta_weight("c").detach().numpy().T


WEIGHTS = {"a": 1, "b": -0.25}  # with the scales 1 and 4 the roots are exact in PEFT's float32
COMBINED = [
    ("cat", {}), ("svd", {}), ("linear", {}), ("ties", DENSE), ("ties", DENSE | {"majority": "frequency"}),
    ("magnitude_prune", DENSE), ("ties_svd", DENSE), ("magnitude_prune_svd", DENSE), ("svd", {"rank": 1}),
]  # fmt: skip


def distinct(model):
    """All sizes in an array are different, so that "the largest half" is one set of numbers."""
    rng = np.random.default_rng(5)
    for p in (
        p for x in tl.adapters(model).values() for a in x.adapters.values() for p in a.named_parameters().values()
    ):
        sizes = rng.permutation(np.arange(1, p.size + 1)) / 16
        p.value = (sizes * rng.choice([-1, 1], p.size)).reshape(p.shape)
    return model


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("combination, options", COMBINED, ids=str)
def test_peft_gives_the_same(combination, options):
    model = distinct(tiny())
    tl.add_weighted_adapter(model, WEIGHTS, name="c", combination=combination, **options)
    renamed = {"density": "density", "majority": "majority_sign_method", "rank": "svd_rank"}
    options = {renamed[key]: value for key, value in options.items()}
    theirs = by_peft(model, WEIGHTS, WEIGHTS.values(), combination_type=combination, **options)
    for layer, expected in zip(tl.adapters(model).values(), theirs, strict=True):
        np.testing.assert_allclose(delta(layer, "c"), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("combination", ["dare_linear", "dare_ties", "dare_linear_svd", "dare_ties_svd"])
def test_peft_gives_the_same_if_it_drops_the_same(combination, monkeypatch):
    torch = pytest.importorskip("torch")
    model = distinct(tiny())
    tl.add_weighted_adapter(model, WEIGHTS, name="c", combination=combination, density=0.5, seed=4)
    rng = np.random.default_rng(4)

    def kept(input):
        shape = tuple(input.shape)[::-1]
        return torch.tensor((rng.random(shape) < 0.5).T.astype(float))

    if combination.endswith("svd"):  # there PEFT has the table the right way around

        def kept(input):
            shape = tuple(input.shape)
            mask = rng.random(shape if shape == (6, 4) else shape[::-1]) < 0.5
            return torch.tensor((mask if shape == (6, 4) else mask.T).astype(float))

    monkeypatch.setattr(torch, "bernoulli", kept)
    theirs = by_peft(model, WEIGHTS, WEIGHTS.values(), combination_type=combination, density=0.5)
    for layer, expected in zip(tl.adapters(model).values(), theirs, strict=True):
        np.testing.assert_allclose(delta(layer, "c"), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("combination", STORED)
def test_stored_numbers(combination):
    model = distinct(tiny())
    options = DENSE if combination not in ("cat", "svd", "linear") else {}
    tl.add_weighted_adapter(model, WEIGHTS, name="c", combination=combination, **options)
    np.testing.assert_allclose(delta(model[1], "c"), STORED[combination], rtol=1e-12, atol=1e-10)
