"""Many adapters over one base: which rank, which rate, which variant?"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from ..core.node import PARAMETER
from ..core.trace import trace
from ..errors import SweepError
from ..files import write_atomically
from ..nn.layer import Layer
from ..nn.optim import AdamW
from .cluster import cluster_of
from .data import digest_of, split
from .result import SweepResult
from .settings import RunSettings, check_ranks, check_whole, grid
from .stack import Loss
from .training import DROPPED, Run, StackTraining, SweepTask

Counting = Callable[[int, str], AbstractContextManager[Callable[[int, str], None]]]
LIMIT = 512  # runs
MOST, LARGEST = 16, 2**20  # adapters side by side, and numbers in the largest array of all of them


def sweep(
    model: Layer, loss: Loss, data: Any, *,
    rank: Any = 8, alpha: Any = None, lr: Any = 1e-3, variant: Any = "lora", seed: Any = 0,
    target_modules: Any = "all-linear", steps: int = 200, batch_size: int = 32, validation: Any = 0.2,
    test: Any = 0.2, optimizer: Callable[..., Any] = AdamW, schedule: Any = None, own_batches: bool = False,
    halving: int = 0, every: int | None = None, side_by_side: int | None = None, limit: int = LIMIT,
    folder: str | os.PathLike[str] | None = None, restart: bool = False, counting: Counting | None = None,
    cluster: str | None = None, **options: Any,
) -> SweepResult:  # fmt: skip
    """Train an adapter for every combination of settings, side by side, and choose the best of them.

    Adapters of one kind train in one compiled step over the shared base: plain LoRA of any rank, alpha and rate, rsLoRA
    and LoRA+ among it, and of any other variant those of one rank and alpha. Each run's numbers are those that it has
    alone. The model stays as it is.

    model: a layer with what `adapt` can adapt
    loss: `loss(output, target)` gives a scalar node, a mean over examples
    data: a pair of arrays, inputs and targets
    rank, alpha, lr, variant, seed, target_modules: each a value or a list of values, as `adapt` has them; an alpha of
        None is the rank, and a list of lists gives several `target_modules`
    steps: how many steps each run does
    batch_size: examples in a step, the same for all runs
    validation: a pair of arrays, or a fraction of the data: it chooses the best run
    test: a pair of arrays, or a fraction of the data: it says how good that one is; None leaves it out
    optimizer: `optimizer(parameters, lr=...)` makes an optimizer that treats each element alone
    schedule: `schedule(lr, steps)` makes the schedule of a run, such as `tl.cosine`; None keeps the rate
    own_batches: True gives each run an order of examples that it draws from its seed
    halving: at so many moments, each at half of the steps of the next, those of the smaller validation loss go on, half
        of them
    every: the validation loss is computed every so many steps, and at the end; None takes a tenth of them
    side_by_side: how many runs are in one step at most; None means 16, or fewer of a large network
    limit: how many runs a sweep may have
    folder: where the state is written at these moments; a sweep that was stopped goes on from it with the same numbers.
        None writes nothing
    restart: True begins anew where the folder has a state
    counting: `counting(total, words)` draws the progress; None draws none
    cluster: the address of a Dask scheduler, whose workers train the stacks; "local" starts one here, None needs none
    **options: more of those that `adapt` has, for all runs
    Returns a `SweepResult`.
    Raises SweepError, before the first step, for settings that cannot be, and for more than `limit` runs.

    >>> x = np.random.default_rng(0).normal(size=(60, 3))
    >>> model = tl.Sequential(tl.Linear(3, 1, seed=0))
    >>> result = tl.sweep(model, tl.mse, (x, x[:, :1]), rank=1, lr=[1e-4, 0.1], steps=20)
    >>> result.best, [run.settings.lr for run in result.runs]
    (1, [0.0001, 0.1])
    """
    if not isinstance(model, Layer):
        raise SweepError(f"the model must be a Layer, not {type(model).__name__}")
    counts = {"steps": steps, "batch_size": batch_size, "side_by_side": side_by_side, "limit": limit, "every": every}
    for name, number in counts.items():
        check_whole(name, 1 if number is None and name in ("side_by_side", "every") else number, 1)
    check_whole("halving", halving, 0)
    choices = {"variant": variant, "target_modules": target_modules, "rank": rank, "alpha": alpha, "lr": lr}
    settings = grid(limit, **choices, seed=seed)
    check_ranks(model, settings, options.get("exclude_modules"))
    splits = split(data, validation, test, model.dtype)
    if batch_size > (count := len(splits.train[0])):
        raise SweepError(f"a batch of {batch_size} is more than the {count} examples to train on")
    task = SweepTask(model, loss, splits, steps, batch_size, optimizer, schedule, own_batches, options)
    moments = _moments(steps, halving, every or max(1, steps // 10))
    runs = [Run(s) for s in settings]
    stacks = stacked_runs(settings, side_by_side or _fitting(task))
    trainings = [StackTraining(task, {k: runs[k] for k in stack}) for stack in stacks]
    mark = _fingerprint(task, settings, stacks, moments)
    paths = [Path(folder or "") / f"stack-{i:03}.npz" for i in range(len(stacks))]
    for training, path in zip(trainings, paths, strict=True):
        if folder is not None and path.exists() and not restart:
            training.load(path, mark)
    bar = counting(steps * len(runs), "Sweeping") if counting else nullcontext(lambda done, note: None)

    def note(i: int, moment: bool) -> None:
        show(sum(len(run.losses) for run in runs), runs[stacks[i][0]].settings.variant)
        if moment and folder is not None:
            write_atomically(paths[i], trainings[i].state(mark))

    with bar as show, cluster_of(cluster, task) as workers:
        for rung, checks in moments.items():
            if workers is not None:
                for i in workers.trained(trainings, checks, mark):
                    note(i, True)
            for i, training in enumerate(trainings):
                for moment in training.train(checks):
                    note(i, moment)
            if rung < steps:
                _halve(trainings, runs, rung)
    return SweepResult(task, runs, stacks)


def stacked_runs(settings: Sequence[RunSettings], side_by_side: int) -> list[list[int]]:
    """The numbers of the runs of each stack: those of one kind, similar ranks together, so that little is padded."""
    kinds: dict[Any, list[int]] = {}
    for k, run in enumerate(settings):
        kinds.setdefault(run.kind, []).append(k)
    stacks = []
    for members in kinds.values():
        members.sort(key=lambda k: settings[k].rank)
        count = -(-len(members) // side_by_side)
        size, longer = divmod(len(members), count)
        ends = [i * size + min(i, longer) for i in range(count + 1)]
        stacks += [members[a:b] for a, b in pairwise(ends)]
    return stacks


def _fitting(task: SweepTask) -> int:
    """How many adapters are best trained side by side: with the largest array of several, the cache is soon full."""
    one = (array[: task.batch_size] for array in task.splits.train)
    graph = trace(lambda x, y: task.loss(task.model(x), y), *one)
    return min(MOST, max(1, LARGEST // max(node.size for node in graph.nodes if node.op is not PARAMETER)))


def _halve(trainings: Sequence[StackTraining], runs: Sequence[Run], rung: int) -> None:
    """End the half of the runs whose validation loss is larger at this step, of all those that came to it."""
    there = [k for k, run in enumerate(runs) if rung in run.validation]
    order = sorted(there, key=lambda k: (runs[k].validation[rung], k))
    for training in trainings:
        out = [k for k in order[-(-len(order) // 2) :] if k in training.members and not runs[k].ended]
        training.end(out, DROPPED)


def _moments(steps: int, halving: int, every: int) -> dict[int, list[int]]:
    """For each step at which runs end, the steps up to it at which the validation loss is computed."""
    rungs = [steps // 2**k for k in range(halving, -1, -1)]
    if rungs[0] < 1:
        raise SweepError(f"{steps} steps cannot be halved {halving} times: train longer, or halve less often")
    checks = sorted({*rungs, *range(every, steps, every)})
    return {rung: [c for c in checks if start < c <= rung] for start, rung in zip([0, *rungs], rungs, strict=False)}


def _fingerprint(task: SweepTask, settings: Sequence[RunSettings], stacks: Any, moments: Any) -> str:
    """Equal for sweeps that must give equal numbers."""
    arrays = [*(p.value for p in task.model.named_parameters().values()), *task.splits.arrays()]
    facts = (settings, stacks, moments, task.steps, task.batch_size, task.own_batches, sorted(task.options.items()))
    functions = [_named(function) for function in (task.make, task.schedule, task.loss)]
    return hashlib.sha256(repr((facts, functions, digest_of(arrays))).encode()).hexdigest()


def _named(function: Any) -> str:
    """A function's name, the same in every process."""
    if isinstance(function, partial):
        return f"{_named(function.func)}{function.args}{sorted(function.keywords.items())}"
    return getattr(function, "__name__", type(function).__name__)
