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

_last: tuple[Trainer, list[model.Name]] | None = None


def trainer(name: str, weights: Mapping[str, Any], size: NameSize) -> Trainer:
    """The peer's GPT before its first step. Raises UnableError with the reason if it has none."""
    if name == "naive":
        from . import by_hand

        return by_hand.trainer(weights, size)
    if name.startswith("ours"):
        from . import ours

        if name == "ours-eager":
            return ours.eager(weights, size)
        if name == "ours-padded":
            return ours.padded(weights, size)
        without = {"without": (name.removeprefix(WITHOUT),)} if name.startswith(WITHOUT) else {}
        return ours.compiled(weights, size, **without, engine="numba" if name == "ours-numba" else "numpy")
    if name in ("torch", "torch.compile"):
        from ..peers.torch import compiler
        from . import torch

        return torch.trainer(weights, size, compiler(name))
    if name in ("jax", "jax-padded"):
        from . import jax

        return jax.trainer(weights, size, padded=name == "jax-padded")
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

    Gives the losses of the first time, and in seconds of the processor `begin`, each step of the first time, and
    `again`, those of the second; and two ratios: `included`, the first time / the second, and `new_length`, compiling
    for the thirteenth length / for the first. Later, `same_names` does the second time once more.
    """
    global _last
    names = [model.encoded(name) for name in model.names(steps, seed)]
    tiny = NameSize(model.SHORTEST, width=4, heads=1, block=4)  # what is loaded and begun once must not count
    trainer(peer, model.weights(np.random.default_rng(seed), tiny), tiny).step(*model.encoded("ab"))
    size_of = NameSize(model.LONGEST)
    run = trainer(peer, model.weights(np.random.default_rng(seed), size_of), size_of)
    gc.collect()
    losses, begin = _timed(run, names)
    _, again = _timed(run, names)
    _last = run, names
    answer = {"losses": losses, "begin": begin, "again": again, "included": sum(begin) / sum(again)}
    if len(names) >= THIRTEENTH:
        answer["new_length"] = compiling(answer, THIRTEENTH) / compiling(answer, 1)
    return answer


def same_names(peer: str) -> dict[str, Any]:
    """Train on the names of `all_lengths` once more: `again`, the seconds of each step."""
    assert _last is not None, "all_lengths first"
    return {"again": _timed(*_last)[1]}


def compiling(answer: Mapping[str, Any], length: int) -> float:
    """Seconds to compile for the first, second, ... length: a name of each comes first, in a step that takes longer."""
    return float(answer["begin"][length - 1] - answer["again"][length - 1])


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
