"""Run a few lines of code: what came out, what they printed, and from which line each node comes."""

from __future__ import annotations

import ast
import contextlib
import io
import linecache
import sys
import warnings
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import FrameType, FunctionType
from typing import Any

import numpy as np

import tinygrad_lora

from ..core.graph import topological_order
from ..core.node import ComputationNode, tick

FILE = "<playground>"
LONGEST_OUTPUT = 10_000  # characters of what the code prints


@dataclass
class Cell:
    """What became of the code. `result` is its last expression; without one, the node that got a name last."""

    result: Any = None
    error: BaseException | None = None
    line: int = 0  # at which the error came
    printed: str = ""
    warned: list[str] = field(default_factory=list)


class _Lines:
    """Which line ran when. Each node knows the tick at which it was made, and so its line can be told afterwards."""

    def __init__(self) -> None:
        self.ticks, self.numbers = [0], [0]

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Called by Python at each event in the code of the cell, and at each call of anything."""
        if frame.f_code.co_filename != FILE:
            return None
        self._note(frame.f_lineno)
        caller = frame.f_back
        if event == "return" and caller and caller.f_code.co_filename == FILE:
            self._note(caller.f_lineno)  # it goes on in the middle of its line
        return self

    def _note(self, line: int) -> None:
        self.ticks.append(tick())
        self.numbers.append(line)

    def at(self, when: int) -> int:
        return self.numbers[bisect_right(self.ticks, when) - 1]


def run(source: str) -> Cell:
    """Run the code. Whatever it raises is in the cell that is returned."""
    linecache.cache[FILE] = (len(source), None, source.splitlines(keepends=True), FILE)
    cell, lines, printed = Cell(), _Lines(), io.StringIO()
    names: dict[str, Any] = {"__name__": "__playground__", "tl": tinygrad_lora, "np": np}
    with contextlib.redirect_stdout(printed), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            code, last = _compiled(source)
            with _watching(lines):
                FunctionType(code, names)()
                cell.result = FunctionType(last, names)() if last else _newest(names)
        except BaseException as error:  # what the code raises, a SystemExit included, is shown
            cell.error, cell.line = error, _line_of(error)
    cell.printed = printed.getvalue()[:LONGEST_OUTPUT]
    cell.warned = [str(one.message) for one in warned]
    if isinstance(cell.result, ComputationNode):
        _explain(cell.result, names, lines)
    return cell


def _compiled(source: str) -> tuple[Any, Any]:
    """The statements, and the last expression apart. Raises SyntaxError for what is no Python."""
    tree = ast.parse(source, FILE)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    whole = compile(tree, FILE, "exec")
    return whole, compile(ast.Expression(last.value), FILE, "eval") if isinstance(last, ast.Expr) else None


@contextlib.contextmanager
def _watching(lines: _Lines) -> Iterator[None]:
    before = sys.gettrace()
    sys.settrace(lines)
    try:
        yield
    finally:
        sys.settrace(before)


def _newest(names: dict[str, Any]) -> ComputationNode | None:
    nodes = [value for value in names.values() if isinstance(value, ComputationNode)]
    return max(nodes, key=lambda node: node.created, default=None)


def _explain(result: ComputationNode, names: dict[str, Any], lines: _Lines) -> None:
    """Give the nodes behind the result the names of their variables, and their lines."""
    variables = {id(value): name for name, value in reversed(names.items()) if isinstance(value, ComputationNode)}
    for node in topological_order([result]):
        node.name = node.name or variables.get(id(node))
        if line := lines.at(node.created):
            node.origin = FILE, line


def _line_of(error: BaseException) -> int:
    if isinstance(error, SyntaxError) and error.filename == FILE:
        return error.lineno or 0
    trace, line = error.__traceback__, 0
    while trace:
        if trace.tb_frame.f_code.co_filename == FILE:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
