"""Trials of compiled training steps: random layers of one width, a loss, an optimizer, and some batches."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import tinygrad_lora as tl

from . import training_harness
from .circumstances import Circumstances, draw, thresholds_set
from .harness import filled, named
from .training_harness import batch, fault_of_steps

PARTS = (
    "tl.Linear({n}, {n}, seed=0{dtype})", "tl.Linear({n}, {n}, bias=False, seed=0{dtype})",
    "tl.LoRALinear(tl.Linear({n}, {n}, seed=0{dtype}), 1, 2, seed=0)", "tl.LayerNorm({n}{dtype})",
    "tl.RMSNorm({n}{dtype})", "tl.relu", "tl.gelu", "tl.tanh", "tl.sigmoid", "tl.silu", "tl.softmax",
)  # fmt: skip
OPTIMIZERS = (
    "tl.SGD(trained, 0.1)", "tl.SGD(trained, 0.1, momentum=0.9, weight_decay=0.01)", "tl.Adam(trained, 0.01)",
    "tl.AdamW(trained, 0.01, weight_decay=0.1)", "tl.SGD(trained, 0.1, max_norm=0.5)",
    "tl.Adam(trained, 0.01, max_norm=1.0)",
)  # fmt: skip
VARIANTS = ("lora", "lora", "dora", "rslora", "lora_fa", "loha", "lokr")


@dataclass(frozen=True)
class TrainingTrial:
    """Everything that a trial of a training step needs."""

    parts: tuple[str, ...]
    width: int
    dtype: str
    adapted: str  # the options of `tl.adapt`, or ""
    loss: str
    optimizer: str
    rows: tuple[int, ...]  # of each batch
    seed: int
    rates: tuple[float, ...]
    input_gradient: bool
    circumstances: Circumstances
    mode = "training"

    @property
    def kinds(self) -> list[str]:
        """Words for the counts."""
        return ["training", *self.circumstances.kinds]

    @property
    def text(self) -> str:
        """What is run, as source."""
        dtype = f', dtype="{self.dtype}"' if self.dtype != "float64" else ""
        model = f"tl.Sequential({', '.join(part.format(n=self.width, dtype=dtype) for part in self.parts)})"
        model = f"tl.adapt({model}, 1, seed=0{self.adapted})" if self.adapted else model
        batches = "".join(
            f"    batch({n}, {self.width}, {self.dtype!r}, {self.loss!r}, {self.seed + i}),\n"
            for i, n in enumerate(self.rows)
        )
        options = f"{', ' * bool(self.circumstances.options)}{self.circumstances.options}"
        extra = f", input_gradient={self.input_gradient}"
        return (
            f"def make():\n    model = filled({model}, {self.seed})\n"
            f"    trained = [p for p in model.parameters() if p.requires_gradient]\n"
            f"    return model, tl.{self.loss}, {self.optimizer}\n\n"
            f"def compiled(*of):\n    return tl.compile_training_step(*of{extra}{options})\n\n"
            f"batches = [\n{batches}]\n"
            f"told = fault_of_steps(make, compiled, batches, rates={self.rates}{extra}{self.circumstances.demands})\n"
        )

    def fault(self) -> str | None:
        """What is wrong, or None."""
        names = {"tl": tl, "named": named, "filled": filled, "batch": batch, "fault_of_steps": fault_of_steps}
        with thresholds_set(self.circumstances.thresholds):
            exec(compile(self.text, "a trial", "exec"), names)
        return names["told"]  # type: ignore[return-value]

    def is_promised(self, output: int) -> bool:
        """Its numbers are ordinary."""
        return True

    def smaller(self, is_alike: Any) -> TrainingTrial:
        """A small trial with a fault that is alike."""
        trial = self
        while simpler := next((candidate for candidate in trial._simpler() if is_alike(candidate)), None):
            trial = simpler
        return trial

    def _simpler(self) -> Iterator[TrainingTrial]:
        for n in range(1, len(self.rows)):
            yield replace(self, rows=self.rows[:n])
        for i in range(len(self.parts) if len(self.parts) > 1 else 0):
            yield replace(self, parts=self.parts[:i] + self.parts[i + 1 :])
        for name, simple in SIMPLE.items():
            if getattr(self, name) != simple:
                yield replace(self, **{name: simple})
        for circumstances in self.circumstances.simpler():
            if circumstances != self.circumstances:
                yield replace(self, circumstances=circumstances)
        for n in (1, 2):
            if n < self.width:
                yield replace(self, width=n)
            if n < max(self.rows):
                yield replace(self, rows=tuple(min(n, k) for k in self.rows))

    def lines(self) -> list[str]:
        """What the file of a fault holds besides the harness."""
        harness = inspect.getsource(training_harness).partition("\n\n\n")[2]
        return [harness, self.text]


SIMPLE = {
    "adapted": "", "loss": "mse", "dtype": "float64", "optimizer": OPTIMIZERS[0], "rates": (), "input_gradient": False,
}  # fmt: skip


def draw_training(rng: Any) -> TrainingTrial:
    """A random training step."""

    def one(things: Any) -> Any:
        return things[int(rng.integers(len(things)))]

    parts = [one(PARTS) for _ in range(one((1, 2, 3, 5)))]
    parts[one(range(len(parts)))] = one(PARTS[:3])
    adapted = f", variant={one(VARIANTS)!r}" if rng.random() < 0.35 else ""
    if adapted:
        parts = [PARTS[0] if "LoRALinear" in part else part for part in parts]
    rows = tuple(one((1, 2, 3, 5)) for _ in range(one((1, 2, 3)))) if rng.random() < 0.4 else (one((1, 3, 4)),) * 3
    circumstances = replace(draw(rng, 0), layouts=((),))
    if circumstances.engine == "numba":  # it compiles for seconds
        parts, rows = [PARTS[0], *parts[:1]], rows[:1] * 2  # one part must have a weight to adapt
    return TrainingTrial(
        parts=tuple(parts), width=one((1, 2, 3, 4, 7)), dtype=one(("float64", "float64", "float32")),
        adapted=adapted, loss=one(("mse", "cross_entropy")),
        optimizer=one(OPTIMIZERS), rows=rows, seed=int(rng.integers(1000)),
        rates=(0.05, 0.02)[: one((0, 0, 2))], input_gradient=bool(rng.random() < 0.3), circumstances=circumstances,
    )  # fmt: skip
