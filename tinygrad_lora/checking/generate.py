"""Random programs, one after the other. Every kind of line follows every other within the first few hundred."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product as pairs_of

import numpy as np

from .kinds import EXACT, Kind
from .kinds_real import REAL
from .programs import Leaf, Line, Program, Step
from .writer import Style, Writer

SPECIAL_SHARE = 0.25  # of the elements of those arrays that hold special numbers


class Programs:
    """An endless iterator of random programs; the same seed gives the same ones.

    `mode` "exact": on these programs floating-point arithmetic is exact, whatever its order: results must agree to the
    last bit. "real": every operation, composite and layer on ordinary numbers. "special": both, with nan, infinities,
    -0.0, huge and tiny numbers in their arrays, and whole numbers that wrap. `style` sets sizes, dtypes and lengths.
    """

    def __init__(self, seed: int | np.random.Generator = 0, mode: str = "exact", style: Style | None = None) -> None:
        if mode not in ("exact", "real", "special"):
            raise ValueError(f"a mode is 'exact', 'real' or 'special', not {mode!r}")
        self.rng, self.mode, self.style = np.random.default_rng(seed), mode, style or Style()
        self._left: dict[bool, list[tuple[Kind, Kind]]] = {True: [], False: []}

    def __iter__(self) -> Iterator[Program]:
        return self

    def __next__(self) -> Program:
        exact = self.mode == "exact" or (self.mode == "special" and self.rng.random() < 0.5)
        program = self.program(exact)
        return self.with_special_numbers(program) if self.mode == "special" else program

    def program(self, exact: bool) -> Program:
        """One program of ordinary numbers."""
        kinds = EXACT if exact else REAL
        w = Writer(self.rng, replace(self.style, exact=exact))
        for _ in range(w.one((1, 1, 2, 2, 3))):
            w.leaf(w.shape(), kind="input")
        if w.chance(0.3):
            dtype = w.one([d for d in w.dtypes if d.startswith("float")] or ["float64"])
            w.leaf(w.shape(w.one((1, 2))), dtype, w.one(("parameter", "frozen")))
        with np.errstate(all="ignore"):
            self._steps(w, kinds, exact)
        return Program(w.lines, self._outputs(w)) if any(isinstance(x, Step) for x in w.lines) else self.program(exact)

    def _steps(self, w: Writer, kinds: tuple[Kind, ...], exact: bool) -> None:
        """Pairs of kinds that have not been together, each on the result of the one before, and others between them."""
        wanted = w.one((2, 4, w.style.steps // 2, w.style.steps))
        tries, steps = 0, 0
        while steps < wanted and tries < 3 * wanted:
            tries += 1
            if not self._left[exact]:
                self._left[exact] = list(pairs_of(kinds, kinds))
                self.rng.shuffle(self._left[exact])  # type: ignore[arg-type]
            first, second = self._left[exact][-1]
            w.focus = None
            made = first(w)
            w.focus = made
            if made is not None and second(w) is not None:
                self._left[exact].pop()
            elif w.chance(0.3):
                self._left[exact].insert(0, self._left[exact].pop())
            w.focus = None
            if w.chance(0.3):
                w.one(kinds)(w)
            steps = sum(isinstance(line, Step) for line in w.lines)

    def _outputs(self, w: Writer) -> list[int]:
        """Everything that nothing uses, or the last line alone; now and then some other line, also an argument."""
        used = {i for line in w.lines if isinstance(line, Step) for i in line.operands}
        arrays = w.numbers()
        last = max(i for i in arrays if isinstance(w.lines[i], Step))
        outputs = [i for i in arrays if isinstance(w.lines[i], Step) and i not in used] if w.chance(0.7) else [last]
        if w.chance(0.3):
            outputs.append(w.one(arrays))
        return list(dict.fromkeys(outputs[-4:]))

    def with_special_numbers(self, program: Program) -> Program:
        """Special numbers in some of its arrays."""

        def change(line: Line) -> Line:
            if not isinstance(line, Leaf) or line.numbers is None or _selects(program, line) or self.rng.random() < 0.3:
                return line
            return replace(line, numbers=replace(line.numbers, special=SPECIAL_SHARE)).again(line.numbers.seed)

        return program.with_lines(change)


def _selects(program: Program, leaf: Leaf) -> bool:
    """Whether the array holds indices or labels, which must stay within bounds."""
    at = program.lines.index(leaf)
    places = {"take": (1,), "take_each": (1, 2), "scatter_add": (1,), "cross_entropy": (1,), "called": (1,)}
    return leaf.array.dtype.kind in "iu" and any(
        at in (line.operands[i] for i in places.get(line.word, ())) for line in program.steps
    )
