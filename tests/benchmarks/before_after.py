"""This checkout beside another one, case by case in one run: `python tests/benchmarks/before_after.py OTHER`.

Each has a process of its own, pinned to one core, and both are asked in random order in every round. What is printed
are medians of ratios, this checkout / the other: below 1, this one is faster. With `--compile` the time to generate a
program is compared: `prepare` of a scalar chain, a network and a chain of norms, in processor time.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parents[2]
BENCH = Path("tests") / "benchmarks"  # where the package `bench` is in a checkout
sys.path[:0] = [str(HERE), str(HERE / BENCH)]

from bench.measure import worker_environment  # noqa: E402
from bench.workloads import SIZES, WORKLOADS, cases  # noqa: E402

COMPILING = """
import gc, json, sys, time
import numpy as np
import tinygrad_lora as tl

def chain():
    def f(x):
        for _ in range(250):
            x = tl.relu(x * 1.5 + 0.25)
        return x
    return lambda: tl.compile(f).prepare(np.float64(1.0))

def network():
    rng = np.random.default_rng(0)
    layers = [part for _ in range(6) for part in (tl.LoRALinear(tl.Linear(64, 64, seed=rng), 4, seed=rng), tl.gelu)]
    model = tl.Sequential(*layers, tl.Linear(64, 10, seed=rng))
    x, labels = np.zeros((32, 64)), np.zeros(32, int)
    adam = tl.Adam([p for p in model.parameters() if p.requires_gradient], lr=1e-3)
    return lambda: tl.compile_training_step(model, tl.cross_entropy, adam).prepare(x, labels)

def norms():
    def f(x, w, b, target):
        for _ in range(10):
            x = tl.layer_norm(x, w, b)
            x = tl.softmax(x) * x
        loss = tl.mse(x, target)
        return loss, *tl.gradients(loss, [w, b])
    x = np.ones((16, 32))
    return lambda: tl.compile(f).prepare(x, np.ones(32), np.ones(32), x)

cases = {"chain": chain(), "network": network(), "norms": norms()}
for line in sys.stdin:
    run = cases[line.strip()]
    gc.collect()
    start = time.process_time()
    run()
    print(json.dumps(time.process_time() - start), flush=True)
"""


class Side:
    """One checkout in a process of its own."""

    def __init__(self, root, command):
        path = os.pathsep.join([str(root), str(root / BENCH)])
        environment = worker_environment(os.environ, 1) | {"PYTHONPATH": path}
        self.child = subprocess.Popen(
            [sys.executable, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=root,
            env=environment,
        )
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(self.child.pid, sorted(os.sched_getaffinity(0))[-1:])

    def ask(self, line):
        print(line, file=self.child.stdin, flush=True)
        return json.loads(self.child.stdout.readline())

    def request(self, ask, **arguments):
        return self.ask(json.dumps({"ask": ask, **arguments}))


def worker_of(root):
    """The worker's module in this checkout. Older ones have it inside the package."""
    return "bench.worker" if (root / BENCH / "bench").is_dir() else "tinygrad_lora.bench.worker"


def ratios(sides, rounds, measure, shuffle):
    """Ours / theirs in each round."""
    quotients = []
    for _ in range(rounds):
        times = {name: measure(sides[name]) for name in shuffle.sample(list(sides), len(sides))}
        quotients.append(times["this"] / times["other"])
    return quotients


def show(what, quotients):
    low, middle, high = statistics.quantiles(quotients, n=4)
    print(f"{what:<10} {middle:6.3f}   quartiles {low:.3f} to {high:.3f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("other", type=Path)
    parser.add_argument("--workloads", nargs="+", default=list(WORKLOADS))
    parser.add_argument("--sizes", nargs="+", default=list(SIZES))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    roots, shuffle = {"this": HERE, "other": options.other.resolve()}, random.Random(0)
    if options.compile:
        sides = {name: Side(root, ["-c", COMPILING]) for name, root in roots.items()}
        for case in ("chain", "network", "norms"):
            ratios(sides, 2, lambda side, case=case: side.ask(case), shuffle)  # warm
            show(case, ratios(sides, options.rounds, lambda side, case=case: side.ask(case), shuffle))
        return
    sides = {name: Side(root, ["-m", worker_of(root), "ours"]) for name, root in roots.items()}
    for workload, size in cases(options.workloads, options.sizes):
        ready = {name: side.request("prepare", workload=workload, size=size, seed=0) for name, side in sides.items()}
        if wrong := {name: answer for name, answer in ready.items() if "steps" not in answer}:
            print(f"{workload} {size}: {wrong}", flush=True)
            continue
        steps = max(answer["steps"] for answer in ready.values())
        quotients = ratios(sides, options.rounds, lambda side, n=steps: side.request("time", steps=n)["wall"], shuffle)
        show(f"{workload} {size}", quotients)


if __name__ == "__main__":
    main()
