"""The training of adapters on a real network: settings, the loop, and how it goes on where it was stopped."""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any, Protocol

from ..compiler import TrainingStep, compile_training_step
from ..errors import ModelError
from ..nn import AdamW, adapt
from ..nn.schedules import cosine
from .checkpoint import load_checkpoint, save_checkpoint

CHECKPOINT = "checkpoint.npz"
Show = Callable[[int, str], None]
Counting = Callable[[int, str], AbstractContextManager[Show]]


@dataclass(frozen=True)
class TrainingSettings:
    """How to train. `targets` are the layers that get adapters, as `adapt` takes them; batch 0 means all examples."""

    steps: int = 12
    lr: float = 1e-3
    rank: int = 8
    alpha: float = 16
    targets: tuple[str, ...] | str = ("q_proj", "v_proj")
    batch: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("rank", 1), ("batch", 0), ("seed", 0)):
            if not isinstance(number := getattr(self, name), int) or number < least:
                raise ModelError(f"{name} must be a whole number of at least {least}, not {number!r}")
        for name in ("lr", "alpha"):
            if not (number := getattr(self, name)) > 0 or not isfinite(number):
                raise ModelError(f"{name} must be a positive number, not {number!r}")


class Task(Protocol):
    """What is learned: a network to adapt, what a step computes, and the examples."""

    name: str
    network: Any  # gets the adapters
    warmup: float  # the part of the steps in which the learning rate rises

    @property
    def model(self) -> Any:
        """From the first array of a batch to what `loss` takes; its parameters are trained."""

    def loss(self, output: Any, target: Any) -> Any:
        """A number to be made small."""

    def batch(self, step: int, settings: TrainingSettings) -> tuple[Any, Any]:
        """The two arrays of this step, always of the same shapes."""

    def digest(self) -> str:
        """A fingerprint of the examples."""


@dataclass
class Training:
    """A training under way. `losses` has one number for each step that was done, from the very first on."""

    task: Task
    settings: TrainingSettings
    optimizer: Any
    step: TrainingStep
    losses: list[float] = field(default_factory=list)
    resumed: int = 0  # steps that an earlier process did
    seconds: list[float] = field(default_factory=list)  # of the steps of this process

    @property
    def parameters(self) -> Mapping[str, Any]:
        """What is trained, by name."""
        return {n: p for n, p in self.task.model.named_parameters().items() if p.requires_gradient}

    @property
    def fingerprint(self) -> str:
        """Equal for trainings that must give equal numbers."""
        facts = {"task": self.task.name, "data": self.task.digest(), **asdict(self.settings)}
        facts["shapes"] = {name: p.shape for name, p in self.parameters.items()}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def run(self) -> Iterator[float]:
        """Do the steps that are left, and yield the loss of each. Raises ModelError if it is not finite any more."""
        for number in range(len(self.losses), self.settings.steps):
            start = time.perf_counter()
            loss = self.step(*self.task.batch(number, self.settings))
            self.seconds.append(time.perf_counter() - start)
            if not isfinite(loss):
                raise ModelError(f"the loss of step {number + 1} is {loss}: train with a smaller learning rate")
            self.losses.append(loss)
            yield loss


def _show_nothing(done: int, note: str) -> None:
    """No bar."""


def begin(task: Task, settings: TrainingSettings) -> Training:
    """Give the task's network its adapters, and compile one training step."""
    targets = settings.targets if isinstance(settings.targets, str) else list(settings.targets)
    adapt(task.network, settings.rank, targets, alpha=settings.alpha, seed=settings.seed)
    warmup = int(task.warmup * settings.steps)
    rate = cosine(settings.lr, settings.steps, warmup) if warmup else settings.lr
    optimizer = AdamW(task.model.parameters(), lr=rate, weight_decay=0.0)
    return Training(task, settings, optimizer, compile_training_step(task.model, task.loss, optimizer))


def fine_tune(
    task: Task, settings: TrainingSettings, folder: str | os.PathLike[str], *,
    restart: bool = False, every: float = 5.0, counting: Counting | None = None,
) -> Training:  # fmt: skip
    """Train, or continue a training, and return it when all steps are done.

    Every `every` seconds, and at the end, a checkpoint is written into the folder. If there is one when this begins, it
    is continued, bit for bit as if nothing had stopped it; with `restart` it is ignored. `counting(total, words)` draws
    the progress, as in `tinygrad_lora.terminal`.

    Raises ModelError if the checkpoint is another training's, and if the loss is not finite any more.
    """
    training, path = begin(task, settings), Path(folder) / CHECKPOINT
    if path.exists() and not restart:
        training.losses = load_checkpoint(path, training.fingerprint, training.parameters, training.optimizer)
        training.resumed = len(training.losses)
    save = partial(save_checkpoint, path, training.fingerprint, training.parameters, training.optimizer)
    bar = counting(settings.steps, f"Training {task.name}") if counting else nullcontext(_show_nothing)
    saved = time.monotonic()
    with bar as show:
        show(len(training.losses), "")
        for loss in training.run():
            show(len(training.losses), f"loss {loss:.3f}")
            if time.monotonic() - saved >= every or len(training.losses) == settings.steps:
                save(training.losses)
                saved = time.monotonic()
    return training
