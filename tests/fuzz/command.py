"""`python3 run.py fuzz`: random programs on all cores, until the time is over or Ctrl-C."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import queue
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .faults import Fault, found, outcome
from .report import Report
from .trials import trial_of

FOLDER = Path(__file__).resolve().parents[2] / "build" / "fuzz"
PATIENCE = 0.5  # seconds between looks at what the workers say
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run trials and print what they find. 0: nothing; 1: something; 130: Ctrl-C, and nothing was found."""
    options = parser().parse_args(arguments)
    report = Report(options.seed, sys.stdout)
    interrupted = False
    workers = Workers(options)
    try:
        for message in workers.messages():
            report.take(message)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        workers.end()
    report.close(interrupted)
    return 1 if report.faults else INTERRUPTED if interrupted else 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    words = argparse.ArgumentParser("run.py fuzz", description=__doc__)
    words.add_argument(
        "--minutes", type=float, default=None, help="how long (default: 1, or until --programs are done)"
    )
    words.add_argument("--programs", type=int, default=None, help="how many programs")
    words.add_argument("--seed", type=int, default=0, help="of all random draws (default: 0)")
    words.add_argument("--only", type=int, default=None, metavar="NUMBER", help="this program of the seed alone")
    words.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")
    words.add_argument("--out", type=Path, default=FOLDER, help="where files of faults go (default: build/fuzz)")
    return words


class Workers:
    """Processes that run every n-th trial each, and send what happened."""

    def __init__(self, options: argparse.Namespace) -> None:
        context = multiprocessing.get_context("spawn")
        self.queue: Any = context.Queue()
        self.over = context.Event()  # says to all that the time is over
        self.deadline = None
        if options.only is not None:
            numbers = [(options.only, options.only + 1, 1)]
        else:
            n = options.workers
            numbers = [(i, options.programs, n) for i in range(n)]
            minutes = 1.0 if options.minutes is None and options.programs is None else options.minutes
            self.deadline = None if minutes is None else time.monotonic() + 60 * minutes
        self.start = lambda row: context.Process(
            target=work, args=(options.seed, *row, options.out, self.queue, self.over), daemon=True
        )
        self.seed, self.rows = options.seed, dict(enumerate(numbers))  # what each worker has still to do
        self.processes = {i: self.start(row) for i, row in self.rows.items()}
        for process in self.processes.values():
            process.start()

    def messages(self) -> Iterator[Any]:
        """(kinds, fault or None) of each trial as it ends; None now and then."""
        while self.deadline is None or time.monotonic() < self.deadline:
            yield (message := self._message())
            if message is None:
                yield from self._crashes()
                if not any(process.is_alive() for process in self.processes.values()):
                    break
        self.over.set()
        while (message := self._message()) is not None:  # what was sent meanwhile
            yield message

    def _message(self) -> Any:
        try:
            number, *message = self.queue.get(timeout=PATIENCE)
        except queue.Empty:
            return None
        for i, (start, stop, step) in self.rows.items():
            if number % step == start % step:
                self.rows[i] = number + step, stop, step
        return message

    def _crashes(self) -> Iterator[Any]:
        """A process that ended in the middle is a fault; another one goes on after it."""
        for i, process in self.processes.items():
            if process.exitcode:
                number, stop, step = self.rows[i]
                message = f"the process ended with exit code {process.exitcode}"
                yield ["a process that ended"], Fault(self.seed, number, message, message)
                self.rows[i] = number + step, stop, step
                self.processes[i] = self.start(self.rows[i])
                self.processes[i].start()

    def end(self) -> None:
        """End all processes."""
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            process.join()


def work(seed: int, start: int, stop: int | None, step: int, folder: Path, results: Any, over: Any) -> None:
    """The trials of one process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it, and ends this process
    known: Counter[str] = Counter()
    number = start
    while (stop is None or number < stop) and not over.is_set():
        try:
            trial = trial_of(seed, number)
            verdict = outcome(trial)
            results.put((number, trial.kinds, verdict and found(trial, verdict, seed, number, folder, known)))
        except Exception as error:
            verdict = f"broken: {type(error).__name__}: {error}"
            where = traceback.extract_tb(error.__traceback__)[-1]
            results.put((number, ["no program"], Fault(seed, number, verdict, f"{verdict}, {where.name}")))
        number += step
