"""The command `bench study`: is it the variant or the rate? Many settings swept on two tasks, the best ones told apart.

Source of the question: "Learning rate matters: vanilla LoRA may suffice" (arXiv:2602.04998).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinygrad_lora.compiler import compile
from tinygrad_lora.data import digits
from tinygrad_lora.errors import ModelError
from tinygrad_lora.files import check_place, write_atomically
from tinygrad_lora.finetune.classifying import Classifying
from tinygrad_lora.finetune.word_order import movie_sentences, word_order
from tinygrad_lora.library import cross_entropy
from tinygrad_lora.models.load import load_minilm
from tinygrad_lora.sweeps import SweepResult, sweep
from tinygrad_lora.terminal import counting
from tinygrad_lora.view.plots import loss_over_rate

from .environment import environment
from .report import add_output, markdown, page_with
from .variants import pretrained

RATES, SEEDS = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1), (0, 1, 2)
TOKENS = 16  # of a sentence, at most
AT_ONCE = 50  # examples of the test that are judged together
HEADINGS = ["variant", "rank", "best rate", "validation loss", "test accuracy", "at the rate of LoRA", "at the worst"]


class Task(NamedTuple):
    """A model, examples to learn from and to test with, the grid, and how long each run trains."""

    model: Any
    data: tuple[Any, Any]
    test: tuple[Any, Any]
    grid: Mapping[str, Any]
    steps: int
    batch_size: int
    options: Mapping[str, Any]


def rotated_digits(steps: int) -> Task:
    """The network of the demo, which knows upright digits, learns rotated ones: 216 runs."""
    data = digits(rotated=1)
    variants = ["lora", "rslora", "lora_plus", "lora_fa", "dora", "pissa"]
    grid = {"variant": variants, "rank": [2, 8], "lr": list(RATES), "seed": list(SEEDS)}
    pairs = (data.x_train, data.y_train), (data.x_test, data.y_test)
    return Task(pretrained(0), *pairs, grid, steps or 300, 64, {})


def swapped_words(steps: int) -> Task:
    """MiniLM, which is blind to the order of words, learns to see whether two were swapped: 36 runs."""
    reader = load_minilm()
    short = [sentence for sentence in movie_sentences() if len(reader.tokenizer.encode(sentence)) <= TOKENS - 1]
    learned, tested = word_order(short, tested=300)
    task = Classifying(reader, learned, tested)
    rates, variants = [6e-5, 2.5e-4, 1e-3], ["lora", "rslora", "lora_plus", "pissa"]
    grid = {"variant": variants, "rank": [8], "lr": rates, "seed": list(SEEDS)}
    pairs = (task.tokens, task.labels), (task.test_tokens, task.test_labels)
    options = {"exclude_modules": ["head", "pooler.dense"], "modules_to_save": ["head"]}
    return Task(task.model, *pairs, grid, steps or 100, 32, options)


TASKS: dict[str, Callable[[int], Task]] = {"digits": rotated_digits, "minilm": swapped_words}


class Row(NamedTuple):
    """A variant at a rank: its best rate, and what it reaches there, at the rate that suits LoRA, and at its worst."""

    variant: str
    rank: int
    rate: float
    loss: float  # the mean over seeds, as all of these
    accuracy: float
    loss_at_lora: float
    worst: float


def study(task: Task, folder: Path | None, counted: Any) -> tuple[SweepResult, list[Row]]:
    """Sweep, choose a rate for each variant and rank by validation alone, and test what was chosen."""
    targets = task.options.get("target_modules", "all-linear")
    rest = {key: value for key, value in task.options.items() if key != "target_modules"}
    result = sweep(
        task.model, cross_entropy, task.data, **task.grid, target_modules=targets, steps=task.steps,
        batch_size=task.batch_size, validation=0.2, test=task.test, own_batches=True, every=task.steps, folder=folder,
        counting=counted, **rest,
    )  # fmt: skip
    runs: dict[tuple[str, int], dict[float, list[int]]] = {}
    for i, run in enumerate(result.runs):
        s = run.settings
        runs.setdefault((s.variant, s.rank), {}).setdefault(s.lr, []).append(i)
    losses = {key: {lr: mean_loss(result, some) for lr, some in of_rate.items()} for key, of_rate in runs.items()}
    best = {key: min(of_rate, key=of_rate.__getitem__) for key, of_rate in losses.items()}
    return result, [
        Row(variant, rank, rate, losses[variant, rank][rate], accuracy(task, result, runs[variant, rank][rate]),
            losses[variant, rank][best["lora", rank]], max(losses[variant, rank].values()))
        for (variant, rank), rate in best.items()
    ]  # fmt: skip


def mean_loss(result: SweepResult, runs: Sequence[int]) -> float:
    """The mean validation loss of these runs; infinity if one of them diverged."""
    losses = [result.runs[i].validation_loss for i in runs]
    return float(np.mean(losses)) if np.isfinite(losses).all() else float("inf")


def accuracy(task: Task, result: SweepResult, runs: Sequence[int]) -> float:
    """The part of the test that these runs get right, in the mean."""
    x, y = task.test
    right = 0
    for i in runs:
        if not result.runs[i].arrays:
            return float("nan")
        scores = compile(result.adapter(i))
        parts = [scores(x[k : k + AT_ONCE]) for k in range(0, len(x), AT_ONCE)]
        right += int((np.concatenate(parts).argmax(-1) == y).sum())
    return right / (len(x) * len(runs))


def table(rows: Sequence[Row]) -> str:
    """Markdown: a row for each variant and rank, those of a rank together."""
    lines = [HEADINGS]
    for row in sorted(rows, key=lambda row: (row.rank, row.loss)):
        losses = [f"{x:.3f}" if np.isfinite(x) else "diverged" for x in (row.loss_at_lora, row.worst)]
        lines.append([row.variant, str(row.rank), f"{row.rate:g}", f"{row.loss:.3f}", f"{row.accuracy:.1%}", *losses])
    return markdown(lines)


def findings(rows: Sequence[Row]) -> str:
    """What the table says of the question: the spread between variants, and that between rates, in times."""
    sentences = []
    for rank in sorted({row.rank for row in rows}):
        of_rank = [row for row in rows if row.rank == rank]
        tuned = [row.loss for row in of_rank]
        untuned = [row.loss_at_lora for row in of_rank]
        [lora] = [row for row in of_rank if row.variant == "lora"]
        sentences.append(
            f"Rank {rank}: with a rate for each, the worst variant has {times(max(tuned), min(tuned))} the loss of the "
            f"best; with LoRA's rate for all, {times(max(untuned), min(untuned))}. LoRA alone, at the worst of these "
            f"rates: {times(lora.worst, lora.loss)} that of the best."
        )
    return "\n".join(sentences)


def times(a: float, b: float) -> str:
    """How many times as large a is as b."""
    return f"{a / b:.1f} times" if np.isfinite(a) else "no longer"


def add_command(commands: Any) -> None:
    """Add `study` to the commands of `bench`."""
    parser = commands.add_parser(
        "study",
        help="sweep over rates, ranks and variants: does the variant matter, or the rate?",
        description="Sweep over rates, ranks, variants and seeds on two tasks. For each variant and rank, a rate is "
        "chosen by the validation loss, and tested on examples that no choice has seen. A study that was stopped goes "
        "on when it is started again.",
    )
    parser.add_argument("tasks", nargs="*", metavar="TASK", help=f"which of {' '.join(TASKS)} (all)")
    parser.add_argument("--steps", type=int, default=0, help="of each run (300 for digits, 150 for minilm)")
    parser.add_argument(
        "--folder", type=Path, default=Path("study-output"), help="for what is done so far (%(default)s)"
    )
    parser.add_argument("--update-docs", type=Path, metavar="PAGE", help="write the tables and plots into this page")
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Study what was asked for, and print it."""
    names = list(dict.fromkeys(args.tasks)) or list(TASKS)
    if unknown := [name for name in names if name not in TASKS]:
        raise ValueError(f"there is no task called {unknown[0]!r}; there are {', '.join(TASKS)}")
    if args.out:
        check_place(args.out)
    for name in names if args.update_docs else ():
        page_with(args.update_docs, name, "")  # a page without a place for it is better missed now than in an hour
    texts, records = {}, {}
    for name in names:
        try:
            task = TASKS[name](args.steps)
        except ModelError as missing:
            raise ValueError(f"{name}: {missing}") from None
        shown = partial(counting, quiet=args.json or args.quiet)
        result, rows = study(task, args.folder / name, shown)
        texts[name] = f"{table(rows)}\n\n{len(result.runs)} runs of {task.steps} steps.\n{findings(rows)}"
        records[name] = {"runs": len(result.runs), "steps": task.steps, "rows": [row._asdict() for row in rows]}
        if args.update_docs:
            write_atomically(args.update_docs, page_with(args.update_docs, name, texts[name]))
            picture = args.update_docs.parent / "static" / f"study-{name}.svg"
            write_atomically(picture, plot(result, max(row.rank for row in rows)))
    machine = f"{(where := environment())['cpu']}; Python {where['python']}, NumPy {where['versions']['numpy']}"
    text = "\n\n".join([*(f"{name}\n\n{text}" for name, text in texts.items()), machine])
    if args.out:
        write_atomically(args.out, text + "\n")
    if args.json:
        print(json.dumps({"machine": machine, "tasks": records}, indent=1))
    elif not args.quiet:
        print(text)
    return 0


def plot(result: SweepResult, rank: int) -> str:
    """The validation loss over the rate at one rank, a line for each variant."""
    losses: dict[str, dict[float, list[float]]] = {}
    for run in result.runs:
        if run.settings.rank == rank:
            losses.setdefault(run.settings.variant, {}).setdefault(run.settings.lr, []).append(run.validation_loss)
    return loss_over_rate(losses, title=f"Rank {rank}").svg()
