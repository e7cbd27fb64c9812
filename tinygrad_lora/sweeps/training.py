"""The training of one stack of runs: step by step, up to a step that the sweep says, and over again from a file."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from math import isfinite
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..compiler import compile
from ..errors import SweepError
from ..files import opened, parse_json
from ..nn.layer import Layer
from ..nn.schedules import Schedule
from .data import Splits, pieces, rows_of_step
from .settings import RunSettings
from .stack import Loss, Stack, StackedStep

DONE, DIVERGED, DROPPED = "done", "diverged", "dropped"


@dataclass
class Run:
    """One run: its settings, its training losses, its validation losses by the number of steps done, and its end.

    `ended` is "" while it goes on. `arrays` are the trained numbers of one that did not diverge, by dotted name.
    """

    settings: RunSettings
    losses: list[float] = field(default_factory=list)
    validation: dict[int, float] = field(default_factory=dict)
    ended: str = ""
    arrays: dict[str, Any] = field(default_factory=dict)

    @property
    def validation_loss(self) -> float:
        """The last one; not a number, if there is none."""
        return next(reversed(self.validation.values()), float("nan"))

    def goes_on(self, loss: float) -> bool:
        """Whether the run has not ended. One whose loss is not finite ends here."""
        self.ended = self.ended or ("" if isfinite(loss) else DIVERGED)
        return not self.ended


@dataclass(frozen=True)
class SweepTask:
    """What all runs of a sweep have in common."""

    model: Layer
    loss: Loss
    splits: Splits
    steps: int
    batch_size: int
    make: Callable[..., Any]  # the optimizer of some parameters
    schedule: Callable[[float, int], Schedule] | None
    own_batches: bool
    options: Mapping[str, Any]  # those of `adapt` that are the same for all

    def rate(self, lr: float) -> Schedule:
        """The rate of each step of a run."""
        return self.schedule(lr, self.steps) if self.schedule else lambda step: lr

    def batch(self, step: int, seeds: Sequence[int]) -> tuple[Any, Any]:
        """The examples of a step, the same for all runs; or for each run its own, by its seed."""
        x, y = self.splits.train
        if not self.own_batches:
            rows = rows_of_step(step, self.batch_size, len(x), 0)
        else:
            order = {seed: rows_of_step(step, self.batch_size, len(x), seed) for seed in dict.fromkeys(seeds)}
            rows = np.stack([order[seed] for seed in seeds])
        return x[rows], y[rows]


class StackTraining:
    """Runs of one kind under way. `members` are the numbers of the runs in the stack; some may have ended."""

    def __init__(self, task: SweepTask, runs: Mapping[int, Run]) -> None:
        self.task, self.runs, self.members, self.steps = task, runs, list(runs), 0
        self._stack(Stack(task.model, [run.settings for run in runs.values()], task.loss, task.options))

    def _stack(self, stack: Stack) -> None:
        """Train these adapters from now on."""
        self.stack = stack
        self.optimizer = stack.optimizer(self.task.make, [self.task.rate(run.lr) for run in stack.runs])
        self.optimizer.steps = self.steps
        self.step: Any = StackedStep(stack, self.optimizer, self.task.own_batches)
        self._evaluated: Any = compile(lambda x, target: stack.losses(x, target))  # of a batch that all runs share

    @property
    def alive(self) -> list[int]:
        """The numbers of the runs that go on."""
        return [k for k in self.members if not self.runs[k].ended]

    def train(self, moments: Sequence[int]) -> Iterator[bool]:
        """Train up to the last of these steps, and validate at each of them. Yields whether a step was one of them."""
        for moment in (moment for moment in moments if moment > self.steps):
            while self.steps < moment and self.alive:
                self._train_once()
                yield False
            self.validate()
            yield True

    def _train_once(self) -> None:
        """One step. A run whose loss is not finite ends."""
        batch = self.task.batch(self.steps, [self.runs[k].settings.seed for k in self.members])
        with np.errstate(all="ignore"):  # of a run that diverges, which is no concern of the others
            losses = self.step(*batch)
        self.steps += 1
        for k, loss in zip(self.members, losses, strict=True):
            if self.runs[k].goes_on(loss):
                self.runs[k].losses.append(float(loss))

    def validate(self) -> None:
        """Compute the loss of each run on the validation split. At the last step all runs are done."""
        total, pair = np.zeros(len(self.members)), self.task.splits.validation
        for x, y in pieces(pair) if self.alive else ():
            with np.errstate(all="ignore"):
                total += np.asarray(self._evaluated(x, y), np.float64) * (len(x) / len(pair[0]))
        for k, loss in zip(self.members, total, strict=True):
            if self.runs[k].goes_on(loss):
                self.runs[k].validation[self.steps] = float(loss)
        self.end(self.alive if self.steps == self.task.steps else [], DONE)

    def end(self, which: Sequence[int], how: str) -> None:
        """Keep the numbers of these runs. If no more than half of the stack goes on, it alone is computed from now."""
        for k in which:
            self.runs[k].ended, self.runs[k].arrays = how, self.stack.arrays(self.members.index(k))
        if not (alive := self.alive):
            self.step = self._evaluated = None  # with the memory of their programs
        elif 2 * len(alive) <= len(self.members):
            self._keep(alive)

    def _keep(self, alive: Sequence[int]) -> None:
        rows, old = [self.members.index(k) for k in alive], self.optimizer
        slots = [p.value[rows] for slot in old.slots for p in slot]
        self.stack.keep(rows)
        self.members = list(alive)
        self._stack(self.stack)
        self._remember([*slots, *(p.value for p in old.numbers)])

    def _remember(self, state: Sequence[Any]) -> None:
        for node, array in zip(self.optimizer.state, state, strict=True):
            if node.shape != array.shape or node.dtype != array.dtype:
                raise ValueError(f"an array of {array.shape} and {array.dtype} is in the place of another")
            node.value = array

    # --- On the disk ---

    def state(self, fingerprint: str) -> bytes:
        """All there is to go on from: what a file holds, and what a cluster sends."""
        arrays = {f"parameter {path}": p.value for path, p in self.stack.parameters.items()}
        arrays |= {f"state {i}": p.value for i, p in enumerate(self.optimizer.state)}
        arrays |= {f"run {k} {path}": array for k, run in self.runs.items() for path, array in run.arrays.items()}
        runs = {k: [run.losses, [*run.validation.items()], run.ended] for k, run in self.runs.items()}
        note = {"fingerprint": fingerprint, "steps": self.steps, "members": self.members, "runs": runs}
        buffer = BytesIO()
        np.savez(buffer, note=np.array(json.dumps(note)), **arrays)
        return buffer.getvalue()

    def load(self, path: Path, fingerprint: str) -> None:
        """Go on from a file. Raises SweepError if it is another sweep's, FormatError if it is damaged."""
        with opened(path) as file:
            own = self.restore(file, fingerprint)
        if not own:
            raise SweepError(f"{path} belongs to a sweep with other settings or data: take another folder, or restart")

    def restore(self, file: BinaryIO, fingerprint: str) -> bool:
        """Go on from a state. Gives whether it is one of this sweep."""
        arrays = dict(np.load(file, allow_pickle=False))
        note = parse_json(str(arrays.pop("note")))
        if note["fingerprint"] != fingerprint:
            return False
        for key, (losses, validation, ended) in note["runs"].items():
            run = self.runs[int(key)]
            run.losses, run.validation, run.ended = losses, dict(validation), ended
            start = f"run {key} "
            run.arrays = {name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)}
        self.steps = note["steps"]
        if note["members"] != self.members:
            self.stack.keep([self.members.index(k) for k in note["members"]])
            self.members = note["members"]
        for name, node in self.stack.parameters.items():
            node.value = arrays[f"parameter {name}"]
        self._stack(self.stack)
        self._remember([arrays[f"state {i}"] for i in range(len(self.optimizer.state))])
        return True
