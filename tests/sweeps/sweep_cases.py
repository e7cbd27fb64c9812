"""A small task that sweeps train on in these tests, and the same runs one by one."""

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.nn.adapters.variants import LoRAPlus
from tinygrad_lora.sweeps.settings import grid
from tinygrad_lora.sweeps.stack import Stack, StackedStep, adapted_copy

IN, CLASSES, BATCH, STEPS = 10, 6, 8, 50


def model(dtype=np.float64):
    first, second = tl.Linear(IN, 14, seed=1, dtype=dtype), tl.Linear(14, 12, seed=2, dtype=dtype)
    return tl.Sequential(first, tl.gelu, second, tl.tanh, tl.Linear(12, CLASSES, seed=3, dtype=dtype))


def examples(count, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, IN)), rng.integers(0, CLASSES, count)


def batches(runs=()):
    """The batches of all steps, shared or one for each run."""
    rng = np.random.default_rng(4)
    shape = (STEPS, *runs, BATCH)
    return rng.normal(size=(*shape, IN)), rng.integers(0, CLASSES, shape)


def runs_of(**choices):
    every = {"variant": "lora", "target_modules": "all-linear", "rank": 2, "alpha": None, "lr": 1e-2, "seed": 0}
    return grid(1000, **{**every, **choices})


def train_stacked(base, runs, xs, ys, make=tl.AdamW, rate=lambda lr: lr, options=None, own_batches=False):
    """The losses (steps, n) and the stack after its training."""
    stack = Stack(base, runs, tl.cross_entropy, options or {})
    schedules = [lr if callable(lr := rate(run.lr)) else (lambda step, lr=lr: lr) for run in runs]
    step = StackedStep(stack, stack.optimizer(make, schedules), own_batches)
    with np.errstate(all="ignore"):
        return np.array([step(x, y) for x, y in zip(xs, ys, strict=True)]), stack


def train_alone(base, run, xs, ys, make=tl.AdamW, rate=lambda lr: lr, options=None):
    """The losses of one run, trained as anybody would, and its parameters by name."""
    adapted = adapted_copy(base, run, options or {})
    make = LoRAPlus if run.variant == "lora_plus" and make is tl.AdamW else make
    optimizer = make(adapted if make is LoRAPlus else adapted.parameters(), lr=rate(run.lr))
    step = tl.compile_training_step(adapted, tl.cross_entropy, optimizer)
    with np.errstate(all="ignore"):
        losses = np.array([step(x, y) for x, y in zip(xs, ys, strict=True)])
    return losses, {name: p.value for name, p in adapted.named_parameters().items() if p.requires_gradient}


def assert_alike(stack, losses, base, xs, ys, *, own_batches=False, rtol=1e-12, **how):
    """Every run that stays finite has the numbers that it has alone."""
    for i, run in enumerate(stack.runs):
        own = (xs[:, i], ys[:, i]) if own_batches else (xs, ys)
        expected, parameters = train_alone(base, run, *own, **how)
        finite = np.isfinite(expected)
        np.testing.assert_array_equal(np.isfinite(losses[:, i]), finite)
        np.testing.assert_allclose(losses[finite, i], expected[finite], rtol=rtol, err_msg=str(run))
        if finite.all():
            arrays = stack.arrays(i)
            assert arrays.keys() == parameters.keys()
            for name, array in arrays.items():
                wanted = parameters[name]
                atol = rtol * np.abs(wanted).max()
                np.testing.assert_allclose(array, wanted, rtol=rtol, atol=atol, err_msg=f"{run} {name}")
