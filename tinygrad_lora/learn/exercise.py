"""An exercise: what to do, a solution, checks, mistakes that must be recognized, three hints. One file each.

A file in `exercises/` makes one `Exercise` and registers the rest with decorators:

    exercise = Exercise("03-square", __doc__, kind="N", hints=("...", "...", "..."))

    @exercise.reference
    def square_vjp(g, y, x):
        return 2 * x * g

    @exercise.check(points=2)
    def test_the_rule(square_vjp, seed, budget): ...

    @exercise.mutant("missing-upstream")
    def without_g(g, y, x):
        return 2 * x
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ..errors import ExerciseError
from .checking.guard import stands_for_students
from .checking.solutions import answer_source, marked, source_of, stripped

T = TypeVar("T")

KINDS = {
    "N": "numbers against finite differences",
    "P": "a property on random examples",
    "S": "the structure of a graph",
    "Q": "predict, then see",
    "M": "find the bug, or a counterexample",
    "T": "a threshold on a real run",
}
PREAMBLE = "import numpy as np\n\nimport tinygrad_lora as tl\n"
GIVEN = ("seed", "budget")  # parameters of a check that the runner fills, not the student


@dataclass(frozen=True)
class Check:
    """One test, worth some points. Its parameters are the names that the student defines, and `seed`, `budget`.

    A report calls it by the first line of its docstring, or by its name if it has none. `slow` is what an answer that
    runs out of time is told, where the author knows why.
    """

    name: str
    function: Callable[..., None]
    points: int
    slow: str = ""

    @property
    def parameters(self) -> tuple[str, ...]:
        return tuple(inspect.signature(self.function).parameters)

    @property
    def needs(self) -> tuple[str, ...]:
        """The student's names that it looks at."""
        return tuple(name for name in self.parameters if name not in GIVEN)

    @property
    def demand(self) -> str:
        """What it demands, in the author's words; empty if the name says it."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0].rstrip(".")


@dataclass(frozen=True)
class Mutant:
    """A known wrong solution and the diagnosis that it must get. What it does not define is the reference's."""

    title: str
    code: str
    values: dict[str, Any]


@dataclass
class Exercise:
    """One exercise, as data. `text` is Markdown; its first line is the title.

    `about` says in two sentences what it was about, and `next_step` what to try next: who has solved it reads them.

    `limit` is in seconds, for each check. `slow` marks one that trains for real. `changes` says which of
    their arguments functions are asked to change, {"attach": ["model"]}; all others they must leave as they are.
    """

    id: str
    text: str | None
    kind: str
    hints: Sequence[str]
    limit: float = 10.0
    slow: bool = False
    preamble: str = PREAMBLE
    changes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    about: str = ""
    next_step: str = ""
    references: dict[str, Any] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    mutants: list[Mutant] = field(default_factory=list)
    ways: dict[str, Any] = field(default_factory=dict)
    _starters: dict[str, tuple[Any, str]] = field(default_factory=dict)
    _texts: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[0-9]{2}-[a-zA-Z0-9_-]+|capstone", self.id):
            raise ExerciseError(f"{self.id!r}: an id is the tutorial's two digits, a dash and a word, as in 04-topo")
        if self.kind not in KINDS:
            raise ExerciseError(f"{self.id}: kind is one of {', '.join(KINDS)}, not {self.kind!r}")
        self.text = inspect.cleandoc(self.text or "")

    # --- What an author registers ---

    def reference(self, thing: T) -> T:
        """The solution, a function or a class; the student defines the same name."""
        name: str = thing.__name__  # type: ignore[attr-defined]
        self.references[name] = thing
        return thing

    def answer(self, source: str | None = None, **values: Any) -> None:
        """Solutions that are values, not functions: `exercise.answer(answers={"y": 3.0})`.

        `source` is the text with marks if the value does not print as Python.
        """
        self.references |= values
        self._texts |= {name: source or answer_source(name, value) for name, value in values.items()}

    def another(self, name: str | None = None) -> Callable[[T], T]:
        """Another way to solve it, for who has solved it: another algorithm or idiom, which passes the checks as well.

        For a value it is a function without arguments that gives the value. What it does not define is the reference's.
        """

        def register(thing: T) -> T:
            self.ways[self._only(name)] = thing
            return thing

        return register

    def check(self, points: int = 1, *, slow: str = "") -> Callable[[Callable[..., None]], Callable[..., None]]:
        """A test of this exercise. It raises `Wrong` (see `require` and `tell`) or any AssertionError to fail.

        `slow` says why an answer runs out of time here, if there is one reason.
        """

        def register(function: Callable[..., None]) -> Callable[..., None]:
            self.checks.append(Check(function.__name__, function, points, slow))
            return function

        return register

    def mutant(self, code: str, name: str | None = None) -> Callable[[T], T]:
        """A wrong function or class, which must get this diagnosis. Its own name says what is wrong with it.

        `name` is the name that it takes, where the exercise has several.
        """

        def register(thing: T) -> T:
            title: str = thing.__name__  # type: ignore[attr-defined]
            stands_for_students(thing)
            self.mutants.append(Mutant(title, code, {self._only(name): thing}))
            return thing

        return register

    def wrong_answer(self, code: str, **values: Any) -> None:
        """Wrong values, which must get this diagnosis."""
        for value in values.values():
            stands_for_students(value)
        self.mutants.append(Mutant(f"{code} {values}", code, values))

    def starter(self, code: str, name: str | None = None) -> Callable[[T], T]:
        """What the student gets in place of a stub: code to repair. It must get this diagnosis."""

        def register(thing: T) -> T:
            self._starters[self._only(name)] = (thing, code)
            return thing

        return register

    def _only(self, name: str | None) -> str:
        if name is None and len(self.references) != 1:
            raise ExerciseError(f"{self.id}: say which of {', '.join(self.references)} it stands for: name=...")
        return name or next(iter(self.references))

    # --- What others read ---

    @property
    def title(self) -> str:
        return (self.text or "").partition("\n")[0].strip().rstrip(".")

    @property
    def plain_title(self) -> str:
        """The title where no formula is set: without the dollars."""
        return self.title.replace("$", "")

    @property
    def prompt(self) -> str:
        """The task, in Markdown, without the title. The spaces of a block of code that comes first are kept."""
        return (self.text or "").partition("\n")[2].strip("\n")

    @property
    def names(self) -> tuple[str, ...]:
        """What the student defines, in order."""
        return tuple(self.references)

    @property
    def points(self) -> int:
        return sum(check.points for check in self.checks)

    @property
    def solution(self) -> str:
        """The reference as text, with `# BEGIN SOLUTION` and `# END SOLUTION`."""
        return "\n\n".join(self._source(name) for name in self.references)

    @property
    def another_way(self) -> str:
        """The other way as text."""
        return "\n\n".join(self._way(name) for name in self.ways)

    @property
    def stub(self) -> str:
        """What the student gets: the solution's text without the solution, or the code to repair."""
        parts = []
        for name in self.references:
            starter = self._starters.get(name)
            parts.append(source_of(starter[0], name) if starter else stripped(self._source(name)))
        return "\n\n".join(parts)

    @property
    def imports(self) -> str:
        """What a cell must import beside NumPy and this package; "" if nothing."""
        usual = set(PREAMBLE.splitlines())
        return "".join(f"{line}\n" for line in self.preamble.splitlines() if line not in usual)

    @property
    def expected_of_stub(self) -> str | None:
        """The diagnosis of the code to repair; None where there is only a stub, which is "not started"."""
        return next((code for _, code in self._starters.values()), None)

    def _source(self, name: str) -> str:
        return self._texts[name] if name in self._texts else marked(source_of(self.references[name]))

    def _way(self, name: str) -> str:
        way = self.ways[name]
        if callable(self.references[name]):
            return source_of(way, name)
        return f"{source_of(way)}\n\n{name} = {way.__name__}()\n"
