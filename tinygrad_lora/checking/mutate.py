"""Mutants of a program: where a pass changes one program, programs that are nearly the same are worth trying."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from .programs import ArrayLine, ProgramLine, RandomProgram, StepLine, with_size
from .shrink import runs

Change = Callable[[ArrayLine], ArrayLine]
SIZES = (1, 2, 3, 4)
DTYPES = ("float64", "float32", "float16", "int64", "int8", "uint8", "bool")
OTHER_PARAMS: dict[str, tuple[Any, ...]] = {
    "factor": (2, -1, 0.5, 3, -2.0, 0), "number": (1, -1, 0.0, 2.0), "exponent": (2, 3, 0, 1),
    "keepdims": (True, False), "axis": (None, 0, 1, -1, (0,), (0, 1)), "dtype": DTYPES,
}  # fmt: skip


def mutant(program: RandomProgram, rng: np.random.Generator) -> RandomProgram | None:
    """The program with other numbers, and a change or two of sizes, dtypes or parameters; None if it does not run."""
    for _ in range(int(rng.integers(1, 3))):
        program = MUTATIONS[int(rng.integers(len(MUTATIONS)))](program, rng)
    program = program.again(rng)
    return program if runs(program) else None


def in_one_dtype(program: RandomProgram, dtype: str) -> RandomProgram | None:
    """All its arrays in this dtype, but for indices, and parameters where it is no float; None if it does not run."""
    selecting = program.selecting
    for i, leaf in program.leaves:
        if i not in selecting:
            program = program.with_line(i, _converted(leaf, dtype))
    return program if runs(program) else None


def another_size(program: RandomProgram, rng: np.random.Generator) -> RandomProgram:
    """All axes of one size get another size."""
    sizes = sorted({n for _, leaf in _drawn(program) for n in leaf.array.shape})
    if not sizes:
        return program
    n, m = int(rng.choice(sizes)), int(rng.choice(SIZES))

    def change(line: ProgramLine) -> ProgramLine:
        return line.resized(n, m) if isinstance(line, StepLine) else line.drawn(with_size(line.array.shape, n, m))

    return program.with_lines(change)


def another_shape(program: RandomProgram, rng: np.random.Generator) -> RandomProgram:
    """One array gets an axis of length 1, loses its first axis, or becomes one of a batch."""

    def change(leaf: ArrayLine) -> ArrayLine:
        shape = leaf.array.shape
        choice = int(rng.integers(3))
        if choice == 0 and shape:
            axis = int(rng.integers(len(shape)))
            return leaf.drawn((*shape[:axis], 1, *shape[axis + 1 :]))
        return leaf.drawn(shape[1:] if choice == 1 else (int(rng.choice(SIZES)), *shape))

    return _with_one(program, rng, change)


def a_batch(program: RandomProgram, rng: np.random.Generator) -> RandomProgram:
    """All arrays of two axes get a third before them."""
    n = int(rng.choice(SIZES))

    def change(line: ProgramLine) -> ProgramLine:
        return line.drawn((n, *line.array.shape)) if isinstance(line, ArrayLine) and line.array.ndim == 2 else line

    return program.with_lines(change)


def another_dtype(program: RandomProgram, rng: np.random.Generator) -> RandomProgram:
    """One array gets another dtype."""
    dtype = str(rng.choice(DTYPES))
    return _with_one(program, rng, lambda leaf: _converted(leaf, dtype))


def other_numbers(program: RandomProgram, rng: np.random.Generator) -> RandomProgram:
    """One array gets halves, zeros and ones, or larger numbers."""

    def change(leaf: ArrayLine) -> ArrayLine:
        letter = leaf.array.dtype.kind
        if letter == "b":
            return leaf.drawn()
        least = -1 if letter in "if" else 0
        larger = {"step": 0.5} if letter == "f" else {"low": 100 * least, "high": 100}
        return leaf.drawn(**({"low": least, "high": 1}, larger)[int(rng.integers(2))])

    return _with_one(program, rng, change)


def other_params(program: RandomProgram, rng: np.random.Generator) -> RandomProgram:
    """One parameter of a step gets another value."""
    places = [(i, line, name) for i, line in program.numbered_steps for name in line.params if name in OTHER_PARAMS]
    if not places:
        return program
    i, line, name = places[int(rng.integers(len(places)))]
    values = OTHER_PARAMS[name]
    return program.with_line(i, replace(line, params=line.params | {name: values[int(rng.integers(len(values)))]}))


MUTATIONS = (another_size, another_shape, a_batch, *[another_dtype] * 2, other_numbers, *[other_params] * 2)


def _with_one(program: RandomProgram, rng: np.random.Generator, change: Change) -> RandomProgram:
    leaves = _drawn(program)
    if not leaves:
        return program
    chosen, leaf = leaves[int(rng.integers(len(leaves)))]
    return program.with_line(chosen, change(leaf))


def _drawn(program: RandomProgram) -> list[tuple[int, ArrayLine]]:
    return [(i, leaf) for i, leaf in program.leaves if leaf.numbers is not None]


def _converted(leaf: ArrayLine, dtype: str) -> ArrayLine:
    """The array drawn anew in another dtype: unsigned numbers are not negative, whole ones have no fractions."""
    numbers = leaf.numbers
    if numbers is None or (leaf.kind in ("parameter", "frozen") and not dtype.startswith("float")):
        return leaf
    low = 0 if dtype in ("uint8", "bool") else numbers.low
    high = max(low, min(numbers.high, 1) if dtype == "bool" else numbers.high)
    return leaf.drawn(dtype=dtype, low=low, high=high, step=numbers.step if dtype.startswith("float") else 1.0)
