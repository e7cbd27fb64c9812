"""One implementation in a process of its own: it prepares a case, checks it, and times steps when it is told to.

Requests and answers are JSON lines on the standard streams: `python -m bench.worker PEER`.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, TextIO

from .agreement import check
from .environment import environment
from .peers import Prepared, UnableError, prepare
from .probes import PROBES
from .workloads import make_case

ROUND_SECONDS = 0.02
WARM_STEPS = 3


class Worker:
    """Answers requests about one peer. A request is a method's name with its arguments."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.run: Prepared | None = None

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer; a refusal or an exception becomes a sentence."""
        ask = request.pop("ask")
        try:
            answer: dict[str, Any] = getattr(self, ask)(**request)
            return answer
        except UnableError as reason:
            return {"skipped": str(reason)}
        except Exception as error:  # of any library: the others must go on
            return {"failed": f"{type(error).__name__}: {error}".split("\n")[0]}

    def _start_clean(self) -> None:
        """Let go of the case before."""
        self.run = None
        gc.unfreeze()
        gc.collect()

    def environment(self) -> dict[str, Any]:
        """Where this process runs."""
        return environment()

    def prepare(self, workload: str, size: str, seed: int) -> dict[str, Any]:
        """Make the case, run its first step, check what it gave, and choose how many steps fill a round."""
        self._start_clean()
        case = make_case(workload, size, seed)
        run = prepare(self.name, case)
        begin = time.perf_counter()
        result = run.step()
        first = time.perf_counter() - begin
        errors, wrong = check(case, run.outcome(result))
        if wrong:
            return {"failed": wrong, "errors": errors}
        self.run = run
        gc.collect()
        gc.freeze()  # the collector need not search what was imported, which differs from peer to peer
        return {"errors": errors, "first": first, "steps": steps_of_a_round(run.step)}

    def time(self, steps: int) -> dict[str, Any]:
        """Seconds a step, by the clock and of the processor, over so many steps."""
        assert self.run is not None, "prepare first"
        step = self.run.step
        step()  # the round before belonged to another process: fill the caches
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(steps):
            step()
        return {"wall": (time.perf_counter() - wall) / steps, "cpu": (time.process_time() - cpu) / steps}

    def probe(self, name: str, **arguments: Any) -> dict[str, Any]:
        """A number other than time: see probes.py."""
        self._start_clean()
        return PROBES[name](self.name, **arguments)


def steps_of_a_round(step: Callable[[], Any], seconds: float = ROUND_SECONDS) -> int:
    """How many steps fill a round."""
    for _ in range(WARM_STEPS):
        step()
    steps = 1
    while True:
        begin = time.perf_counter()
        for _ in range(steps):
            step()
        taken = time.perf_counter() - begin
        if taken >= seconds / 4:
            return max(1, round(steps * seconds / taken))
        steps *= 4


def serve(name: str, requests: TextIO, answers: TextIO) -> None:
    """Answer every line of requests with one line."""
    worker = Worker(name)
    for line in requests:
        print(json.dumps(worker.answer(json.loads(line))), file=answers, flush=True)


def main() -> None:
    """Serve on the standard streams. What a library prints goes to the error stream."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    # micrograd and autograd recurse once a node: that needs a large stack, and only a thread can have one.
    sys.setrecursionlimit(1_000_000)
    with contextlib.suppress(ValueError):
        threading.stack_size(256 * 1024 * 1024)
    thread = threading.Thread(target=serve, args=(sys.argv[1], sys.stdin, answers))
    thread.start()
    thread.join()


if __name__ == "__main__":
    main()
