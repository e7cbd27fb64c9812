"""Run a few lines of code: what came out, what they printed, and from which line each node comes."""

import ast
import builtins
import contextlib
import io
import linecache
import warnings
from dataclasses import dataclass, field
from traceback import walk_tb
from types import CodeType, FunctionType
from typing import Any

import numpy as np

import tinygrad_lora

from ..core.graph import topological_order
from ..core.node import ComputationNode
from ..view.written import LineRecord

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


def run(source: str) -> Cell:
    """Run the code. Whatever it raises is in the cell that is returned."""
    linecache.cache[FILE] = (len(source), None, source.splitlines(keepends=True), FILE)
    cell, printed = Cell(), io.StringIO()
    names: dict[str, Any] = {"__builtins__": builtins, "__name__": "__playground__", "tl": tinygrad_lora, "np": np}
    with contextlib.redirect_stdout(printed), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            cell.result = LineRecord().noting(_result)(*_compiled(source), names)
        except BaseException as error:  # what the code raises, a SystemExit included, is shown
            cell.error, cell.line = error, _line_of(error)
    cell.printed = printed.getvalue()[:LONGEST_OUTPUT]
    cell.warned = [str(one.message) for one in warned]
    if isinstance(cell.result, ComputationNode):
        _name_nodes(cell.result, names)
    return cell


def _compiled(source: str) -> tuple[CodeType, CodeType | None]:
    """The statements, and the last expression apart. Raises SyntaxError for what is no Python."""
    tree = ast.parse(source, FILE)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    whole = compile(tree, FILE, "exec")
    return whole, compile(ast.Expression(last.value), FILE, "eval") if isinstance(last, ast.Expr) else None


def _result(code: CodeType, last: CodeType | None, names: dict[str, Any]) -> Any:
    FunctionType(code, names)()
    return FunctionType(last, names)() if last else _newest(names)


def _newest(names: dict[str, Any]) -> ComputationNode | None:
    nodes = [value for value in names.values() if isinstance(value, ComputationNode)]
    return max(nodes, key=lambda node: node.created, default=None)


def _name_nodes(result: ComputationNode, names: dict[str, Any]) -> None:
    """Give the nodes behind the result the names of their variables."""
    variables = {id(value): name for name, value in reversed(names.items()) if isinstance(value, ComputationNode)}
    for node in topological_order([result]):
        node.name = node.name or variables.get(id(node))


def _line_of(error: BaseException) -> int:
    if isinstance(error, SyntaxError) and error.filename == FILE:
        return error.lineno or 0
    lines = [line for frame, line in walk_tb(error.__traceback__) if frame.f_code.co_filename == FILE]
    return lines[-1] if lines else 0
