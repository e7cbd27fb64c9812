"""The command `bench feedback`: how many wrong answers get a message that helps, and which do not."""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.report import page_with

from tinygrad_lora.files import write_atomically
from tinygrad_lora.learn.registry import all_exercises
from tinygrad_lora.terminal import counting

from .answers import Answer, known, written
from .edges import SEEDS, disagreements, edge_answers
from .judging import ACCEPTED, BARE, EXAMPLE, MISLEADING, NAMED, PLAIN, REJECTED, Verdict, judged
from .mutants import mutants
from .report import listed, tables, to_read

WORDS = ACCEPTED, NAMED, EXAMPLE, PLAIN, BARE, MISLEADING, REJECTED
KINDS = "wrong", "known", "mutant", "right"


def add_command(commands: Any) -> None:
    """Add `feedback` to the commands of `bench`."""
    parser = commands.add_parser(
        "feedback",
        help="how good the messages about wrong answers are",
        description="Check wrong answers, written by hand and made by machine, and right ones in other styles: how "
        "many are accepted, named, shown with an example, or told nothing that helps.",
    )
    parser.add_argument("only", nargs="*", metavar="ID", help="tutorials or exercises, such as 04 or 04-topo (all)")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS, help="which answers (all)")
    parser.add_argument("--list", choices=WORDS, metavar="WORD", help=f"show those that are {', '.join(WORDS)}")
    parser.add_argument(
        "--edges", action="store_true", help=f"instead: whether {SEEDS} seeds give one verdict on answers near the edge"
    )
    parser.add_argument(
        "--sample", nargs=3, type=int, metavar=("WRITTEN", "CHANGED", "SEED"),
        help="show so many wrong answers written by hand and so many made by machine, drawn with this seed, each with "
        "its exercise, what was written, and all that a student is told",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print each answer and its message as JSON")
    parser.add_argument("--update-docs", type=Path, metavar="FILE", help="put the tables into this page of the docs")
    parser.set_defaults(run=run)


def answers(kinds: tuple[str, ...], only: list[str]) -> Iterator[Answer]:
    """The answers of these kinds to these exercises, exercise by exercise."""
    by_hand = [answer for kind in ("wrong", "right") if kind in kinds for answer in written(kind)]
    for exercise in all_exercises():
        if only and not exercise.id.startswith(tuple(only)):
            continue
        if "known" in kinds:
            yield from known(exercise)
        if "mutant" in kinds:
            yield from mutants(exercise)
        yield from (answer for answer in by_hand if answer.exercise == exercise.id)


def drawn(everything: list[Answer], written: int, changed: int, seed: int) -> list[Answer]:
    """Some of the answers written by hand and some of those made by machine, in order: the same for the same seed."""
    rng = random.Random(seed)
    chosen: list[Answer] = []
    for kind, n in ("wrong", written), ("mutant", changed):
        own = [answer for answer in everything if answer.kind == kind]
        chosen += rng.sample(own, min(n, len(own)))
    return [answer for answer in everything if answer in chosen]


def run(args: argparse.Namespace) -> int:
    """Judge the answers, and print what came out. The exit code is 1 if a verdict was wrong."""
    if args.edges:
        sentences = disagreements(range(SEEDS))
        print(
            "\n".join(sentences)
            or f"{len(list(edge_answers()))} answers, {SEEDS} seeds, both budgets: one verdict on each"
        )
        return int(bool(sentences))
    everything = list(answers(args.kinds, args.only))
    if args.sample:
        everything = drawn(everything, *args.sample)
    verdicts: list[Verdict] = []
    with counting(len(everything), "Answers", quiet=args.json) as show:
        for answer in everything:
            show(len(verdicts), answer.exercise)
            verdicts.append(judged(answer))
    if args.json:
        print(json.dumps([
            {"exercise": v.answer.exercise, "kind": v.answer.kind, "title": v.answer.title, "text": v.answer.text,
             "word": v.word, "code": v.diagnosis and v.diagnosis.code, "right": v.answer.codes,
             "sentence": v.diagnosis and v.diagnosis.sentence, "seconds": v.seconds} for v in verdicts
        ], indent=1))  # fmt: skip
    elif args.list:
        print(listed(verdicts, args.list))
    elif args.sample:
        print(to_read(verdicts))
    else:
        print(tables(verdicts))
    if args.update_docs:
        write_atomically(args.update_docs, page_with(args.update_docs, "feedback", tables(verdicts).strip()))
    return int(any(verdict.word in (ACCEPTED, REJECTED) for verdict in verdicts))
