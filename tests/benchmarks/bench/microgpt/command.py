"""The command `bench microgpt`: W8 on names of all lengths, compiling included, beside the others."""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Sequence
from contextlib import ExitStack
from statistics import median
from typing import Any

from tinygrad_lora.files import check_place, write_atomically
from tinygrad_lora.terminal import Track, tracker

from ..environment import machine_line
from ..measure import running
from ..peers import PEERS, missing
from ..report import add_output, markdown, ratio_text, short
from ..workloads import ONE
from . import model
from .trainers import THIRTEENTH, compiling

PADDED = {"ours-padded": "ours", "jax-padded": "jax"}  # one program for names of all lengths
WRITTEN = ("ours", "ours-padded", "ours-eager", "naive", "torch", "torch.compile", "jax", "jax-padded", "micrograd")
COMPILED = ("ours", "torch.compile", "jax")
SLOW = {"micrograd": 14}  # so many steps take as long as all of the others: one for each length
TOLERANCE = 1e-6  # the losses of all steps must agree so far
ROUNDS = 5

Answer = dict[str, Any]


def compare(
    peers: Sequence[str], steps: int, seed: int, track: Track, rounds: int = ROUNDS
) -> tuple[list[Answer], str]:
    """What `trainers.all_lengths` measured of each peer, in a process of its own, and a line about the machine.

    Then all of them learn the same names again, in random order, so many times: `rounds`, the seconds of each step.
    Without measurements, `reason` says why. Raises ValueError for a name that there is not, or a number below 1.
    """
    for name in peers:
        if name not in WRITTEN:
            raise ValueError(f"there is no peer called {name!r}; there are {', '.join(WRITTEN)}")
    if min(steps, rounds) < 1 or seed < 0:
        raise ValueError(f"steps must be at least 1 and seed 0 or more, not {steps} and {seed}")
    names = dict.fromkeys(["ours", "naive", *peers])
    answers: list[Answer] = [{"peer": name, "reason": missing(PADDED.get(name, name)), "rounds": []} for name in names]
    with ExitStack() as stack:
        ready = []
        for answer in track([answer for answer in answers if not answer["reason"]], f"{steps:,} names"):
            name = answer["peer"]
            process = stack.enter_context(running(name, 1))
            few = min(steps, SLOW.get(name, steps))
            answer |= process.ask("probe", name="all_lengths", workload="W8", size=ONE, seed=seed, steps=few)
            answer["reason"] = answer.get("failed") or answer.get("skipped") or _disagreement(answer, answers[0])
            if not answer["reason"]:
                ready.append((answer, process))
        machine = machine_line({"threads": 1, **ready[0][1].ask("environment")}) if ready else ""
        shuffle = random.Random(seed)
        for turn in track(range(rounds), "the same names again"):
            for answer, process in shuffle.sample(ready, len(ready)):
                if turn == 0 or answer["peer"] not in SLOW:
                    answer["rounds"].append(process.ask("probe", name="same_names")["again"])
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
    for answer in answers:
        name = answer["peer"]
        name += " (names padded to one length)" if name in PADDED else f" ({PEERS[name].title})"
        if answer["reason"]:
            rows.append([name, answer["reason"], *[""] * 7])
            continue
        begin, steady = sum(answer["begin"]), median(map(sum, answer["rounds"]))
        done = len(answer["begin"])
        ratios = [sum(a[:done]) / sum(b) for a, b in zip(answers[0]["rounds"], answer["rounds"], strict=False)]
        row = [name, short(steady / done), ratio_text(median(ratios)) if ratios else ""]
        row += [short(begin) + f" ({done} steps)" * (done < steps), ratio_text(answer["included"]), "", "", ""]
        if answer["peer"] in COMPILED and done >= THIRTEENTH:
            first, thirteenth = (compiling(answer, length) for length in (1, THIRTEENTH))
            row[5:] = [short(first), short(thirteenth), ratio_text(thirteenth / first)]
        rows.append([*row, f"{answer['difference']:.0e}"])
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
    add_output(parser)
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
