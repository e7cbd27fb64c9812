"""The eager engine beside its peers: y = relu(y * a + b), forward and backward, in nanoseconds a node.

    python tests/benchmarks/eager.py [--launches 3] [--rounds 15] [--million] [--out eager.jsonl]

The arrays are so small that the engine counts: NumPy's own work is a quarter of the time (4x4: under half). The chain
runs on float64 scalars and on 4x4 arrays, at 3,000 nodes. A peer that is not installed is named and skipped; micrograd
knows scalars only. Before the clock starts, every peer's value and gradients must equal ours.

How it is measured. A launch is a process of its own, with one thread and without OPENBLAS_* settings. In each round
every library runs once, in random order, and gives one ratio, ours / theirs; a launch reports the median of its rounds
and their quartiles, and the gate is the median of the launches. A run builds the chain, differentiates it and
reads value and gradients; it starts on a collected heap, and what the imports left is frozen, so that nobody
pays for a neighbour's garbage. The collector stays on. The gate is forward and backward: every library keeps its graph
until the clock has stopped. The column "freed" is the same ratio with the release of the graph, by counting references
or by a full collection (micrograd's nodes refer to themselves, so only the collector frees them).

With --out, one JSON line for each launch, library and size: the raw nanoseconds and the environment.
Bars (gates) are those of the project's performance plan. The million-node chain must cost at most 4 times the
3,000-node chain a node.
"""

import argparse
import gc
import importlib
import importlib.util
import json
import os
import platform
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median, quantiles
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BARS = {
    "scalar": {"micrograd": 1.15, "torch": 0.40, "mygrad": 0.25, "autograd": 0.15},
    "4x4": {"torch": 0.55, "mygrad": 0.35, "autograd": 0.25},
}
PEERS = ["micrograd", "torch", "autograd", "mygrad"]
STEPS = 1_000  # of three nodes each
# Value and gradients, and what keeps the graph alive until the clock has stopped.
Ended = tuple[tuple[Any, Any, Any, Any], Any]
Run = Callable[[Any, Any, Any, int], Ended]


def ours() -> Run:
    import tinygrad_lora as tl

    def run(x: Any, a: Any, b: Any, steps: int) -> Ended:
        x, a, b = tl.parameter(x), tl.parameter(a), tl.parameter(b)
        y = x
        for _ in range(steps):
            y = tl.relu(y * a + b)
        (y if y.ndim == 0 else tl.sum(y)).backward()
        return (y.value, x.gradient, a.gradient, b.gradient), y

    return run


def micrograd() -> Run:
    from micrograd.engine import Value

    def run(x: Any, a: Any, b: Any, steps: int) -> Ended:
        x, a, b = Value(float(x)), Value(float(a)), Value(float(b))
        y = x
        for _ in range(steps):
            y = (y * a + b).relu()
        y.backward()
        return (y.data, x.grad, a.grad, b.grad), y

    return run


def torch() -> Run:
    import torch

    torch.set_num_threads(1)

    def run(x: Any, a: Any, b: Any, steps: int) -> Ended:
        x, a, b = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (x, a, b))
        y = x
        for _ in range(steps):
            y = torch.relu(y * a + b)
        (y if y.ndim == 0 else y.sum()).backward()
        return (y.detach().numpy(), x.grad.numpy(), a.grad.numpy(), b.grad.numpy()), y

    return run


def autograd() -> Run:
    import autograd.numpy as anp
    from autograd import grad

    def run(x: Any, a: Any, b: Any, steps: int) -> Ended:
        ends = []

        def chain(y: Any, a: Any, b: Any) -> Any:
            for _ in range(steps):
                y = anp.maximum(y * a + b, 0.0)
            ends.append(y)
            return anp.sum(y)

        gradients = grad(chain, (0, 1, 2))(x, a, b)
        return (ends[0]._value, *gradients), ends

    return run


def mygrad() -> Run:
    import mygrad as mg

    def run(x: Any, a: Any, b: Any, steps: int) -> Ended:
        x, a, b = mg.tensor(x), mg.tensor(a), mg.tensor(b)
        y = x
        for _ in range(steps):
            y = mg.maximum(y * a + b, 0.0)
        (y if y.ndim == 0 else y.sum()).backward()
        return (y.data, x.grad, a.grad, b.grad), y

    return run


def timed(run: Run, start: tuple[Any, Any, Any], steps: int) -> tuple[float, float]:
    """Nanoseconds a node of forward and backward alone, and with the release of the graph."""
    gc.collect()
    begin = time.perf_counter_ns()
    ended = run(*start, steps)
    end = time.perf_counter_ns()
    del ended
    gc.collect()
    return (end - begin) / (3 * steps), (time.perf_counter_ns() - begin) / (3 * steps)


def launch(options: argparse.Namespace) -> None:
    """One process: check the peers, time all of them in interleaved rounds, print one JSON line for each and size."""
    import numpy as np

    runs = {"ours": ours()}
    runs |= {name: globals()[name]() for name in PEERS if importlib.util.find_spec(name)}
    everything = {"python": platform.python_version(), "cpu": cpu(), "machine": platform.platform()}
    for name in ["numpy", *PEERS]:
        try:
            everything[name] = version(name)
        except PackageNotFoundError:
            everything[name] = "absent"
    everything["load"] = os.getloadavg() if hasattr(os, "getloadavg") else None
    shuffle = random.Random(options.seed)
    rng = np.random.default_rng(options.seed)
    for kind, shape in {"scalar": (), "4x4": (4, 4)}.items():
        # a near 1 and b small: neither dead nor growing, and no denormal numbers.
        start = (rng.uniform(0.5, 1.0, shape), rng.uniform(0.99, 1.0, shape), rng.uniform(0.001, 0.002, shape))
        start = tuple(v if shape else np.float64(v) for v in start)
        names = [name for name in runs if shape == () or name != "micrograd"]
        expected, _ = runs["ours"](*start, STEPS)
        for name in names:
            for mine, theirs in zip(expected, runs[name](*start, STEPS)[0], strict=True):
                np.testing.assert_allclose(theirs, mine, rtol=1e-9, err_msg=f"{name} disagrees with ours")
        gc.collect()
        gc.freeze()
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
        for _ in range(options.rounds):
            for name in shuffle.sample(names, len(names)):
                times[name].append(timed(runs[name], start, STEPS))
        for name in names:
            row = {"kind": kind, "nodes": 3 * STEPS, "library": name, **everything}
            row |= {"ns": [t[0] for t in times[name]], "freed": [t[1] for t in times[name]]}
            print(json.dumps(row), flush=True)
        if options.million:
            long = [timed(runs["ours"], start, 333_334)[0]]
            print(
                json.dumps({"kind": kind, "nodes": 1_000_002, "library": "ours", "ns": long, **everything}), flush=True
            )
    print(json.dumps({"ended": True}), flush=True)


def cpu() -> str:
    """The processor's name, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(": ")[1] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown"


def ratio(row: dict[str, Any], name: str, which: str) -> list[float]:
    """Ours / theirs, round by round."""
    return [a / b for a, b in zip(row["ours"][which], row[name][which], strict=True)]


def summary(values: list[float]) -> str:
    """Median and quartiles."""
    if len(values) < 2:
        return f"{values[0]:.2f}"
    low, middle, high = quantiles(values, n=4, method="inclusive")
    return f"{middle:.2f} [{low:.2f} {high:.2f}]"


def report(launches: list[list[dict[str, Any]]]) -> None:
    first = launches[0][0]
    print(f"Python {first['python']}, NumPy {first['numpy']}, {first['cpu']}; one thread; load {first['load']}")
    for name in PEERS:
        print(f"  {name} {first[name]}" + (": skipped" if first[name] == "absent" else ""))
    for kind, bars in BARS.items():
        print(f"\n{kind}, {3 * STEPS:,} nodes, forward and backward; ours / theirs, median and quartiles")
        print(f"  {'':10} {'ns a node':>10} {'gate':>6} {'bar':>6}    {'freed':>6}   ratio in each launch")
        rows = [{r["library"]: r for r in line if r["kind"] == kind and r["nodes"] == 3 * STEPS} for line in launches]
        for name in rows[0]:
            nanoseconds = median(median(row[name]["ns"]) for row in rows)
            if name == "ours":
                print(f"  {name:10} {nanoseconds:10,.0f}")
                continue
            ratios, freed = ([ratio(row, name, which) for row in rows] for which in ("ns", "freed"))
            gate, all_told = median(map(median, ratios)), median(map(median, freed))
            verdict = f"{gate:6.2f} {bars[name]:6.2f} {'ok' if gate <= bars[name] else '!!'} {all_told:6.2f}"
            print(f"  {name:10} {nanoseconds:10,.0f} {verdict}   {'   '.join(map(summary, ratios))}")
        for line in launches:
            for row in line:
                if row["kind"] == kind and row["nodes"] != 3 * STEPS:
                    short = median(next(r["ns"] for r in line if r["kind"] == kind and r["library"] == "ours"))
                    ns = row["ns"][0]
                    print(f"  ours at {row['nodes']:,} nodes: {ns:,.0f} ns a node, {ns / short:.2f} times (bar 4)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--launches", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--million", action="store_true", help="also a chain of a million nodes (ours alone)")
    parser.add_argument("--out", type=Path, help="write raw numbers here, one JSON line each")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        # micrograd and autograd recurse once a node: that needs a large stack, and only a thread can have one.
        sys.setrecursionlimit(1_000_000)
        threading.stack_size(512 * 1024 * 1024)
        worker = threading.Thread(target=launch, args=(options,))
        worker.start()
        worker.join()
        return
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
    environment |= dict.fromkeys(["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"], "1")
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), environment.get("PYTHONPATH")]))
    launches = []
    for i in range(options.launches):
        command = [
            sys.executable,
            __file__,
            "--child",
            "--rounds",
            str(options.rounds),
            "--seed",
            str(options.seed + i),
        ]
        command += ["--million"] if options.million and i == 0 else []
        lines = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True).stdout.splitlines()
        launches.append([json.loads(line) for line in lines])
        if not launches[-1] or "ended" not in launches[-1].pop():  # a thread that fails does not fail its process
            sys.exit("the launch failed: see above")
    if options.out:
        options.out.write_text("".join(json.dumps(row) + "\n" for rows in launches for row in rows), encoding="utf-8")
    report(launches)


if __name__ == "__main__":
    main()
