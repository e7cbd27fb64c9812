"""Runs the checks of an exercise on what a student wrote."""

from collections.abc import Mapping
from types import FunctionType
from typing import Any

from ..diagnosis import NOT_STARTED, Diagnosis, Wrong
from ..exercise import Check, Exercise
from .arguments import on_copies
from .counterfactual import KeptState, Wrapper, memory_of, with_own_names
from .exceptions import explained, public_name, words_of
from .exchange import Replacement, exchanged
from .guard import CALLED, Outcome, TookTooLongError, guarded
from .report import CheckResult, Report
from .signatures import is_blank, methods_of, misfit, names_of

Values = Mapping[str, Any]  # what a student wrote, by name, and what the checks ask for beside it
SEED, BUDGET = 0, 20  # of the checks that everybody sees; hidden ones have another seed and a larger budget


def run_checks(
    exercise: Exercise, values: Values, *, seed: int = SEED, budget: int = BUDGET, memory: KeptState | None = None,
    limit: float = 0.0,
) -> Report:  # fmt: skip
    """Every check of the exercise on these objects, by name. Never raises for what a student's code does.

    exercise: an `Exercise`
    values: the student's objects, by name
    seed: how to draw random cases, for the checks that ask for it
    budget: how many of them
    memory: what the objects keep from call to call, where they live in another process
    limit: seconds for each check; 0 is that of the exercise
    Returns a `Report`.

    >>> exercise = tl.learn.load_exercise("04-topo")
    >>> tl.learn.run_checks(exercise, exercise.references).passed
    True
    """
    memory = memory or memory_of([values[name] for name in exercise.names if name in values])
    arguments = {"seed": seed, "budget": budget, **values}
    results = [_result(exercise, check, arguments, memory, limit or exercise.limit) for check in exercise.checks]
    return Report(exercise, tuple(results))


def _result(exercise: Exercise, check: Check, values: Values, memory: KeptState | None, limit: float) -> CheckResult:
    missing = [name for name in check.needs if is_blank(values.get(name))]
    outcome = Outcome()
    if missing:
        diagnosis: Diagnosis | None = Diagnosis(NOT_STARTED, f"not started yet: {' and '.join(missing)}")
    elif unusable := _unusable(exercise, check, values):
        diagnosis = unusable
    else:
        outcome = guarded(lambda: _run(exercise, check, values), limit)
        diagnosis = _diagnosis(outcome, exercise, check)
        if diagnosis and memory:
            diagnosis = _otherwise(exercise, check, values, memory, diagnosis)
    points = 0 if diagnosis else check.points
    return CheckResult(
        exercise.id, check.name, diagnosis is None, diagnosis, outcome.seconds, points, check.points,
        tuple(outcome.notes), check.demand,
    )  # fmt: skip


def _run(exercise: Exercise, check: Check, values: Values, around: Wrapper | None = None) -> None:
    """Run the check. The functions, classes and methods of the student work on copies of what they are given.

    One call of each function is made twice. `around` wraps what is called once more.
    """
    inputs, methods = {name: values[name] for name in check.parameters}, []
    for name in check.needs:
        reference, answer = exercise.references[name], values[name]
        if callable(reference):
            twice = name if around is None else ""
            call = on_copies(answer, names_of(reference), exercise.changes.get(name, ()), twice=twice)
            inputs[name] = around(call) if around and not isinstance(answer, type) else call
        for key, right, mine in methods_of(reference, answer):
            if key in vars(answer):  # what is inherited stays inherited
                methods.append(Replacement(answer, key, on_copies(mine, names_of(right), ("self",))))
    with exchanged(methods):
        check.function(**inputs)


def _otherwise(exercise: Exercise, check: Check, values: Values, memory: KeptState, diagnosis: Diagnosis) -> Diagnosis:
    """The diagnosis, unless the answer passes under another condition: then that is what is wrong with it."""

    def passes(around: Wrapper) -> bool:
        return guarded(lambda: _run(exercise, check, values, around), exercise.limit).error is None

    if diagnosis.code in (NOT_STARTED, "too-slow", "changed-argument"):
        return diagnosis
    if (name := memory.changed()) and passes(memory.put_back_before):
        memory.put_back()
        sentence = (
            f"{name} keeps from call to call what your code puts there, and every call is right if {name} is reset "
            "first: make a new one in each call, inside the function. A function that calls itself can pass it on. A "
            "default does not help, since it is made only once"
        )
        return Diagnosis("remembers", sentence)
    if diagnosis.code != "remembers" and memory.looks_at_names() and passes(with_own_names):
        sentence = (
            "your code takes two nodes of the same name for one node, and it is right if every node has a name of its "
            "own: names may repeat, or be None; the node itself can be the key of a dictionary"
        )
        return Diagnosis("same-names", sentence)
    return diagnosis


def _unusable(exercise: Exercise, check: Check, values: Values) -> Diagnosis | None:
    """The diagnosis where a function is asked for and there is something else, or one with other parameters."""
    for name in check.needs:
        reference, answer = exercise.references[name], values[name]
        if not callable(reference):
            continue
        kind = "class" if isinstance(reference, type) else "function"
        if not (isinstance(answer, type | FunctionType) if kind == "class" else callable(answer)):
            return Diagnosis("wrong-type", f"{name} is of type {type(answer).__name__}; it must be a {kind}")
        if sentence := misfit(name, reference, answer):
            return Diagnosis("wrong-arguments", sentence)
    return None


def _diagnosis(outcome: Outcome, exercise: Exercise, check: Check) -> Diagnosis | None:
    """What the outcome of a check says about the student's code."""
    error = outcome.error
    where = f" in {outcome.line}" if outcome.line else ""
    if error is None:
        return None
    if isinstance(error, Wrong):
        return error.diagnosis
    if isinstance(error, NotImplementedError):
        return Diagnosis(NOT_STARTED, f"not started yet: {' and '.join(check.needs)}")
    if isinstance(error, TookTooLongError):
        why = check.slow or "is there a loop that never ends, or work that is done again and again?"
        return Diagnosis("too-slow", f"stopped after {exercise.limit:g} s{where}: {why}")
    if isinstance(error, AssertionError) and not outcome.line:
        return Diagnosis("wrong", str(error) or "the result is not right")
    if isinstance(error, RecursionError):
        sentence = (
            f"Python's recursion limit was reached{where}: either the calls never end, since none gets a smaller part, "
            "or the graph is deeper than calls may go, and you need a loop with a stack of your own"
        )
        return Diagnosis("recursion", sentence)
    if not outcome.line and isinstance(error, TypeError | AttributeError) and "NoneType" in str(error):
        return Diagnosis("no-return", f"your code gave None where a result is needed: is a `return` missing? ({error})")
    if not outcome.line:
        return Diagnosis("wrong-type", f"the check cannot use what your code gave: {type(error).__name__}: {error}")
    code, advice = explained(error, outcome.line.partition(CALLED)[0])
    said = ". ".join(filter(None, [words_of(error).rstrip(". " if advice else ""), advice]))
    return Diagnosis(code, f"{type(error).__name__}{where}{said and f': {said}'}", public_name(error))
