"""A plain LoRA adapter out of the difference of two models."""

import copy

import numpy as np
import pytest
from hypothesis import given, strategies as st

import tinygrad_lora as tl
from tinygrad_lora.errors import AdaptError, MergedError, ShapeError


def base_model(dtype=np.float64):
    return tl.Sequential(
        tl.Linear(6, 9, seed=0, dtype=dtype),
        tl.tanh,
        tl.LayerNorm(9, dtype=dtype),
        tl.Linear(9, 4, seed=1, dtype=dtype),
    )


def fill(model, seed=0, size=0.5):
    rng = np.random.default_rng(seed)
    for p in model.parameters():
        p.value = (p.value + rng.normal(0, size, p.shape)).astype(p.dtype)
    return model


def changed(base, *names, seed=3, rank=None):
    """A copy whose parameters of these names are others, by a matrix of this rank where one is given."""
    tuned, rng = copy.deepcopy(base), np.random.default_rng(seed)
    for name in names:
        p = tuned.named_parameters()[name]
        p.value = p.value + (rng.normal(size=p.shape) if rank is None else low(p.shape, rank, rng))
    return tuned


def low(shape, rank, rng):
    return rng.normal(size=(shape[0], rank)) @ rng.normal(size=(rank, shape[1]))


X = np.random.default_rng(9).normal(size=(5, 6))


@given(rank=st.integers(1, 4), seed=st.integers(0, 99))
def test_what_is_missing_is_what_the_left_out_singular_values_say(rank, seed):
    base = base_model()
    tuned = changed(base, "0.weight", "3.weight", seed=seed)
    wanted = {p: tuned.named_parameters()[f"{p}.weight"].value - base[int(p)].weight.value for p in "03"}
    extraction = tl.extract_lora(base, tuned, rank=rank)
    for path, change in wanted.items():
        singular = np.linalg.svd(change, compute_uv=False)
        layer = extraction.layers[path]
        assert layer.rank == rank
        assert layer.size == pytest.approx(np.linalg.norm(singular), rel=1e-12)
        assert layer.missing == pytest.approx(np.linalg.norm(singular[rank:]), rel=1e-9, abs=1e-12)
    assert extraction.elsewhere == {}


@given(energy=st.floats(0.01, 0.999), seed=st.integers(0, 99))
def test_the_rank_is_the_smallest_with_this_share_of_the_squares(energy, seed):
    base = base_model()
    extraction = tl.extract_lora(base, changed(base, "0.weight", seed=seed), energy=energy)
    (layer,) = extraction.layers.values()
    assert 1 - layer.error**2 >= energy - 1e-12
    if layer.rank > 1:
        again = base_model()
        less = tl.extract_lora(again, changed(again, "0.weight", seed=seed), rank=layer.rank - 1)
        assert 1 - less.layers["0"].error ** 2 < energy


def test_the_whole_energy_of_a_change_of_low_rank_is_that_rank():
    base = base_model()
    tuned = changed(base, "0.weight", "3.weight", rank=2)
    extraction = tl.extract_lora(base, tuned, energy=1.0)
    # The sum W + low rank was rounded, and that has every rank; what adapters add was not.
    assert extraction.error < 1e-15 and all(x.rank >= 2 for x in extraction.layers.values())
    np.testing.assert_allclose(base.forward(X), tuned.forward(X), rtol=1e-12)


EXACT = {
    "lora": 2,
    "rslora": 2,
    "lora_plus": 2,
    "lora_fa": 2,
    "vera": 2,
    "pissa": 4,
    "olora": 4,
    "loha": 4,
    "adalora": 2,
}


@pytest.mark.parametrize("variant", EXACT)
@pytest.mark.parametrize("merged", [False, True])
def test_these_variants_are_plain_lora_of_some_rank(variant, merged):
    base = base_model()
    tuned = fill(tl.adapt(copy.deepcopy(base), 2, variant=variant, seed=1))
    wanted = tuned.forward(X)
    if merged:
        tl.merge_all(tuned)
    extraction = tl.extract_lora(base, tuned, energy=1.0)
    assert {x.rank for x in extraction.layers.values()} == {EXACT[variant]}
    assert extraction.error < 1e-14 and not extraction.elsewhere
    np.testing.assert_allclose(base.forward(X), wanted, rtol=1e-11)
    assert {type(x.lora) for x in tl.adapters(base).values()} == {tl.LoRALayer}


def test_dora_is_not_and_the_error_says_by_how_much():
    base = base_model()
    tuned = fill(tl.adapt(copy.deepcopy(base), 2, variant="dora", seed=1))
    extraction = tl.extract_lora(base, tuned, rank=2)
    assert 0.01 < extraction.error < 1
    wanted = tl.merge_and_unload(tuned)
    off = np.sqrt(sum(
        np.linalg.norm(wanted[i].weight.value - base[i].original.weight.value - base[i].lora.merge_weights()) ** 2
        for i in (0, 3)
    ))  # fmt: skip
    assert off == pytest.approx(np.hypot(*(x.missing for x in extraction.layers.values())), rel=1e-9)


def test_the_active_adapters_of_one_model_become_one_of_it():
    model = fill(tl.adapt(base_model(), 2, seed=1))
    fill(tl.adapt(model, 1, name="other", variant="loha", seed=2))
    tl.activate(model, {"lora": 0.5, "other": -2.0})
    wanted = model.forward(X)
    extraction = tl.extract_lora(model, model, energy=1.0, name="plain")
    assert {x.rank for x in extraction.layers.values()} == {3}
    assert tl.adapter_names(model) == ["lora", "other", "plain"] and model[0].mode == "plain"
    np.testing.assert_allclose(model.forward(X), wanted, rtol=1e-11)
    with tl.disabled(model), pytest.raises(AdaptError, match="the same weights"):
        tl.extract_lora(model, model, rank=1, name="nothing")


def test_biases_that_changed_are_biases_of_the_adapter():
    base = base_model()
    tuned = changed(changed(base, "0.weight", "3.weight", rank=1), "3.bias")
    extraction = tl.extract_lora(base, tuned, rank=1)
    assert extraction.elsewhere == {}
    np.testing.assert_allclose(base.forward(X), tuned.forward(X), rtol=1e-12)
    assert not base[0].lora.lora_B_bias.value.any()


def test_what_no_adapter_can_have_is_listed():
    base = base_model()
    tuned = changed(changed(base, "0.weight", rank=1), "2.weight", "3.weight")
    extraction = tl.extract_lora(base, tuned, rank=1, target_modules=["0"])
    assert extraction.elsewhere.keys() == {"2.weight", "3.weight"}
    assert extraction.elsewhere["2.weight"] == pytest.approx(
        np.linalg.norm(tuned[2].weight.value - base[2].weight.value)
    )
    head, row, *rest = str(extraction).splitlines()
    assert head.split() == ["layer", "rank", "change", "error"] and row.split()[:2] == ["0", "1"]
    assert [line.split()[0] for line in rest] == ["2.weight", "3.weight"] and "left out" in rest[0]


def test_a_change_in_one_layer_only_and_embeddings_by_name():
    base = tl.Sequential(tl.Embedding(7, 5, seed=0), tl.Linear(5, 3, seed=1))
    tuned = changed(base, "0.weight", "1.bias", rank=None)
    with pytest.raises(AdaptError, match=r"the same weights in '1': they differ in '0\.weight', '1\.bias'"):
        tl.extract_lora(base, tuned, rank=1)
    extraction = tl.extract_lora(base, tuned, energy=1.0, target_modules=["0"])
    assert extraction.elsewhere.keys() == {"1.bias"} and extraction.layers.keys() == {"0"}
    tokens = np.array([[0, 6, 3]])
    offset = tuned[1].bias.value - base[1].bias.value
    np.testing.assert_allclose(base.forward(tokens) + offset, tuned.forward(tokens), rtol=1e-12)


def test_a_change_whose_squares_are_too_small_for_a_float_has_a_rank_too():
    base = tl.Sequential(tl.Linear(3, 3, seed=0))
    base[0].weight.value = np.zeros((3, 3))
    tuned = copy.deepcopy(base)
    tuned[0].weight.value = np.full((3, 3), 1e-200)
    assert tl.extract_lora(base, tuned, energy=0.5).layers["0"].rank == 1


def test_in_single_precision_nothing_but_rounding_is_missing():
    base = base_model(np.float32)
    tuned = fill(tl.adapt(copy.deepcopy(base), 2, seed=1))
    extraction = tl.extract_lora(base, tuned, energy=1.0)
    assert {x.rank for x in extraction.layers.values()} == {2}  # the noise of rounding has every rank
    assert extraction.error < 1e-6 and base[0].lora.lora_A.dtype == np.float32
    np.testing.assert_allclose(base.forward(X), tuned.forward(X), rtol=1e-4, atol=1e-6)


def test_a_saved_module_that_was_trained_as_a_whole_counts_as_it_is():
    base = base_model()
    tuned = fill(tl.adapt(copy.deepcopy(base), 2, ["0"], modules_to_save=["3"], seed=1))
    wanted = tuned.forward(X)
    extraction = tl.extract_lora(base, tuned, rank=4)
    assert extraction.layers.keys() == {"0", "3"} and extraction.error < 1e-14
    np.testing.assert_allclose(base.forward(X), wanted, rtol=1e-11)


def test_a_model_that_is_one_layer_and_one_that_holds_four_bits():
    single = tl.LoRALinear(tl.Linear(6, 4, seed=0), 2, seed=1)
    single.lora.lora_B.value = np.random.default_rng(0).normal(size=(2, 4))
    wanted = single.forward(X)
    assert tl.extract_lora(single, single, energy=1.0, name="plain").layers[""].rank == 2
    np.testing.assert_allclose(single.forward(X), wanted, rtol=1e-12)

    base = base_model()
    tuned = fill(tl.adapt(copy.deepcopy(base), 2, variant="qlora", seed=1))
    wanted = tuned.forward(X)
    assert tl.extract_lora(base, tuned, rank=4).error < 0.1  # what rounding to four bits did is part of the change
    assert np.abs(base.forward(X) - wanted).max() < 0.5
    assert {x.rank for x in tl.extract_lora(tuned, tuned, energy=1.0, name="plain").layers.values()} == {2}
    np.testing.assert_allclose(tuned.forward(X), wanted, rtol=1e-5)


REFUSED = [
    ({}, ValueError, "rank=8, or energy=0.95"),
    ({"rank": 1, "energy": 0.5}, ValueError, "one of two ways"),
    ({"rank": 0}, ValueError, "Rank must be positive"),
    ({"rank": 2.0}, TypeError, "Rank"),
    ({"rank": 5}, ValueError, r"Rank \(5\) cannot exceed the smaller size of a layer: '3' \(9, 4\)"),
    ({"energy": 0.0}, ValueError, "above 0 and at most 1, not 0.0"),
    ({"energy": 1.5}, ValueError, "above 0 and at most 1, not 1.5"),
    ({"energy": float("nan")}, ValueError, "energy"),
    ({"energy": "most"}, TypeError, "energy"),
    ({"rank": 1, "name": "base"}, AdaptError, "cannot be called 'base'"),
    ({"rank": 1, "target_modules": ["up"]}, AdaptError, "'up'"),
]


@pytest.mark.parametrize("options, kind, words", REFUSED, ids=lambda x: str(x) if isinstance(x, dict) else "")
def test_what_makes_no_sense_is_refused_and_nothing_is_changed(options, kind, words):
    base = base_model()
    before = dict(base.named_layers())
    with pytest.raises(kind, match=words):
        tl.extract_lora(base, changed(base, "0.weight", "3.weight"), **options)
    assert base.named_layers() == before and base.parameters()


def test_models_that_do_not_fit_together_are_refused():
    base = base_model()
    with pytest.raises(AdaptError, match=r"only the base has '3\.weight', '3\.bias'"):
        tl.extract_lora(base, tl.Sequential(*list(base)[:3]), rank=1)
    with pytest.raises(AdaptError, match=r"only the tuned model has '4\.weight'"):
        tl.extract_lora(base, tl.Sequential(*base, tl.Linear(4, 2, bias=False)), rank=1)
    other = tl.Sequential(tl.Linear(6, 9), tl.tanh, tl.LayerNorm(9), tl.Linear(9, 3))
    with pytest.raises(ShapeError, match=r"'3.weight' is \(9, 4\) in the base, and \(9, 3\)"):
        tl.extract_lora(base, other, rank=1)
    with pytest.raises(AdaptError, match="the same weights in '0', '3'"):
        tl.extract_lora(base, copy.deepcopy(base), rank=1)
    tuned = changed(base, "0.weight")
    tuned[0].weight.value = np.where(tuned[0].weight.value > 1, np.nan, tuned[0].weight.value)
    with pytest.raises(ValueError, match=r"not finite: '0\.weight'"):
        tl.extract_lora(base, tuned, rank=1)
    merged = fill(tl.adapt(base_model(), 1, seed=0))
    tl.merge_all(merged)
    with pytest.raises(MergedError):
        tl.extract_lora(merged, changed(base, "0.weight"), rank=1, name="other")
