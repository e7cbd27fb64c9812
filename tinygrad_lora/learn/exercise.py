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

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ..errors import ExerciseError
from .checking.guard import stands_for_students
from .checking.solutions import answer_source, marked, source_of, stripped

T = TypeVar("T")

# How it is checked. N: numbers against finite differences. P: a property on random examples. S: the structure of a
# graph. Q: predict, then see. M: find the bug, or a counterexample. T: a threshold on a real run.
KINDS = "N", "P", "S", "Q", "M", "T"
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
    r"""One exercise, as data.

    id: the tutorial's two digits, a dash and a word, as in "04-topo"
    text: the task in Markdown; its first line is the title
    kind: one letter: how it is checked, such as "P" for a property on random examples
    hints: three texts, each tells more
    limit: seconds for each check
    slow: True for one that trains for real
    preamble: the imports of its cell
    changes: which of their arguments functions are asked to change, {"attach": ["model"]}; all others they must leave
        as they are
    about: in two sentences what it was about
    next_step: what to try next; who has solved it reads both
    references: the solutions by name; the methods below fill these in
    checks, mutants, ways: the tests, wrong answers and other solutions that were registered
    Raises ExerciseError for an id or a kind of another form.

    >>> exercise = tl.learn.Exercise("03-double", "Double it.\n\nWrite `double(x)`.", kind="P", hints=["Add."] * 3)
    >>> @exercise.reference
    ... def double(x):
    ...     # BEGIN SOLUTION
    ...     return 2 * x
    ...     # END SOLUTION
    >>> @exercise.check(points=2)
    ... def test_three(double):
    ...     tl.learn.require(double(3) == 6, "wrong", "double(3) is 6")
    >>> @exercise.mutant("wrong")
    ... def triple(x):
    ...     return 3 * x
    >>> @exercise.another()
    ... def double(x):
    ...     return x + x
    >>> exercise.title, exercise.plain_title, exercise.prompt, exercise.names, exercise.points
    ('Double it', 'Double it', 'Write `double(x)`.', ('double',), 2)
    >>> print(tl.learn.run_checks(exercise, {"double": lambda x: x}))
    03-double  Double it: 0 of 2 points
      wrong   three
              double(3) is 6
    For a hint: hint("03-double")
    >>> values = tl.learn.Exercise("03-six", "Say 2 * 3.", kind="N", hints=["Count."] * 3)
    >>> values.answer(six=6)
    >>> values.wrong_answer("wrong", six=5)
    >>> values.names, values.imports, values.expected_of_stub
    (('six',), '', None)
    >>> repaired = tl.learn.load_exercise("04-topo")
    >>> print(repaired.stub.splitlines()[0], bool(repaired.solution), bool(repaired.another_way))
    def topo_sort(output): True True
    >>> exercise.starter("wrong")(triple) is triple
    True
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
        """Register the solution, as a decorator.

        thing: a function or a class; the student defines the same name
        Returns the thing.
        """
        name: str = thing.__name__  # type: ignore[attr-defined]
        self.references[name] = thing
        return thing

    def answer(self, source: str | None = None, **values: Any) -> None:
        """Register solutions that are values, not functions: `exercise.answer(answers={"y": 3.0})`.

        source: the text with marks if the value does not print as Python
        **values: the solutions by name
        """
        self.references |= values
        self._texts |= {name: source or answer_source(name, value) for name, value in values.items()}

    def another(self, name: str | None = None) -> Callable[[T], T]:
        """Register another way to solve it, as a decorator: another algorithm or idiom, which passes the checks too.

        For a value it is a function without arguments that gives the value. What it does not define is the reference's.

        name: the name that it defines, where the exercise has several
        Returns a decorator.
        Raises ExerciseError where a name is needed.
        """

        def register(thing: T) -> T:
            self.ways[self._only(name)] = thing
            return thing

        return register

    def check(self, points: int = 1, *, slow: str = "") -> Callable[[Callable[..., None]], Callable[..., None]]:
        """Register a test, as a decorator. It raises `Wrong` (see `require` and `tell`) or any AssertionError to fail.

        points: what it is worth
        slow: why an answer runs out of time here, if there is one reason
        Returns a decorator.
        """

        def register(function: Callable[..., None]) -> Callable[..., None]:
            self.checks.append(Check(function.__name__, function, points, slow))
            return function

        return register

    def mutant(self, code: str, name: str | None = None) -> Callable[[T], T]:
        """Register a wrong function or class, as a decorator. Its own name says what is wrong with it.

        code: the diagnosis that it must get
        name: the name that it takes, where the exercise has several
        Returns a decorator.
        Raises ExerciseError where a name is needed.
        """

        def register(thing: T) -> T:
            title: str = thing.__name__  # type: ignore[attr-defined]
            stands_for_students(thing)
            self.mutants.append(Mutant(title, code, {self._only(name): thing}))
            return thing

        return register

    def wrong_answer(self, code: str, **values: Any) -> None:
        """Register wrong values.

        code: the diagnosis that they must get
        **values: by name
        """
        for value in values.values():
            stands_for_students(value)
        self.mutants.append(Mutant(f"{code} {values}", code, values))

    def starter(self, code: str, name: str | None = None) -> Callable[[T], T]:
        """Register what the student gets in place of a stub, as a decorator: code to repair.

        code: the diagnosis that it must get
        name: the name that it takes, where the exercise has several
        Returns a decorator.
        Raises ExerciseError where a name is needed.
        """

        def register(thing: T) -> T:
            self._starters[self._only(name)] = (thing, code)
            return thing

        return register

    def _only(self, name: str | None) -> str:
        if not self.references:
            raise ExerciseError(f"{self.id} has no solution so far: put @exercise.reference before it, at the top")
        if name is None and len(self.references) != 1:
            raise ExerciseError(f"{self.id}: say which of {', '.join(self.references)} it stands for: name=...")
        return name or next(iter(self.references))

    # --- What others read ---

    @property
    def title(self) -> str:
        """The first line of the text, without the period."""
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
        """The sum of the points of all checks."""
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
        """What the student gets: the solution's text without the solution, or the code to repair.

        Raises ExerciseError where a mark of the solution is missing.
        """
        to_repair = {name: source_of(thing, name) for name, (thing, _) in self._starters.items()}
        try:
            return "\n\n".join(to_repair.get(name) or stripped(self._source(name)) for name in self.references)
        except ValueError as error:
            raise ExerciseError(f"{self.checks[0].function.__code__.co_filename}: {error}") from None

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
