"""What an exercise must prove before a student sees it."""

from collections.abc import Iterable, Iterator
from typing import Any

from ...core.source import function_from_source
from ...errors import ExerciseError
from ..checking.guard import stands_for_students
from ..checking.report import Report
from ..checking.run import run_checks
from ..exercise import Exercise
from .course import is_own

HINTS, FEWEST_MUTANTS = 3, 2
SEED, BUDGET = 20_261_126, 40  # as in the hidden run of a grader


def objects_of(exercise: Exercise, text: str, names: Iterable[str] = ()) -> dict[str, Any]:
    """The objects with these names that a student's text defines; all that are asked for, if no names are given."""
    source = f"{exercise.preamble}\n\n{text}"
    objects = {name: function_from_source(name, source) for name in names or exercise.names}
    for thing in objects.values():
        stands_for_students(thing)
    return objects


def refuse_faulty(exercise: Exercise) -> None:
    """Raise ExerciseError unless the solution passes, as a text that a student could write, and the stub does not."""
    id = exercise.id
    try:
        solved = run_checks(exercise, objects_of(exercise, exercise.solution), seed=SEED, budget=BUDGET)
        empty = run_checks(exercise, objects_of(exercise, exercise.stub))
    except Exception as error:
        sentence = f"{id}: its solution cannot be read as a text of its own. {type(error).__name__}: {error}"
        raise ExerciseError(sentence) from error
    if not solved.passed:
        raise ExerciseError(f"{id}: its own solution fails. {first_failure(solved)}")
    if empty.passed or (empty.points and exercise.expected_of_stub is None):
        remedy = "every check must begin by asking whether the answer is right"
        raise ExerciseError(f"{id}: what students begin with gets {empty.points} of {empty.out_of} points; {remedy}")


def first_failure(report: Report) -> str:
    """The first check that failed, in a sentence."""
    result = next(one for one in report.results if one.diagnosis)
    return f"{result.claim!r} says: {report.diagnosis.sentence if report.diagnosis else ''}"


def shortcomings(exercise: Exercise) -> Iterator[str]:
    """What a good exercise has and this one lacks, in sentences: hints, another way, mistakes with their names."""
    if len(exercise.hints) != HINTS:
        yield f"it has {len(exercise.hints)} hints; students are told that there are {HINTS}"
    if len(exercise.mutants) < FEWEST_MUTANTS and is_own(exercise.id[:2]):  # those of the package stand in its tests
        yield f"it has {len(exercise.mutants)} known mistakes; give {FEWEST_MUTANTS} or more with @exercise.mutant"
    if exercise.ways:
        ways = objects_of(exercise, exercise.another_way, exercise.ways)
        report = run_checks(exercise, exercise.references | ways, seed=SEED)
        if not report.passed:
            yield f"the other way fails. {first_failure(report)}"
    for mutant in exercise.mutants:
        report = run_checks(exercise, exercise.references | mutant.values)
        code = report.diagnosis.code if report.diagnosis else None
        if code != mutant.code:
            yield f"the mistake {mutant.title} must get {mutant.code!r}; it {f'gets {code!r}' if code else 'passes'}"
