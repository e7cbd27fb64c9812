"""Where the time to compile goes: microseconds a node, phase by phase, for chains and networks of many sizes.

A probe compiles one case in a worker process. The functions in which a phase begins are replaced by ones that look at
the clock; what a phase spends in another counts there alone.
"""

from __future__ import annotations

import gc
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np

from .report import markdown

REPEATS = 5
LARGE = 10_000  # from so many nodes on, once is enough
SLOWEST = 3  # so many passes are named

# Each phase, and where it begins: a module of the compiler and a name in it.
BEGINNINGS = {
    "tracing": ["compiled.traced"],
    "passes": ["pipeline.applied"],
    "costs": ["pipeline.graph_cost", "pipeline.planned_cost"],
    "planning": ["programs.lower"],
    "emitting": ["programs.emit_planned"],
    "exec": ["programs.function_from_source"],
    "verifier": ["programs.verify"],
}
PHASES = (*BEGINNINGS, "the rest")


def chain(nodes: int) -> Callable[[], Any]:
    """y = relu(y a + b) on numbers, three nodes each."""
    import tinygrad_lora as tl

    def function(y: Any, a: Any, b: Any) -> Any:
        for _ in range(nodes // 3):
            y = tl.relu(y * a + b)
        return y

    numbers = [np.float64(n) for n in (1.0, 0.99, 0.001)]
    return lambda: tl.compile(function, check=False).prepare(*numbers).program


def network(nodes: int) -> Callable[[], Any]:
    """A training step with Adam of linear layers with LoRA and a GELU after each."""
    import tinygrad_lora as tl

    rng = np.random.default_rng(0)
    layers: list[Any] = []
    for _ in range(max(1, round(nodes / 55))):
        layers += [tl.LoRALinear(tl.Linear(64, 64, seed=rng), 4, seed=rng), tl.gelu]
    model = tl.Sequential(*layers, tl.Linear(64, 10, seed=rng))
    adam = tl.Adam([p for p in model.parameters() if p.requires_gradient], lr=1e-3)
    x, labels = np.zeros((32, 64)), np.zeros(32, int)
    return lambda: tl.compile_training_step(model, tl.cross_entropy, adam, check=False).prepare(x, labels).program


def transformer(nodes: int) -> Callable[[], Any]:
    """The gradients of transformer blocks, each with attention and a feed-forward layer."""
    import tinygrad_lora as tl

    def gradients(x: Any, w: Any, v: Any) -> Any:
        for _ in range(max(1, round(nodes / 130))):
            h = tl.layer_norm(x)
            x = x + tl.softmax((h @ w) @ (h @ v).mT) @ h
            x = x + tl.gelu(tl.layer_norm(x) @ w) @ v
        return tl.gradients(tl.sum(x), [w, v])

    arrays = [np.ones((16, 32)), np.ones((32, 32)), np.ones((32, 32))]
    return lambda: tl.compile(gradients, check=False).prepare(*arrays).program


CASES: dict[str, Callable[[int], Callable[[], Any]]] = {
    "chain": chain, "network": network, "transformer": transformer,
}  # fmt: skip
SIZES = ("1000", "10000", "100000")


def compiling(peer: str, workload: str, size: str, seed: int) -> dict[str, Any]:
    """Microseconds of the processor for each node that was traced, in all and in each phase: the fastest of some times.

    `nodes` says how many there are, `verifying` is the verifier's part in percent, and `slowest` names the passes that
    take longest, with theirs.
    """
    run = CASES[workload](int(size))
    CASES[workload](100)()  # what is loaded with the first program must not count
    rounds = [_once(run) for _ in range(REPEATS if int(size) < LARGE else 1)]
    nodes, clock = min(rounds, key=lambda measured: sum(measured[1].seconds.values()))
    whole = sum(clock.seconds.values())
    slowest = sorted(clock.passes.items(), key=lambda item: -item[1])[:SLOWEST]
    return {
        **{phase: 1e6 * clock.seconds[phase] / nodes for phase in PHASES},
        "microseconds": 1e6 * whole / nodes,
        "nodes": nodes,
        "verifying": 100 * clock.seconds["verifier"] / whole,
        "slowest": [(name, 1e6 * seconds / nodes) for name, seconds in slowest],
    }


def _once(run: Callable[[], Any]) -> tuple[int, Clock]:
    """How many nodes were traced, and the clock that ran meanwhile."""
    gc.collect()
    clock = Clock()
    with clock.watching(), clock.during("the rest"):
        program = run()
    return len(program.traced.nodes), clock


class Clock:
    """Seconds of the processor in each phase, without those of phases within it; and in each pass."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.passes: dict[str, float] = defaultdict(float)
        self._inside: list[str] = []
        self._since = 0.0

    @contextmanager
    def during(self, phase: str) -> Iterator[None]:
        """Time that passes in here belongs to the phase."""
        self._turn()
        self._inside.append(phase)
        try:
            yield
        finally:
            self._turn()
            self._inside.pop()

    def _turn(self) -> None:
        now = time.process_time()
        if self._inside:
            self.seconds[self._inside[-1]] += now - self._since
        self._since = now

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Every beginning of a phase is measured."""
        import importlib

        with ExitStack() as stack:
            for phase, beginnings in BEGINNINGS.items():
                for beginning in beginnings:
                    module, name = beginning.split(".")
                    home = importlib.import_module(f"tinygrad_lora.compiler.{module}")
                    stack.enter_context(patch.object(home, name, self._timed(getattr(home, name), phase)))
            yield

    def _timed(self, function: Callable[..., Any], phase: str) -> Callable[..., Any]:
        def timed(*args: Any, **named: Any) -> Any:
            begin = time.process_time()
            with self.during(phase):
                result = function(*args, **named)
            if phase == "passes":
                self.passes[args[0].__name__] += time.process_time() - begin
            return result

        return timed


def phase_table(rows: Iterable[Mapping[str, Any]]) -> str:
    """Markdown: for each case microseconds a node in all, and in each phase."""
    table = [["us a node", "nodes", "in all", *PHASES, "the slowest passes"]]
    for row in rows:
        numbers = [f"{row[key]:.1f}" for key in ("microseconds", *PHASES)]
        slowest = ", ".join(f"{name} {number:.1f}" for name, number in row["slowest"])
        table.append([row["workload"], f"{row['nodes']:,}", *numbers, slowest])
    return markdown(table)


def phase_line(row: Mapping[str, Any]) -> str:
    """For a terminal: in all, and each phase in percent."""
    parts = " ".join(f"{phase} {100 * row[phase] / row['microseconds']:.0f} %" for phase in PHASES)
    return f"{row['microseconds']:6.1f}   {parts}"
