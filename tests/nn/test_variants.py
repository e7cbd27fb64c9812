"""LoRA's relatives: laws that hold for all of them, what is special about each, and equality with PEFT."""

import copy
import json
import pickle
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import variants_in_peft as in_peft
from bench.command import main as bench
from bench.variants import EVERYTHING, NOTHING, RECIPES, compare as measured, table
from code_lines import code_lines
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_lora as tl
from tinygrad_lora.errors import AdaptError, ShapeError
from tinygrad_lora.nn import quantize, restart
from tinygrad_lora.nn.adapters import variants
from tinygrad_lora.nn.adapters.quantized import QuantizedLinear
from tinygrad_lora.nn.adapters.variants import VARIANTS, LoRAPlus, RankAllocator, orthogonality
from tinygrad_lora.nn.adapters.variants.lokr import two_factors

KINDS = {"lora": tl.LoRALayer, **VARIANTS}
SIZES = [(6, 9), (9, 6), (8, 8)]
RANK = 3

every = pytest.mark.parametrize("name", KINDS)
in_every_shape = pytest.mark.parametrize("sizes", SIZES, ids=str)


def alpha(name):
    return -1 if name == "vera" else 5.0


def layer_of(name, sizes=(6, 9), seed=1, dtype=np.float64, **options):
    base = KINDS[name].for_base(tl.Linear(*sizes, seed=0, dtype=dtype))
    return tl.LoRALinear(base, RANK, alpha(name), kind=KINDS[name], seed=seed, **options)


def network(dtype=np.float64):
    return tl.Sequential(tl.Linear(6, 9, seed=0, dtype=dtype), tl.tanh, tl.Linear(9, 4, seed=1, dtype=dtype))


def adapted(name, seed=1, dtype=np.float64, **options):
    return tl.adapt(network(dtype), RANK, alpha=alpha(name), variant=name, seed=seed, **options)


def moved(model, seed=7, size=0.5):
    """The model with other numbers in all that is trained."""
    rng = np.random.default_rng(seed)
    for p in model.parameters():
        p.value = p.value + size * rng.normal(size=p.shape)
    return model


def inputs(width=6, rows=5, seed=3):
    return np.random.default_rng(seed).normal(size=(rows, width))


# --- What holds for all ---


@every
@in_every_shape
def test_a_layer_starts_as_what_it_was(name, sizes):
    layer, x = layer_of(name, sizes), inputs(sizes[0])
    with layer.disabled():
        before = layer.forward(x)
    if KINDS[name].residual:
        assert_allclose(layer.forward(x), before, rtol=1e-12, atol=1e-12)
        assert not np.allclose(layer.base.weight.value, layer.weight.value)  # the rest of the weight
    else:
        assert_array_equal(layer.forward(x), before)


def slopes(layer, x, seed, h=1e-6):
    """Central differences of sum(seed * layer(x)) for every trained number."""
    results = {}
    for name, p in layer.named_parameters().items():
        if p.requires_gradient:
            start, results[name] = p.value.copy(), np.zeros(p.shape)
            for i in np.ndindex(p.shape):
                ends = []
                for step in (h, -h):
                    shifted = start.copy()
                    shifted[i] += step
                    p.value = shifted
                    ends.append(float((seed * layer(tl.constant(x)).value).sum()))
                results[name][i] = (ends[0] - ends[1]) / (2 * h)
            p.value = start
    return results


@every
def test_gradients_are_central_differences(name):
    layer, x = moved(layer_of(name)), inputs()
    g = np.random.default_rng(5).normal(size=(5, 9))
    layer.forward(x)
    dx = layer.backward(g)
    results = {n: p.gradient for n, p in layer.named_parameters().items() if p.requires_gradient}
    wanted = slopes(layer, x, g)
    if name == "dora":  # its norms count as constants, so these two are other numbers: they are compared with PEFT's
        for factor in ("lora.lora_A", "lora.lora_B"):
            assert not np.allclose(results.pop(factor), wanted.pop(factor))
    for n, slope in wanted.items():
        assert_allclose(results[n], slope, rtol=1e-6, atol=1e-7)
    layer.merge()
    assert_allclose(dx, g @ layer.base.weight.value.T, rtol=1e-9, atol=1e-9)


def test_the_norm_of_dora_is_a_constant_in_its_gradient():
    layer, x, g = moved(layer_of("dora")), inputs(), np.ones((5, 9))
    layer.forward(x)
    layer.backward(g)
    lora, W = layer.lora, layer.weight.value
    norms = np.linalg.norm(W + lora.scaling * lora.get_matrix_a() @ lora.get_matrix_b(), axis=0)
    ratio = lora.lora_magnitude_vector.value / norms
    plain = tl.LoRALayer(6, 9, RANK, alpha("dora"))
    plain.load_weights({"lora_A": lora.get_matrix_a(), "lora_B": lora.get_matrix_b()}, strict=True)
    plain.forward(x)
    plain.backward(g * ratio)
    assert_allclose(lora.lora_A.gradient, plain.lora_A.gradient, rtol=1e-12)
    assert_allclose(lora.lora_B.gradient, plain.lora_B.gradient, rtol=1e-12)


@every
@in_every_shape
def test_merging_gives_what_the_layer_gives(name, sizes):
    layer, x = moved(layer_of(name, sizes)), inputs(sizes[0])
    y, weight = layer.forward(x), np.array(layer.weight.value)
    layer.merge()
    assert_allclose(layer.forward(x), y, rtol=1e-11, atol=1e-11)
    layer.unmerge()
    assert_array_equal(layer.forward(x), y)
    assert_array_equal(layer.weight.value, weight)


COUNTS = {
    **dict.fromkeys(("lora", "rslora", "lora_plus", "pissa", "olora", "qlora", "relora"), lambda n, m, r: r * (n + m)),
    "lora_fa": lambda n, m, r: r * m, "dora": lambda n, m, r: r * (n + m) + m, "vera": lambda n, m, r: r + m,
    "adalora": lambda n, m, r: r * (n + m + 1), "loha": lambda n, m, r: 2 * r * (n + m),
    "lokr": lambda n, m, r: 2 * 3 + 3 * 3 if n < m else 3 * 2 + 3 * 3 if n > m else 2 * 2 + 4 * 4,
}  # fmt: skip


@every
@in_every_shape
def test_as_many_numbers_are_trained_as_the_formula_says(name, sizes):
    assert layer_of(name, sizes).parameter_count == COUNTS[name](*sizes, RANK)


@every
def test_saved_weights_come_back(name):
    model, other, x = moved(adapted(name)), adapted(name, seed=2), inputs()
    saved = tl.adapter_weights(model)
    assert not np.allclose(other.forward(x), model.forward(x))
    report = other.load_weights(saved)
    assert report.success and set(report.loaded) == set(saved)
    assert_array_equal(other.forward(x), model.forward(x))
    every_weight = {n: p.value for n, p in model.named_parameters().items()}
    assert adapted(name, seed=3).load_weights(every_weight, strict=True).success


@every
def test_a_compiled_model_gives_the_same(name):
    model, x = moved(adapted(name)), inputs()
    compiled = tl.compile(model)
    for rows in (5, 2):
        assert_allclose(compiled(x[:rows]), model.forward(x[:rows]), rtol=1e-12, atol=1e-12)
    moved(model, seed=8)
    assert_allclose(compiled(x), model.forward(x), rtol=1e-12, atol=1e-12)
    assert model.supports_jit_compilation


@every
def test_a_compiled_training_step_trains_as_the_loop_by_hand(name):
    by_hand, x = moved(adapted(name), size=0.1), inputs()
    compiled, target = copy.deepcopy(by_hand), inputs(4, seed=4)
    optimizer = tl.AdamW(by_hand.parameters(), 0.01)
    step = tl.compile_training_step(compiled, tl.mse, tl.AdamW(compiled.parameters(), 0.01))
    losses = []
    for _ in range(4):
        optimizer.zero_gradients()
        loss = tl.mse(by_hand(tl.constant(x)), target)
        loss.backward()
        optimizer.step()
        assert_allclose(step(x, target), loss.value, rtol=1e-10)
        losses.append(loss.value)
    assert losses[-1] < losses[0]
    assert_allclose(compiled.get_parameters(), by_hand.get_parameters(), rtol=1e-9, atol=1e-11)


@every
def test_copies_and_pickles_give_the_same_and_share_nothing(name):
    model, x = moved(adapted(name)), inputs()
    y = model.forward(x)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert_array_equal(other.forward(x), y)
        assert len(other.parameters()) == len(model.parameters())
        moved(other)
        assert not np.allclose(other.forward(x), y)
    assert_array_equal(model.forward(x), y)


@every
def test_only_the_adapter_is_trained_and_switching_it_off_brings_the_model_back(name):
    model, x = adapted(name), inputs()
    base = quantize(network()) if name == "qlora" else network()
    moved(model)
    assert all(".lora." in n for n, p in model.named_parameters().items() if p.requires_gradient)
    with tl.disabled(model):
        assert_array_equal(model.forward(x), base.forward(x))


@every
def test_the_dtype_is_that_of_the_model(name):
    model, x = moved(adapted(name, dtype=np.float32)), inputs().astype(np.float32)
    assert {p.dtype for p in model.named_parameters().values()} == {np.dtype(np.float32)}
    y = model.forward(x)
    assert y.dtype == np.float32 and tl.compile(model)(x).dtype == np.float32
    tl.merge_all(model)
    assert_allclose(model.forward(x), y, rtol=1e-4, atol=1e-4)
    assert model.forward(x).dtype == np.float32


@every
def test_any_leading_axes_will_do(name):
    layer, x = moved(layer_of(name)), inputs(rows=6)
    y = layer.forward(x)
    assert_allclose(layer.forward(x.reshape(2, 3, 6)), y.reshape(2, 3, 9), rtol=1e-12, atol=1e-14)
    assert_allclose(layer.forward(x[0]), y[0], rtol=1e-12, atol=1e-14)
    assert layer.forward(np.zeros((0, 6))).shape == (0, 9)
    with pytest.raises(tl.errors.ShapeError, match="7"):
        layer.forward(np.zeros((2, 7)))


@every
def test_the_same_seed_gives_the_same_adapter(name):
    one, again, other = (adapted(name, seed=s).get_parameters() for s in (1, 1, 2))
    assert_array_equal(one, again)
    random = name not in ("pissa", "olora", "vera", "lora_fa")  # of the last two, the random part is frozen
    assert (one != other).any() == random


@pytest.mark.parametrize("name", [name for name in KINDS if name != "qlora"])  # which needs a base of its own
def test_it_stands_beside_another_adapter(name):
    model, x = moved(adapted("lora")), inputs()
    tl.adapt(model, 2, variant=name, name="second", seed=5)
    moved(model, seed=9)
    alone = {}
    for which in ("lora", "second"):
        tl.activate(model, which)
        alone[which] = model.forward(x)
    with tl.by_row(model, ["second", "lora", None, "second", None]):
        mixed = model.forward(x)
    assert_allclose(mixed[[0, 3]], alone["second"][[0, 3]], rtol=1e-10, atol=1e-12)
    assert_allclose(mixed[1], alone["lora"][1], rtol=1e-10, atol=1e-12)
    assert_array_equal(mixed[[2, 4]], network().forward(x)[[2, 4]])
    first = model[0]
    with tl.disabled(model):
        base = first.forward(x)
    parts = []
    for which in ("lora", "second"):
        first.activate(which)
        parts.append(first.forward(x) - base)
    first.activate({"lora": 0.25, "second": 0.5})
    assert_allclose(first.forward(x), base + 0.25 * parts[0] + 0.5 * parts[1], rtol=1e-10, atol=1e-10)
    y = first.forward(x)
    first.merge()
    assert_allclose(first.forward(x), y, rtol=1e-10, atol=1e-10)


def test_a_rank_or_alpha_that_makes_no_sense_is_refused():
    for name, kind in KINDS.items():
        base = tl.Linear(6, 9, seed=0)
        for wrong in ({"rank": 0}, {"rank": 2.0}, {"rank": 2, "alpha": 0}, {"rank": 2, "alpha": float("nan")}):
            with pytest.raises((TypeError, ValueError)):
                kind.for_layer(base, **wrong)
        with pytest.raises(TypeError, match="colour"):
            kind.for_layer(base, 2, colour="red")
        assert kind.for_layer(base, 2, seed=0, name="mine").parameters()[0].name.startswith("mine_"), name


@pytest.mark.parametrize("path", sorted(Path(variants.__file__).parent.glob("*.py")), ids=lambda p: p.name)
def test_a_variant_is_at_most_forty_lines(path):
    assert code_lines(path.read_text(encoding="utf-8")) <= 40


# --- What is special ---


def test_rslora_divides_by_the_root_of_the_rank():
    layer, RsLoRA = layer_of("rslora"), KINDS["rslora"]
    assert layer.lora.scaling == 5 / np.sqrt(RANK) == tl.LoRALayer(6, 9, RANK, 5, rslora=True).scaling
    assert RsLoRA(8, 8, 4, alpha=8).scaling == RsLoRA.from_arrays(np.ones((8, 4)), np.ones((4, 8)), 8).scaling == 4


@pytest.mark.parametrize("name", ["lora", "rslora", "lora_fa", "qlora", "adalora", "vera", "loha", "lokr"])
def test_a_variant_that_needs_no_weight_can_be_made_from_sizes(name):
    made, rng = KINDS[name](6, 9, RANK, seed=0, dtype=np.float32, name="mine"), np.random.default_rng(0)
    x = rng.normal(size=(4, 6)).astype(np.float32)
    assert made.forward(x).shape == (4, 9) and not made.forward(x).any() and made.dtype == np.float32
    same = KINDS[name].for_layer(tl.Linear(6, 9, dtype=np.float32), RANK, seed=0, name="mine")
    for own, (theirs, p) in zip(made.named_parameters().items(), same.named_parameters().items(), strict=True):
        assert own[0] == theirs and own[1].name == p.name and own[1].requires_gradient == p.requires_gradient
        assert_array_equal(own[1].value, p.value)
    made.set_parameters(rng.normal(size=made.parameter_count))
    assert_allclose(made.forward(x), x @ made.merge_weights(), rtol=1e-4)


@pytest.mark.parametrize("name", ["dora", "pissa", "olora"])
def test_a_variant_that_starts_at_a_weight_says_how_it_is_made(name):
    kind, base = KINDS[name], tl.Linear(6, 9, seed=0)
    remedy = rf"use {kind.__name__}.for_layer\(linear, rank\), or adapt\(model, rank, variant={kind.__name__}\)"
    with pytest.raises(TypeError, match=f"sizes alone do not make one: {remedy}"):
        kind(6, 9, RANK)
    with pytest.raises(TypeError, match=f"arrays alone do not make one: {remedy}"):
        kind.from_arrays(np.ones((6, 2)), np.ones((2, 9)))
    with pytest.raises(ShapeError, match=r"the weight has the shape \(9, 6\), not \(6, 9\)"):
        kind(6, 9, RANK, weight=base.weight.value.T)
    made = kind(6, 9, RANK, seed=0, weight=base.weight.value.tolist(), name="q")
    assert_array_equal(made.get_parameters(), kind.for_layer(base, RANK, seed=0).get_parameters())
    assert all(p.name.startswith("q_") for p in made.parameters())


def test_variants_made_from_arrays_train_what_they_should():
    A, B = np.ones((6, 2)), np.ones((2, 9))
    assert KINDS["lora_fa"].from_arrays(A, B).parameter_count == B.size
    ada = KINDS["adalora"].from_arrays(A, B, 4, bias=np.ones(9))
    np.testing.assert_allclose(ada.forward(np.ones(6)), np.full(9, 4 / (2 + 1e-5)))  # e is zero: s c is left
    assert ada.parameter_count == A.size + B.size + 9 + 2


def test_lora_plus_takes_longer_steps_with_b():
    plain, plus = adapted("lora"), adapted("lora_plus")
    optimizers = tl.AdamW(plain.parameters(), 0.01), LoRAPlus(plus, 0.01, ratio=16)
    for model, optimizer in zip((plain, plus), optimizers, strict=True):
        before = {n: p.value.copy() for n, p in moved(model).named_parameters().items()}
        tl.mse(model(tl.constant(inputs())), np.zeros((5, 4))).backward()
        optimizer.step()
        model.steps = {n: p.value - before[n] for n, p in model.named_parameters().items()}
    for n, step in plus.steps.items():
        assert_allclose(step, plain.steps[n] * (16 if n.endswith("lora_B") else 1), rtol=1e-9, atol=1e-14)


def test_lora_plus_compiles_and_says_what_it_cannot_train():
    model, by_hand = adapted("lora_plus"), adapted("lora_plus")
    step, optimizer = tl.compile_training_step(model, tl.mse, LoRAPlus(model, 0.01)), LoRAPlus(by_hand, 0.01)
    for _ in range(3):
        optimizer.zero_gradients()
        tl.mse(by_hand(tl.constant(inputs())), np.zeros((5, 4))).backward()
        optimizer.step()
        step(inputs(), np.zeros((5, 4)))
    assert_allclose(model.get_parameters(), by_hand.get_parameters(), rtol=1e-9)
    with pytest.raises(ValueError, match="no trainable lora_B"):
        LoRAPlus(network())
    with pytest.raises(ValueError, match="ratio"):
        LoRAPlus(adapted("lora"), ratio=0)


def test_lora_fa_keeps_its_frozen_a_frozen():
    model = adapted("lora_fa")
    tl.adapt(model, 2, name="second", seed=0)
    tl.activate(model, "lora")
    assert {n.rpartition(".")[2] for n, p in model.named_parameters().items() if p.requires_gradient} == {"lora_B"}


def test_dora_learns_size_and_direction_apart():
    layer, W = layer_of("dora"), layer_of("lora").weight.value
    assert_array_equal(layer.lora.lora_magnitude_vector.value, np.linalg.norm(W, axis=0))
    moved(layer).merge()
    sizes = np.abs(layer.lora.lora_magnitude_vector.value)
    assert_allclose(np.linalg.norm(layer.base.weight.value, axis=0), sizes)
    with pytest.raises(ValueError, match="depends on the weight"):
        layer.lora.merge_weights()


def test_vera_shares_two_matrices_among_all_layers():
    model = adapted("vera", rank_pattern={"2": 2})
    first, second = model[0].lora, model[2].lora
    assert first.vera_A is second.vera_A and first.vera_B is second.vera_B
    assert first.vera_A.shape == (9, 3) and first.vera_B.shape == (3, 9)
    assert [x.vera_lambda_d.value.tolist() for x in (first, second)] == [[0.1] * 3, [0.1] * 2]
    moved(model)
    A, B = first.vera_A.value[:, :2], first.vera_B.value[:2, :4]
    expected = (A * second.vera_lambda_d.value) @ B * second.vera_lambda_b.value
    assert_allclose(second.merge_weights(), expected, rtol=1e-12)
    copied = copy.deepcopy(model)
    assert copied[0].lora.vera_A is copied[2].lora.vera_A
    assert sum(n.endswith("vera_A") for n in tl.adapter_weights(model)) == 1


def test_vera_refuses_a_scale_and_matrices_that_are_too_small():
    with pytest.raises(ValueError, match="alpha must be left out"):
        tl.adapt(network(), 2, alpha=4, variant="vera")
    small = VARIANTS["vera"].shared({"a": tl.Linear(3, 3)}, {"a": 2}, seed=0)
    with pytest.raises(ValueError, match=r"\(3, 2\) and \(2, 3\) are too small for \(6, 9\) of rank 2"):
        VARIANTS["vera"].for_layer(tl.Linear(6, 9), 2, **small)


@in_every_shape
def test_pissa_starts_at_the_best_approximation_of_its_rank(sizes):
    layer = layer_of("pissa", sizes)
    U, S, V = np.linalg.svd(layer.weight.value, full_matrices=False)
    assert_allclose(layer.lora.merge_weights(), (U[:, :RANK] * S[:RANK]) @ V[:RANK], atol=1e-12)
    assert_allclose(np.linalg.norm(layer.base.weight.value, 2), S[RANK])
    A, B = layer.lora.get_matrix_a(), layer.lora.get_matrix_b()
    assert_allclose(A.T @ A, B @ B.T, atol=1e-12)  # the sizes are shared evenly


@in_every_shape
def test_olora_starts_with_orthonormal_rows(sizes):
    B = layer_of("olora", sizes).lora.get_matrix_b()
    assert_allclose(B @ B.T, np.eye(RANK), atol=1e-12)


def test_orthogonality_is_the_mean_distance_from_orthonormal_factors():
    model = moved(adapted("adalora"))
    factors = [F for x in tl.adapters(model).values() for F in (x.lora.lora_A.value, x.lora.lora_B.value.T)]
    expected = np.mean([np.linalg.norm(F.T @ F - np.eye(RANK)) for F in factors])
    assert_allclose(orthogonality(model).value, expected)
    for x in tl.adapters(model).values():
        x.lora.lora_A.value, x.lora.lora_B.value = np.eye(x.lora.input_size, RANK), np.eye(RANK, x.lora.output_size)
    penalty = orthogonality(model)
    penalty.backward()
    assert penalty.value < 1e-14 and np.isfinite(model[0].lora.lora_A.gradient).all()
    with pytest.raises(ValueError, match="no AdaLoRA"):
        orthogonality(network())


def ranked():
    """The two layers whose ranks PEFT's allocator gave up one by one."""
    layers, x, target = in_peft.start_of_ranks()
    model = tl.Sequential(*(tl.Linear.from_arrays(layer["weight"]) for layer in layers))
    tl.adapt(model, 4, alpha=4, variant="adalora")
    for i, layer in enumerate(layers):
        names = ("lora_A", "lora_B", "lora_E")
        model.load_weights({f"{i}.lora.{name}": layer[name] for name in names})
    return model, RankAllocator(model, lr=0.05, weight_decay=0.01, **in_peft.BUDGET), x, target


@pytest.mark.parametrize("compiled", [False, True], ids=["by hand", "compiled"])
def test_adalora_gives_up_the_ranks_that_peft_gives_up(compiled):
    model, optimizer, x, target = ranked()
    step = tl.compile_training_step(model, tl.mse, optimizer)
    for wanted in in_peft.stored()["ranks"]["history"]:
        if compiled:
            step(x, target)
        else:
            optimizer.zero_gradients()
            tl.mse(model(tl.constant(x)), target).backward()
            optimizer.step()
        for layer, e in zip(tl.adapters(model).values(), wanted, strict=True):
            assert_allclose(layer.lora.lora_E.value, e, rtol=1e-9, atol=1e-12)
    assert len(step.programs) == compiled  # giving up a rank changes numbers, and not the program
    left = sum(np.count_nonzero(x.lora.lora_E.value) for x in tl.adapters(model).values())
    assert left == 2 * in_peft.BUDGET["target_rank"]


def test_the_rank_allocator_refuses_what_it_cannot_plan():
    with pytest.raises(ValueError, match="no AdaLoRA adapter is trained here"):
        RankAllocator(adapted("lora"), target_rank=1, total_steps=10)
    with pytest.raises(ValueError, match=r"need 0 <= warmup < .*: warmup=8, total_steps=10, final=2"):
        RankAllocator(adapted("adalora"), target_rank=1, total_steps=10, warmup=8, final=2)
    with pytest.raises(ValueError, match=r"0 <= final: .* final=-1"):
        RankAllocator(adapted("adalora"), target_rank=1, total_steps=10, final=-1)


@pytest.mark.parametrize(
    ("name", "option"),
    [("adalora", {"lora_bias": True}), ("adalora", {"rslora": True}), ("dora", {"lora_bias": True})]
    + [(name, {"init": "kaiming_uniform"}) for name in ("adalora", "pissa", "olora")],
)
def test_an_option_that_a_variant_does_not_have_is_refused_by_name(name, option):
    model = network()
    with pytest.raises(ValueError, match=next(iter(option))):
        tl.adapt(model, 2, variant=name, **option)
    assert not tl.adapters(model) and model.parameters()


def test_the_size_of_a_change_that_is_told_is_that_of_the_change():
    for name in ("lora", "rslora", "adalora", "pissa"):
        layer = layer_of(name) if name == "adalora" else moved(layer_of(name))
        for _ in range(2):
            diagnostics = float(layer.get_diagnostics()["lora.delta_norm"])
            assert diagnostics == pytest.approx(np.linalg.norm(layer.lora.merge_weights()), rel=1e-5)
            moved(layer)


def test_loha_reaches_the_square_of_its_rank():
    lora, loha = (moved(layer_of(name, (20, 20))) for name in ("lora", "loha"))
    ranks = [np.linalg.matrix_rank(x.lora.merge_weights()) for x in (lora, loha)]
    assert ranks == [RANK, RANK * RANK]


def test_two_factors_are_those_of_peft_and_their_product_is_the_number():
    for n in range(1, 200):
        a, b = two_factors(n)
        assert a * b == n and a <= b and not any(n % k == 0 for k in range(a + 1, int(n**0.5) + 1))
    assert two_factors(12, 6) == (6, 2) and two_factors(12, 5) == (3, 4)
    assert layer_of("lokr", (12, 12)).lora.lokr_w1.shape == (3, 3)
    factored = tl.LoRALinear(tl.Linear(12, 12, seed=0), 2, kind=VARIANTS["lokr"], decompose_factor=6)
    assert factored.lora.lokr_w1.shape == (6, 6) and factored.lora.lokr_w2.shape == (2, 2)


def test_lokr_never_computes_the_large_matrix():
    layer = moved(layer_of("lokr", (64, 64)))
    nodes = tl.Graph([x := tl.placeholder((2, 64))], [layer.lora(x)]).nodes
    assert max(node.size for node in nodes) <= 2 * 64


@pytest.mark.parametrize("compiled", [False, True], ids=["by hand", "compiled"])
def test_restarts_add_up_to_a_change_of_higher_rank(compiled):
    model, x, target = adapted("relora"), inputs(rows=40), inputs(4, rows=40, seed=4)
    optimizer = tl.AdamW(model.parameters(), 0.02)
    step = tl.compile_training_step(model, tl.mse, optimizer)
    W, losses = np.array(model[0].weight.value), []
    for part in range(3):
        for _ in range(30):
            if compiled:
                losses.append(step(x, target))
            else:
                optimizer.zero_gradients()
                loss = tl.mse(model(tl.constant(x)), target)
                loss.backward()
                optimizer.step()
                losses.append(loss.value)
        y = model.forward(x)
        restart(model, optimizer, seed=part)
        assert_allclose(model.forward(x), y, rtol=1e-10, atol=1e-12)
        assert not model[0].lora.lora_B.value.any() and not any(s.value.any() for slot in optimizer.slots for s in slot)
        assert [n.value for n in optimizer.numbers] == [1, 1]
    assert losses[-1] < losses[29] < losses[0]
    assert np.linalg.matrix_rank(model[0].weight.value - W) == min(3 * RANK, 6) > RANK


def test_a_restart_takes_as_much_of_the_change_as_is_active():
    model, x = moved(adapted("relora")), inputs()
    tl.activate(model, {"lora": 0.25})
    y = model.forward(x)
    restart(model, seed=0)
    assert_allclose(model.forward(x), y, rtol=1e-12, atol=1e-12)
    before = model.get_parameters()
    with pytest.raises(ValueError, match="init"):
        restart(model, seed=0, init="zeros")
    assert_array_equal(model.get_parameters(), before)


def test_restarts_are_refused_where_they_would_change_the_model():
    for name in ("dora", "pissa", "qlora"):
        model = adapted(name)
        with pytest.raises(AdaptError, match="0 of 2"):
            restart(model, seed=0)
    with pytest.raises(AdaptError):
        restart(network())
    model = adapted("lora")
    model[0].lora.activation = tl.relu
    before = [p.value for p in model.named_parameters().values()]
    with pytest.raises(AdaptError, match=r"a restart needs LoRA, without activation, .*: 1 of 2 layers are so"):
        restart(model, seed=0)
    assert all(p.value is old for p, old in zip(model.named_parameters().values(), before, strict=True))
    model = adapted("lora")
    before = model.get_parameters()

    class Own(tl.SGD):
        """An optimizer whose start nobody knows."""

    optimizer = Own(model.parameters(), 0.1)
    optimizer.numbers = [tl.parameter(np.float64(3.0))]
    with pytest.raises(ValueError, match="Own"):
        restart(model, optimizer, seed=0)
    assert_array_equal(model.get_parameters(), before)


def test_qlora_replaces_the_base_and_says_so():
    model = adapted("qlora")
    assert all(isinstance(x.base, QuantizedLinear) for x in tl.adapters(model).values())
    mixed = adapted("lora")

    class Own(tl.Linear):
        """A layer that may compute something else."""

    with pytest.raises(AdaptError, match="only a plain Linear can be quantized, not one of type Own"):
        tl.adapt(tl.Sequential(Own(4, 4)), 2, variant="qlora")
    with pytest.raises(AdaptError, match="QLoRA needs another base than the Linear"):
        tl.adapt(mixed, 2, variant="qlora", name="second")


def test_a_word_that_is_no_variant_gets_the_list():
    with pytest.raises(AdaptError, match="'dora'"):
        tl.adapt(network(), 2, variant="dorra")


# --- The benchmark ---


@pytest.mark.slow
def test_the_benchmark_trains_each_variant_and_counts_what_it_costs():
    results = {f.name: f for f in measured(list(RECIPES), seeds=1, epochs=2, track=lambda steps, description: steps)}
    assert set(results) == {NOTHING, *RECIPES} and set(RECIPES) == {*KINDS, EVERYTHING}
    assert all(results[name].accuracies[0] > results[NOTHING].accuracies[0] for name in RECIPES)
    weights = sum(n * m for n, m in pairwise((64, 128, 64, 10)))
    assert results[EVERYTHING].trained == weights + 128 + 64 + 10 and results[EVERYTHING].frozen_bytes == 0
    assert results["lora"].trained == 4 * (64 + 128 + 128 + 64 + 64 + 10)
    assert results["lora"].state_bytes == 3 * 8 * results["lora"].trained + 16  # with two means, and two numbers
    assert results["lora"].frozen_bytes == 8 * results[EVERYTHING].trained
    assert results["qlora"].frozen_bytes < 0.55 * weights + 8 * 202
    assert results["lora"].ratio == 1 and all(results[name].ratio > 0 for name in RECIPES)
    assert len(table(list(results.values())).splitlines()) == 2 + len(results)


@pytest.mark.slow
def test_the_command_prints_a_table_or_json_and_refuses_other_names(capsys, tmp_path):
    options = ["--seeds", "2", "--epochs", "1"]
    assert bench(["variants", "lora", "vera", "--out", str(tmp_path / "table.md"), *options]) == 0
    printed = capsys.readouterr().out
    assert "| vera " in printed and "±" in printed and printed == (tmp_path / "table.md").read_text(encoding="utf-8")
    assert bench(["variants", "lora_fa", "--json", *options]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["name"] for row in rows] == [NOTHING, "lora_fa"] and len(rows[1]["accuracies"]) == 2
    assert bench(["variants", "lorra"]) == 2
    assert "there is no variant called 'lorra'; there are lora, " in capsys.readouterr().err
    assert bench(["variants", "--seeds", "0"]) == 2


# --- PEFT ---


def compare(name, wanted):
    weight, bias, x, target = in_peft.problem()
    rtol = 1e-11
    variant = name.removesuffix("_whole")
    base = tl.Linear.from_arrays(weight, bias)
    layer = tl.LoRALinear(
        base, in_peft.rank_of(name), -1 if name == "vera" else in_peft.ALPHA, kind=KINDS[variant], seed=0
    )
    if KINDS[variant].residual:  # PEFT's start was computed in float32
        assert_allclose(layer.base.weight.value, wanted["base"], atol=1e-5)
        s, A, B = layer.lora.scaling, *(np.array(wanted["start"][n]) for n in ("lora_A", "lora_B"))
        assert_allclose(layer.lora.merge_weights(), s * A @ B, atol=1e-5)
        layer = tl.LoRALinear(tl.Linear.from_arrays(np.array(wanted["base"]), bias), in_peft.RANK, in_peft.ALPHA)
    report = layer.lora.load_weights({n: np.array(a) for n, a in wanted["start"].items()}, strict=True)
    assert report.success
    y = layer.forward(x)
    assert_allclose(y, wanted["output"], rtol=rtol, atol=rtol)
    layer.backward(2 * (y - target) / y.size)
    for n, g in wanted["gradients"].items():
        assert_allclose(layer.lora.named_parameters()[n].gradient, g, rtol=rtol, atol=rtol)
    step = tl.compile_training_step(layer, tl.mse, tl.SGD(layer.parameters(), in_peft.RATE))
    for _ in range(in_peft.STEPS):
        step(x, target)
    assert_allclose(layer.forward(x), wanted["trained"], rtol=1e-10, atol=1e-10)
    layer.merge()
    assert_allclose(layer.base.weight.value, wanted["merged"], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", in_peft.NAMES)
def test_output_gradients_training_and_merged_weight_are_those_of_peft(name):
    compare(name, in_peft.stored()[name])


@pytest.fixture(scope="module", name="peft")
def _peft():
    pytest.importorskip("torch", reason="torch is not installed")
    return pytest.importorskip("peft", reason="peft is not installed", exc_type=ImportError)


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", in_peft.NAMES)
def test_they_are_those_of_the_peft_that_is_installed(peft, name):
    compare(name, in_peft.from_peft(name))


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore")
def test_the_stored_ranks_are_those_of_the_peft_that_is_installed(peft):
    assert_allclose(in_peft.ranks_from_peft()["history"], in_peft.stored()["ranks"]["history"], atol=1e-9)
