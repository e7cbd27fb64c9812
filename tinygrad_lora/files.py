"""Where a user's files are; writing them so that nothing is ever half-written; reading them without believing them.

Whatever a file holds, its reader gives what is in it or one of the package's errors, in a sentence that names the
file. Two things see to that, and no other module opens a file to read: `opened` takes regular files alone and turns
whatever goes wrong into that error, and `parse_json` bounds what a text may ask for.
"""

import csv
import errno
import json
import os
import re
import stat
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import StringIO
from math import isfinite
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from .errors import FormatError

FilePath: TypeAlias = str | os.PathLike[str]
DEEPEST = 64  # lists and objects inside each other in a JSON text
MOST_VALUES = 4_000_000  # in a JSON text, counted by its commas and brackets: a second and 400 MB at worst
LONGEST_MESSAGE = 2_000  # characters of what is said about a file: a part of it may be in there


def user_folder(variable: str, linux: str, mac: str) -> Path:
    """Where this system keeps files of one kind for a user, such as caches. The folder need not exist.

    That is `$variable`, or `linux` in the home folder, on Linux; `mac` in `~/Library` on macOS; `%LOCALAPPDATA%` on
    Windows, whatever the kind.
    Source: XDG Base Directory Specification, which asks to ignore a relative path in the variable.
    """
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / mac
    folder = Path(os.environ.get(variable, ""))
    return folder if folder.is_absolute() else Path.home() / linux


def write_atomically(path: FilePath, data: str | bytes) -> Path:
    """Write `data` to `path`: first under a temporary name in the same folder, then renamed. Makes missing folders."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = _begun(target, target.parent)
    try:
        with naming(target):
            with os.fdopen(handle, "wb") as file:
                file.write(data if isinstance(data, bytes) else data.encode())
            Path(temporary).chmod(0o644)  # mkstemp lets only the owner read
            os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return target


def check_place(path: FilePath) -> None:
    """Raise an OSError where nothing can be written: better than after an hour of work. Leaves nothing behind."""
    target = Path(path)
    folder = next((folder for folder in target.parents if folder.exists()), target)  # "." has no parents
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    handle, temporary = _begun(target, folder)
    os.close(handle)
    Path(temporary).unlink()


def _begun(target: Path, folder: Path) -> tuple[int, str]:
    """An open file under a temporary name in `folder`, for `target`."""
    if target.is_dir():
        raise IsADirectoryError(f"{target} is a folder: name a file in it")
    try:
        return tempfile.mkstemp(dir=folder, prefix=f".{target.name}.")
    except OSError as error:  # about the file that was asked for
        raise type(error)(error.errno, error.strerror, str(target)) from None


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """A table as CSV: what a row does not have is empty, and what stands in no column is left out."""
    file = StringIO()
    table = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return file.getvalue()


# --- Reading ---


@contextmanager
def naming(path: FilePath) -> Iterator[None]:
    """What the system refuses in this block, it refuses for this file: where a disk is full, it gives no name."""
    try:
        yield
    except OSError as problem:
        if problem.errno is not None and problem.filename is None:
            problem.filename = os.fspath(path)
        raise


@contextmanager
def reading(path: FilePath, error: type[Exception] = FormatError) -> Iterator[None]:
    """What goes wrong in this block is wrong with this file: it is raised as `error`, with the file's name first.

    A reader checks what it can explain, and raises ValueError or an error of the package with or without the name;
    whatever else its content makes it raise becomes the same error. What the system refuses, as where there is no
    file, stays an OSError, and a library that is missing an ImportError.
    """
    try:
        with naming(path):
            yield
    except ImportError:
        raise
    except Exception as problem:
        if isinstance(problem, OSError) and problem.errno is not None:
            raise
        message = _explained(problem)
        message = message if os.fspath(path) in message else f"{os.fspath(path)}: {message}"
        if isinstance(problem, error) and message == str(problem):
            raise
        raise error(message) from (None if isinstance(problem, ValueError) else problem)


def _explained(problem: Exception) -> str:
    """What an error says, in one line of reasonable length that a terminal can show."""
    text = "this is no text in UTF-8: save it as UTF-8" if isinstance(problem, UnicodeDecodeError) else str(problem)
    text = re.sub(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]", lambda match: ascii(match[0])[1:-1], text)
    if len(text) > LONGEST_MESSAGE:  # what is wrong stands at the beginning, and why at the end
        text = f"{text[: LONGEST_MESSAGE // 2]} ... {text[-LONGEST_MESSAGE // 2 :]}"
    if isinstance(problem, MemoryError):
        return "it asks for more memory than there is"
    return text if isinstance(problem, ValueError) else f"it is damaged ({type(problem).__name__}: {text})"


@contextmanager
def opened(path: FilePath, error: type[Exception] = FormatError) -> Iterator[BinaryIO]:
    """A regular file to read from, in a block of `reading`.

    Devices, pipes and sockets are refused before they are opened: some never end, some wait, and some act.
    """
    with reading(path, error):
        _check_regular(os.stat(path), path)
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0))) as file:
            _check_regular(os.fstat(file.fileno()), path)  # it may have been replaced meanwhile
            yield file


def _check_regular(status: os.stat_result, path: FilePath) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("this is a device, a pipe or a socket, and only regular files are read")


def read_bytes(path: FilePath, most: int, error: type[Exception] = FormatError) -> bytes:
    """All of a regular file, unless it has more than `most` bytes."""
    with opened(path, error) as file:
        if (size := os.fstat(file.fileno()).st_size) > most:
            raise ValueError(f"it is larger than {most} bytes, and no more are read")
        return file.read(size)


def read_json(path: FilePath, most: int, error: type[Exception] = FormatError) -> Any:
    """What a file of JSON says, as `parse_json` has it."""
    with reading(path, error):
        return parse_json(read_bytes(path, most))


def parse_json(text: str | bytes, exact: bool = True, most: int = MOST_VALUES) -> Any:
    """The value of a JSON text with at most so many values. Raises ValueError, which says what is wrong.

    Texts that two readers understand in two ways are refused, unless `exact` is false: a name that is there twice, a
    number that is infinite or none, and half a character.
    """
    try:
        text = text if isinstance(text, str) else text.decode("utf-8-sig")
        if sum(map(text.count, ",[{")) > most:
            raise ValueError(f"it holds more than {most} values")
        value = (_EXACT if exact else _ANY).decode(text)
        _check_depth(value)
        if exact and _HALF.search(text):
            json.dumps(value, ensure_ascii=False).encode()  # raises where the other half is missing
    except (ValueError, RecursionError) as problem:
        raise ValueError(f"this is not JSON that can be read ({problem})") from None
    return value


def _check_depth(value: Any) -> None:
    level: list[Any] = [[value]]
    depth = 0
    while level:
        if depth > DEEPEST:
            raise ValueError(f"lists and objects are nested more than {DEEPEST} deep")
        level = [y for x in level for y in (x.values() if isinstance(x, dict) else x) if isinstance(y, (dict, list))]
        depth += 1


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        twice = [name for name, times in Counter(name for name, _ in pairs).items() if times > 1]
        raise ValueError(f"{', '.join(map(repr, twice))} is there twice")
    return table


def _finite(word: str) -> float:
    if not isfinite(number := float(word)):
        raise ValueError(f"{word:.20} is not a number that is finite")
    return number


_HALF = re.compile(r"\\u[dD][89a-fA-F]")  # of a character that JSON writes as two
_EXACT = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_finite, parse_constant=_finite)
_ANY = json.JSONDecoder()
