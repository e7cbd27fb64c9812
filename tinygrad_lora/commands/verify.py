"""The command `tinygrad-lora course verify`: what the checks of an exercise do not see."""

from itertools import groupby
from operator import attrgetter

from ..grading.grading import chosen
from ..learn.exercise import Exercise
from ..learn.own.changes import changes
from ..learn.own.gates import refuse_faulty, shortcomings
from ..learn.own.nonsense import accepted_nonsense
from ..learn.own.survivors import Cases, ChangedSolution, changed_solutions
from ..learn.registry import load_exercise
from ..terminal import counting
from ..view.words.grammar import counted
from .output import Arguments, Commands, new_command

MOST = 3  # changes with the same message that are shown


def add_part(parts: Commands) -> None:
    """Add `verify` to the parts of `course`."""
    parser = new_command(parts, "verify", run, "say what the checks of an exercise do not see")
    parser.add_argument("exercises", metavar="04|04-topo,...", help="tutorials (50,51) or exercises (50-square,...)")


def run(args: Arguments) -> int:
    """Prove that the solution passes. Then change it in every small way, and list the changes that pass as well, each
    with a call that tells it from the solution, and those that get no name. List constants, and arguments given back,
    that earn a point. The exit code is 1 if such a call or constant was found, or the exercise lacks something.

    Raises ExerciseError for one whose solution does not pass.
    """
    return max([verified(load_exercise(id)) for id in chosen(args.exercises)])


def verified(exercise: Exercise) -> int:
    """Print what the checks do not see. Returns 1 if there is a call that it should make, or something lacks."""
    refuse_faulty(exercise)
    tried: list[ChangedSolution] = []
    with counting(sum(1 for _ in changes(exercise.solution)), exercise.id) as show:
        for one in changed_solutions(exercise):
            tried.append(one)
            show(len(tried), "")
    survivors, unnamed = [one for one in tried if not one.diagnosis], [one for one in tried if one.unnamed]
    nonsense = [*accepted_nonsense(exercise)]
    cases = Cases(exercise) if survivors or nonsense else None
    calls = [(one, *cases.telling(one.objects)) for one in survivors if cases]
    lines = [f"lacks: {sentence}" for sentence in shortcomings(exercise)]
    lines += [f"passes: {one.title}\n    if it may be called so, check that {call}" for one, call, _ in calls if call]
    for (claim, points), group in groupby(nonsense, lambda one: (one[0].claim, one[0].points)):
        (_, title, objects), *others = group
        call = cases.telling(objects)[0] if cases else ""
        accepted = ", ".join([title, *(other for _, other, _ in others)])
        advice = f"if it may be called so, check that {call}" if call else "check calls with different results"
        lines.append(f"nonsense: {claim!r} ({counted(points, 'point')}) accepts {accepted}\n    {advice}")
    code = int(bool(lines))
    for message, own in groupby(sorted(unnamed, key=attrgetter("message")), attrgetter("message")):
        titles = [one.title for one in own]
        more = f" and {len(titles) - MOST} more" * (len(titles) > MOST)
        lines.append(f"no name: {', '.join(titles[:MOST])}{more}\n    {message}")
    for one, _, number in (line for line in calls if not line[1]):
        same = f"no difference in {counted(number, 'call')}; perhaps it means the same"
        lines.append(f"passes: {one.title}\n    {same if number else 'no call to compare: it is no function of data'}")
    named = len(tried) - len(survivors) - len(unnamed)
    numbers = f"{named} get a name, {len(unnamed)} none, {len(survivors)} pass"
    print(f"{exercise.id}  {exercise.plain_title}\n  {counted(len(tried), 'change')} of its solution: {numbers}")
    print("".join(f"  {line}\n" for line in lines), end="")
    return code
