"""The workloads as plain data: names, sizes and seeded arrays. Every implementation computes from these and no others.

Arrays are made in float64 and rounded to the workload's dtype once, so the float64 reference starts from the same
numbers. They stay near 1, and rates are small, so that thousands of steps meet neither overflow nor denormal numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from .microgpt import model
from .microgpt.model import NameSize

Arrays = dict[str, Any]

SCALE = 2.0  # s = alpha / r
SGD_RATE = 0.1
ADAM_RATE = 1e-3
ADAM_BETAS = 0.9, 0.999
# Large, so that the first step depends on the size of the gradient and not on its sign alone: then comparing the
# parameters compares the gradients. It costs the same.
ADAM_EPS = 1e-4
NORM_EPS = 1e-5


class Size(NamedTuple):
    """A linear layer with an adapter: x (batch, inputs), W (inputs, outputs), A (inputs, rank), B (rank, outputs)."""

    batch: int
    inputs: int
    outputs: int
    rank: int


class BlockSize(NamedTuple):
    """A transformer block: x (batch, tokens, width), `heads` heads, a feed-forward layer of `hidden` units."""

    batch: int
    tokens: int
    width: int
    heads: int
    hidden: int
    rank: int


class ChainSize(NamedTuple):
    """A chain of scalars: `steps` times relu(y a + b), three nodes each."""

    steps: int


AnySize = Size | BlockSize | ChainSize | NameSize

SIZES = {
    "S": Size(32, 64, 64, 4),
    "M": Size(64, 768, 768, 8),
    "L": Size(256, 1024, 4096, 16),
    "XL": Size(2048, 1024, 1024, 8),
}
ONE = "-"  # the size of a workload that has only one


class Workload(NamedTuple):
    """What a workload computes in one line, its sizes by name, and how its arrays are made."""

    title: str
    sizes: Mapping[str, Any]
    arrays: Callable[[np.random.Generator, Any], Arrays]
    updated: tuple[str, ...] = ()  # arrays that the step trains
    dtype: Any = np.float32


@dataclass(frozen=True)
class Case:
    """A workload at one size with its arrays, by the names that formulas.py uses."""

    workload: str
    size_name: str
    size: Any
    arrays: Arrays

    def __getitem__(self, names: str) -> Any:
        """`case["x"]` is one array, `case["x A B"]` a list of them."""
        arrays = [self.arrays[name] for name in names.split()]
        return arrays if " " in names else arrays[0]

    @property
    def updated(self) -> tuple[str, ...]:
        """The names of the arrays that one step changes."""
        return WORKLOADS[self.workload].updated

    @property
    def rate(self) -> float:
        """The learning rate."""
        return ADAM_RATE if self.workload == "W4" else SGD_RATE

    def double(self) -> Case:
        """The same numbers as float64: what the reference computes with."""
        return replace(
            self, arrays={k: v.astype(np.float64) if v.dtype.kind == "f" else v for k, v in self.arrays.items()}
        )


def _lora(rng: np.random.Generator, size: Size, tail: str = "", outputs: int | None = None) -> Arrays:
    """The factors of one adapter."""
    outputs = size.outputs if outputs is None else outputs
    return {
        f"A{tail}": rng.normal(0, size.inputs**-0.5, (size.inputs, size.rank)),
        f"B{tail}": rng.normal(0, 0.1, (size.rank, outputs)),
    }


def _delta(rng: np.random.Generator, size: Size) -> Arrays:
    return {"x": rng.normal(size=(size.batch, size.inputs)), **_lora(rng, size)}


def _linear(rng: np.random.Generator, size: Size) -> Arrays:
    W = rng.normal(0, size.inputs**-0.5, (size.inputs, size.outputs))
    return {"W": W, **_delta(rng, size)}


def _regression(rng: np.random.Generator, size: Size) -> Arrays:
    return {"t": rng.normal(size=(size.batch, size.outputs)), **_linear(rng, size)}


def _classes(rng: np.random.Generator, size: Size) -> Arrays:
    return {"t": rng.integers(0, size.outputs, size.batch), **_linear(rng, size)}


def mlp_widths(size: Size) -> list[tuple[int, int]]:
    """Inputs and outputs of the three layers of W4."""
    return [(size.inputs, size.outputs), (size.outputs, size.inputs), (size.inputs, size.inputs)]


def _mlp(rng: np.random.Generator, size: Size) -> Arrays:
    arrays = {"x": rng.normal(size=(size.batch, size.inputs)), "t": rng.integers(0, size.inputs, size.batch)}
    for i, (n, m) in enumerate(mlp_widths(size), 1):
        arrays[f"W{i}"] = rng.normal(0, n**-0.5, (n, m))
        arrays[f"b{i}"] = rng.normal(0, 0.1, m)
        arrays |= _lora(rng, Size(size.batch, n, m, size.rank), str(i))
    return arrays


def _norm(rng: np.random.Generator, width: int, tail: str) -> Arrays:
    return {f"w{tail}": rng.uniform(0.5, 1.5, width), f"b{tail}": rng.normal(0, 0.1, width)}


def _chain_of_functions(rng: np.random.Generator, size: Size) -> Arrays:
    shape = size.batch, size.outputs
    return {"x": rng.normal(size=shape), "g": rng.normal(size=shape), **_norm(rng, size.outputs, "")}


def _scalars(rng: np.random.Generator, size: ChainSize) -> Arrays:
    # a near 1 and b small: the chain neither dies nor grows.
    # NumPy's numbers, not arrays without axes: those take five times as long.
    values = {"x": rng.uniform(0.5, 1.0), "a": rng.uniform(0.99, 1.0), "b": rng.uniform(0.001, 0.002)}
    return {name: np.float64(value) for name, value in values.items()}


def _block(rng: np.random.Generator, size: BlockSize) -> Arrays:
    width, hidden = size.width, size.hidden
    arrays: Arrays = {"x": rng.normal(size=(size.batch, size.tokens, width))}
    arrays |= _norm(rng, width, "n1") | _norm(rng, width, "n2")
    for tail, n, m in [(p, width, width) for p in "qkvo"] + [("1", width, hidden), ("2", hidden, width)]:
        arrays[f"W{tail}"] = rng.normal(0, n**-0.5, (n, m))
        arrays[f"b{tail}"] = rng.normal(0, 0.1, m)
    for tail in "qv":
        arrays |= _lora(rng, Size(size.batch, width, width, size.rank), tail)
    return arrays


def _name(rng: np.random.Generator, size: NameSize) -> Arrays:
    inputs, targets = model.encoded(model.name_of_length(rng, size.letters))
    return {"x": inputs, "t": targets, **model.weights(rng, size)}


WORKLOADS: dict[str, Workload] = {
    "W1": Workload("the change that LoRA adds, forward: s (x A) B", SIZES, _delta),
    "W2": Workload("a linear layer with LoRA, forward: x W + s (x A) B", SIZES, _linear),
    "W3": Workload("a LoRA step: forward, mean squared error, gradients of A, B and x, SGD", SIZES, _regression,
                   ("A", "B")),
    "W3ce": Workload("a LoRA step with softmax cross-entropy", SIZES, _classes, ("A", "B")),
    "W4": Workload("three linear layers with LoRA, GELU between them, cross-entropy, Adam", SIZES, _mlp,
                   ("A1", "B1", "A2", "B2", "A3", "B3")),
    "W5": Workload("layer norm, GELU, softmax: forward and backward", SIZES, _chain_of_functions),
    "W6": Workload("1,000 times relu(y a + b) on numbers, forward and backward", {ONE: ChainSize(1_000)}, _scalars,
                   dtype=np.float64),
    "W7": Workload("a transformer block with LoRA on queries and values, forward",
                   {ONE: BlockSize(8, 64, 384, 12, 1536, 8)}, _block),
    "W8": Workload("a GPT of one layer learns a name of six letters, Adam", {ONE: NameSize(6)}, _name, model.WEIGHTS,
                   np.float64),
}  # fmt: skip


def make_case(workload: str, size_name: str, seed: int = 0, size: AnySize | None = None) -> Case:
    """The case with its arrays. `size` replaces the one that `size_name` stands for: tests use tiny ones."""
    made = WORKLOADS[workload]
    size = made.sizes[size_name] if size is None else size
    arrays = made.arrays(np.random.default_rng(seed), size)
    rounded = {name: a.astype(made.dtype) if a.dtype.kind == "f" else a for name, a in arrays.items()}
    return Case(workload, size_name, size, rounded)


def cases(workloads: list[str], sizes: list[str]) -> list[tuple[str, str]]:
    """Workload and size of every case asked for; a workload that has one size comes with that one."""
    return [(w, s) for w in workloads for s in WORKLOADS[w].sizes if s in sizes or s == ONE]
