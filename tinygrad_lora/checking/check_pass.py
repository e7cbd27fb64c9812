"""Check a pass: search random programs for one on which it changes a result."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

import numpy as np

from ..compiler.pipeline import DEFAULT, name_of
from ..core.graph import Graph
from ..core.trace import trace
from ..errors import CounterexampleError
from .counterexample import Counterexample
from .generate import Programs, with_special_numbers
from .mutate import in_one_dtype, mutant
from .programs import RandomProgram
from .shrink import pruned, shrink
from .trials import SUITS, CompiledTrial, Fault, PassTrial
from .writer import Style

SHARES = {"exact": 0.5, "real": 0.3, "special": 0.2}  # of the programs
TRIES = 300  # while shrinking
MOST_PARTS, MOST_OF_ONE = 120, 3  # small programs that the pass changes, checked closely: in all, and of one program
UNIFORM = ("float32", "float16", "int8", "uint8")  # dtypes in which each of these is checked as well
MUTANTS = 8  # of each of these
MOST_TWICE, MOST_COMPILED = 30, 40  # programs to which the pass is applied twice, and programs that are compiled
OTHERS = tuple(p for row in DEFAULT for p in row)


@dataclass(frozen=True)
class PassCheck:
    """The report of `check_pass` on a pass that it could not refute.

    `programs` counts the random programs, `applied` those in which the pass changed something, `compiled` those of them
    that were compiled as well. Where `applied` is 0 nothing was checked.
    """

    name: str
    programs: int
    applied: int
    compiled: int
    special: bool

    def __repr__(self) -> str:
        if not self.applied:
            return f"{self.name} was never applied: it changed none of {self.programs} programs, so nothing was checked"
        numbers = "special numbers too" if self.special else "finite numbers only"
        numbers = f"{numbers}; {self.compiled} were compiled as well"
        return f"{self.name}: {self.programs} programs, changed {self.applied} of them, and no result ({numbers})"


def check_pass(
    a_pass: Callable[[Graph], Graph], *, programs: int = 500, seed: int = 0, special: bool = True
) -> PassCheck:
    """$p(G)(x) = G(x)$: apply the pass to random graphs, and compare the results with those without it.

    Most graphs have numbers on which arithmetic is exact, whatever its order: there every bit must agree. Others have
    ordinary numbers, and must agree up to rounding. All dtypes occur, sizes 0 and 1, unequal ranks. The pass runs
    alone, among the passes of the compiler, and in compiled programs.

    a_pass: a function from a Graph to a Graph
    programs: how many random programs; 500 take some seconds
    seed: a whole number; the same one gives the same programs
    special: True adds nan, infinities, huge and tiny numbers, and whole numbers that wrap: there a law such as
        $x - x = 0$ fails. Say False to judge a law for finite numbers
    Returns a report that says how many programs the pass changed: 0 means that nothing was checked.
    Raises CounterexampleError with the smallest program found on which the pass changes a result, a shape or a dtype,
    raises an error, never returns, or changes the graph that it is given. Raises TypeError for what is no pass, and
    NotImplementedError if the pass does.

    >>> def commute(graph):
    ...     def swapped(old, parents):
    ...         return tl.add(*parents[::-1])
    ...
    ...     return graph.map(swapped, at=[tl.add])
    >>> tl.check_pass(commute, programs=20)
    commute: 20 programs, changed ... of them, and no result (special numbers too; ... were compiled as well)
    """
    _refuse(a_pass, programs)
    search = _Search(a_pass, seed)
    for mode, n in _shares(programs, special):
        search.run(mode, n)
    return PassCheck(name_of(a_pass), search.programs, search.applied, search.compiled, special)


def _shares(programs: int, special: bool) -> list[tuple[str, int]]:
    """How many programs of each mode: special numbers last, so that an ordinary counterexample is found first."""
    n = [round(programs * share) for share in SHARES.values()]
    n = [n[0], n[1], programs - n[0] - n[1]] if special else [programs - n[1], n[1], 0]
    return list(zip(SHARES, n, strict=True))


@lru_cache(maxsize=9)
def _stream(seed: int, mode: str) -> tuple[Programs, list[RandomProgram]]:
    """The stream of programs of a seed, and the list of those drawn so far, which all passes share."""
    return Programs(seed, mode, Style(steps=20)), []


def _first_programs(seed: int, mode: str, n: int) -> list[RandomProgram]:
    """The first n programs of a seed, without their traced graphs: no pass gets a graph that another one has seen."""
    programs, drawn = _stream(seed, mode)
    drawn += islice(programs, max(n - len(drawn), 0))
    for program in drawn:
        vars(program).pop("graph", None)
    return drawn[:n]


class _Search:
    """A search for a program that refutes a pass, with its counts so far."""

    def __init__(self, a_pass: Any, seed: int) -> None:
        self.a_pass, self.seed, self.rng = a_pass, seed, np.random.default_rng(seed)
        self.programs = self.ordinary = self.applied = self.compiled = 0
        self.changed: list[RandomProgram] = []  # small programs that the pass changes

    def run(self, mode: str, n: int) -> None:
        """Try the pass on n programs. Raises CounterexampleError at the first that refutes it."""
        programs = _first_programs(self.seed, mode, n)
        if mode == "special" and self.changed:  # those that the pass changes, in turn with others
            own = [self.changed[i % len(self.changed)] for i in range(n // 2)]
            programs = [with_special_numbers(p, self.rng) for p in own] + programs[: n - len(own)]
        for program in programs:
            self.programs += 1
            self.ordinary += mode != "special"
            alone = PassTrial(self.a_pass, exact=mode == "exact", twice=self.applied < MOST_TWICE)
            changed = self.look(alone, program, mode)
            if mode != "special":
                if changed and len(self.changed) < MOST_PARTS:
                    self.look_closer(alone, program, mode)
                changed = self.among_others(program, mode, changed)
            self.applied += changed

    def look(self, trial: PassTrial, program: RandomProgram, mode: str) -> bool:
        """Whether the pass changes the program. Raises CounterexampleError where that is a fault."""
        changed, fault = trial.run(program)
        if fault:
            raise self.refuted(program, trial, fault, mode) from fault.error
        return changed

    def look_closer(self, trial: PassTrial, program: RandomProgram, mode: str) -> None:
        """Try each step as the only output, so that no later step hides its result, and then mutants of that."""
        parts = 0
        for i, _ in program.numbered_steps:
            if parts < MOST_OF_ONE:
                part = pruned(RandomProgram(program.lines, [i]))
                if not self.look(trial, part, mode):
                    continue
                parts += 1
                self.changed.append(part)
                for dtype in UNIFORM:
                    other = in_one_dtype(part, dtype)
                    if other is not None and SUITS[mode](other) and self.look(trial, other, mode):
                        self.changed.append(other)
                for _ in range(MUTANTS):  # each a mutant of the last one that the pass changed
                    other = mutant(part, self.rng)
                    if other is not None and SUITS[mode](other) and self.look(trial, other, mode):
                        part = other
                self.changed.append(part)

    def among_others(self, program: RandomProgram, mode: str, changed: bool) -> bool:
        """Sometimes run the pass among other passes, and compiled; True if it changed something.

        The other passes are meant for finite numbers, so this is not for special ones.
        """
        exact, rng = mode == "exact", self.rng
        if rng.random() < 0.5:
            chosen = [p for p in OTHERS if rng.random() < 0.4]
            k = int(rng.integers(len(chosen) + 1))
            trial = PassTrial(self.a_pass, exact, tuple(chosen[:k]), tuple(chosen[k:]))
            changed = self.look(trial, program, mode) or changed
        if changed and rng.random() < 0.5 and self.compiled < MOST_COMPILED:
            others = OTHERS if rng.random() < 0.5 else ()
            k = int(rng.integers(len(others) + 1))
            planned = bool(rng.random() < 0.6)
            trial = CompiledTrial(self.a_pass, exact, others[:k], others[k:], planned=planned)
            self.look(trial, program, mode)
            self.compiled += 1
        return changed

    def refuted(self, program: RandomProgram, trial: PassTrial, fault: Fault, mode: str) -> CounterexampleError:
        """The error to raise: the smallest program that shows the fault, with as few other passes as possible."""

        def fault_of(trial: PassTrial, program: RandomProgram) -> Fault | None:
            try:
                return trial.run(program)[1] if SUITS[mode](program) else None
            except Exception:  # a candidate that cannot be traced
                return None

        # A pass that fails alone is shown alone.
        simpler = [PassTrial(self.a_pass, trial.exact), *trial.simpler()]
        while simpler:
            candidate = simpler.pop(0)
            if simple := fault_of(candidate, program):
                trial, fault, simpler = candidate, simple, candidate.simpler()
        faults: list[Fault] = []

        def fails(candidate: RandomProgram) -> bool:
            fault = fault_of(trial, candidate)
            faults.extend([fault] if fault else [])
            return fault is not None

        small = shrink(program, fails, TRIES)
        fault = faults[-1] if faults else fault  # that of the last program that failed, which is the smallest
        name, hint = name_of(self.a_pass), ""
        if mode == "special":
            remedy = f"If the law is meant for finite numbers alone, write check_pass({name}, special=False)."
            hint = f"On {self.ordinary} programs of ordinary numbers nothing was found. {remedy}"
        sentence = f"{name} {fault.sentence}" + (f", when it runs {trial.where}" if trial.where else "")
        evidence = vars(fault) | {"sentence": sentence}
        return CounterexampleError(Counterexample(**evidence, program=small, programs=self.programs, hint=hint))


def _refuse(a_pass: Any, programs: Any) -> None:
    """Raise TypeError for what is no function from a graph to a graph."""
    rule = "check_pass takes a pass, a function from a graph to a graph"
    if not callable(a_pass) or isinstance(a_pass, type):
        raise TypeError(f"{rule}, not {a_pass.__name__ if isinstance(a_pass, type) else type(a_pass).__name__}")
    if isinstance(programs, bool) or not isinstance(programs, int) or programs < 1:
        raise ValueError(f"programs is how many to try, a whole number from 1, not {programs!r}")
    try:
        inspect.signature(a_pass).bind(None)
    except TypeError:
        raise TypeError(f"{rule}: {name_of(a_pass)} cannot be called with a graph alone") from None
    except ValueError:  # a function written in C does not say what it takes
        pass
    graph = trace(lambda x: x, np.ones(2))
    try:
        result = a_pass(graph)
    except NotImplementedError:  # not written yet
        raise
    except Exception:  # a fault of a pass, which the programs will show
        return
    if not isinstance(result, Graph):
        kind = "None: does it return graph.rewrite(rule)?" if result is None else type(result).__name__
        raise TypeError(f"{rule}; {name_of(a_pass)} gives {kind}")
