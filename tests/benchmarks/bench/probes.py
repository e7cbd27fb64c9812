"""What is asked of the compiler besides the time against others: calls, memory, the time to compile and to import.

Each probe runs in a worker process and gives numbers by name.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from typing import Any, cast

from .compiling import compiling
from .finetune_steps import finetune
from .microgpt.trainers import all_lengths, same_names
from .peers import prepare
from .serving_batches import serving
from .sweep import stacked, swept
from .workloads import make_case

WARM_STEPS = 3
REPEATS = 7
# The engine comes with the first name that is asked for.
IMPORT = """
import time, numpy
begin = time.perf_counter()
from tinygrad_lora import matmul
print(time.perf_counter() - begin)
"""


def calls(peer: str, workload: str, size: str, seed: int) -> dict[str, float]:
    """NumPy calls of one run of the generated program."""
    run = prepare(peer, make_case(workload, size, seed))
    run.step()
    return {"calls": run.compiled.program.calls}


def speed(peer: str, workload: str, size: str, seed: int) -> dict[str, float]:
    """Microseconds a step: the best of a few rounds."""
    step, rounds = prepare(peer, make_case(workload, size, seed)).step, []
    for _ in range(WARM_STEPS):
        step()
    for _ in range(REPEATS):
        begin = time.perf_counter()
        for _ in range(200):
            step()
        rounds.append((time.perf_counter() - begin) / 200)
    return {"microseconds": 1e6 * min(rounds)}


def memory(peer: str, workload: str, size: str, seed: int) -> dict[str, float]:
    """Bytes beyond the case's own arrays: the peak of a steady step, and what that step allocates anew.

    What the step returns is not counted as allocated.
    """
    run = prepare(peer, make_case(workload, size, seed))
    tracemalloc.start()
    try:
        for _ in range(WARM_STEPS):
            result = run.step()
        del result
        gc.collect()
        held = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        result = run.step()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    return {"peak": peak, "allocated": max(peak - held - array_bytes(result), 0)}


def array_bytes(result: Any) -> int:
    """The bytes of all arrays in a result."""
    if isinstance(result, tuple | list):
        return sum(map(array_bytes, result))
    return int(getattr(result, "nbytes", 0))


def checking(peer: str, workload: str, size: str, seed: int) -> dict[str, float]:
    """What comparing the first call with the eager graph takes, as a share of the rest of a first step."""
    from tinygrad_lora.compiler.checks import first_call

    case, compare, default = make_case(workload, size, seed), first_call.fault_of, first_call.DEFAULT
    comparing, whole = list[float](), list[float]()

    def timed(*args: Any) -> Any:
        begin = time.perf_counter()
        result = compare(*args)
        comparing.append(time.perf_counter() - begin)
        return result

    first_call.DEFAULT, first_call.fault_of = True, cast(Any, timed)
    try:
        for _ in range(REPEATS):
            step = prepare(peer, case).step
            gc.collect()
            begin = time.perf_counter()
            step()
            whole.append(time.perf_counter() - begin)
    finally:
        first_call.DEFAULT, first_call.fault_of = default, compare
    rest = [all_of_it - part for all_of_it, part in zip(whole, comparing, strict=True)]
    return {"share": min(comparing) / min(rest)}


def importing(peer: str, workload: str, size: str, seed: int) -> dict[str, float]:
    """Milliseconds to import the package where NumPy is imported already, the best of a few times."""
    runs = [subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True) for _ in range(REPEATS)]
    return {"milliseconds": 1e3 * min(float(run.stdout) for run in runs)}


PROBES: dict[str, Callable[..., dict[str, Any]]] = {
    "calls": calls, "speed": speed, "memory": memory, "compiling": compiling, "checking": checking,
    "importing": importing, "finetune": finetune, "all_lengths": all_lengths, "same_names": same_names,
    "serving": serving,
    "stacked": stacked, "sweep": swept,
}  # fmt: skip
