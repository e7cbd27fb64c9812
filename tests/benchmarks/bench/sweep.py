"""The command `bench sweep`: sixteen adapters side by side in one step, beside sixteen steps one after another."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_lora.compiler import compile_training_step
from tinygrad_lora.core.ops import relu
from tinygrad_lora.files import check_place, write_atomically
from tinygrad_lora.library import cross_entropy, gelu, mse
from tinygrad_lora.nn import Adam, Linear, Sequential
from tinygrad_lora.sweeps.settings import RunSettings
from tinygrad_lora.sweeps.stack import Stack, StackedStep, adapted_copy
from tinygrad_lora.terminal import tracker

from .environment import environment
from .report import add_output, markdown, ratio_text, short

RUNS, BATCH, ROUNDS = 16, 32, 60
RANKS = {64: 4, 256: 8, 384: 8}  # by the width of the three layers
# What the layers are trained with: the activation between them, and the loss.
TASKS: dict[str, tuple[Any, Any]] = {"GELU, cross-entropy": (gelu, cross_entropy), "ReLU, squares": (relu, mse)}
HEADINGS = ["", "batch", "16 steps", "one step of 16", "ratio", "base products", "off by at most"]


def compare(width: int, rank: int, task: str, own_batches: bool, rounds: int) -> dict[str, Any]:
    """Seconds of the processor for both, and for the products with the base alone: medians over rounds, in turns."""
    activation, loss = TASKS[task]
    layers = [Linear(width, width, seed=seed, dtype=np.float32) for seed in range(3)]
    model = Sequential(layers[0], activation, layers[1], activation, layers[2])
    rng = np.random.default_rng(0)
    x = rng.normal(size=(RUNS, BATCH, width)).astype(np.float32)
    y: Any = rng.integers(0, width, (RUNS, BATCH))
    y = y if loss is cross_entropy else rng.normal(size=x.shape).astype(np.float32)
    x, y = (x, y) if own_batches else (x[:1], y[:1])
    runs = [RunSettings(rank, rank, 1e-4 * 1.2**i, seed=i) for i in range(RUNS)]
    stack = Stack(model, runs, loss, {})
    step = StackedStep(stack, stack.optimizer(Adam, [_constant(run.lr) for run in runs]), own_batches)
    alone = []
    for run in runs:
        one = adapted_copy(model, run, {})
        alone.append(compile_training_step(one, loss, Adam(one.parameters(), run.lr)))

    def one_after_another() -> Any:
        return np.array([own(x[i % len(x)], y[i % len(x)]) for i, own in enumerate(alone)])

    def side_by_side() -> Any:
        return step(x, y) if own_batches else step(x[0], y[0])

    ways = {"alone": one_after_another, "stacked": side_by_side, "products": _products(width, len(x) * BATCH)}
    far = max(float(np.abs(one_after_another() / side_by_side() - 1).max()) for _ in range(3))
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name in rng.permutation(list(ways)):
            begin = time.process_time()
            ways[name]()
            seconds[name].append(time.process_time() - begin)
    medians = {name: float(np.median(times)) for name, times in seconds.items()}
    return medians | {"ratio": medians["stacked"] / medians["alone"], "far": far}


def _constant(rate: float) -> Callable[[int], float]:
    return lambda step: rate


def _products(width: int, first: int) -> Callable[[], Any]:
    """The five products with the base in a step, each of all rows at once."""
    rows, weight = np.ones((RUNS * BATCH, width), np.float32), np.ones((width, width), np.float32)
    out, parts = np.empty_like(rows), [rows[:first], *[rows] * 4]
    return lambda: [np.matmul(part, weight, out[: len(part)]) for part in parts]


def stacked(peer: str, workload: str, size: str, seed: int) -> dict[str, float]:
    """What the bars ask: the ratio for layers of this width."""
    width = int(size)
    ratio: float = compare(width, RANKS[width], next(iter(TASKS)), False, ROUNDS)["ratio"]
    return {"ratio": ratio}


def add_command(commands: Any) -> None:
    """Add `sweep` to the commands of `bench`."""
    parser = commands.add_parser(
        "sweep",
        help="time 16 adapters that train side by side, beside one after another",
        description="Time a training step of 16 adapters side by side over one base of three layers, beside 16 steps "
        "one after another: in float32, with Adam, 32 examples a batch. Before they are timed, their losses are "
        "compared.",
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="rounds in which all take turns (%(default)s)")
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Time all sizes, and print the table."""
    if args.out:
        check_place(args.out)
    if args.rounds < 1:
        raise ValueError(f"rounds must be at least 1, not {args.rounds}")
    cases = [(w, r, task, own) for w, r in RANKS.items() for task in TASKS for own in (False, True)]
    table, rows = [HEADINGS], []
    for width, rank, task, own in tracker(args.json or args.quiet)(cases, "stacks"):
        result = compare(width, rank, task, own, args.rounds)
        rows.append({"width": width, "rank": rank, "task": task, "own_batches": own, **result})
        times = [short(result[name]) for name in ("alone", "stacked")]
        name, batch = f"width {width}, rank {rank}, {task}", "each its own" if own else "shared"
        share = f"{result['products'] / result['stacked']:.0%} of it"
        table.append([name, batch, *times, ratio_text(result["ratio"]), share, f"{result['far']:.0e}"])
    where = environment()
    machine = f"{where['cpu']}; Python {where['python']}, NumPy {where['versions']['numpy']}; load {where['load']}"
    if args.out:
        write_atomically(args.out, f"{markdown(table)}\n\n{machine}\n")
    if args.json:
        print(json.dumps({"machine": machine, "rows": rows}, indent=1))
    elif not args.quiet:
        print(f"{markdown(table)}\n\n{machine}")
    return 0
