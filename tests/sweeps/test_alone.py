"""The law of a sweep: side by side, each adapter has the numbers that it has alone."""

from functools import partial

import numpy as np
import pytest
from sweep_cases import CLASSES, STEPS, assert_alike, batches, model, runs_of, train_alone, train_stacked

import tinygrad_lora as tl
from tinygrad_lora.sweeps.settings import NAMES, SCALED
from tinygrad_lora.sweeps.stack import Stack, StackedStep


def check(runs, *, own_batches=False, rtol=1e-12, dtype=np.float64, **how):
    base = model(dtype)
    xs, ys = batches((len(runs),) if own_batches else ())
    losses, stack = train_stacked(base, runs, xs, ys, own_batches=own_batches, **how)
    assert_alike(stack, losses, base, xs, ys, own_batches=own_batches, rtol=rtol, **how)
    return losses, stack


def test_other_ranks_and_alphas():
    check(runs_of(rank=[1, 6], alpha=[None, 5.0]))


@pytest.mark.slow
def test_everything_at_once():
    check(runs_of(rank=[1, 3, 6], alpha=[None, 5.0], lr=[1e-3, 1e-2], seed=[0, 7]))


@pytest.mark.parametrize("variant", NAMES)
def test_every_variant(variant):
    ranks = [1, 4] if variant in SCALED else [2]
    runs = runs_of(variant=variant, rank=ranks, lr=[1e-3] if len(ranks) > 1 else [1e-3, 3e-3])
    check(runs, rtol=1e-11 if variant == "lora_plus" else 1e-12)  # whose rate for B is 16 times as high


@pytest.mark.slow
def test_variants_that_differ_in_scale_and_rate_are_one_stack():
    runs = runs_of(variant=["lora", "rslora", "lora_plus"], rank=[2, 5], alpha=[4.0], lr=1e-3)
    assert len({run.kind for run in runs}) == 1
    check(runs)


def test_each_run_may_have_batches_of_its_own():
    check(runs_of(rank=[1, 4], seed=[0, 1]), own_batches=True)


@pytest.mark.parametrize("targets", [("0", "4"), "all-linear", r"[02]", ("2",)], ids=str)
def test_some_layers_alone(targets):
    check(runs_of(target_modules=targets, rank=[1, 4]))


OPTIMIZERS = {
    "sgd": partial(tl.SGD, momentum=0.9, weight_decay=0.1), "plain sgd": tl.SGD, "adam": tl.Adam,
    "clipped": partial(tl.AdamW, max_norm=0.5, weight_decay=0.2), "clipped sgd": partial(tl.SGD, max_norm=0.05),
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_rule(name):
    check(runs_of(rank=[1, 4], lr=3e-3), make=OPTIMIZERS[name])


@pytest.mark.parametrize("rate", [partial(tl.cosine, steps=40, warmup=5), partial(tl.step_decay, factor=0.5, every=9)])
def test_schedules_are_data(rate):
    check(runs_of(rank=2, lr=[1e-3, 1e-2]), rate=rate)


OPTIONS = [
    {"bias": "all"}, {"lora_bias": True}, {"init": "kaiming_uniform"},
    {"modules_to_save": ["4"], "exclude_modules": ["4"]},
]  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: next(iter(options)))
def test_what_else_adapt_trains(options):
    check(runs_of(rank=[1, 4]), options=options)


class Reader(tl.Layer):
    """A transformer block that reads tokens: embeddings, attention, a norm, and a head."""

    takes_indices = True
    input_shape = (5,)

    def __init__(self):
        self.tokens = tl.Embedding(11, 8, seed=1)
        self.q, self.k, self.v = (tl.Linear(8, 8, seed=seed) for seed in (2, 3, 4))
        self.norm, self.head = tl.LayerNorm(8), tl.Linear(8, CLASSES, seed=5)

    def __call__(self, ids):
        x = self.tokens(ids)
        q, k, v = (tl.reshape(f(x), (*x.shape[:2], 2, 4)) for f in (self.q, self.k, self.v))
        weights = tl.softmax(tl.sum(tl.reshape(q, (-1, 5, 1, 2, 4)) * tl.reshape(k, (-1, 1, 5, 2, 4)), -1), axis=2)
        mixed = tl.sum(tl.reshape(weights, (-1, 5, 5, 2, 1)) * tl.reshape(v, (-1, 1, 5, 2, 4)), 2)
        return self.head(tl.mean(self.norm(x + tl.reshape(mixed, x.shape)), axis=1))


@pytest.mark.parametrize("own_batches", [False, True])
@pytest.mark.parametrize("targets", [("tokens", "q", "v"), ("v", "head")], ids=str)
def test_a_transformer_with_embeddings(targets, own_batches):
    runs = runs_of(rank=[1, 3], alpha=[None, 2.0], lr=3e-3, target_modules=[targets])
    rng, shape = np.random.default_rng(0), (STEPS, len(runs), 4) if own_batches else (STEPS, 4)
    xs, ys = rng.integers(0, 11, (*shape, 5)), rng.integers(0, CLASSES, shape)
    losses, stack = train_stacked(Reader(), runs, xs, ys, own_batches=own_batches)
    assert_alike(stack, losses, Reader(), xs, ys, own_batches=own_batches)


@pytest.mark.slow
def test_float32_to_its_own_rounding():
    check(runs_of(rank=[1, 4], alpha=[None, 3.0], lr=[1e-4, 1e-3]), dtype=np.float32, rtol=2e-4)


@pytest.mark.slow
@pytest.mark.parametrize("own_batches", [False, True])
def test_a_run_that_diverges_changes_no_number_of_the_others(own_batches):
    runs = runs_of(rank=[1, 4], lr=[1e-3, 1e200, 1e-2, 1e30])
    losses, _ = check(runs, own_batches=own_batches)
    diverged = ~np.isfinite(losses[-1])
    assert diverged.any() and not diverged.all()
    xs, ys = batches((len(runs),) if own_batches else ())
    calm = [run for run, lost in zip(runs, diverged, strict=True) if not lost]
    keep = np.flatnonzero(~diverged)
    others, _ = train_stacked(
        model(), calm, xs[:, keep] if own_batches else xs, ys[:, keep] if own_batches else ys, own_batches=own_batches
    )
    np.testing.assert_allclose(losses[:, keep], others, rtol=1e-12)


def test_padding_stays_zero_and_has_no_moments():
    runs = runs_of(rank=[1, 6], lr=[1e-2])
    _, stack = train_stacked(model(), runs, *batches())
    stack_again = Stack(model(), runs, tl.cross_entropy, {})
    optimizer = stack_again.optimizer(tl.AdamW, [lambda step: 1e-2] * 2)
    step = StackedStep(stack_again, optimizer)
    for x, y in zip(*batches(), strict=True):
        step(x, y)
    for trained in (stack, stack_again):
        for name, p in trained.parameters.items():
            padding = p.value[0][:, 1:] if name.endswith("lora_A") else p.value[0][1:]
            assert padding.size and not padding.any()
    for slot in optimizer.slots:
        for moment, name in zip(slot, stack_again.parameters, strict=True):
            assert not (moment.value[0][:, 1:] if name.endswith("lora_A") else moment.value[0][1:]).any()


def test_a_run_that_is_dropped_changes_no_number_of_those_that_stay():
    base, runs, (xs, ys) = model(), runs_of(rank=[1, 2, 4], lr=[1e-3, 1e-2]), batches()
    stack = Stack(base, runs, tl.cross_entropy, {})
    optimizer = stack.optimizer(tl.AdamW, [lambda step, lr=run.lr: lr for run in runs])
    step = StackedStep(stack, optimizer)
    for x, y in zip(xs[:20], ys[:20], strict=True):
        step(x, y)
    slots, numbers = [[p.value[[1, 4]] for p in slot] for slot in optimizer.slots], [p.value for p in optimizer.numbers]
    stack.keep([1, 4])
    optimizer = stack.optimizer(tl.AdamW, [lambda step, lr=run.lr: lr for run in stack.runs])
    optimizer.steps = 20
    for node, array in zip(optimizer.state, [*slots[0], *slots[1], *numbers], strict=True):
        node.value = array
    step = StackedStep(stack, optimizer)
    losses = np.array([step(x, y) for x, y in zip(xs[20:], ys[20:], strict=True)])
    for i, run in enumerate(stack.runs):
        expected, parameters = train_alone(base, run, xs, ys)
        np.testing.assert_allclose(losses[:, i], expected[20:], rtol=1e-12)
        for name, array in stack.arrays(i).items():
            np.testing.assert_allclose(array, parameters[name], rtol=1e-12, atol=1e-13)


def test_another_rate_compiles_nothing_again():
    base, (xs, ys) = model(), batches()
    stack = Stack(base, runs_of(lr=[1e-3, 1e-2]), tl.cross_entropy, {})
    rates = [1e-3, 1e-2]
    step = StackedStep(stack, stack.optimizer(tl.AdamW, [lambda step, i=i: rates[i] * (step + 1) for i in (0, 1)]))
    for i in range(STEPS):
        step(xs[i], ys[i])
        rates[0] *= 1.01
    assert step.programs.generated == 1


def test_the_base_is_in_memory_once():
    base = model()
    arrays = {id(p.value) for p in base.named_parameters().values()}
    stack = Stack(base, runs_of(rank=[1, 4], seed=list(range(8))), tl.cross_entropy, {})
    frozen = [p for p in stack.prototype.named_parameters().values() if not p.requires_gradient]
    assert frozen and all(id(p.value) in arrays for p in frozen)
    assert not stack.frozen
    assert {id(p.value) for p in base.named_parameters().values()} == arrays


def test_one_batch_for_all_is_multiplied_by_the_first_weight_once():
    stack = Stack(model(), runs_of(seed=[0, 1, 2, 3]), tl.cross_entropy, {})
    step = StackedStep(stack, stack.optimizer(tl.AdamW, [lambda step: 1e-3] * 4))
    xs, ys = batches()
    step(xs[0], ys[0])
    base = next(iter(stack.prototype[0].original.named_parameters().values()))
    leaf = dict(zip(step.graph.captured, step.graph.weights, strict=True))[base]
    assert [user.shape for user in step.graph.users[leaf]] == [(xs.shape[1], base.shape[1])]
