"""Shrink a program that fails: remove, cut and simplify, as long as it still fails."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ..core.node import Array
from .programs import ArrayLine, ProgramLine, RandomProgram, StepLine, with_size

MOST_SINGLE = 24  # elements of an array that are simplified one by one
SIMPLE_PARAMS: dict[str, tuple[Any, ...]] = {
    "factor": (2.0,), "number": (1.0,), "exponent": (2,), "keepdims": (False,), "axis": (0, -1), "key": ((0,),),
    "dtype": ("float32",),
}  # fmt: skip


def shrink(program: RandomProgram, fails: Callable[[RandomProgram], bool], tries: int = 400) -> RandomProgram:
    """The smallest program found for which `fails` is still true; the same for the same arguments.

    `fails` is asked at most `tries` times, and never about a program that the engine refuses.
    """
    left, weight = tries, _weight(program := pruned(program))
    improved = True
    while improved:
        improved = False
        for move in MOVES:
            candidates = move(program)
            while left > 0 and (candidate := next(candidates, None)) is not None:
                candidate = pruned(candidate)
                if (lighter := _weight(candidate)) >= weight or not runs(candidate):
                    continue
                left -= 1
                if fails(candidate):
                    program, weight, improved = candidate, lighter, True
                    candidates = move(program)
    return program


def pruned(program: RandomProgram) -> RandomProgram:
    """The program without the lines that its outputs do not need."""
    needed = set(program.outputs)
    for i, line in reversed(program.numbered_steps):
        if i in needed:
            needed.update(line.operands)
    number = {old: new for new, old in enumerate(sorted(needed))}
    lines = (_with_operands(program.lines[i], number) for i in sorted(needed))
    return RandomProgram(lines, [number[i] for i in program.outputs])


def _with_operands(line: ProgramLine, new: dict[int, int]) -> ProgramLine:
    """The line with other operands, by the numbers of those it has."""
    if not isinstance(line, StepLine):
        return line
    return replace(line, operands=tuple(new.get(i, i) for i in line.operands))


def runs(program: RandomProgram) -> bool:
    """Whether the engine takes the program: its shapes fit, and its numbers can be computed."""
    try:
        _ = program.values, program.graph
    except Exception:  # a changed program may be anything, and the engine says no in many ways
        return False
    return bool(program.inputs)


def _weight(program: RandomProgram) -> tuple[Any, ...]:
    """The size of a program, to be compared: steps, arrays and their elements, outputs, kinds, numbers, parameters."""
    leaves = [leaf for _, leaf in program.leaves]
    return (
        len(program.steps), sum(1 + leaf.array.ndim + leaf.array.size for leaf in leaves),
        len(program.outputs), sum(leaf.kind != "input" for leaf in leaves),
        sum(leaf.array.dtype != np.float64 for leaf in leaves), sum(_numbers(leaf.array) for leaf in leaves),
        sum(_oddity(name, value) for step in program.steps for name, value in step.params.items()),
    )  # fmt: skip


def _numbers(array: Array) -> float:
    """How complicated the numbers are: 0 and 1 least, then other whole numbers, fractions, and special numbers."""
    array = np.asarray(array, float)
    size = np.where(np.isfinite(array), np.minimum(np.abs(array), 20), 30)
    return float(np.sum(size + np.where(np.isfinite(array) & (array == np.round(array)), 0, 20) + (array < 0)))


def _oddity(name: str, value: Any) -> int:
    simple = SIMPLE_PARAMS.get(name, ())
    return simple.index(value) if value in simple else len(simple) + len(repr(value))


# --- Moves: each gives programs to try, the most promising first ---


def one_output(program: RandomProgram) -> Iterator[RandomProgram]:
    """One output alone, or all but one."""
    for i in program.outputs[::-1]:
        yield RandomProgram(program.lines, [i])
    for i in program.outputs:
        yield RandomProgram(program.lines, [k for k in program.outputs if k != i] or [i])


def earlier_output(program: RandomProgram) -> Iterator[RandomProgram]:
    """An earlier step as the only output."""
    for i, _ in program.numbered_steps:
        yield RandomProgram(program.lines, [i])


def without_steps(program: RandomProgram) -> Iterator[RandomProgram]:
    """A step replaced by an array with its result; or by one of its operands."""
    values = program.values
    for i, _ in reversed(program.numbered_steps):
        yield program.with_line(i, ArrayLine("input", np.array(values[i].value)))
    for i, line in program.numbered_steps:
        for operand in line.operands:
            yield _without(program, i, operand)


def _without(program: RandomProgram, i: int, operand: int) -> RandomProgram:
    """The program with `operand` used wherever line i was."""
    lines = (_with_operands(line, {i: operand}) for line in program.lines)
    return RandomProgram(lines, dict.fromkeys(operand if k == i else k for k in program.outputs))


def plain_arrays(program: RandomProgram) -> Iterator[RandomProgram]:
    """Arguments instead of parameters and constants, float64 instead of other dtypes, and one array instead of two."""
    for i, leaf in program.leaves:
        if leaf.kind != "input":
            yield program.with_line(i, ArrayLine("input", leaf.array))
        if leaf.array.dtype != np.float64:
            yield program.with_line(i, ArrayLine(leaf.kind, leaf.array.astype(np.float64)))
        for k, other in program.leaves:
            if k < i and other.array.shape == leaf.array.shape and other.array.dtype == leaf.array.dtype:
                yield _without(program, i, k)


def smaller_sizes(program: RandomProgram) -> Iterator[RandomProgram]:
    """Shorter axes, wherever a size occurs or in one array alone; and axes removed."""
    sizes = sorted({n for _, leaf in program.leaves for n in leaf.array.shape if n > 1}, reverse=True)
    for n in sizes:
        for m in (1, 2, n - 1):
            if m < n:
                yield program.with_lines(lambda line, n=n, m=m: _resized(line, n, m))  # type: ignore[misc]
    for i, leaf in program.leaves:
        for axis, n in enumerate(leaf.array.shape):
            for k in dict.fromkeys((0, _oddest(leaf.array)[axis])) if leaf.array.size else (0,) * (n > 0):
                yield program.with_line(i, ArrayLine(leaf.kind, leaf.array.take(k, axis=axis)))
                for m in {1, n - 1} - {n}:
                    yield program.with_line(i, ArrayLine(leaf.kind, leaf.array.take(range(m), axis=axis)))


def _oddest(array: Array) -> tuple[Any, ...]:
    """The index of the largest number, or of a nan."""
    return np.unravel_index(np.argmax(np.nan_to_num(np.abs(array.astype(float)), nan=np.inf)), array.shape)


def _resized(line: ProgramLine, n: int, m: int) -> ProgramLine:
    """The line with axes of length m where they had length n."""
    if isinstance(line, ArrayLine):
        return ArrayLine(line.kind, line.array[tuple(map(slice, with_size(line.array.shape, n, m)))])
    return line.resized(n, m) if isinstance(line, StepLine) else line


def simple_numbers(program: RandomProgram) -> Iterator[RandomProgram]:
    """Zeros, ones and whole numbers: first in whole arrays, then one by one."""
    for i, leaf in program.leaves:
        with np.errstate(all="ignore"):
            for simpler in (np.zeros_like, np.ones_like, np.abs, np.trunc):
                yield program.with_line(i, ArrayLine(leaf.kind, simpler(leaf.array).astype(leaf.array.dtype)))
    for i, leaf in program.leaves:
        if leaf.array.size <= MOST_SINGLE:
            for place in np.ndindex(leaf.array.shape):
                for number in (0, 1, 2):
                    array = leaf.array.copy()
                    array[place] = number
                    yield program.with_line(i, ArrayLine(leaf.kind, array))


def simple_params(program: RandomProgram) -> Iterator[RandomProgram]:
    """Parameters that are easy to read."""
    for i, line in program.numbered_steps:
        for name, value in line.params.items():
            for simple in SIMPLE_PARAMS.get(name, ()):
                if simple != value:
                    yield program.with_line(i, replace(line, params=line.params | {name: simple}))


MOVES = (one_output, earlier_output, without_steps, smaller_sizes, plain_arrays, simple_numbers, simple_params)
