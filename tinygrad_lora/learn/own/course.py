"""A course of one's own: a folder with a file `course.toml`, which a teacher makes and hands out.

    course.toml            marks the folder
    50_squares.py          the source of a tutorial; `50_squares.ipynb` is what students get
    exercises/t50/square.py    the exercise "50-square"

It is the nearest one from the folder in which Python started upwards, as Git finds a repository. So a notebook, a
terminal and a grader find it alike, without a setting. To Python its exercises are modules of this package, beside the
package's own. Folders that everybody may write to, such as /tmp, are passed over: their files may be anybody's.
"""

import hashlib
import stat
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from ...errors import ExerciseError
from ...files import read_bytes, write_atomically

MARK, EXERCISES = "course.toml", "exercises"
FIRST, LAST = 50, 99  # the numbers of one's own tutorials; those below are the package's
LARGEST = 64 * 2**20  # bytes of a file among the exercises


def course_from(start: Path) -> Path | None:
    """The nearest folder with the mark, from this one upwards; None if there is none."""
    for folder in (start, *start.parents):
        if (folder / MARK).is_file() and not folder.stat().st_mode & stat.S_ISVTX:
            return folder
    return None


COURSE: Path | None = None
with suppress(OSError):  # the folder in which Python was started may be gone
    COURSE = course_from(Path.cwd())


def is_own(number: str) -> bool:
    """Whether the number of a tutorial, such as "50", is one for courses of one's own."""
    return FIRST <= int(number) <= LAST


def contents(numbers: Collection[str] | None = None) -> dict[str, bytes]:
    """The mark and the exercises of these tutorials, or of all, with what they share: by name in the folder."""
    if COURSE is None or (numbers is not None and not numbers):
        return {}
    root = COURSE / EXERCISES
    paths = [COURSE / MARK]
    for path in sorted(path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
        first, *inner = path.relative_to(root).parts
        if not inner or numbers is None or first.removeprefix("t") in numbers:
            paths.append(path)
    return {path.relative_to(COURSE).as_posix(): read_bytes(path, LARGEST, ExerciseError) for path in paths}


def outdated(to: Path, numbers: Collection[str] | None = None) -> dict[str, bytes]:
    """What of `contents` a folder does not have as it is now. A mark that is there has settings of its own."""
    now = contents(numbers).items()
    return {n: data for n, data in now if not (to / n).is_file() or (n != MARK and read_bytes(to / n, LARGEST) != data)}


def copy_course(to: Path, numbers: Collection[str] | None = None) -> None:
    """Put the mark and the exercises of these tutorials into a folder, whose notebooks then find them."""
    for name, data in outdated(to, numbers).items():
        write_atomically(to / name, data)


def identity() -> tuple[str, ...]:
    """The folder and a hash of its exercises: what is graded anew when one of them changes. Empty if there is none."""
    whole = repr(contents()).encode()
    return (str(COURSE), hashlib.sha256(whole).hexdigest()) if COURSE else ()
