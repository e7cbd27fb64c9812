"""`python3 run.py fuzz --files`: damaged files on all cores, until the time is over or Ctrl-C."""

from __future__ import annotations

import argparse
import faulthandler
import multiprocessing
import os
import queue
import resource
import signal
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

INTERRUPTED = 130
MEMORY = 3 * 2**30  # bytes of addresses for a process: what takes more fails, instead of the machine
PATIENCE = 60.0  # seconds in which a process must say something
MOST_SHOWN = 3  # faults of one cause


def parser() -> argparse.ArgumentParser:
    """The command line."""
    words = argparse.ArgumentParser("run.py fuzz --files", description=__doc__)
    words.add_argument("--minutes", type=float, default=None, help="how long (default: 1, or until --trials are done)")
    words.add_argument("--trials", type=int, default=None, help="how many files")
    words.add_argument("--seed", type=int, default=0, help="of all random draws (default: 0)")
    words.add_argument("--only", type=int, default=None, metavar="NUMBER", help="this file of the seed alone")
    words.add_argument("--extremes", action="store_true", help="large files that take time and memory, one of each")
    words.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")
    return words


def main(arguments: Sequence[str]) -> int:
    """Try files and print what is wrong. 0: nothing; 1: something; 130: Ctrl-C, and nothing was wrong."""
    options = parser().parse_args(arguments)
    if options.only is not None:
        from .trial import trial

        print(*trial(options.seed, options.only), sep="\n")
        return 0
    if options.extremes:
        return extremes()
    minutes = 1.0 if options.minutes is None and options.trials is None else options.minutes
    end = None if minutes is None else time.monotonic() + 60 * minutes
    outcomes: Counter[tuple[str, str]] = Counter()
    faults: Counter[str] = Counter()
    start, interrupted = time.monotonic(), False
    workers = [Worker(options.seed, i, options.workers, options.trials) for i in range(options.workers)]
    try:
        while any(worker.at is not None for worker in workers) and (end is None or time.monotonic() < end):
            for worker in workers:
                for number, kind, message, outcome in worker.messages():
                    outcomes[kind, outcome] += 1
                    if message:
                        cause = message.partition(":")[0] + message[-60:]
                        faults[cause] += 1
                        if faults[cause] <= MOST_SHOWN:
                            print(f"--seed {options.seed} --only {number}: {message}", flush=True)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        for worker in workers:
            worker.end()
    print(f"\n{'kind':28}{'right':>8}{'refused':>9}")
    for kind in sorted({kind for kind, _ in outcomes}):
        print(f"{kind:28}{outcomes[kind, 'right']:8,}{outcomes[kind, 'refused']:9,}")
    seconds, wrong = time.monotonic() - start, sum(faults.values())
    print(f"{sum(outcomes.values()):,} files in {seconds:.0f} seconds, seed {options.seed}: {wrong} others")
    return 1 if wrong else INTERRUPTED if interrupted else 0


def extremes() -> int:
    """Each large file in a process of its own, since the memory of a process only grows."""
    from .extremes import EXTREMES

    context, wrong = multiprocessing.get_context("spawn"), 0
    for (kind, file), files in EXTREMES.items():
        for name in files:
            process = context.Process(target=try_extreme, args=(kind, file, name))
            process.start()
            process.join(PATIENCE)
            wrong += process.exitcode != 0
            process.kill()
    return 1 if wrong else 0


def try_extreme(kind: str, file: str, name: str) -> None:
    from .extremes import EXTREMES
    from .kinds import KINDS
    from .trial import extreme

    number = [one.name for one in KINDS].index(kind)
    _, message, outcome = extreme(number, file, EXTREMES[kind, file][name])
    print(f"{kind:18} {name:28} {message or outcome}", flush=True)
    raise SystemExit(message is not None)


class Worker:
    """A process that tries every n-th file, and another one where it ends in the middle."""

    def __init__(self, seed: int, first: int, step: int, stop: int | None) -> None:
        self.seed, self.step, self.stop = seed, step, stop
        self.at: int | None = first
        self.start()

    def start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.queue: Any = context.Queue()
        arguments = self.seed, self.at, self.step, self.stop, self.queue
        self.process = context.Process(target=work, args=arguments, daemon=True)
        self.process.start()
        self.heard = time.monotonic()

    def messages(self) -> Any:
        """(number, kind, what is wrong, outcome) of some trials since the last look; a crash or a hang is one."""
        for _ in range(100 if self.at is not None else 0):
            try:
                yield (message := self.queue.get(timeout=0.2))
                self.heard, self.at = time.monotonic(), message[0] + self.step
            except queue.Empty:
                silent = time.monotonic() - self.heard > PATIENCE
                if self.process.exitcode == 0:
                    self.at = None
                elif self.process.exitcode is not None or silent:
                    self.end()
                    sentence = "the process hangs" if silent else f"the process ended with {self.process.exitcode}"
                    yield self.at, "a process that ended", sentence, "others"
                    self.at += self.step
                    self.start()
                return

    def end(self) -> None:
        self.process.kill()
        self.process.join()


def work(seed: int, first: int, step: int, stop: int | None, results: Any) -> None:
    """The trials of one process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it, and ends this process
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    from .trial import trial

    number = first
    while stop is None or number < stop:
        faulthandler.dump_traceback_later(PATIENCE / 2)  # where it hangs, if it does
        results.put((number, *trial(seed, number)))
        number += step
