"""A whole compiled training step against the same step run eagerly."""

import copy

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_lora as tl
from tinygrad_lora.errors import CompileError, GradientError, MergedError, RecompileWarning, ShapeError

OPTIMIZERS = {
    "sgd": lambda p: tl.SGD(p, 0.1),
    "momentum": lambda p: tl.SGD(p, 0.05, momentum=0.9, weight_decay=0.01),
    "adam": lambda p: tl.Adam(p, 1e-2),
    "adamw": lambda p: tl.AdamW(p, 1e-2, weight_decay=0.1),
}


def network(dtype=np.float64, rank=0):
    model = tl.Sequential(tl.Linear(6, 8, seed=0, dtype=dtype), tl.gelu, tl.Linear(8, 3, seed=1, dtype=dtype))
    return tl.adapt(model, rank, seed=2) if rank else model


def data(n=10, dtype=np.float64):
    rng = np.random.default_rng(3)
    return rng.normal(size=(n, 6)).astype(dtype), rng.integers(0, 3, n)


def eager_step(model, optimizer, x, labels):
    optimizer.zero_gradients()
    loss = tl.cross_entropy(model(tl.constant(x)), labels)
    loss.backward()
    optimizer.step()
    return float(loss)


def everything(model, optimizer):
    return [p.value for p in [*model.named_parameters().values(), *optimizer.state]]


@pytest.mark.parametrize("rank", [0, 2])
@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-12), (np.float32, 2e-4)])
def test_a_compiled_step_is_the_eager_step(make, rank, dtype, rtol):
    eager, compiled = network(dtype, rank), network(dtype, rank)
    one, two = make(eager.parameters()), make(compiled.parameters())
    step = tl.compile_training_step(compiled, tl.cross_entropy, two)
    x, labels = data(dtype=dtype)
    for i in range(6):
        if i == 3:
            one.lr = two.lr = 0.003  # a schedule needs no new program
        assert_allclose(step(x, labels), eager_step(eager, one, x, labels), rtol=rtol)
    for a, b in zip(everything(compiled, two), everything(eager, one), strict=True):
        assert a.dtype == b.dtype
        assert_allclose(a, b, rtol=rtol, atol=rtol)
    assert len(step.programs) == 1


def test_another_batch_size_gets_its_own_program_and_the_same_parameters():
    model = network()
    step = tl.compile_training_step(model, tl.cross_entropy, tl.Adam(model.parameters(), 1e-2))
    losses = [step(*data(n)) for n in (10, 7, 10, 7)]
    assert len(step.programs) == 2 and losses[2] < losses[0] and losses[3] < losses[1]


def test_a_step_that_is_compiled_again_and_again_says_so_where_it_is_called():
    model = network()
    step = tl.compile_training_step(model, tl.cross_entropy, tl.SGD(model.parameters(), 1e-2))
    for ask in (step, step.prepare):
        step.programs.generated = 0
        with pytest.warns(RecompileWarning, match="its shape or dtype varies") as caught:
            for n in range(1, 17):
                ask(*data(n + 100 * (ask is step)))
        assert caught[0].filename == __file__


def test_frozen_weights_stay_and_are_not_differentiated():
    model = network(rank=2)
    frozen = {n: np.array(p.value) for n, p in model.named_parameters().items() if not p.requires_gradient}
    step = tl.compile_training_step(model, tl.cross_entropy, tl.SGD(model.parameters(), 0.1))
    step(*data())
    for name, before in frozen.items():
        assert_array_equal(model.named_parameters()[name].value, before)
    # The gradients of the frozen weights would be the only (6, 8) and (8, 3) arrays.
    computed = {n.shape for n in step.graph.nodes if n.parents}
    assert not computed & {(6, 8), (8, 3)}


def test_a_failed_step_changes_nothing():
    model = network()
    optimizer = tl.Adam(model.parameters(), 1e-2)
    step = tl.compile_training_step(model, tl.cross_entropy, optimizer)
    x, labels = data()
    step(x, labels)
    before = [np.array(a) for a in everything(model, optimizer)]
    with pytest.raises(ShapeError):
        step(x[:, :5], labels)
    with pytest.raises(IndexError):
        step(x, labels + 9)
    with pytest.raises(ValueError, match="label -1 is not a class"):
        step(x, np.where(labels == 2, -1, labels))
    for a, b in zip(everything(model, optimizer), before, strict=True):
        assert_array_equal(a, b)
    assert step(x, labels) > 0


def test_whole_number_targets_of_a_regression_may_be_negative():
    model = tl.Linear(6, 1, seed=0)
    step = tl.compile_training_step(model, tl.mse, tl.SGD(model.parameters(), 0.01))
    x, _ = data()
    assert step(x, np.full((10, 1), -2)) > step(x, np.full((10, 1), -2))


def test_a_merged_adapter_is_not_trained_in_silence():
    model = network(rank=2)
    step = tl.compile_training_step(model, tl.cross_entropy, tl.SGD(model.parameters(), 0.1))
    step(*data())
    tl.merge_all(model)
    with pytest.raises(MergedError, match="unmerge"):
        step(*data())
    tl.unmerge_all(model)
    step(*data())


def test_variables_carry_the_paths_of_the_model():
    model = network(rank=2)
    step = tl.compile_training_step(model, tl.cross_entropy, tl.SGD(model.parameters(), 0.1))
    step(*data())
    header = step.source[step.source.index("def training_step") :].split("):")[0]
    assert "layer0_base_weight" in header and "layer2_lora_lora_B" in header


def test_a_layer_is_compiled_again_when_its_adapter_is_switched_off():
    model = network(rank=2)
    for p in model.parameters():
        p.value = p.value + 1.0
    compiled = tl.compile(model)
    x, _ = data()
    with_adapter = compiled(x)
    with tl.disabled(model):
        without = compiled(x)
        assert_allclose(without, model.forward(x), rtol=1e-12)
    assert not np.allclose(with_adapter, without)
    assert_array_equal(compiled(x), with_adapter)
    tl.merge_all(model)
    assert_allclose(compiled(x), with_adapter, rtol=1e-10)


def test_a_copied_model_does_not_share_a_compiled_step():
    model = network()
    twin = copy.deepcopy(model)
    step = tl.compile_training_step(model, tl.cross_entropy, tl.SGD(model.parameters(), 0.1))
    before = twin.get_parameters()
    step(*data())
    assert_array_equal(twin.get_parameters(), before)


def test_a_setting_of_the_optimizer_may_change_between_steps():
    eager, compiled = network(), network()
    one, two = (tl.AdamW(m.parameters(), 1e-2, weight_decay=0.0) for m in (eager, compiled))
    step = tl.compile_training_step(compiled, tl.cross_entropy, two)
    x, labels = data()
    for i in range(4):
        if i == 2:
            one.weight_decay = two.weight_decay = 0.3
        step(x, labels)
        eager_step(eager, one, x, labels)
    assert_allclose(compiled.get_parameters(), eager.get_parameters(), rtol=1e-12)


def test_a_float32_model_computes_in_float32_whatever_it_is_fed():
    model = network(np.float32)
    step = tl.compile_training_step(model, tl.cross_entropy, tl.SGD(model.parameters(), 0.1))
    step(*data(dtype=np.float64))
    assert not [n for n in step.graph.nodes if n.dtype == np.float64 and n.shape]


def test_an_optimizer_of_another_model_is_noticed():
    model, other = network(), network()
    step = tl.compile_training_step(model, tl.cross_entropy, tl.SGD(other.parameters(), 0.1))
    with pytest.raises(GradientError, match="another model"):
        step(*data())


def test_what_is_not_a_function_is_refused_at_once():
    model = network()
    with pytest.raises(CompileError, match="the loss must be a function of nodes, not str"):
        tl.compile_training_step(model, "mse", tl.SGD(model.parameters(), 0.1))


# --- Several micro-batches in one step ---


def deep_network(dtype=np.float64):
    layers = [layer for i in range(3) for layer in (tl.Linear(8, 8, seed=i, dtype=dtype), tl.gelu)]
    return tl.Sequential(*layers, tl.Linear(8, 3, seed=9, dtype=dtype))


def deep_step(n, rows=240, **settings):
    model = deep_network()
    optimizer = tl.AdamW(model.parameters(), lr=0.01, max_norm=1.0)
    step = tl.compile_training_step(model, tl.cross_entropy, optimizer, micro_batches=n, **settings)
    rng = np.random.default_rng(0)
    return model, step, rng.normal(size=(rows, 8)), rng.integers(0, 3, rows)


@pytest.mark.parametrize("settings", [{}, {"buffers": False}, {"check": True, "passes": ()}], ids=str)
@pytest.mark.parametrize("n", [2, 3])
def test_micro_batches_give_the_update_of_the_whole_batch(n, settings):
    model, step, x, labels = deep_step(1)
    parts, cut, *_ = deep_step(n, **settings)
    for _ in range(3):
        assert cut(x, labels) == pytest.approx(step(x, labels), rel=1e-12)
    assert_allclose(parts.get_parameters(), model.get_parameters(), rtol=1e-9, atol=1e-12)


@pytest.mark.slow
def test_micro_batches_take_the_memory_of_one():
    """The scheduler finishes one, back to the gradients, before it begins the next."""

    def planned(n, rows):
        _, step, x, labels = deep_step(n, rows)
        return step.prepare(x, labels).memory.size

    whole, one = planned(1, 2400), planned(1, 300)
    weights = sum(p.value.nbytes for p in deep_network().parameters())
    assert planned(8, 2400) <= one + 2 * weights < whole / 3


def test_the_gradient_of_the_input_is_put_together():
    model = deep_network()
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(12, 8)), rng.integers(0, 3, 12)
    slopes = []
    for n in (1, 3):
        twin = copy.deepcopy(model)
        optimizer = tl.SGD(twin.parameters(), 0.1)
        step = tl.compile_training_step(twin, tl.cross_entropy, optimizer, input_gradient=True, micro_batches=n)
        slopes.append(step(x, labels)[1])
    assert_allclose(slopes[1], slopes[0], rtol=1e-12)


def test_a_negative_label_in_any_micro_batch_is_refused():
    model, step, x, labels = deep_step(4)
    before = model.get_parameters()
    labels[-1] = -1
    with pytest.raises(ValueError, match="label -1 is not a class"):
        step(x, labels)
    assert_array_equal(model.get_parameters(), before)


def test_what_cannot_be_cut_into_micro_batches_is_refused():
    _, step, x, labels = deep_step(7)
    with pytest.raises(ShapeError, match=r"\(240, 8\) for \(240,\) cannot be cut into 7 micro-batches"):
        step(x, labels)
    for wrong in (0, 2.0, True, "2"):
        with pytest.raises(CompileError, match="how many parts a batch is cut into, 1 or more"):
            deep_step(wrong)
