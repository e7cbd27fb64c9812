"""The mixed batches that `bench serving` times, prepared once in a worker process."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from tinygrad_lora.compiler import compile
from tinygrad_lora.library import gelu
from tinygrad_lora.nn import Linear, Sequential, activate, adapt, by_row, disabled
from tinygrad_lora.nn.adapters.model.switching import adapters
from tinygrad_lora.serving import AdapterServer

Run = Callable[[], Any]
WIDTH, LAYERS, RANKS = 384, 3, (4, 8)


class BatchSize(NamedTuple):
    """Samples in a batch, and the rows of each: tokens, or one."""

    samples: int
    rows: int


SIZES = {"rows": BatchSize(256, 1), "sequences": BatchSize(32, 32)}


def serving(peer: str, size: str, count: int, batches: int) -> dict[str, Any]:
    """Answer the same mixed batch some times, with `count` adapters at hand: some of the numbers, and the seconds."""
    run, wall = prepared(peer, size, count), []
    for _ in range(batches):
        begin = time.perf_counter()
        y = run()
        wall.append(time.perf_counter() - begin)
    return {"numbers": [float(number) for number in np.asarray(y).ravel()[::97]], "wall": wall}


@lru_cache(maxsize=1)
def prepared(peer: str, size: str, count: int) -> Run:
    """One batch through this implementation; through one adapter alone or the base, if it is named so."""
    samples, rows = SIZES[size]
    rng = np.random.default_rng(0)
    model = Sequential(
        *[part for i in range(LAYERS) for part in (Linear(WIDTH, WIDTH, seed=i, dtype=np.float32), gelu)]
    )
    names = [f"a{i}" for i in range(count)]
    for i, name in enumerate(names):
        adapt(model, RANKS[i % len(RANKS)], name=name, seed=i)
    for layer in adapters(model).values():
        for adapter in layer.adapters.values():
            adapter.lora_B.value = rng.normal(0, 0.05, adapter.lora_B.shape).astype(np.float32)
    x = rng.normal(size=(samples, WIDTH) if rows == 1 else (samples, rows, WIDTH)).astype(np.float32)
    mixed: list[str] = [str(name) for name in rng.choice(names, samples, replace=count < samples)]
    if peer.startswith("peft"):
        from .peers import peft

        return peft.mixed_batch(model, names, x, [names[-1]] * samples if peer == "peft-one" else mixed)
    if peer == "ours":
        server = AdapterServer(model, capacity=count)
        for name in names:
            server.add(name)
        return lambda: server(x, names=mixed)
    return _of_model(peer, model, names[-1], mixed, x)


def _of_model(peer: str, model: Any, one: str, mixed: list[str], x: Any) -> Run:
    """Without a server: rows that choose, one adapter, or none."""
    if peer == "ours-by-row":

        def chosen() -> Any:
            with by_row(model, mixed):
                return model.forward(x)

        return chosen
    compiled = compile(model)
    if peer == "ours-one":
        activate(model, one)
        return lambda: compiled(x)

    def base() -> Any:
        with disabled(model):
            return compiled(x)

    return base
