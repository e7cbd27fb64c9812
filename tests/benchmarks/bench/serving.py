"""The command `bench serving`: mixed batches with many adapters over one base, beside PEFT."""

from __future__ import annotations

import argparse
import importlib.util
import json
import random
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from tinygrad_lora.files import check_place, write_atomically
from tinygrad_lora.terminal import Track, tracker

from .environment import machine_line
from .measure import Process, running
from .report import add_output, markdown, page_with, ratio_text, short
from .serving_batches import LAYERS, RANKS, SIZES, WIDTH

PEERS = {
    "ours": ((), "AdapterServer, compiled"),
    "ours-by-row": ((), "by_row, our engine without the compiler"),
    "peft": (("torch", "peft"), "PyTorch with PEFT's adapter_names"),
    "ours-one": ((), "one adapter for all samples, compiled"),
    "peft-one": (("torch", "peft"), "one adapter for all samples, PyTorch with PEFT"),
    "ours-base": ((), "the base alone, compiled"),
}  # fmt: skip
MIXED = ("ours", "ours-by-row", "peft")  # they compute the same numbers
TOLERANCE = 1e-4
COUNT, ROUNDS, BATCHES = 256, 10, 5


@dataclass
class ServingResult:
    """What was measured of a peer, or why nothing was."""

    peer: str
    size: str
    reason: str | None = None
    seconds: list[float] = field(default_factory=list)  # a batch, the median of each round
    numbers: list[float] = field(default_factory=list)


def compare(peers: Sequence[str], count: int, rounds: int, seed: int, track: Track) -> tuple[list[ServingResult], str]:
    """The same mixed batch through each implementation, in random order, each in a process of its own.

    Gives what was measured, and a line about the machine. Raises ValueError for a name that there is not, or a number
    below 1.
    """
    for name in peers:
        if name not in PEERS:
            raise ValueError(f"there is no peer called {name!r}; there are {', '.join(PEERS)}")
    if min(count, rounds) < 1 or seed < 0:
        raise ValueError(f"adapters and rounds must be at least 1, seed 0 or more, not {count}, {rounds} and {seed}")
    names = list(dict.fromkeys(["ours", *peers]))
    results = [ServingResult(name, size, missing(name)) for size in SIZES for name in names]
    with ExitStack() as stack:
        processes = {name: stack.enter_context(running(name, 1)) for name in names if not missing(name)}
        machine = machine_line({"threads": 1, **processes["ours"].ask("environment")})
        for result in track([result for result in results if not result.reason], "first batches"):
            _measure(result, processes[result.peer], count, 2)
            result.seconds = []
            result.reason = result.reason or _disagreement(result, next(r for r in results if r.size == result.size))
        ready, shuffle = [result for result in results if not result.reason], random.Random(seed)
        for _ in track(range(rounds), "batches"):
            for result in shuffle.sample(ready, len(ready)):
                _measure(result, processes[result.peer], count, BATCHES)
    return results, machine


def missing(peer: str) -> str | None:
    """Why this implementation cannot run here, or None."""
    absent = [library for library in PEERS[peer][0] if importlib.util.find_spec(library) is None]
    return f"{', '.join(absent)} not installed" if absent else None


def _measure(result: ServingResult, process: Process, count: int, batches: int) -> None:
    answer = process.ask("probe", name="serving", size=result.size, count=count, batches=batches)
    result.reason = answer.get("failed") or answer.get("skipped")
    if not result.reason:
        result.numbers = answer["numbers"]
        result.seconds.append(median(answer["wall"]))


def _disagreement(result: ServingResult, ours: ServingResult) -> str | None:
    """A sentence if it should give our numbers, and does not."""
    if result.peer not in MIXED or not ours.numbers:
        return None
    worst = float(np.max(np.abs(np.subtract(result.numbers, ours.numbers))))
    return None if worst <= TOLERANCE else f"disagrees: a number is off by {worst:.1e}"


def table(results: Sequence[ServingResult], count: int) -> str:
    """Markdown: a row for each implementation, and for each size the time, the rows a second, and ours / theirs."""
    heads = [f"{s.samples} samples of {s.rows} row{'s' * (s.rows > 1)}" for s in SIZES.values()]
    titles = [title for head in heads for title in (head, "rows a second", "ours / theirs")]
    lines = [[f"{count} adapters", *titles]]
    for peer in dict.fromkeys(result.peer for result in results):
        cells = []
        for size, (samples, rows) in SIZES.items():
            ours, own = (next(r for r in results if r.size == size and r.peer == name) for name in ("ours", peer))
            if own.reason or not own.seconds:
                cells += [own.reason or "", "", ""]
                continue
            seconds = median(own.seconds)
            ratio = median(a / b for a, b in zip(ours.seconds, own.seconds, strict=True))
            cells += [short(seconds), f"{samples * rows / seconds:,.0f}", ratio_text(ratio)]
        lines.append([f"{peer} ({PEERS[peer][1]})", *cells])
    return markdown(lines)


def add_command(commands: Any) -> None:
    """Add `serving` to the commands of `bench`."""
    parser = commands.add_parser(
        "serving",
        help="time mixed batches with many adapters over one base, beside PEFT",
        description=f"Time batches in which each sample has an adapter of its own, in {LAYERS} linear layers of width "
        f"{WIDTH}, adapters of ranks {' and '.join(map(str, RANKS))}, in float32: our server, our rows that choose, "
        "PEFT's adapter_names; and one adapter for all, and none. Mixed batches must give the same numbers.",
    )
    parser.add_argument("--peers", nargs="+", default=list(PEERS), metavar="PEER",
                        help=f"which of {' '.join(PEERS)} (all); ours is always there")  # fmt: skip
    parser.add_argument("--adapters", type=int, default=COUNT, help="adapters at hand (%(default)s)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"rounds of {BATCHES} batches (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="draws the order within a round (%(default)s)")
    parser.add_argument("--update-docs", type=Path, metavar="FILE", help="put the table into this page of the docs")
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Compare what was asked for, and print it."""
    if args.out:
        check_place(args.out)
    track = tracker(args.json or args.quiet)
    results, machine = compare(args.peers, args.adapters, args.rounds, args.seed, track)
    text = f"{table(results, args.adapters)}\n\n{machine}"
    if args.out:
        write_atomically(args.out, text + "\n")
    if args.update_docs:
        write_atomically(args.update_docs, page_with(args.update_docs, "serving", text))
    if args.json:
        print(json.dumps({"machine": machine, "rows": [asdict(result) for result in results]}, indent=1))
    elif not args.quiet:
        print(text)
    return 0
