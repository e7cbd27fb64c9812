"""Each implementation of W8 by the name of its peer, and a run over names of all lengths with each."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..peers import WITHOUT, Prepared, UnableError
from ..workloads import Case
from . import model
from .model import NameSize, Trainer

THIRTEENTH = 13
COMPILE = ("ours", "torch.compile", "jax")


def trainer(name: str, weights: Mapping[str, Any], size: NameSize) -> Trainer:
    """The peer's GPT before its first step. Raises UnableError with the reason if it has none."""
    if name == "naive":
        from . import by_hand

        return by_hand.trainer(weights, size)
    if name.startswith("ours"):
        from . import ours

        if name == "ours-eager":
            return ours.eager(weights, size)
        without = {"without": (name.removeprefix(WITHOUT),)} if name.startswith(WITHOUT) else {}
        return ours.compiled(weights, size, **without, engine="numba" if name == "ours-numba" else "numpy")
    if name in ("torch", "torch.compile"):
        from ..peers.torch import compiler
        from . import torch

        return torch.trainer(weights, size, compiler(name))
    if name == "jax":
        import jax

        from .jax import trainer

        jax.config.update("jax_enable_x64", True)
        return trainer(weights, size)
    if name == "micrograd":
        from . import micrograd

        return micrograd.trainer(weights, size)
    raise UnableError("not written")


def prepared(name: str, case: Case) -> Prepared:
    """A step on the name of the case, again and again."""
    run = trainer(name, {n: case[n].copy() for n in case.updated}, case.size)
    inputs, targets = case["x t"]
    return Prepared(
        lambda: run.step(inputs, targets), lambda loss: {"loss": np.float64(loss), **run.weights()}, run.compiled
    )


def all_lengths(peer: str, workload: str, size: str, seed: int, steps: int = model.STEPS) -> dict[str, Any]:
    """Train on so many names, and then, with the same trainer, on the same names again.

    Gives the losses of the first time, and in seconds of the processor: `whole`, all of the first time; `steady`, of
    the second; `first` and `thirteenth`, what compiling for these lengths takes: the first step with one minus the same
    step of the second time. `included` is whole / steady, `new_length` is thirteenth / first.
    """
    names = [model.encoded(name) for name in model.names(steps, seed)]
    tiny = NameSize(model.SHORTEST, width=4, heads=1, block=4)  # what is loaded and begun once must not count
    trainer(peer, model.weights(np.random.default_rng(seed), tiny), tiny).step(*model.encoded("ab"))
    size_of = NameSize(model.LONGEST)
    run = trainer(peer, model.weights(np.random.default_rng(seed), size_of), size_of)
    gc.collect()
    losses, first_time = _timed(run, names)
    _, again = _timed(run, names)
    answer = {
        "losses": losses,
        "whole": sum(first_time),
        "steady": sum(again),
        "included": sum(first_time) / sum(again),
    }
    if len(names) >= THIRTEENTH and peer.startswith(COMPILE) and peer != "ours-eager":
        first, thirteenth = (first_time[i] - again[i] for i in (0, THIRTEENTH - 1))
        answer |= {"first": first, "thirteenth": thirteenth, "new_length": thirteenth / first}
    return answer


def _timed(run: Trainer, names: list[model.Name]) -> tuple[list[float], list[float]]:
    """For each name its loss, and the seconds of the processor."""
    losses, seconds = [], []
    for inputs, targets in names:
        begin = _busy()
        losses.append(float(run.step(inputs, targets)))
        seconds.append(_busy() - begin)
    return losses, seconds


def _busy() -> float:
    """Seconds of the processor so far, those of programs that were called and have ended, too: of a C compiler."""
    return time.process_time() + sum(os.times()[2:4])
