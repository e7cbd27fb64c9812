"""A random program as plain data: lines in order, each an array, or an operation on earlier lines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from inspect import Parameter, Signature
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..core.graph import Graph
from ..core.node import Array, ComputationNode, DType, Shape, constant, parameter
from ..core.trace import trace
from .vocabulary import WORDS, array_literal

LARGEST_LITERAL = 200  # numbers; a larger array is printed as the draw that made it


@dataclass(frozen=True)
class Numbers:
    """What an array is filled with: numbers from `low` to `high`, multiples of `step` (0: any), and special ones.

    `special` is the share of elements that are nan, inf, -0.0, huge or tiny; in whole numbers, the ends of the dtype.
    `infinite` is the share of those that are plus or minus infinity.
    """

    low: float
    high: float
    step: float = 1.0
    seed: int = 0
    special: float = 0.0
    infinite: float = 0.0

    def drawn(self, shape: Sequence[int], dtype: DTypeLike) -> Array:
        """An array of these numbers; the same for the same fields."""
        rng, dtype, shape = np.random.default_rng(self.seed), np.dtype(dtype), tuple(shape)
        if self.step:
            ends = int(self.low // self.step), int(self.high // self.step) + 1
            array = (rng.integers(*ends, shape) * self.step).astype(dtype)
        else:
            array = rng.uniform(self.low, self.high, shape).astype(dtype)
        if self.special:
            array = np.where(rng.random(shape) < self.special, rng.choice(special_numbers(dtype), shape), array)
        if self.infinite and dtype.kind == "f":
            array = np.where(rng.random(shape) < self.infinite, rng.choice([np.inf, -np.inf], shape), array)
        return array.astype(dtype)


def special_numbers(dtype: DType) -> Array:
    """The numbers of a dtype at which laws of algebra fail."""
    if dtype.kind == "b":
        return np.array([False, True])
    if dtype.kind in "iu":
        ends = np.iinfo(dtype)
        return np.array([ends.max, ends.min, ends.max // 2 + 1, 0], dtype)
    limits = np.finfo(dtype)
    huge = [limits.max, -limits.max, np.sqrt(limits.max)]
    return np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, *huge, limits.tiny, limits.eps], dtype)


@dataclass(frozen=True, eq=False)
class ArrayLine:
    """An array: an argument of the program ("input"), or a "parameter", a "frozen" one, or a "constant" that it uses.

    `numbers` say how it was drawn; None where it was not.
    """

    kind: str
    array: Array
    numbers: Numbers | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "array", np.asarray(self.array))

    @property
    def letter(self) -> str:
        """With which the names of such arrays begin."""
        return {"input": "x", "constant": "c"}.get(self.kind, "w")

    def node(self, name: str) -> ComputationNode:
        """The parameter or constant that holds the array."""
        if self.kind in ("parameter", "frozen"):
            return parameter(self.array, name, trainable=self.kind == "parameter")
        return constant(self.array)

    @property
    def printed(self) -> str:
        """The array as Python source."""
        array = self.array
        if self.numbers is None or array.size <= LARGEST_LITERAL:
            return array_literal(array)
        return f'{self.numbers}.drawn({array.shape}, "{array.dtype}")'

    def drawn(self, shape: Shape | None = None, dtype: DTypeLike | None = None, **changes: float) -> ArrayLine:
        """The line with its array drawn anew, in another shape or dtype or from changed numbers, if it was drawn."""
        if self.numbers is None:
            return self
        numbers: Any = replace(self.numbers, **changes)  # type: ignore[arg-type]
        array = numbers.drawn(self.array.shape if shape is None else shape, dtype or self.array.dtype)
        return replace(self, array=array, numbers=numbers)


@dataclass(frozen=True, eq=False)
class StepLine:
    """An operation: its word in the vocabulary, the numbers of the lines that are its operands, and its parameters."""

    word: str
    operands: tuple[int, ...] = ()
    params: dict[str, Any] = field(default_factory=dict)
    letter = "v"

    def resized(self, n: int, m: int) -> StepLine:
        """The line with axes of length m where its parameters say n."""
        params = {k: with_size(v, n, m) if k == "shape" else v for k, v in self.params.items()}
        return replace(self, params=params)


def with_size(shape: Shape, n: int, m: int) -> Shape:
    """The shape with m wherever it says n."""
    return tuple(m if k == n else k for k in shape)


ProgramLine = ArrayLine | StepLine
SIGNATURE = Signature([Parameter("inputs", Parameter.VAR_POSITIONAL)])


class RandomProgram:
    """A function of as many nodes as it has inputs: `tl.trace(program, *program.arrays)`. `print` shows its lines.

    `outputs` are numbers of lines. One output is returned as a node, several as a tuple. Parameters are made once,
    and are the same in every call.
    """

    def __init__(self, lines: Iterable[ProgramLine], outputs: Iterable[int]) -> None:
        self.lines, self.outputs = tuple(lines), tuple(outputs)
        self.__signature__ = SIGNATURE  # so that `inspect.signature` need not derive it
        numbers: dict[str, Iterator[int]] = defaultdict(count)
        self.names = [f"{line.letter}{next(numbers[line.letter])}" for line in self.lines]

    @cached_property
    def inputs(self) -> tuple[int, ...]:
        """The numbers of the lines that are arguments."""
        return tuple(i for i, leaf in self.leaves if leaf.kind == "input")

    @property
    def arrays(self) -> tuple[Array, ...]:
        """The arrays that the program is called with."""
        return tuple(leaf.array for _, leaf in self.leaves if leaf.kind == "input")

    @cached_property
    def leaves(self) -> list[tuple[int, ArrayLine]]:
        """Its arrays, with the numbers of their lines."""
        return [(i, line) for i, line in enumerate(self.lines) if isinstance(line, ArrayLine)]

    @property
    def steps(self) -> list[StepLine]:
        """Its operations."""
        return [line for _, line in self.numbered_steps]

    @cached_property
    def numbered_steps(self) -> list[tuple[int, StepLine]]:
        """Its operations, with the numbers of their lines."""
        return [(i, line) for i, line in enumerate(self.lines) if isinstance(line, StepLine)]

    @cached_property
    def own(self) -> dict[int, Any]:
        """The program's parameters and constants, by line."""
        return {
            i: line.node(self.names[i])
            for i, line in enumerate(self.lines)
            if not isinstance(line, StepLine) and line.kind != "input"  # a layer, too, where programs have some
        }

    @cached_property
    def selecting(self) -> set[int]:
        """The numbers of the lines that hold indices or labels, which must stay within bounds."""
        return {line.operands[i] for line in self.steps for i in WORDS[line.word].selecting}

    def __call__(self, *inputs: Any) -> Any:
        values = self._values(inputs)
        results = tuple(values[i] for i in self.outputs)
        return results[0] if len(results) == 1 else results

    @cached_property
    def values(self) -> dict[int, Any]:
        """For each line a node with its value, when the program is called with its own arrays."""
        return self._values(tuple(map(constant, self.arrays)))

    @cached_property
    def graph(self) -> Graph:
        """The program as a graph."""
        return trace(self, *self.arrays)

    def _values(self, inputs: tuple[Any, ...]) -> dict[int, Any]:
        values = self.own | dict(zip(self.inputs, inputs, strict=True))
        with np.errstate(all="ignore"):
            for i, line in self.numbered_steps:
                values[i] = WORDS[line.word].function(*(values[k] for k in line.operands), **line.params)
        return values

    def eager(self) -> list[Array]:
        """The outputs as arrays, computed one operation after the other."""
        return [np.array(self.values[i].value) for i in self.outputs]

    def again(self, rng: np.random.Generator) -> RandomProgram:
        """The same program with other numbers in its inputs."""
        drawn = {i: x.drawn(seed=int(rng.integers(2**31))) for i, x in self.leaves if x.kind == "input"}
        return RandomProgram([drawn.get(i, line) for i, line in enumerate(self.lines)], self.outputs)

    def with_line(self, i: int, line: ProgramLine) -> RandomProgram:
        """The program with another line number i."""
        return RandomProgram([*self.lines[:i], line, *self.lines[i + 1 :]], self.outputs)

    def with_lines(self, change: Callable[[ProgramLine], ProgramLine]) -> RandomProgram:
        """The program with `change` applied to each line."""
        return RandomProgram(map(change, self.lines), self.outputs)

    # --- As text ---

    @property
    def body(self) -> list[str]:
        """The lines of the function."""
        lines = []
        for i, line in self.numbered_steps:
            operands = [self.names[k] for k in line.operands]
            lines.append(f"{self.names[i]} = {WORDS[line.word].printed(operands, line.params)}")
        return [*lines, f"return {', '.join(self.names[i] for i in self.outputs)}"]

    def __str__(self) -> str:
        """The function, and the arrays that it is called with."""
        arguments = ", ".join(self.names[i] for i in self.inputs)
        function = [f"def f({arguments}):", *(f"    {line}" for line in self.body)]
        return "\n".join([*self._definitions(inputs=False), *function, *self._definitions(inputs=True)])

    def _definitions(self, *, inputs: bool) -> list[str]:
        """The assignments of the arguments, or of the parameters and constants, as Python source."""
        templates = {"parameter": 'tl.parameter({}, "{}")', "frozen": 'tl.parameter({}, "{}", trainable=False)'}
        templates["constant"] = "tl.constant({})"
        return [
            f"{name} = {templates.get(line.kind, '{}').format(line.printed, name)}"
            for name, line in zip(self.names, self.lines, strict=True)
            if not isinstance(line, StepLine) and (line.kind == "input") == inputs
        ]
