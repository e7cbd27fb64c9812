"""What was handed in: the files of each student, read as cells. A notebook is read as JSON; Jupyter is not needed."""

import hashlib
import io
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tokenize import COMMENT, NL, STRING, TokenError, generate_tokens
from typing import Any

from ..errors import ExerciseError, FormatError
from ..files import parse_json, read_bytes, reading

LARGEST = 128 * 2**20  # bytes of a file: a notebook may hold large pictures
LONGEST, MOST = 1_000_000, 2_000  # characters of code, cells
LONGEST_NAME = 160  # bytes of a student's name: a file system takes 255, and the pages' names are longer
SUFFIXES = (".ipynb", ".py")
MAGIC = re.compile(r"^\s*[%!?]|^\s*[\w.]+\?{1,2}\s*$")
ID = re.compile(r"""["'][\w-]+["']""")
HINT = re.compile(rf"\bhint \( ({ID.pattern}) \)")

File = dict[str, Any]


@dataclass(frozen=True)
class Submission:
    """The files of one student. `name` is the student's, and the name of the feedback."""

    name: str
    paths: tuple[Path, ...]

    @property
    def digest(self) -> str:
        """A hash of the names and contents."""
        sha = hashlib.sha256()
        for path in self.paths:
            try:
                data = _data(path)
            except (FormatError, OSError) as problem:  # a sentence in the result will say so
                data = str(problem).encode("utf-8", "replace")
            sha.update(f"{path.name}\0{len(data)}\0".encode("utf-8", "replace") + data)
        return sha.hexdigest()


def submissions(folder: Path, out: Path | None = None) -> list[Submission]:
    """One for each file, or for each folder of files: STUDENT.ipynb, STUDENT/x.ipynb, submitted/STUDENT/WEEK/x.ipynb.

    A link is a submission that cannot be read. `out`, where the results go, is no student, and neither is what a
    system leaves beside files, as `__MACOSX`. Raises ExerciseError if there is nothing to grade, or two
    have one name.
    """
    root = folder / "submitted" if (folder / "submitted").is_dir() else folder
    if not root.is_dir():
        raise ExerciseError(f"there is no folder {folder}")
    handed_in = []
    for path in sorted(root.iterdir()):
        if path.name.startswith((".", "__")) or (out is not None and os.path.realpath(path) == os.path.realpath(out)):
            continue
        if _is_file(path):
            handed_in.append(Submission(called(path.stem if path.suffix in SUFFIXES else path.name), (path,)))
        elif os.path.isdir(path):
            handed_in.append(Submission(called(path.name), tuple(_files(path))))
    if not any(one.paths for one in handed_in):
        raise ExerciseError(f"{folder} holds no .ipynb or .py file, and no folder of such files")
    names = [one.name.casefold() for one in handed_in]
    if double := next((one.name for one in handed_in if names.count(one.name.casefold()) > 1), None):
        raise ExerciseError(f"two submissions are called {double!r}: give each student one file or one folder")
    return handed_in


def called(name: str) -> str:
    """The name as text that can be written everywhere, also as part of a file's name: it may be long, or no UTF-8."""
    text = os.fsencode(name)
    if len(text) > LONGEST_NAME:
        text = text[: LONGEST_NAME - 9] + b"-" + hashlib.sha256(text).hexdigest()[:8].encode()
    return text.decode("utf-8", "backslashreplace").replace("\\", "_")


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if _is_file(path) and not hidden:
            yield path


def _is_file(path: Path) -> bool:
    """Whether a student meant this as a file. What cannot be read, such as a link, must be named and not left out."""
    return path.is_symlink() if os.path.isdir(path) else path.suffix in SUFFIXES


def _data(path: Path) -> bytes:
    """What is in a file. Raises FormatError for a link: it may lead to what is not the student's."""
    if path.is_symlink():
        raise FormatError(f"{path}: this is a link, and links are not followed: hand in the file itself")
    return read_bytes(path, LARGEST)


def files_of(paths: list[Path]) -> tuple[list[File], list[str]]:
    """The files, each as its cells with their names and the exercises that it has answers to; what cannot be read."""
    files: list[File] = []
    notes = [] if paths else ["nothing was handed in: there is no .ipynb and no .py file"]
    for path in paths:
        try:
            own, answers = read(path)
        except (FormatError, OSError) as error:
            notes.append(f"{path.name}: {str(error).removeprefix(f'{path}: ')}")
            continue
        cells = [[f"{path.name} {name}" if len(paths) > 1 else name, text] for name, text in own]
        files.append({"cells": cells, "answers": answers})
    return files, notes


def read(path: Path) -> tuple[list[tuple[str, str]], list[str]]:
    """The code cells of a file, without checks, and the exercises whose answers are marked. Raises FormatError."""
    with reading(path):
        text = _data(path).decode("utf-8-sig")
        if path.suffix == ".py":
            if len(text) > LONGEST:
                raise ValueError(f"the file has {len(text):,} characters of code; at most {LONGEST:,} are read")
            return [(path.name, text)], []
        return _notebook(text)


def _notebook(text: str) -> tuple[list[tuple[str, str]], list[str]]:
    if not text.strip():
        raise ValueError("the file is empty")
    try:
        cells = parse_json(text, exact=False)["cells"]
    except (ValueError, KeyError, TypeError) as problem:
        raise ValueError(f"the file is not a whole notebook: was it cut off? {problem}") from None
    if type(cells) is not list or len(cells) > MOST:
        raise ValueError("the notebook has no list of cells, or too many")
    sources, answers, size = [], [], 0
    for number, cell in enumerate(cells, start=1):
        if type(cell) is dict and cell.get("cell_type") == "code" and not _is_check(cell):
            source = code(cell.get("source"))
            size += len(source)
            sources.append((f"cell {number}", source))
            answers += [str(cell["id"]).removesuffix("-answer")] if str(cell.get("id")).endswith("-answer") else []
    if size > LONGEST:
        raise ValueError(f"the notebook has {size:,} characters of code; at most {LONGEST:,} are read")
    return sources, answers


def code(source: object) -> str:
    """A cell's text without what only Jupyter understands: magics become comments, so that lines keep their numbers."""
    if type(source) is list:
        source = "".join(part for part in source if type(part) is str)
    if type(source) is not str:
        return ""
    if source.lstrip().startswith("%%"):
        return ""  # a cell in another language
    return "\n".join(f"pass  # {line}" if MAGIC.match(line) else line for line in source.split("\n"))


def hints_asked(files: Iterable[File]) -> set[str]:
    """The exercises for which some cell asks for a hint. The text is not run."""
    cells = (statements(text) for file in files for _, text in file["cells"] if "hint" in text)
    return {match[1][1:-1] for text in cells for match in HINT.finditer(text)}


def statements(text: str) -> str:
    """A line for each statement of a text, with a space between its words. Comments are gone, and strings are empty but
    for those that may be an id. There are none where brackets or strings do not end.

    The text is not parsed: who wrote it may have wished to break a parser.
    """
    try:
        tokens = [token for token in generate_tokens(io.StringIO(text).readline) if token.type not in (COMMENT, NL)]
    except (TokenError, SyntaxError, ValueError):
        return ""
    return " ".join("''" if x.type == STRING and not ID.fullmatch(x.string) else x.string for x in tokens)


def _is_check(cell: dict[str, Any]) -> bool:
    """Whether the cell only asks for the score. The grader has its own checks."""
    metadata = cell.get("metadata")
    own, others = ({}, {}) if type(metadata) is not dict else (metadata.get("tinygrad_lora"), metadata.get("nbgrader"))
    if type(own) is dict and own.get("role") == "check":
        return True
    return type(others) is dict and others.get("grade") is True and others.get("solution") is not True
