"""What a node remembers of the user's code: its line and its call. Errors, pictures and printed programs show them."""

import sys
from collections.abc import Callable, Mapping
from functools import cache, wraps
from pathlib import PurePath
from typing import Any

from numpy import ndarray

from .nodes import AdvisingNode

_PACKAGE = __name__.partition(".")[0]
_REWRITERS = {f"{_PACKAGE}.core.trace", f"{_PACKAGE}.core.graph"}
CELL = "cell"
REPLACED = "replaced"  # in the memory of a graph: for each node what rewrites have put in its place


def user_line() -> tuple[str, int] | None:
    """Where a node is made: file and line of the innermost caller outside this package.

    None if this package made it, when it traced or rewrote a graph.
    """
    frame: Any = sys._getframe(2)  # past the caller
    while frame and is_of_package(module := frame.f_globals.get("__name__", "")):
        if module in _REWRITERS:
            return None
        frame = frame.f_back
    # Code that a tool wrote, such as the asserts of pytest, may have no line of its own.
    return (frame.f_code.co_filename, frame.f_lineno or frame.f_code.co_firstlineno) if frame else None


@cache
def is_of_package(module: str) -> bool:
    """Whether a module with this name belongs to this package."""
    return module.partition(".")[0] == _PACKAGE


def is_cell(file: str) -> bool:
    """Whether this is the file name of a notebook cell: the second kind in a browser."""
    return "ipykernel_" in file or file.startswith("<ipython-input")


@cache
def file_name(path: str) -> str:
    """The name of a file without its folder; "cell" for a notebook cell, whose file name says nothing."""
    return CELL if is_cell(path) else PurePath(path).name


def give_origin(node: Any, origin: tuple[str, int] | None, start: int) -> None:
    """What was made since `start` to compute `node` is due to this line of the user's code."""
    nodes = [node]
    for node in nodes:  # the list grows while it is read
        if node.created > start and node.parents and node.origin is not origin:  # else it was here before
            node.origin = origin
            nodes += node.parents


def inherit(made: Any, node: Any, start: int, new: Mapping[Any, Any], memory: dict[Any, Any]) -> None:
    """What takes the place of a node has its name, its line, and its call on what took the place of the arguments.

    The graph's memory notes it, so that a picture knows what became of the loss and of its gradients.
    """
    memory.setdefault(REPLACED, {}).setdefault(node, []).append(made)
    made.name = made.name or node.name
    give_origin(made, node.origin, start)
    if node.call and made.op is node.op and made.created > start:  # still what that function gives
        f, args, named = node.call
        made.call = f, tuple([_moved(x, new) for x in args]), named and _moved(named, new)


def _moved(value: Any, new: Mapping[Any, Any]) -> Any:
    """The same call with the nodes that took the place of its arguments."""
    if isinstance(value, dict):
        return {key: _moved(x, new) for key, x in value.items()}
    if isinstance(value, tuple):
        return tuple([_moved(x, new) for x in value])
    return new.get(value, value) if isinstance(value, AdvisingNode) else value


def call_record(f: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
    """What a result remembers of its call: no arrays, which it would keep alive."""
    if len(args) == 2:  # most of them: a loop would take a fiftieth of the time of a small loss
        args = args[0], None if type(args[1]) is ndarray else args[1]
    else:
        args = tuple([None if type(x) is ndarray else x for x in args])
    return f, args, named and {key: None if type(x) is ndarray else x for key, x in named.items()}


def remembered(f: Callable[..., Any]) -> Callable[..., Any]:
    """The function; its result remembers the call, so that a picture can show it as one box.

    Where one such function gives what another has computed, the result remembers the outermost.
    """

    @wraps(f)
    def composite(*args: Any, **named: Any) -> Any:
        y = f(*args, **named)
        if isinstance(y, AdvisingNode):
            y.call = call_record(f, args, named)
        return y

    return composite
