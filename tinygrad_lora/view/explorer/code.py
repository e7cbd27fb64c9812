"""The code beside the graph: what the user wrote, and what the compiler generated; each line with its boxes."""

from __future__ import annotations

import inspect
import linecache
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import chain
from pathlib import PurePath
from typing import Any

from ...compiler import CompiledFunction
from ...compiler.text.plain import Emitted
from ...core.graph import Graph
from ...core.node import ComputationNode as Node
from ...nn.layer import Layer
from ..diagram.text import listing
from ..errors.lines import is_cell

PACKAGE = __name__.partition(".")[0]
SAME, NEW, GONE = "same", "new", "gone"
CELL = "cell"
# The variable that a line of generated code computes begins it, or its comment: `add(t0, b, t1)  # t1 = t0 + b`.
COMMENT, TARGET = re.compile(r"#\s(\w+) = "), re.compile(r"\s*(\w+)(?:\[\(\)\])? = ")
WORD = re.compile(r"\w+")


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


# --- Generated ---


def with_boxes(code: Emitted, graph: Graph, name: str, boxes: Mapping[Node, str]) -> list[CodeLine]:
    """The lines of generated code with their boxes. A node inside another's expression belongs to that one's line."""
    variables_of = {node: [code.variables[node]] for node in graph.nodes if node in code.variables}
    named: dict[str, dict[str, None]] = defaultdict(dict)  # variables with their boxes
    for node, (variable,) in variables_of.items():
        named[variable][boxes[node]] = None
    for node in reversed(graph.nodes):
        if node not in variables_of:
            variables_of[node] = [variable for user in graph.users[node] for variable in variables_of[user]]
    owners: dict[str, dict[str, None]] = defaultdict(dict)  # the same, with what stands inside their expressions
    for node in graph.nodes:
        for variable in variables_of[node]:
            owners[variable][boxes[node]] = None
    lines = code.source.rstrip("\n").split("\n")
    start = next((i for i, line in enumerate(lines) if line.startswith(f"def {name}(")), 0)
    code_lines, below = list[CodeLine](), tuple[str, ...]()
    for i in reversed(range(len(lines))):
        line = lines[i]
        if i == start or line.lstrip().startswith("return "):  # the arguments, or the results
            own = _all(named, WORD.findall(line.partition("(")[2] if i == start else line))
        else:
            match = COMMENT.search(line) or TARGET.match(line)
            own = _all(owners, [match[1]] if match else [])
            if not own and start < i and line.strip():
                own = below  # a call without a comment belongs to the next one that has one
        below = own
        code_lines.append(CodeLine(line, own))
    return code_lines[::-1]


def _all(boxes: Mapping[str, Iterable[str]], variables: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(box for variable in variables for box in boxes.get(variable, ())))


def changed(before: Sequence[CodeLine], after: Sequence[CodeLine]) -> list[CodeLine]:
    """The lines after a pass, with those it removed where they stood. The alignment of comments does not count."""
    merged: list[CodeLine] = []
    for kind, i, j, k, m in _opcodes(before, after, lambda line: " ".join(line.text.split())):
        if kind == "equal":
            merged += after[k:m]
            continue
        gone = [replace(line, state=GONE) for line in before[i:j] if line.text.strip()]
        new = [replace(line, state=NEW) if line.text.strip() else line for line in after[k:m]]
        # The old line of a variable stands right above its new one.
        for same, a, b, c, d in _opcodes(gone, new, lambda line: line.text.partition(" = ")[0]):
            pairs = zip(gone[a:b], new[c:d], strict=True) if same == "equal" else [(*gone[a:b], *new[c:d])]
            merged += chain.from_iterable(pairs)
    return merged


def _opcodes(
    a: Sequence[CodeLine], b: Sequence[CodeLine], key: Callable[[CodeLine], str]
) -> Sequence[tuple[str, int, int, int, int]]:
    return SequenceMatcher(None, [*map(key, a)], [*map(key, b)], autojunk=False).get_opcodes()


# --- Written by the user ---


def written(compiled: CompiledFunction, origins: Mapping[str, tuple[str, int]]) -> list[Excerpt]:
    """The source of what was compiled, and the lines elsewhere from which a box comes."""
    owners: dict[tuple[str, int], list[str]] = defaultdict(list)
    for box, origin in origins.items():
        owners[origin].append(box)
    things = [getattr(compiled, "model", None), getattr(compiled, "loss", None)]  # of a training step
    things = [thing for thing in things if thing is not None] or [compiled.function]
    excerpts = [_excerpt(thing, owners) for thing in things]
    elsewhere: dict[str, list[int]] = defaultdict(list)
    for file, number in owners:
        elsewhere[file].append(number)
    for file, numbers in sorted(elsewhere.items(), key=lambda item: PurePath(item[0]).name):
        texts = {number: linecache.getline(file, number).strip() for number in sorted(numbers)}
        lines = tuple(CodeLine(text, tuple(owners[file, n]), SAME, n) for n, text in texts.items())
        excerpts += [Excerpt(_name(file), lines)] if any(texts.values()) else []
    return [excerpt for excerpt in excerpts if excerpt is not None]


def _excerpt(thing: Any, owners: dict[tuple[str, int], list[str]]) -> Excerpt | None:
    """The source of a function or of a layer's class; for a layer of the package's own classes, its tree."""
    kind = thing if isinstance(thing, type) or inspect.isroutine(thing) else type(thing)
    if (kind.__module__ or "").partition(".")[0] == PACKAGE:
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
    title = f"{_name(file)}, {'line' if _name(file) == CELL else 'from line'} {start}"
    rows = (
        CodeLine(t[margin:] if not t[:margin].strip() else t, tuple(owners.pop((file, n), ())), SAME, n)
        for n, t in enumerate(text, start)
    )
    return Excerpt(title, tuple(rows))


def _name(file: str) -> str:
    """The name of a file without its folder; "cell" for a notebook cell, whose file name says nothing."""
    return CELL if is_cell(file) else PurePath(file).name
