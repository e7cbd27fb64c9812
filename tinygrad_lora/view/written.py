"""The user's own code beside a picture: which line each node comes from, and the lines to show."""

import inspect
import linecache
import sys
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import PurePath
from types import FrameType
from typing import Any

from ..boundary.lines import CELL, file_name, is_of_package
from ..core import Graph, topological_order
from ..core.node import ComputationNode, tick
from ..nn.calls import give_line
from ..nn.layer import Layer
from .diagram.text import listing
from .errors.lines import SourceLine, assignment, is_ours

Origin = tuple[str, int]  # a file, or a notebook cell, and the number of a line
SAME, NEW, GONE = "same", "new", "gone"
GAP = 3  # lines between two lines of an excerpt are shown up to this number


@dataclass(frozen=True)
class CodeLine:
    """A line of code, the boxes that belong to it, and in a comparison whether it is SAME, NEW or GONE."""

    text: str
    boxes: tuple[str, ...] = ()
    state: str = SAME
    number: int = 0  # in its file


@dataclass(frozen=True)
class Excerpt:
    """Lines of the user's code."""

    title: str
    lines: tuple[CodeLine, ...]
    file: str = ""


# --- Where a node comes from ---


class LineRecord:
    """Which line of the user's ran when. A node remembers its line while it is symbolic; this tells those with a value.

    `noting(call)` is the same function; what it returns, and what that was computed from, then knows its lines.
    """

    def __init__(self) -> None:
        self.times: list[int] = []
        self.lines: list[Origin | None] = []

    def noting(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The call, with a look at each line. A debugger that follows this thread does not see it."""

        @wraps(call)
        def noted(*arguments: Any, **keywords: Any) -> Any:
            before = sys.gettrace()
            sys.settrace(self._trace)
            try:
                result = call(*arguments, **keywords)
            finally:
                sys.settrace(before)
            results = result if isinstance(result, (list, tuple)) else [result]
            for node in topological_order([x for x in results if isinstance(x, ComputationNode)]):
                if not node.origin and (line := self._line_at(node.created)):
                    give_line(node, line)
            return result

        return noted

    def _line_at(self, time: int) -> Origin | None:
        i = bisect_left(self.times, time)
        return self.lines[i - 1] if i else None

    def _trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        if is_ours(frame):
            return None
        at = user_frame(frame.f_back) if event == "return" else frame  # then the line of the call goes on
        self.times.append(tick())
        self.lines.append((at.f_code.co_filename, at.f_lineno or 0) if at else None)
        return self._trace


def origins_of(graph: Graph, own: Mapping[ComputationNode, Origin]) -> dict[ComputationNode, Origin]:
    """The line of each node of a graph, where it is known: its own, or that in `own`, or that of what uses it."""
    lines: dict[ComputationNode, Origin] = {}
    for node in reversed(graph.nodes):
        users = (lines[user] for user in graph.users[node] if user in lines and node.parents)
        if line := node.origin or own.get(node) or next(users, None):
            lines[node] = line[0], line[1]
    return lines


def user_frame(frame: FrameType | None) -> FrameType | None:
    """This frame, or the innermost of its callers that is outside this package."""
    while frame and is_ours(frame):
        frame = frame.f_back
    return frame


def assigned_lines(graph: Graph, frame: FrameType) -> Mapping[ComputationNode, Origin]:
    """Where variables of this frame got the nodes that they hold now."""
    here, nodes = SourceLine(frame.f_code.co_filename, frame.f_lineno), set(graph.nodes)
    held = {**frame.f_globals, **frame.f_locals}.items()
    names = {value: name for name, value in held if isinstance(value, ComputationNode) and value in nodes}
    lines = {node: assignment(name, here) for node, name in names.items()}
    return {node: (line.filename, line.number) for node, line in lines.items() if line}


class UserCode:
    """The user's code that made a graph: its excerpts, and the line of each node.

    `things` are functions and layers to show whole. With `variables`, lines that gave the variables of this frame their
    nodes count. The line that asks for the picture is left out: it made nothing.
    """

    def __init__(
        self, graph: Graph, frame: FrameType | None, things: Iterable[Any] = (), variables: bool = False
    ) -> None:
        here = (frame.f_code.co_filename, frame.f_lineno) if frame else None
        lines = origins_of(graph, assigned_lines(graph, frame) if frame and variables else {})
        self.lines = [line if (line := lines.get(node)) != here else None for node in graph.nodes]
        excerpts = written(things, {f"n{i}": line for i, line in enumerate(self.lines) if line})
        self.excerpts = [excerpt for excerpt in excerpts if any(line.boxes for line in excerpt.lines)]

    def origins(self, graph: Graph) -> dict[ComputationNode, Origin]:
        """The lines of a copy of the graph."""
        return {node: line for node, line in zip(graph.nodes, self.lines, strict=True) if line}


# --- The lines to show ---


def written(things: Iterable[Any], origins: Mapping[str, Origin]) -> list[Excerpt]:
    """The source of these functions and layers, and the lines elsewhere from which a box comes, by the box's id."""
    owners: dict[Origin, list[str]] = defaultdict(list)
    for box, origin in origins.items():
        owners[origin].append(box)
    excerpts = [_excerpt(thing, owners) for thing in things]
    elsewhere: dict[str, list[int]] = defaultdict(list)
    for file, number in owners:
        elsewhere[file].append(number)
    for file, numbers in sorted(elsewhere.items(), key=lambda item: PurePath(item[0]).name):
        texts = {number: linecache.getline(file, number).rstrip() for number in _with_gaps(sorted(numbers))}
        margin = min((len(t) - len(t.lstrip()) for t in texts.values() if t.strip()), default=0)
        lines = tuple(CodeLine(text[margin:], tuple(owners[file, n]), SAME, n) for n, text in texts.items())
        excerpts += [Excerpt(file_name(file), lines, file)] if any(texts.values()) else []
    return [excerpt for excerpt in excerpts if excerpt is not None]


def _with_gaps(numbers: Sequence[int]) -> list[int]:
    """The numbers, and those of short gaps between them."""
    following = [*numbers[1:], numbers[-1] + 1]
    return [n for a, b in zip(numbers, following, strict=True) for n in (range(a, b) if b - a <= GAP + 1 else [a])]


def _excerpt(thing: Any, owners: dict[Origin, list[str]]) -> Excerpt | None:
    """The source of a function or of a layer's class; for a layer of the package's own classes, its tree."""
    kind = thing if isinstance(thing, type) or inspect.isroutine(thing) else type(thing)
    if is_of_package(kind.__module__ or ""):
        tree = listing(thing).split("\n") if isinstance(thing, Layer) else []
        return Excerpt(type(thing).__name__, tuple(map(CodeLine, tree))) if tree else None
    function = inspect.unwrap(kind) if inspect.isroutine(kind) else kind
    try:
        lines, start = inspect.getsourcelines(function)
        code = getattr(function, "__code__", None)
        file = str(code.co_filename if code else inspect.getsourcefile(kind))  # as the origins of nodes have it
    except (OSError, TypeError):
        return None
    text = [line.rstrip("\n") for line in lines]
    margin = len(text[0]) - len(text[0].lstrip())
    name = file_name(file)
    title = f"{name}, {'line' if name == CELL else 'from line'} {start}"
    rows = (
        CodeLine(t[margin:] if not t[:margin].strip() else t, tuple(owners.pop((file, n), ())), SAME, n)
        for n, t in enumerate(text, start)
    )
    return Excerpt(title, tuple(rows), file)


def place(origin: Origin) -> str:
    """A line as the comments of generated code name it: `model.py:12`."""
    return f"{file_name(origin[0])}:{origin[1]}"
