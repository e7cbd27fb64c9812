"""What the terminal shows: the rate while it runs, each fault as it is found, and at the end all of them by cause."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from typing import IO

from .faults import ALLOWED, Fault

EVERY = 10.0  # seconds between two lines about the rate
MOST_SHOWN = 3  # faults of one cause


class Report:
    """Counts what the trials say, and prints it."""

    def __init__(self, seed: int, out: IO[str]) -> None:
        self.seed, self.out = seed, out
        self.start = self.shown = time.monotonic()
        self.programs = 0
        self.kinds: Counter[str] = Counter()
        self.faults: defaultdict[str, list[Fault]] = defaultdict(list)
        self.allowed: defaultdict[str, list[Fault]] = defaultdict(list)

    def take(self, message: tuple[list[str], Fault | None] | None) -> None:
        """One trial, or None where nothing happened."""
        if message:
            kinds, fault = message
            self.programs += bool(kinds)
            self.kinds.update(kinds)
            if fault:
                group = self.allowed if fault.cause.startswith(ALLOWED) else self.faults
                group[fault.cause].append(fault)
                if group is self.faults and len(group[fault.cause]) <= MOST_SHOWN:
                    self._say(f"number {fault.number}: {shortened(fault.told)}\n  {fault.path or fault.again}")
        if time.monotonic() - self.shown >= EVERY:
            self.shown = time.monotonic()
            self._say(self._progress())

    def close(self, interrupted: bool = False) -> None:
        """The summary."""
        self._say(f"\n{'interrupted: ' * interrupted}seed {self.seed}: {self._progress()}")
        if self.kinds:
            self._say(", ".join(f"{n:,} {kind}" for kind, n in self.kinds.most_common()))
        for title, groups in (("differences that docs/numbers.md allows", self.allowed), ("faults", self.faults)):
            if groups:
                self._say(f"\n{sum(map(len, groups.values())):,} {title}, by likely cause:")
            for cause, faults in sorted(groups.items(), key=lambda item: -len(item[1])):
                self._say(f"{len(faults):6,}  {cause.removeprefix(f'{ALLOWED}: ')}")
                for fault in faults[:MOST_SHOWN]:
                    self._say(f"        {fault.path or fault.again}")
        if not self.faults:
            self._say("no fault was found")

    def _progress(self) -> str:
        seconds = time.monotonic() - self.start
        count = sum(map(len, self.faults.values()))
        return (
            f"{int(seconds) // 60}:{int(seconds) % 60:02}  {self.programs:,} program{'s' * (self.programs != 1)}  "
            f"{self.programs / max(seconds, 1e-9):.0f} a second  {count} fault{'s' * (count != 1)}"
        )

    def _say(self, text: str) -> None:
        print(text, file=self.out, flush=True)


def shortened(text: str) -> str:
    """The first line, and not all of a long one."""
    line = text.partition("\n")[0]
    return line if len(line) <= 160 else f"{line[:157]}..."
