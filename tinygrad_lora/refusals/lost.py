"""Where a node last became a number, which no gradient passes: perhaps why a gradient is zero."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Conversion(NamedTuple):
    """One node as a number: when it was made, whether it could be trained, what it is called, in which line."""

    created: int
    trainable: bool
    label: str
    line: tuple[str, int] | None


_last: Conversion | None = None


def leave_note(created: int, trainable: bool, label: str, line: tuple[str, int] | None) -> None:
    """Remember this conversion, and forget the one before."""
    global _last
    _last = Conversion(created, trainable, label, line)


def lost(start: int, end: float, trainable: bool = False) -> str:
    """The end of a message: the line that turned a node made between two ticks into a number, if one did.

    `trainable` asks for a node that required a gradient.
    """
    if _last is None or not start <= _last.created < end or (trainable and not _last.trainable):
        return ""
    file, line = _last.line or ("", 0)
    place = f"{Path(file).name}:{line}"
    return f". {_last.label} became a number in {place}, which no gradient passes: use functions of nodes there"
