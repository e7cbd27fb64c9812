"""The command `bench finetune`: training steps of real networks, beside PyTorch with PEFT.

Both adapt the same network from the same adapters, on the same examples, and both compute the head only where a token
is learned. Before anything is timed, the losses of the first steps are compared.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import random
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from tinygrad_lora.files import check_place, write_atomically
from tinygrad_lora.terminal import Track, tracker

from .environment import machine_line
from .measure import running
from .report import add_output, markdown, ratio_text, short
from .results import quartiles

# What each needs, and what it is.
PEERS = {
    "ours": ((), "compiled to NumPy"),
    "ours-eager": ((), "our engine without the compiler"),
    "peft": (("torch", "transformers", "peft"), "PyTorch, transformers and PEFT"),
}
NETWORKS = ("smollm2", "tiny")
CHECKED = 3  # first steps whose losses must agree
TOLERANCE = 2e-3  # relative: three steps in float32, with an optimizer that divides by small numbers


@dataclass
class PeerResult:
    """What was measured of one implementation: seconds a step by the clock and of the processor, one for each round.

    `first` is the first step, which compiles. Without times, `reason` says why there are none.
    """

    peer: str
    losses: list[float] = field(default_factory=list)
    first: float | None = None
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    reason: str | None = None
    ratio: float | None = None  # ours / theirs: the median over the rounds
    low: float | None = None
    high: float | None = None


def compare(
    network: str, peers: Sequence[str], rounds: int, threads: int, seed: int, track: Track
) -> tuple[list[PeerResult], str]:
    """One training step of each implementation in each round, in random order, each in a process of its own.

    Gives what was found, and a line about the machine. Raises ValueError for a name that there is not, or a number
    below 1.
    """
    for what, name, names in (("network", network, NETWORKS), *(("peer", name, PEERS) for name in peers)):
        if name not in names:
            raise ValueError(f"there is no {what} called {name!r}; there are {', '.join(names)}")
    if min(rounds, threads) < 1:
        raise ValueError(f"rounds and threads must be at least 1, not {rounds} and {threads}")
    if seed < 0:
        raise ValueError(f"seed must be 0 or more, not {seed}")
    results = [PeerResult(name, reason=missing(name)) for name in dict.fromkeys(["ours", *peers])]
    with ExitStack() as stack:
        ready = [
            (result, stack.enter_context(running(result.peer, threads))) for result in results if result.reason is None
        ]
        machine = machine_line({"threads": threads, **ready[0][1].ask("environment")})
        for result, process in track(ready, "first steps"):
            _keep(result, process.ask("probe", name="finetune", network=network, steps=CHECKED))
            result.first = result.wall[0] if result.wall else None
            result.wall, result.cpu, result.reason = [], [], result.reason or _disagreement(result, results[0])
        ready = [(result, process) for result, process in ready if result.reason is None]
        shuffle = random.Random(seed)
        for _ in track(range(rounds), "training steps"):
            for result, process in shuffle.sample(ready, len(ready)):
                _keep(result, process.ask("probe", name="finetune", network=network, steps=1))
    for result, _ in ready:
        ratios = [mine / theirs for mine, theirs in zip(results[0].wall, result.wall, strict=True)]
        result.ratio, (result.low, result.high) = median(ratios), quartiles(ratios)
    return results, machine


def missing(peer: str) -> str | None:
    """Why this implementation cannot run here, or None."""
    absent = [library for library in PEERS[peer][0] if importlib.util.find_spec(library) is None]
    return f"{', '.join(absent)} not installed" if absent else None


def _keep(result: PeerResult, answer: dict[str, Any]) -> None:
    if reason := answer.get("failed") or answer.get("skipped"):
        result.reason = reason
        return
    result.losses += answer["losses"]
    result.wall += answer["wall"]
    result.cpu += answer["cpu"]


def _disagreement(result: PeerResult, ours: PeerResult) -> str | None:
    """A sentence if its first losses are not ours."""
    worst = max((abs(a / b - 1) for a, b in zip(result.losses, ours.losses, strict=False)), default=0.0)
    return None if worst <= TOLERANCE else f"disagrees: a loss of the first steps differs by {worst:.1e} of itself"


def table(results: Sequence[PeerResult]) -> str:
    """Markdown: a row for each implementation."""
    rows = [["", "first step", "time a step", "of the processor", "steps a second", "ours / theirs", "quartiles"]]
    for result in results:
        name = f"{result.peer} ({PEERS[result.peer][1]})"
        if result.reason or not result.wall or result.first is None:
            rows.append([name, result.reason or "", "", "", "", "", ""])
            continue
        seconds = median(result.wall)
        spread = f"{ratio_text(result.low)} to {ratio_text(result.high)}"
        rows.append([name, short(result.first), short(seconds), short(median(result.cpu)), f"{1 / seconds:.3g}",
                     ratio_text(result.ratio), spread])  # fmt: skip
    return markdown(rows)


def add_command(commands: Any) -> None:
    """Add `finetune` to the commands of `bench`."""
    parser = commands.add_parser(
        "finetune",
        help="time training steps of a real network, beside PyTorch with PEFT",
        description="Time training steps of a real network with LoRA on its queries and values, beside PyTorch with "
        "PEFT in the same run: the same weights, adapters, examples and optimizer, and the head only where a token is "
        "learned. The losses of the first steps must agree.",
    )
    parser.add_argument(
        "--network", default="smollm2", metavar="NETWORK", help=f"one of {', '.join(NETWORKS)} (smollm2)"
    )
    parser.add_argument(
        "--peers", nargs="+", default=["peft"], metavar="LIBRARY", help=f"which of {' '.join(PEERS)} (peft)"
    )
    parser.add_argument("--rounds", type=int, default=10, help="timed steps of each implementation (%(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="threads of each implementation (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="draws the order within a round (%(default)s)")
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Compare what was asked for, and print it."""
    if args.out:
        check_place(args.out)
    track = tracker(args.json or args.quiet)
    results, machine = compare(args.network, args.peers, args.rounds, args.threads, args.seed, track)
    if args.out:
        write_atomically(args.out, f"{table(results)}\n\n{machine}\n")
    if args.json:
        rows = [asdict(result) for result in results]
        print(json.dumps({"network": args.network, "machine": machine, "rows": rows}, indent=1))
    elif not args.quiet:
        print(f"{table(results)}\n\n{machine}")
    return 0
