"""The mixed batches that `bench serving` times, prepared once in a worker process."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from tinygrad_lora.compiler import compile
from tinygrad_lora.library import gelu
from tinygrad_lora.nn import Linear, LoRALayer, LoRALinear, Sequential, activate, by_row, disabled
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


@lru_cache(maxsize=len(SIZES))
def prepared(peer: str, size: str, count: int) -> Run:
    """One batch through this implementation; through one adapter alone or the base, if it is named so."""
    samples, rows = SIZES[size]
    rng, names = np.random.default_rng(0), [f"a{i}" for i in range(count)]
    x = rng.normal(size=(samples, WIDTH) if rows == 1 else (samples, rows, WIDTH)).astype(np.float32)
    mixed: list[str] = [str(name) for name in rng.choice(names, samples, replace=count < samples)]
    if peer.startswith("peft"):
        from .peers import peft

        alone = peer == "peft-one"
        theirs = _adapted_there(count, alone)
        return peft.batch(theirs, x, None if alone else mixed)
    if peer == "ours":
        server = _server(count)
        return lambda: server(x, names=mixed)
    return _of_model(peer, adapted(count), names[-1], mixed, x)


@lru_cache(maxsize=1)
def adapted(count: int) -> Sequential:
    """The network with so many adapters, made by hand: `adapt` would look at all of them for each."""
    rng, layers = np.random.default_rng(1), []
    for i in range(LAYERS):
        layer = LoRALinear.holding(Linear(WIDTH, WIDTH, seed=i, dtype=np.float32))
        for k in range(count):
            A, B = (rng.normal(0, WIDTH**-0.5, (WIDTH, RANKS[k % len(RANKS)])).astype(np.float32) for _ in "AB")
            layer.attach(f"a{k}", LoRALayer.from_arrays(A, B.T))
        layers.append(layer)
    return Sequential(*[part for layer in layers for part in (layer, gelu)])


@lru_cache(maxsize=1)
def _server(count: int) -> AdapterServer:
    server = AdapterServer(adapted(count), capacity=count)
    for i in range(count):
        server.add(f"a{i}")
    return server


@lru_cache(maxsize=1)
def _adapted_there(count: int, alone: bool) -> Any:
    from .peers import peft

    return peft.adapted(adapted(count), [f"a{i}" for i in range(count)][-1 if alone else 0 :])


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
