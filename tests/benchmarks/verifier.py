"""What the look at each planned program costs: `python tests/benchmarks/verifier.py`, as a share of compiling.

Measured in seconds of this process, on the golden programs and on some that are longer or larger. The last line is the
share of all of them together.
"""

import gc
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from programs import PASS_PROGRAMS, PROGRAMS, prepared

import tinygrad_lora as tl
from tinygrad_lora.compiler import programs

ROUNDS = 9
spent = 0.0


def timed(*arguments: Any) -> str:
    """The verifier, with a look at the clock."""
    global spent
    start = time.process_time()
    objection = verify(*arguments)
    spent += time.process_time() - start
    return objection


verify, programs.verify = programs.verify, timed


def attention(x: Any, w: Any, v: Any) -> Any:
    """Four blocks of a transformer with one head."""
    for _ in range(4):
        x = tl.layer_norm(x + tl.softmax((x @ w) @ (x @ v).mT) @ x)
        x = x + tl.gelu(x @ w) @ v
    return x


def attention_gradients(x: Any, w: Any, v: Any) -> Any:
    return tl.gradients(tl.sum(attention(x, w, v)), [w, v])


def chain(x: Any) -> Any:
    """240 operations, element by element; on large arrays a loop over blocks of rows."""
    for _ in range(60):
        x = tl.tanh(x * 1.5 + 0.25) * x
    return x


def activations(x: Any) -> Any:
    for _ in range(20):
        x = tl.gelu(x) * tl.sigmoid(x) + tl.softmax(x)
    return x


def preparing(function: Callable[..., Any], *shapes: tuple[int, ...]) -> Callable[[], Any]:
    arrays = [np.ones(shape) for shape in shapes]
    return lambda: tl.compile(function, check=False).prepare(*arrays)


def measured(compiling: Callable[[], Any]) -> tuple[float, float]:
    """Seconds of the verifier, and of all of the compiling: medians."""
    global spent
    rounds = []
    for _ in range(ROUNDS):
        gc.collect()
        spent, start = 0.0, time.process_time()
        compiling()
        rounds.append((spent, time.process_time() - start))
    return statistics.median(v for v, _ in rounds), statistics.median(c for _, c in rounds)


if __name__ == "__main__":
    cases = {name: lambda name=name: prepared(name, check=False) for name in [*PROGRAMS, *PASS_PROGRAMS]}
    for rows, width in ((64, 64), (600, 256)):
        shapes = (rows, width), (width, width), (width, width)
        cases[f"attention {rows} x {width}"] = preparing(attention, *shapes)
        cases[f"its gradients {rows} x {width}"] = preparing(attention_gradients, *shapes)
    for rows in (4, 400, 401):
        cases[f"chain {rows} x 400"] = preparing(chain, (rows, 400))
    cases["activations 400 x 400"] = preparing(activations, (400, 400))
    totals = np.zeros(2)
    for name, compiling in cases.items():
        seconds = measured(compiling)
        totals += seconds
        print(f"{name:<28} {seconds[0] * 1e3:7.2f} ms of {seconds[1] * 1e3:7.1f}: {seconds[0] / seconds[1]:.1%}")
    print(f"{'all together':<28} {totals[0] * 1e3:7.2f} ms of {totals[1] * 1e3:7.1f}: {totals[0] / totals[1]:.1%}")
