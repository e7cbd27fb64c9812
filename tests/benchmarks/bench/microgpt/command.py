"""The command `bench microgpt`: W8 on names of all lengths, compiling included, beside the others."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tinygrad_lora.files import check_place, write_atomically
from tinygrad_lora.terminal import Track, tracker

from ..environment import machine_line
from ..measure import running
from ..peers import PEERS, missing
from ..report import markdown, ratio_text, short
from ..workloads import ONE
from . import model

WRITTEN = ("ours", "ours-eager", "naive", "torch", "torch.compile", "jax", "micrograd")
SLOW = {"micrograd": 14}  # so many steps take as long as all of the others: one for each length
TOLERANCE = 1e-6  # the losses of all steps must agree so far

Answer = dict[str, Any]


def compare(peers: Sequence[str], steps: int, seed: int, track: Track) -> tuple[list[Answer], str]:
    """What `trainers.all_lengths` measured of each peer, in a process of its own, and a line about the machine.

    Without measurements, `reason` says why. Raises ValueError for a name that there is not, or a number below 1.
    """
    for name in peers:
        if name not in WRITTEN:
            raise ValueError(f"there is no peer called {name!r}; there are {', '.join(WRITTEN)}")
    if steps < 1 or seed < 0:
        raise ValueError(f"steps must be at least 1 and seed 0 or more, not {steps} and {seed}")
    answers: list[Answer] = []
    machine = ""
    for name in track(list(dict.fromkeys(["ours", "naive", *peers])), f"{steps:,} names"):
        answer: Answer = {"peer": name, "steps": min(steps, SLOW.get(name, steps))}
        answers.append(answer)
        if reason := missing(name):
            answer["reason"] = reason
            continue
        with running(name, 1) as process:
            machine = machine or machine_line({"threads": 1, **process.ask("environment")})
            answer |= process.ask(
                "probe", name="all_lengths", workload="W8", size=ONE, seed=seed, steps=answer["steps"]
            )
        answer["reason"] = answer.get("failed") or answer.get("skipped") or _disagreement(answer, answers[0])
    return answers, machine


def _disagreement(answer: Answer, ours: Answer) -> str | None:
    """How far its losses are from ours goes into the answer; a sentence if that is too far."""
    pairs = zip(answer["losses"], ours.get("losses", []), strict=False)
    answer["difference"] = max((abs(a - b) for a, b in pairs), default=0.0)
    return None if answer["difference"] <= TOLERANCE else f"disagrees: a loss is off by {answer['difference']:.1e}"


def table(answers: Sequence[Answer], steps: int) -> str:
    """Markdown: a row for each implementation."""
    rows = [[
        "", "a step", "ours / theirs", f"{steps:,} steps with compiling", "against the steps alone",
        "compiling for the first length", "for the thirteenth", "against the first", "losses differ by",
    ]]  # fmt: skip
    base = answers[0].get("steady", 0.0) / answers[0]["steps"]
    for answer in answers:
        name = f"{answer['peer']} ({PEERS[answer['peer']].title})"
        if answer["reason"]:
            rows.append([name, answer["reason"], *[""] * 7])
            continue
        step, few = answer["steady"] / answer["steps"], answer["steps"] < steps
        compiling = [short(answer[what]) if what in answer else "" for what in ("first", "thirteenth")]
        rows.append([
            name, short(step), ratio_text(base / step), short(answer["whole"]) + f" ({answer['steps']} steps)" * few,
            ratio_text(answer["included"]), *compiling,
            ratio_text(answer["new_length"]) if "new_length" in answer else "", f"{answer['difference']:.0e}",
        ])  # fmt: skip
    return markdown(rows)


def add_command(commands: Any) -> None:
    """Add `microgpt` to the commands of `bench`."""
    parser = commands.add_parser(
        "microgpt",
        help="train a GPT of one layer on names of all lengths, compiling included",
        description="Train a GPT of one layer on names of 2 to 15 letters, one name a step, beside NumPy by hand, "
        "PyTorch, JAX and micrograd: all steps with compiling, and the same steps again without. Times are those of "
        "the processor. All losses must agree.",
    )
    parser.add_argument("--peers", nargs="+", default=list(WRITTEN), metavar="PEER",
                        help=f"which of {' '.join(WRITTEN)} (all); ours and naive are always there")  # fmt: skip
    parser.add_argument("--steps", type=int, default=model.STEPS, help="names to learn (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="draws the weights and the names (%(default)s)")
    parser.add_argument("--out", type=Path, default=None, metavar="FILE", help="write the table to this file too")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.add_argument("--quiet", action="store_true", help="print nothing, unless something is wrong")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Compare what was asked for, and print it."""
    if args.out:
        check_place(args.out)
    answers, machine = compare(args.peers, args.steps, args.seed, tracker(args.json or args.quiet))
    text = f"{table(answers, args.steps)}\n\n{machine}"
    if args.out:
        write_atomically(args.out, text + "\n")
    if args.json:
        print(json.dumps({"machine": machine, "rows": answers}, indent=1))
    elif not args.quiet:
        print(text)
    return 0
