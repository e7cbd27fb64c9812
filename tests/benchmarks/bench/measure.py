"""The measurement: a process for each implementation, all of them asked in random order in every round."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from tinygrad_lora import blas
from tinygrad_lora.terminal import Track

from .peers import missing

DISTURBED = 1.25  # a round that takes longer than this by the clock, against its processor time, is repeated
MOST_REPEATS = 3
_HERE = Path(__file__).resolve()
SOURCES = _HERE.parents[3], _HERE.parents[1]  # where a worker finds the package and this one

Row = dict[str, Any]


class Plan(NamedTuple):
    """What to measure, and how often. A case is a workload and the name of a size."""

    cases: Sequence[tuple[str, str]]
    peers: Sequence[str]
    threads: int = 1
    rounds: int = 15
    launches: int = 3
    seed: int = 0


class Process:
    """A worker process that runs one peer."""

    def __init__(self, name: str, child: subprocess.Popen[str], errors: IO[bytes]) -> None:
        self.name, self._child, self._errors = name, child, errors

    def ask(self, ask: str, **arguments: Any) -> Row:
        """The worker's answer. A worker that has ended answers with its last words."""
        assert self._child.stdin and self._child.stdout
        try:
            print(json.dumps({"ask": ask, **arguments}), file=self._child.stdin, flush=True)
            line = self._child.stdout.readline()
        except BrokenPipeError:
            line = ""
        answer: Row = json.loads(line) if line else {"failed": f"the process ended: {self._last_words()}"}
        return answer

    def _last_words(self) -> str:
        code = self._child.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"exit code {code}"


@contextmanager
def running(name: str, threads: int) -> Iterator[Process]:
    """A process for this peer, pinned to as many cores as it has threads, where the system can do that."""
    command = [sys.executable, "-m", f"{__package__}.worker", name]
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, encoding="utf-8",
            env=worker_environment(os.environ, threads),
        )  # fmt: skip
        try:
            if hasattr(os, "sched_setaffinity"):
                os.sched_setaffinity(child.pid, sorted(os.sched_getaffinity(0))[-threads:])
            yield Process(name, child, errors)
        finally:
            child.kill()
            child.communicate()


def worker_environment(outer: Mapping[str, str], threads: int) -> dict[str, str]:
    """The variables of a worker: so many threads everywhere, and no setting that changes OpenBLAS' kernels."""
    inner = {name: value for name, value in outer.items() if name not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    inner |= blas.threads(threads)
    inner["TORCHINDUCTOR_COMPILE_THREADS"] = str(threads)
    inner["TORCHINDUCTOR_FORCE_DISABLE_CACHES"] = "1"  # the first step compiles, whatever was compiled before
    eigen = "true" if threads > 1 else "false"
    inner["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen={eigen} intra_op_parallelism_threads={threads}"
    inner["PYTHONPATH"] = os.pathsep.join(filter(None, [*map(str, SOURCES), outer.get("PYTHONPATH")]))
    return inner


def measure(plan: Plan, track: Track) -> Iterator[Row]:
    """One row for each launch, case and peer, and one for the environment of each launch.

    A row holds `times`, the seconds a step of each round, or says why there are none: `skipped` or `failed`.
    `track(cases, words)` gives the cases one by one, and may show how far it is.
    """
    absent = {name: reason for name in plan.peers if (reason := missing(name))}
    for launch in range(plan.launches):
        shuffle = random.Random(plan.seed + launch)
        with ExitStack() as stack:
            processes = [stack.enter_context(running(n, plan.threads)) for n in plan.peers if n not in absent]
            here = processes[0].ask("environment")
            yield {"kind": "environment", "launch": launch, "threads": plan.threads, "seed": plan.seed, **here}
            for workload, size in track(plan.cases, f"launch {launch + 1} of {plan.launches}"):
                about = {"kind": "times", "launch": launch, "workload": workload, "size": size}
                yield from ({**about, "peer": name, "skipped": reason} for name, reason in absent.items())
                yield from _case_rows(processes, plan, about, shuffle)


def _case_rows(processes: Sequence[Process], plan: Plan, about: Row, shuffle: random.Random) -> list[Row]:
    """Prepare the case everywhere, then time it in rounds."""
    ready: dict[str, Process] = {}
    rows: dict[str, Row] = {}
    for process in processes:
        answer = process.ask("prepare", workload=about["workload"], size=about["size"], seed=plan.seed)
        rows[process.name] = {**about, "peer": process.name, **answer}
        if "steps" in answer:
            ready[process.name] = process
            rows[process.name] |= {"times": [], "cpu": [], "repeats": 0}
    for _ in range(plan.rounds):
        for name in shuffle.sample(list(ready), len(ready)):
            _one_round(ready[name], rows[name])
    return list(rows.values())


def _one_round(process: Process, row: Row) -> None:
    """Time one round; if something else ran on the core meanwhile, time it again. The shortest counts."""
    tried = []
    for _ in range(1 + MOST_REPEATS):
        answer = process.ask("time", steps=row["steps"])
        if "failed" in answer:
            row |= {**answer, "times": []}
            return
        tried.append((answer["wall"], answer["cpu"]))
        if answer["wall"] <= DISTURBED * answer["cpu"]:
            break
    wall, cpu = min(tried)
    row["repeats"] += len(tried) - 1
    row["times"].append(wall)
    row["cpu"].append(cpu)
