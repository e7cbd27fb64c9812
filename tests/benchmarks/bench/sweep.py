"""The command `bench sweep`: adapters side by side in one step, beside as many steps one after another."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_lora.compiler import compile_training_step
from tinygrad_lora.core.ops import relu
from tinygrad_lora.files import check_place, write_atomically
from tinygrad_lora.finetune.classifying import Classifier
from tinygrad_lora.library import cross_entropy, gelu, mse
from tinygrad_lora.models.bert import BertModel
from tinygrad_lora.nn import Adam, Linear, Sequential
from tinygrad_lora.sweeps.settings import RunSettings
from tinygrad_lora.sweeps.stack import Stack, StackedStep, adapted_copy
from tinygrad_lora.terminal import tracker

from .environment import machine_line
from .measure import running
from .report import add_output, markdown, ratio_text, short

RUNS, BATCH, ROUNDS = 16, 32, 20
STEPS = 4  # that each way does in its turn: a sweep does many, so the cache holds what one step left there
RANKS = {64: 4, 256: 8, 384: 8}  # by the width of the three layers
# An encoder of the sizes of MiniLM, with random weights, and how many adapters of it fit the memory.
ENCODER: dict[str, Any] = {
    "vocab_size": 3000, "hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12,
    "intermediate_size": 1536, "max_position_embeddings": 64, "type_vocab_size": 2, "hidden_act": "gelu",
}  # fmt: skip
FEW, TOKENS = 4, 16
# What the layers are trained with: the activation between them, and the loss.
TASKS: dict[str, tuple[Any, Any]] = {"GELU, cross-entropy": (gelu, cross_entropy), "ReLU, squares": (relu, mse)}
HEADINGS = ["", "batch", "one after another", "side by side", "ratio", "base products", "off by at most"]


def compare(width: int, rank: int, task: str, own_batches: bool, rounds: int) -> dict[str, Any]:
    """16 adapters of three layers of this width: what `race` gives."""
    activation, loss = TASKS[task]
    layers = [Linear(width, width, seed=seed, dtype=np.float32) for seed in range(3)]
    model = Sequential(layers[0], activation, layers[1], activation, layers[2])
    rng = np.random.default_rng(0)
    x = rng.normal(size=(RUNS, BATCH, width)).astype(np.float32)
    y: Any = rng.integers(0, width, (RUNS, BATCH))
    y = y if loss is cross_entropy else rng.normal(size=x.shape).astype(np.float32)
    batch = (x, y) if own_batches else (x[:1], y[:1])
    sizes = [(len(batch[0]) * BATCH, width, width), *[(RUNS * BATCH, width, width)] * 4]
    return race(model, loss, batch, {}, rank, RUNS, sizes, rounds)


def compare_encoder(config: dict[str, Any], rounds: int) -> dict[str, Any]:
    """A few adapters of an encoder, each with its own batch of sentences: what `race` gives."""
    model = Classifier(BertModel.from_config(config, seed=0, pooler=False), 2)
    rng = np.random.default_rng(0)
    batch = rng.integers(1, config["vocab_size"], (FEW, BATCH, TOKENS)), rng.integers(0, 2, (FEW, BATCH))
    options = {"exclude_modules": ["head"], "modules_to_save": ["head"]}
    rows, inner, outer = FEW * BATCH * TOKENS, config["hidden_size"], config["intermediate_size"]
    block = [*[(rows, inner, inner)] * 8, *[(rows, inner, outer)] * 2, *[(rows, outer, inner)] * 2]
    sizes = block * config["num_hidden_layers"]
    return race(model, cross_entropy, batch, options, 8, FEW, sizes, rounds)


def race(
    model: Any, loss: Any, batch: tuple[Any, Any], options: dict[str, Any], rank: int, n: int,
    sizes: Sequence[tuple[int, int, int]], rounds: int,
) -> dict[str, Any]:  # fmt: skip
    """Seconds of the processor, in turns: n adapters one after another, side by side, and the base's products alone.

    Medians over rounds. `batch` has one for all or one for each, `sizes` those of the products with the base.
    """
    x, y = batch
    runs = [RunSettings(rank, rank, 1e-4 * 1.2**i, seed=i) for i in range(n)]
    stack = Stack(model, runs, loss, options)
    step = StackedStep(stack, stack.optimizer(Adam, [_constant(run.lr) for run in runs]), len(x) > 1)
    alone = []
    for run in runs:
        one = adapted_copy(model, run, options)
        alone.append(compile_training_step(one, loss, Adam(one.parameters(), run.lr)))

    def one_after_another() -> Any:
        return np.array([own(x[i % len(x)], y[i % len(x)]) for i, own in enumerate(alone)])

    def side_by_side() -> Any:
        return step(x, y) if len(x) > 1 else step(x[0], y[0])

    ways = {"alone": one_after_another, "stacked": side_by_side, "products": _products(sizes)}
    far = max(float(np.abs(one_after_another() / side_by_side() - 1).max()) for _ in range(3))
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    rng = np.random.default_rng(0)
    for _ in range(rounds):
        for name in rng.permutation(list(ways)):
            begin = time.process_time()
            for _ in range(STEPS):
                ways[name]()
            seconds[name].append((time.process_time() - begin) / STEPS)
    medians = {name: float(np.median(times)) for name, times in seconds.items()}
    return medians | {"ratio": medians["stacked"] / medians["alone"], "far": far}


def _constant(rate: float) -> Callable[[int], float]:
    return lambda step: rate


def _products(sizes: Sequence[tuple[int, int, int]]) -> Callable[[], Any]:
    """Products of these rows, columns and columns of the result, each of all rows at once."""
    arrays = {
        (m, k, n): [np.ones(shape, np.float32) for shape in ((m, k), (k, n), (m, n))]
        for m, k, n in dict.fromkeys(sizes)
    }
    return lambda: [np.matmul(*arrays[size]) for size in sizes]


def stacked(peer: str, workload: str, size: str, seed: int) -> dict[str, float]:
    """What the bars ask: the ratio for layers of this width."""
    width = int(size)
    ratio: float = compare(width, RANKS[width], next(iter(TASKS)), False, ROUNDS)["ratio"]
    return {"ratio": ratio}


def swept(peer: str, case: Sequence[Any], rounds: int) -> dict[str, Any]:
    """What is measured for a case: the settings of `compare`, or the configuration of an encoder."""
    way: Callable[..., dict[str, Any]] = compare if len(case) > 1 else compare_encoder
    return way(*case, rounds)


def add_command(commands: Any) -> None:
    """Add `sweep` to the commands of `bench`."""
    parser = commands.add_parser(
        "sweep",
        help="time adapters that train side by side, beside one after another",
        description="Time a training step of 16 adapters side by side over one base of three layers, beside 16 steps "
        "one after another: in float32, with Adam, 32 examples a batch. Likewise 4 adapters of an encoder of the sizes "
        "of MiniLM. Before they are timed, their losses are compared.",
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="rounds in which all take turns (%(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="threads that multiply matrices (%(default)s)")
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Time all sizes, and print the table."""
    if args.out:
        check_place(args.out)
    if min(args.rounds, args.threads) < 1:
        raise ValueError(f"rounds and threads must be at least 1, not {args.rounds} and {args.threads}")
    cases: list[Any] = [(w, r, task, own) for w, r in RANKS.items() for task in TASKS for own in (False, True)]
    table, rows = [HEADINGS], []
    with running("ours", args.threads) as process:
        for case in tracker(args.json or args.quiet)([*cases, (ENCODER,)], "stacks"):
            few = len(case) == 1
            key = (ENCODER["hidden_size"], 8, "an encoder", True) if few else case
            name = f"{FEW} adapters of MiniLM's sizes, rank 8" if few else "width {}, rank {}, {}".format(*case)
            rounds = -(-args.rounds // 5) if few else args.rounds
            result = process.ask("probe", name="sweep", case=case, rounds=rounds)
            if "failed" in result:
                raise ValueError(f"{name}: {result['failed']}")
            rows.append(dict(zip(("width", "rank", "task", "own_batches"), key, strict=True)) | result)
            times = [short(result[way]) for way in ("alone", "stacked")]
            share = f"{result['products'] / result['stacked']:.0%} of it"
            batch = "each its own" if key[3] else "shared"
            table.append([name, batch, *times, ratio_text(result["ratio"]), share, f"{result['far']:.0e}"])
        machine = machine_line({"threads": args.threads, **process.ask("environment")})
    if args.out:
        write_atomically(args.out, f"{markdown(table)}\n\n{machine}\n")
    if args.json:
        print(json.dumps({"machine": machine, "rows": rows}, indent=1))
    elif not args.quiet:
        print(f"{markdown(table)}\n\n{machine}")
    return 0
