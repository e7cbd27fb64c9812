"""A random program as plain data: lines in order, each an array, a layer, or an operation on earlier lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from inspect import Parameter, Signature
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..core.graph import Graph
from ..core.node import PARAMETER, Array, ComputationNode, DType, constant, parameter
from ..core.trace import trace
from ..nn.layer import Layer
from .vocabulary import ATTENTION, HEADER, WORDS, array_literal, expression

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

    def again(self, seed: int) -> ArrayLine:
        """The same line with its array drawn anew, from another seed."""
        if self.numbers is None:
            return self
        numbers = replace(self.numbers, seed=seed)
        return replace(self, array=numbers.drawn(self.array.shape, self.array.dtype), numbers=numbers)


@dataclass(frozen=True, eq=False)
class LayerLine:
    """A layer: the expression that creates it, and the seed of its parameters."""

    text: str
    seed: int
    kind: str = "layer"

    @property
    def printed(self) -> str:
        """The layer as Python source."""
        return f"filled({self.text}, {self.seed})"

    def node(self, name: str) -> Layer:
        """The layer itself; small numbers in all its parameters, so that no part of it is zero."""
        return filled(expression("layer", "", self.text)(), self.seed)


def filled(layer: Layer, seed: int) -> Layer:
    """The layer with random parameters."""
    rng = np.random.default_rng(seed)
    for p in layer.parameters():
        p.value = rng.uniform(-0.5, 0.5, p.shape).astype(p.dtype)
    return layer


@dataclass(frozen=True, eq=False)
class StepLine:
    """An operation: its word in the vocabulary, the numbers of the lines that are its operands, and its parameters."""

    word: str
    operands: tuple[int, ...] = ()
    params: dict[str, Any] = field(default_factory=dict)


ProgramLine = ArrayLine | LayerLine | StepLine
SELECTING: dict[str, tuple[int, ...]] = {  # which operands of a word are indices
    "take": (1,), "take_each": (1, 2), "scatter_add": (1,), "cross_entropy": (1,), "called": (1,),
}  # fmt: skip
SIGNATURE = Signature([Parameter("inputs", Parameter.VAR_POSITIONAL)])


class RandomProgram:
    """A function of as many nodes as it has inputs: `tl.trace(program, *program.arrays)`. `print` shows its lines.

    `outputs` are numbers of lines. One output is returned as a node, several as a tuple. Parameters and layers are made
    once, and are the same in every call.
    """

    def __init__(self, lines: Iterable[ProgramLine], outputs: Iterable[int]) -> None:
        self.lines, self.outputs = tuple(lines), tuple(outputs)
        self.__signature__ = SIGNATURE  # so that `inspect.signature` need not derive it
        counts = {"x": 0, "w": 0, "c": 0, "layer": 0, "v": 0}
        self.names: list[str] = []
        for line in self.lines:
            letter = (
                "v" if isinstance(line, StepLine) else {"input": "x", "constant": "c", "layer": "layer"}.get(line.kind)
            )
            self.names.append(f"{letter or 'w'}{counts[letter or 'w']}")
            counts[letter or "w"] += 1

    @cached_property
    def inputs(self) -> tuple[int, ...]:
        """The numbers of the lines that are arguments."""
        return tuple(i for i, line in enumerate(self.lines) if isinstance(line, ArrayLine) and line.kind == "input")

    @property
    def arrays(self) -> tuple[Array, ...]:
        """The arrays that the program is called with."""
        return tuple(self.lines[i].array for i in self.inputs)  # type: ignore[union-attr]

    @property
    def steps(self) -> list[StepLine]:
        """Its operations."""
        return [line for line in self.lines if isinstance(line, StepLine)]

    @cached_property
    def _own(self) -> dict[int, Any]:
        """The program's parameters, constants and layers, by line."""
        return {
            i: line.node(self.names[i])
            for i, line in enumerate(self.lines)
            if not isinstance(line, StepLine) and line.kind != "input"
        }

    @cached_property
    def selecting(self) -> set[int]:
        """The numbers of the lines that hold indices or labels, which must stay within bounds."""
        return {line.operands[i] for line in self.steps for i in SELECTING.get(line.word, ())}

    @property
    def parameters(self) -> list[ComputationNode]:
        """Its parameters, also those of its layers: a test may give them new values between calls."""
        own = [v.parameters() if isinstance(self.lines[i], LayerLine) else [v] for i, v in self._own.items()]
        return [p for parameters in own for p in parameters if p.op is PARAMETER]

    def __call__(self, *inputs: Any) -> Any:
        values = self._values(inputs)
        results = tuple(values[i] for i in self.outputs)
        return results[0] if len(results) == 1 else results

    @cached_property
    def values(self) -> dict[int, Any]:
        """For each line a node with its value, or a layer, when the program is called with its own arrays."""
        return self._values(tuple(map(constant, self.arrays)))

    @cached_property
    def graph(self) -> Graph:
        """The program as a graph."""
        return trace(self, *self.arrays)

    def _values(self, inputs: tuple[Any, ...]) -> dict[int, Any]:
        values = dict(self._own) | dict(zip(self.inputs, inputs, strict=True))
        with np.errstate(all="ignore"):
            for i, line in enumerate(self.lines):
                if isinstance(line, StepLine):
                    values[i] = WORDS[line.word].function(*(values[k] for k in line.operands), **line.params)
        return values

    def eager(self, arrays: Sequence[Array] | None = None) -> list[Array]:
        """The outputs as arrays, computed one operation after the other; for its own arrays unless others are given."""
        values = self.values if arrays is None else self._values(tuple(map(constant, arrays)))
        return [np.array(values[i].value) for i in self.outputs]

    def again(self, rng: np.random.Generator) -> RandomProgram:
        """The same program with other numbers in its inputs."""
        lines = list(self.lines)
        for i in self.inputs:
            lines[i] = lines[i].again(int(rng.integers(2**31)))  # type: ignore[union-attr]
        return RandomProgram(lines, self.outputs)

    def with_lines(self, change: Callable[[ProgramLine], ProgramLine]) -> RandomProgram:
        """The program with `change` applied to each line."""
        return RandomProgram(map(change, self.lines), self.outputs)

    # --- As text ---

    @property
    def body(self) -> list[str]:
        """The lines of the function."""
        lines = [
            f"{name} = {WORDS[line.word].printed([self.names[k] for k in line.operands], line.params)}"
            for name, line in zip(self.names, self.lines, strict=True)
            if isinstance(line, StepLine)
        ]
        return [*lines, f"return {', '.join(self.names[i] for i in self.outputs)}"]

    def __str__(self) -> str:
        """The function, and the arrays that it is called with."""
        arguments = ", ".join(self.names[i] for i in self.inputs)
        function = [f"def f({arguments}):", *(f"    {line}" for line in self.body)]
        return "\n".join([*self._definitions(inputs=False), *function, *self._definitions(inputs=True)])

    def _definitions(self, *, inputs: bool) -> list[str]:
        """The assignments of the arguments, or of the parameters, constants and layers, as Python source."""
        templates = {"parameter": 'tl.parameter({}, "{}")', "frozen": 'tl.parameter({}, "{}", trainable=False)'}
        templates["constant"] = "tl.constant({})"
        return [
            f"{name} = {templates.get(line.kind, '{}').format(line.printed, name)}"
            for name, line in zip(self.names, self.lines, strict=True)
            if not isinstance(line, StepLine) and (line.kind == "input") == inputs
        ]

    def source(self, title: str = "A random program.", options: str = "") -> str:
        """A file that runs: it computes the program eagerly and compiled, and prints both.

        `options` are those of `tl.compile`, as source: "buffers=False".
        """
        body = str(self)
        header = HEADER + ATTENTION * ("heads(" in body)
        if "filled(" in body or "Numbers(" in body:
            header += f"from {__name__} import Numbers, filled\n"
        call = f"tl.compile(f{', ' * bool(options)}{options})"
        arguments = "".join(f"{self.names[i]}, " for i in self.inputs)
        return f'"""{title}"""\n\n{header}\n{body}\n{_RUN.format(arguments=arguments, call=call)}'


_RUN = """\
arrays = ({arguments})
with np.errstate(all="ignore"):
    eager = f(*map(tl.constant, arrays))
    compiled = {call}(*arrays)
eager = [np.asarray(y.value) for y in (eager if isinstance(eager, tuple) else (eager,))]
compiled = [np.asarray(y) for y in (compiled if isinstance(compiled, tuple) else (compiled,))]
for i, (y, z) in enumerate(zip(eager, compiled)):
    same = (y.shape, y.dtype) == (z.shape, z.dtype) and np.array_equal(y, z, equal_nan=y.dtype.kind == "f")
    print(f"output {{i}}: {{'equal' if same else 'different'}}", "eager:", repr(y), "compiled:", repr(z), sep="\\n")
"""
