"""Begin an exercise: a complete example to change, and its place in a tutorial."""

import re
from pathlib import Path

from ...errors import ExerciseError
from ...files import read_bytes, write_atomically
from .. import exercises
from .course import COURSE, EXERCISES, FIRST, LARGEST, LAST, MARK, is_own

EXAMPLES = "_new"  # beside the package's exercises: "50-square", in the tutorial "50 · Square"
MARK_TEXT = f"# A course of one's own. The exercises of tutorial {FIRST} are in {EXERCISES}/t{FIRST}.\n"


def new_exercise(name: str, tutorial_number: int | None = None) -> list[Path]:
    """Write an exercise with this name that works, and give it a cell in the tutorial with this number.

    The tutorial is the last one if no number is given. A tutorial that is not there is begun, and so is a course.
    Returns the files that were written. Raises ExerciseError for a name that cannot be one, and for what is there.
    """
    folder = COURSE or Path.cwd()
    word = name.replace("-", "_")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", word):
        raise ExerciseError(f"{name!r} cannot name an exercise: use small letters, digits and -, as in my-square")
    last = max((path.name[:2] for path in folder.glob("[5-9][0-9]_*.py")), default=str(FIRST))
    number = last if tutorial_number is None else f"{tutorial_number:02}"
    if not is_own(number):
        raise ExerciseError(f"the numbers below {FIRST} are the package's: choose {FIRST} to {LAST}, not {number}")
    path = folder / EXERCISES / f"t{number}" / f"{word}.py"
    if path.exists():
        raise ExerciseError(f"{path} is there already: choose another name, or change that file")
    tutorial = next(iter(sorted(folder.glob(f"{number}_*.py"))), folder / f"{number}_{word}.py")
    renamed = {"50-square": f"{number}-{word.replace('_', '-')}", "square_vjp": f"{word}_vjp"}
    texts = {path: _example("exercise", renamed)}
    title = {"50 · Square": f"{number} · {word.replace('_', ' ').capitalize()}"}
    before = read_bytes(tutorial, LARGEST).decode() if tutorial.exists() else _example("tutorial", title)
    id, function = renamed.values()
    texts[tutorial] = f'{before.rstrip()}\n\n# %% exercise="{id}"\n{function} = reference("{id}")\n'
    if COURSE is None:
        texts[folder / MARK] = MARK_TEXT
    for target, text in texts.items():
        write_atomically(target, text)
    return [*texts]


def _example(name: str, renamed: dict[str, str]) -> str:
    text = read_bytes(Path(exercises.__path__[0], EXAMPLES, f"{name}.py"), LARGEST).decode()
    for old, new in renamed.items():
        text = text.replace(old, new)
    return text
