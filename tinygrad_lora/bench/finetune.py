"""The command `tinygrad-lora bench finetune`: steps per second on real networks, beside PyTorch with PEFT.

Both adapt the same network from the same adapters, on the same examples, and both compute the head only where a token
is learned. Before anything is timed, their losses of the first steps are compared.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from ..files import write_atomically
from ..terminal import Track, show_table, tracker
from .environment import machine_line
from .measure import Process, running
from .peers import missing
from .report import markdown, ratio_text, short
from .results import quartiles

PEERS = ("ours", "ours-eager", "peft")
NETWORKS = ("tiny", "smollm2")
CHECKED = 3  # first steps whose losses must agree
TOLERANCE = 2e-3  # relative: three steps of float32, and an optimizer that divides by small numbers


@dataclass
class Found:
    """What was measured of one implementation: seconds a step by the clock, and of the processor, one a round.

    `first` is the first step, which compiles. Without times, `reason` says why there are none.
    """

    peer: str
    losses: list[float] = field(default_factory=list)
    first: float | None = None
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    reason: str | None = None


def compare(network: str, peers: Sequence[str], rounds: int, threads: int, seed: int, track: Track) -> Row:
    """One training step a round of each implementation, in random order, in processes of their own.

    Raises ValueError for a name that there is not, or a number below 1.
    """
    if network not in NETWORKS:
        raise ValueError(f"there is no network called {network!r}; there are {', '.join(NETWORKS)}")
    if unknown := [name for name in peers if name not in PEERS]:
        raise ValueError(f"there is no peer called {unknown[0]!r}; there are {', '.join(PEERS)}")
    if min(rounds, threads) < 1:
        raise ValueError(f"rounds and threads must be at least 1, not {rounds} and {threads}")
    found = {name: Found(name, reason=missing(name)) for name in dict.fromkeys(["ours", *peers])}
    present = [f for f in found.values() if f.reason is None]
    with _processes([f.peer for f in present], threads) as processes:
        where = {"threads": threads, **processes["ours"].ask("environment")}
        for f in track(present, "preparing"):
            _prepare(f, processes[f.peer], network)
            f.reason = f.reason or _disagreement(f, found["ours"])
        shuffle = random.Random(seed)
        ready = [f for f in present if f.reason is None]
        for _ in track(range(rounds), "training steps"):
            for f in shuffle.sample(ready, len(ready)):
                answer = processes[f.peer].ask("probe", name="finetune", network=network, steps=1)
                f.wall += answer["wall"]
                f.cpu += answer["cpu"]
    return {"network": network, "machine": machine_line(where), "found": list(found.values())}


Row = dict[str, Any]


class _processes:
    """A worker for each peer, for as long as the `with` statement lasts."""

    def __init__(self, names: Sequence[str], threads: int) -> None:
        self.contexts = {name: running(name, threads) for name in names}

    def __enter__(self) -> dict[str, Process]:
        return {name: context.__enter__() for name, context in self.contexts.items()}

    def __exit__(self, *error: Any) -> None:
        for context in self.contexts.values():
            context.__exit__(*error)
