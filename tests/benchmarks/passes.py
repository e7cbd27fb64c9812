"""What a pass is worth: `python tests/benchmarks/passes.py PASS ...`, on every golden program that it changes.

The program with the pass and the one without take turns in one process. What is printed is the ratio of their median
times: below 1, the pass helps.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from programs import PASS_PROGRAMS, PROGRAMS, prepared

ROUNDS, BATCH_SECONDS = 41, 2e-3


def ratio(first: Callable[[], Any], second: Callable[[], Any]) -> float:
    """The median time of the first beside that of the second, in batches that take turns."""
    for run in (first, second):
        run()
    start = time.perf_counter()
    second()
    calls = max(1, int(BATCH_SECONDS / (time.perf_counter() - start)))
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for run, seconds in zip((first, second), times, strict=True):
            start = time.perf_counter()
            for _ in range(calls):
                run()
            seconds.append(time.perf_counter() - start)
    return statistics.median(times[0]) / statistics.median(times[1])


def report(name: str, program: str) -> None:
    """Print what the pass is worth on one program; nothing where the program is the same without it."""
    with_it, arrays = prepared(program)
    without, _ = prepared(program, without=(name,))
    if with_it.source != without.source:
        print(f"{name:<20} {program:<24} {ratio(lambda: with_it(*arrays), lambda: without(*arrays)):.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("passes", nargs="+", metavar="PASS")
    for name in parser.parse_args().passes:
        for program in [*PROGRAMS, *PASS_PROGRAMS]:
            report(name, program)
