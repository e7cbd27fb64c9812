"""`check`, `hint` and `solution`, which a student calls, and `demand` for graders that run tests one by one."""

import inspect
from dataclasses import replace
from textwrap import indent
from typing import Any

from ...errors import ExerciseError
from ..diagnosis import Wrong
from ..exercise import Exercise
from ..progress import hints_taken, remember, save, solved
from ..registry import load_exercise
from .cells import note_about
from .report import Report
from .run import run_checks
from .solutions import unmarked

CODE = "    "  # before each line of code in Markdown


def check(id: str, *objects: Any, **named: Any) -> Report:
    """Check what you wrote for an exercise: `check("04-topo", topo_sort)`.

    The report is also remembered for `progress()`.

    id: that of the exercise: the tutorial's two digits, a dash and a word
    *objects: what the exercise asks for, functions, classes or values, in the order in which it names them
    **named: the same by name
    Returns a `tinygrad_lora.learn.Report`: it says which checks passed, and names the mistake where one did not.
    Raises ExerciseError if there is no such exercise, or for objects that it does not ask for.

    >>> report = tl.check("04-topo", lambda output: [output])
    >>> print(str(report).splitlines()[0])
    04-topo  A topological order: 0 of 5 points
    >>> report.diagnosis.sentence
    'your list has 1 node and the graph 4: parameter x, tanh a, tanh b are missing'
    """
    exercise = load_exercise(id)
    values = arguments(exercise, objects, named)
    report = run_checks(exercise, values)
    save(report)
    if note := note_about({*values, *(getattr(x, "__name__", "") for x in values.values())} - {""}):
        first, *others = report.results
        report = replace(report, results=(replace(first, notes=(note, *first.notes)), *others))
    return report


def arguments(exercise: Exercise, objects: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    """The student's objects by name."""
    names = exercise.names
    asks = f"{exercise.id} asks for {', '.join(names)}"
    if len(objects) > len(names):
        raise ExerciseError(f"{asks}; it was given {len(objects)} objects")
    if unknown := [name for name in named if name not in names]:
        raise ExerciseError(f"{asks}, not for {unknown[0]}")
    values = dict(zip(names, objects, strict=False))
    if twice := [name for name in named if name in values]:
        raise ExerciseError(f"{exercise.id}: {twice[0]} was given twice")
    return values | named


def demand(id: str, test: str, **objects: Any) -> None:
    """Check an answer in a test of one's own: an AssertionError with the diagnosis, unless one check of the exercise
    passes.

    id: that of the exercise
    test: the name of the check, as `load_exercise(id).checks` has them
    **objects: the student's objects, by name
    Raises Wrong, an AssertionError, if the check fails, ExerciseError if the exercise has no such check.

    >>> from tinygrad_lora.learn import demand
    >>> demand("04-topo", "test_parents_stand_before_their_users", topo_sort=lambda output: [output])
    Traceback (most recent call last):
        ...
    tinygrad_lora.learn.diagnosis.Wrong: your list has 1 node and the graph 4: parameter x, tanh a, ...
    """
    exercise = load_exercise(id)
    results = {result.test: result for result in run_checks(exercise, objects).results}
    if test not in results:
        raise ExerciseError(f"{id} has no check {test!r}; it has {', '.join(results)}")
    if (diagnosis := results[test].diagnosis) is not None:
        raise Wrong(diagnosis)


class Advice(str):
    """Text for a student: a notebook sets its formulas and its code, a terminal shows it as it is written."""

    def __repr__(self) -> str:
        return str(self)

    def _repr_markdown_(self) -> str:
        return str(self)


def hint(id: str) -> Advice:
    """The next hint for an exercise: `hint("04-topo")`. There are three, each tells more; then they begin again.

    id: that of the exercise
    Returns a text that a notebook shows.
    Raises ExerciseError, with the nearest ids, if there is no such exercise.

    >>> print(tl.hint("04-topo"))
    Hint ... of 3: ...
    >>> tl.hint("04-tipo")
    Traceback (most recent call last):
        ...
    tinygrad_lora.errors.ExerciseError: there is no exercise '04-tipo'; perhaps 04-topo or 04-twice or ...
    """
    exercise = load_exercise(id)
    taken = hints_taken(id)
    number = taken % len(exercise.hints)
    remember([{"exercise": id, "hint": number + 1}])
    return Advice(f"Hint {number + 1} of {len(exercise.hints)}: {inspect.cleandoc(exercise.hints[number])}")


def solution(id: str) -> Advice:
    """A solution, another way, and what to try next, for an exercise that you have solved: `solution("04-topo")`.

    id: that of the exercise
    Returns a text that a notebook shows.
    Raises ExerciseError until `check` has passed as a whole, and if there is no such exercise.

    >>> tl.solution("04-topo")
    Traceback (most recent call last):
        ...
    tinygrad_lora.errors.ExerciseError: the solution of 04-topo comes when all its checks have passed; ...
    """
    exercise = load_exercise(id)
    if not solved(exercise):
        raise ExerciseError(f"the solution of {id} comes when all its checks have passed; until then there are hints")
    parts = [exercise.about, "One solution:", indent(unmarked(exercise.solution), CODE)]
    if exercise.ways:
        parts += ["Another way:", indent(exercise.another_way, CODE)]
    if exercise.next_step:
        parts.append(f"Next: {exercise.next_step}")
    return Advice("\n\n".join(part.rstrip() for part in parts if part))
