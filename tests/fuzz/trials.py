"""A trial: a random program in random circumstances, the same for the same seed and number."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.checking import RandomProgram, Style, shrink
from tinygrad_lora.checking.programs import ArrayLine, StepLine
from tinygrad_lora.checking.writer import DTYPES
from tinygrad_lora.core.graph import topological_order

from .circumstances import Circumstances, draw, thresholds_set
from .harness import fault_of, laid_out, named, turned
from .layers import ATTENTION, ProgramsWithLayers, parameters_of
from .training import TrainingTrial, draw_training

NUMBERS = "from tinygrad_lora.checking.programs import Numbers"

STYLES = {
    "tiny": Style(),
    "longer": Style(steps=30),
    "every dtype": Style(dtypes=(*DTYPES, "int16", "int32", "uint16", "uint32", "uint64")),
    "real sizes": Style(sizes=(1, 40, 70, 300), largest=100_000, steps=6),
}
SHARES = {"tiny": 0.785, "longer": 0.08, "every dtype": 0.12, "real sizes": 0.015}
TRAINING = 0.08  # so many trials are training steps
MODES = {"exact": 0.45, "real": 0.4, "special": 0.15}
# Zeros and numbers of magnitudes between 1/n and n stay finite, whatever the passes do: see docs/numbers.md.
PROMISED = {"float64": 1e100, "float32": 1e12, "float16": 50.0}


@dataclass(frozen=True)
class Trial:
    """A program, the arrays of its later calls, and how it is compiled and called."""

    program: RandomProgram
    later: tuple[RandomProgram, ...]  # the same program with the arrays of the calls after the first
    circumstances: Circumstances
    mode: str
    style: str

    @property
    def kinds(self) -> list[str]:
        """Words for the counts."""
        return [self.mode, self.style, *self.circumstances.kinds]

    def fault(self) -> str | None:
        """What is wrong, or None."""
        c = self.circumstances
        calls = [laid_out(p.arrays, how) for p, how in zip([self.program, *self.later], c.layouts, strict=False)]
        parameters = parameters_of(self.program)
        values = [p.value for p in parameters]
        before = (lambda number: turned(parameters) if number else None) if c.new_parameters else None
        try:
            with thresholds_set(c.thresholds):
                return fault_of(
                    self.program, self.compiled(), calls,
                    exact=self.mode == "exact", poison=c.poison, disturb=c.disturb, before=before,
                )  # fmt: skip
        finally:
            for p, value in zip(parameters, values, strict=True):
                p.value = value

    def compiled(self) -> Any:
        """The compiled function."""
        return eval(f"tl.compile(f, {self.circumstances.options})", {"tl": tl, "named": named, "f": self.program})

    def lines(self) -> list[str]:
        """What the file of a fault holds besides the harness: the program, its calls, and what is asked."""
        c, program = self.circumstances, str(self.program)
        names = self.program.names
        first, *later = (", ".join(names[i] for i in self.program.inputs), *map(arrays_as_source, self.later))
        calls = "".join(
            f"    laid_out([{arrays}], {how!r}),\n" for arrays, how in zip([first, *later], c.layouts, strict=False)
        )
        parameters = ", ".join(
            f"*{name}.parameters()" if name.startswith("layer") else name for name in names if name[0] in "wl"
        )
        return [
            ATTENTION if "heads(" in program else "",
            NUMBERS if "Numbers(" in program + calls else "",
            f"\n{program}",
            f"calls = [\n{calls}]",
            f"before = lambda number: turned([{parameters}]) if number else None"
            if c.new_parameters
            else "before = None",
            f"compiled = tl.compile(f{', ' * bool(c.options)}{c.options})",
            f"told = fault_of(f, compiled, calls, exact={self.mode == 'exact'}, before=before{c.demands})",
            "if compiled.programs:\n    print(compiled.source)",
        ]

    def is_promised(self, output: int) -> bool:
        """Whether all floats that this output depends on are of magnitudes for which docs/numbers.md promises most."""
        numbers = []
        for program, layouts in zip((self.program, *self.later), self.circumstances.layouts, strict=False):
            # Two layouts change numbers as well: these are the numbers that the call gets.
            arrays = laid_out(program.arrays, layouts) if layouts else program.arrays
            graph = tl.trace(RandomProgram(program.lines, [program.outputs[output]]), *arrays)
            needed = {*topological_order(graph.outputs)}
            with np.errstate(all="ignore"):
                values = [value for node, value in graph.running(*arrays) if node in needed]
            numbers += [value for value in values if value.dtype.kind == "f"]
        return all(map(is_ordinary, numbers))

    def smaller(self, is_alike: Any) -> Trial:
        """A small trial with a fault that is alike."""
        trial = next(filter(is_alike, self._one_call()), self)._with_simpler_circumstances(is_alike)
        if not is_alike(trial.on(trial.program)):
            return trial  # it needs the very numbers of its later calls
        program = shrink(trial.program, lambda p: is_alike(trial.on(p)), tries=300)
        return trial.on(program)._with_simpler_circumstances(is_alike)

    def _one_call(self) -> Iterator[Trial]:
        """Each of the calls alone."""
        for program, layouts in zip((self.program, *self.later), self.circumstances.layouts, strict=True):
            yield replace(
                self, program=program, later=(), circumstances=replace(self.circumstances, layouts=(layouts,))
            )

    def on(self, program: RandomProgram) -> Trial:
        """The same circumstances for another program."""
        later = tuple(
            with_other_numbers(program, np.random.default_rng(i + 1), self.mode)
            for i in range(len(self.circumstances.layouts) - 1)
        )
        inputs, layouts = len(program.inputs), self.circumstances.layouts
        layouts = tuple((call + ("plain",) * inputs)[:inputs] for call in layouts)
        return replace(self, program=program, later=later, circumstances=replace(self.circumstances, layouts=layouts))

    def _with_simpler_circumstances(self, is_alike: Any) -> Trial:
        trial, improved = self, True
        while improved:
            improved = False
            for simpler in trial.circumstances.simpler():
                candidate = replace(trial, circumstances=simpler)
                if simpler != trial.circumstances and is_alike(candidate):
                    trial, improved = candidate, True
                    break
        return trial


def trial_of(seed: int, number: int) -> Trial | TrainingTrial:
    """The trial with this number."""
    rng = np.random.default_rng([seed, number])
    if rng.random() < TRAINING:
        return draw_training(rng)
    mode, style = (str(rng.choice(list(shares), p=list(shares.values()))) for shares in (MODES, SHARES))
    program = next(ProgramsWithLayers(rng, mode, STYLES[style]))
    if mode == "real" and rng.random() < 0.3:
        program = with_gradients(program)
    circumstances = draw(rng, len(program.inputs))
    if style == "real sizes":
        circumstances = replace(circumstances, engine="numpy", thresholds=())
    if mode == "exact":  # numbers in another's place might be rounded
        layouts = tuple(tuple(how.replace("shared", "windows") for how in call) for call in circumstances.layouts)
        circumstances = replace(circumstances, layouts=layouts)
    if mode == "special":  # the first call's comparison knows nothing of what docs/numbers.md allows
        circumstances = replace(circumstances, check=False)
    later = tuple(with_other_numbers(program, rng, mode) for _ in circumstances.layouts[1:])
    return Trial(program, later, circumstances, mode, style)


def with_other_numbers(program: RandomProgram, rng: Any, mode: str) -> RandomProgram:
    """The program for the arrays of a later call: in an exact one the same numbers in other places, which are exact."""
    if mode != "exact":
        return program.again(rng)
    return program.with_lines(
        lambda line: (
            ArrayLine(line.kind, rng.permutation(line.array.reshape(-1)).reshape(line.array.shape))
            if isinstance(line, ArrayLine) and line.kind == "input" and line.array.size <= 64
            else line
        )
    )


def with_gradients(program: RandomProgram) -> RandomProgram:
    """The program that also gives the gradients of its last float output: with respect to two of its float inputs."""
    values = program.values
    floats = [i for i in program.outputs if values[i].dtype.kind == "f"]
    leaves = [i for i in program.inputs if values[i].dtype.kind == "f"][:2]
    lines, outputs = list(program.lines), list(program.outputs)
    for leaf in leaves if floats else ():
        longer = RandomProgram([*lines, StepLine("gradient_of_square", (floats[-1], leaf))], [*outputs, len(lines)])
        with suppress(tl.errors.GradientError), np.errstate(all="ignore"):
            longer.eager()
            lines, outputs = list(longer.lines), list(longer.outputs)
    return RandomProgram(lines, outputs)


def is_ordinary(array: Any) -> bool:
    """Whether all magnitudes are as promised."""
    size, limit = np.abs(np.asarray(array, float)), PROMISED.get(array.dtype.name, 0.0)
    return bool(np.all((size == 0) | (size >= 1 / limit) & (size <= limit)))


def arrays_as_source(program: RandomProgram) -> str:
    """The arrays of a call."""
    return ", ".join(program.lines[i].printed for i in program.inputs)  # type: ignore[union-attr]
