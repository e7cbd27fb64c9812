"""Where a user's files are, and writing them so that nothing is ever half-written."""

from __future__ import annotations

import errno
import os
import sys
import tempfile
from pathlib import Path


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
    given = Path(os.environ.get(variable, ""))
    return given if given.is_absolute() else Path.home() / linux


def write_atomically(path: str | os.PathLike[str], data: str | bytes) -> Path:
    """Write `data` to `path`: first under a temporary name in the same folder, then renamed. Makes missing folders."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = _begun(target, target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data if isinstance(data, bytes) else data.encode())
        Path(temporary).chmod(0o644)  # mkstemp lets only the owner read
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return target


def check_place(path: str | os.PathLike[str]) -> None:
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
