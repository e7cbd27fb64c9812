"""What a teacher has switched off for a class: the line `without = ["predictions"]` in the file that marks a course.

`tinygrad-lora course release DIR --without predictions` writes it beside the notebooks. It holds for whoever works in
that folder; the notebooks themselves have no questions then.
"""

import difflib
import json
import re
import tomllib
from collections.abc import Collection
from pathlib import Path

from ..errors import ExerciseError
from ..files import read_bytes, write_atomically
from .own import course

PARTS = ("predictions", "review")
LARGEST = 2**20  # bytes of the file
LINE = re.compile(r"^without\s*=\s*(?:\[[^\]]*\])?.*\n?", re.MULTILINE)


def switched_off(folder: Path | None = None) -> tuple[str, ...]:
    """Those of `PARTS` that are off in a course; without a folder, in that of where Python was started.

    Raises ExerciseError for a file that says something else, with the nearest name.
    """
    folder = folder or course.COURSE
    if folder is None or not (path := folder / course.MARK).exists():
        return ()
    try:
        settings = tomllib.loads(read_bytes(path, LARGEST, ExerciseError).decode())
    except ValueError as error:  # of TOML, or of UTF-8
        raise ExerciseError(f"{path} cannot be read: {error}") from error
    parts = settings.pop("without", [])
    if not isinstance(parts, list):
        raise ExerciseError(f"{path}: `without` is a list of {' and '.join(map(repr, PARTS))}, not {parts!r}")
    for word, names in (*((key, ("without",)) for key in settings), *((part, PARTS) for part in parts)):
        if word not in names:
            nearest = difflib.get_close_matches(str(word), names, n=1, cutoff=0) or names
            raise ExerciseError(f"{path}: {word!r} means nothing there; perhaps {nearest[0]!r}")
    return tuple(parts)


def require_on(part: str) -> None:
    """Raise ExerciseError where this part is switched off."""
    if part in switched_off():
        where = course.COURSE and course.COURSE / course.MARK
        raise ExerciseError(f"for this class there is no {part.removesuffix('s')}: {where} says so")


def write_settings(folder: Path, parts: Collection[str]) -> None:
    """Switch these parts off for whoever works in the folder, and the others on. The rest of its file stays."""
    path = folder / course.MARK
    if not parts and not path.exists():
        return
    before = read_bytes(path, LARGEST, ExerciseError).decode() if path.exists() else "# Settings for this class.\n"
    line = f"without = {json.dumps([part for part in PARTS if part in parts])}\n" if parts else ""
    write_atomically(path, line + LINE.sub("", before))
