"""The line of the user's code that a node is due to: errors, pictures and printed programs name it."""

from __future__ import annotations

import sys
from typing import Any

_PACKAGE = __name__.partition(".")[0]


def user_line() -> tuple[str, int] | None:
    """Where a node is made: file and line of the innermost caller outside this package.

    None if this package made it, when it traced or rewrote a graph.
    """
    frame: Any = sys._getframe(2)  # past the caller
    while frame and (module := frame.f_globals.get("__name__", "")).partition(".")[0] == _PACKAGE:
        if module.endswith((".core.trace", ".core.graph")):
            return None
        frame = frame.f_back
    # Code that a tool wrote, such as the asserts of pytest, may have no line of its own.
    return (frame.f_code.co_filename, frame.f_lineno or frame.f_code.co_firstlineno) if frame else None


def give_origin(node: Any, origin: tuple[str, int] | None, start: int) -> None:
    """What was made since `start` to compute `node` is due to this line of the user's code."""
    nodes = [node]
    for node in nodes:  # the list grows while it is read
        if node.created > start and node.parents:
            node.origin = origin
            nodes += node.parents
