"""Lines of the user's code: where something failed, and where a variable got its value."""

import ast
import linecache
from pathlib import PurePath
from traceback import walk_tb
from types import FrameType, TracebackType
from typing import Any, NamedTuple

from ...boundary.lines import is_cell, is_of_package


class SourceLine(NamedTuple):
    """A line of a file or of a notebook cell."""

    filename: str
    number: int
    earlier: bool = False  # in an earlier cell than the line beside which it is shown

    @property
    def code(self) -> str:
        """The text of the line; "" if the source is not available."""
        return linecache.getline(self.filename, self.number).strip()

    @property
    def place(self) -> str:
        """`model.py line 12`; in a notebook cell only `line 12`."""
        name = f"{PurePath(self.filename).name} " if not is_cell(self.filename) else ""
        return f"{'an earlier cell, ' if self.earlier else ''}{name}line {self.number}"

    def __str__(self) -> str:
        return f"{self.place}: {self.code}" if self.code else self.place


def failing_frame(traceback: TracebackType | None) -> tuple[FrameType, SourceLine] | None:
    """The innermost frame outside this package that an error came through, with its line."""
    frames = [(f, SourceLine(f.f_code.co_filename, n)) for f, n in walk_tb(traceback) if not is_ours(f)]
    return frames[-1] if frames else None


def is_ours(frame: FrameType) -> bool:
    """Whether the code of this frame belongs to this package."""
    return is_of_package(frame.f_globals.get("__name__", ""))


def variable(value: Any, frame: FrameType) -> str | None:
    """The name of a variable in the frame that holds this very object, a local one before a global one."""
    scopes = (frame.f_locals, frame.f_globals)
    names = (name for scope in scopes for name, held in scope.items() if held is value and not name.startswith("_"))
    return next(names, None)


def assignment(name: str, before: SourceLine) -> SourceLine | None:
    """The last line above `before` that gives the variable a value: in the same file, or in an earlier cell."""
    number = max((n for n in _stores(before.filename, name) if n < before.number), default=None)
    if number is not None:
        return SourceLine(before.filename, number)
    cells = [filename for filename in linecache.cache if is_cell(filename)] if is_cell(before.filename) else []
    for filename in reversed(cells[: cells.index(before.filename)] if before.filename in cells else []):
        if numbers := _stores(filename, name):
            return SourceLine(filename, max(numbers), earlier=True)
    return None


def _stores(filename: str, name: str) -> list[int]:
    """The lines of a file that give the variable a value."""
    try:
        tree = ast.parse("".join(linecache.getlines(filename)))
    except SyntaxError:  # a cell with commands that are not Python
        return []
    nodes = (node for node in ast.walk(tree) if isinstance(node, ast.Name))
    return [node.lineno for node in nodes if node.id == name and isinstance(node.ctx, ast.Store)]
