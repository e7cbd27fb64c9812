"""An endless stream of random programs, in which every kind of line soon follows every other kind."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from .kinds import ALGEBRA, EXACT, EXACT_CORE, Kind
from .kinds_real import FUNCTIONS_CORE, REAL, REAL_CORE
from .programs import ArrayLine, ProgramLine, RandomProgram, StepLine
from .writer import ProgramWriter, Style, UnfitError

SPECIAL_SHARE = 0.25  # of the elements of those arrays that hold special numbers
LONGEST_CHAIN = 4  # lines, each on the result of the one before; then another begins at an array
MOST_OUTPUTS = 8


class KindSequence:
    """Which kind of line follows which: each pair once, in random order, before any pair comes again."""

    def __init__(self, rng: np.random.Generator, kinds: tuple[Kind, ...]) -> None:
        self.rng, self.kinds = rng, kinds
        self._left: dict[Kind, list[Kind]] = {kind: [] for kind in kinds}

    def start(self) -> Kind:
        """A kind to begin a chain with: one that most others have yet to follow."""
        if not any(self._left.values()):
            self._left = {kind: [self.kinds[i] for i in self.rng.permutation(len(self.kinds))] for kind in self.kinds}
        most = max(map(len, self._left.values()))
        best = [kind for kind in self.kinds if len(self._left[kind]) == most]
        return best[int(self.rng.integers(len(best)))]

    def after(self, kind: Kind) -> Kind | None:
        """The next kind to follow this one; None if all have."""
        return self._left[kind].pop() if self._left.get(kind) else None

    def again(self, kind: Kind, follower: Kind) -> None:
        """Put back a pair that could not be written, to be tried later; one in ten is given up."""
        if self.rng.random() < 0.9:
            self._left[kind].insert(0, follower)


class Programs:
    """An endless iterator of random programs; the same seed gives the same ones.

    `mode` "exact": on these programs floating-point arithmetic is exact, whatever its order: results must agree to the
    last bit. "real": every operation and composite on ordinary numbers. "special": both, with nan, infinities,
    -0.0, huge and tiny numbers in their arrays, and whole numbers that wrap. `style` sets sizes, dtypes and lengths.
    """

    real = REAL

    def __init__(self, seed: int | np.random.Generator = 0, mode: str = "exact", style: Style | None = None) -> None:
        if mode not in ("exact", "real", "special"):
            raise ValueError(f"a mode is 'exact', 'real' or 'special', not {mode!r}")
        self.rng, self.mode, self.style = np.random.default_rng(seed), mode, style or Style()
        self._walks = {
            True: (KindSequence(self.rng, ALGEBRA), KindSequence(self.rng, EXACT_CORE)),
            False: (KindSequence(self.rng, FUNCTIONS_CORE), KindSequence(self.rng, REAL_CORE)),
        }

    def __iter__(self) -> Iterator[RandomProgram]:
        return self

    def __next__(self) -> RandomProgram:
        exact = self.mode == "exact" or (self.mode == "special" and self.rng.random() < 0.5)
        program = self._program(exact)
        return with_special_numbers(program, self.rng) if self.mode == "special" else program

    def _program(self, exact: bool) -> RandomProgram:
        """One program of ordinary numbers."""
        while True:
            w = ProgramWriter(self.rng, replace(self.style, exact=exact))
            w.leaf(w.shape())
            if w.chance(0.3):
                dtype = w.one([d for d in w.dtypes if d.startswith("float")] or ["float64"])
                w.leaf(w.shape(w.one((1, 2))), dtype, w.one(("parameter", "frozen")))
            with np.errstate(all="ignore"):
                self._lines(w, self._walks[exact], EXACT if exact else self.real)
            if any(isinstance(line, StepLine) for line in w.lines):
                return RandomProgram(w.lines, _outputs(w))

    def _lines(self, w: ProgramWriter, walks: tuple[KindSequence, ...], kinds: tuple[Kind, ...]) -> None:
        """Write chains in which each line takes the result of the one before, with lines of any kind in between."""
        wanted = w.one((2, w.style.steps // 2, *(w.style.steps,) * 4))
        walk, latest, length = walks[0], None, 0
        kind = walk.start()
        for _ in range(2 * wanted):
            if sum(isinstance(line, StepLine) for line in w.lines) >= wanted:
                break
            if latest is None or length == LONGEST_CHAIN:
                walk, length = w.one(walks), 1
                kind = walk.start()
                w.focus = w.leaf(w.shape(w.one((1, 2, 2, 2, 3, 3, 0)))) if w.chance(0.6) else None
                latest = written(kind, w)
            else:
                follower = walk.after(kind)
                if follower is None:
                    latest = None
                    continue
                w.focus, length = latest, length + 1
                latest = written(follower, w)
                if latest is None:
                    walk.again(kind, follower)
                kind = follower
            if w.chance(0.12 if w.style.exact else 0.35):
                written(w.one(kinds), w)


def written(kind: Kind, w: ProgramWriter) -> int | None:
    """The number of the last line of this kind; None if nothing fits, though some lines may be written."""
    try:
        return kind(w)
    except UnfitError:
        return None
    finally:
        w.focus = None


def _outputs(w: ProgramWriter) -> list[int]:
    """The outputs: the results that no line uses, or the last one alone; sometimes another array, even an argument."""
    used = {i for line in w.lines if isinstance(line, StepLine) for i in line.operands}
    arrays = w.line_numbers()
    results = [i for i in arrays if isinstance(w.lines[i], StepLine)]
    outputs = [i for i in results if i not in used] if w.chance(0.85) else [results[-1]]
    if w.chance(0.25):
        outputs.append(w.one(arrays))
    return list(dict.fromkeys(outputs[-MOST_OUTPUTS:]))


def with_special_numbers(program: RandomProgram, rng: np.random.Generator) -> RandomProgram:
    """The program with special numbers in some of its arrays."""
    selecting = program.selecting
    lines = [_special(line, rng) if i not in selecting else line for i, line in enumerate(program.lines)]
    return RandomProgram(lines, program.outputs)


def _special(line: ProgramLine, rng: np.random.Generator) -> ProgramLine:
    if not isinstance(line, ArrayLine) or line.numbers is None or rng.random() < 0.25:
        return line
    return line.drawn(special=SPECIAL_SHARE, seed=int(rng.integers(2**31)))
