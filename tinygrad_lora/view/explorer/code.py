"""The generated code beside the graph, each line with its boxes; and what a pass changed in it."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from itertools import chain

from ...compiler.text.plain import Emitted
from ...core import ComputationNode as Node, Graph
from ..written import GONE, NEW, CodeLine, Origin, place

# The variable that a line of generated code computes begins it, or its comment: `add(t0, b, t1)  # t1 = t0 + b`.
COMMENT, TARGET = re.compile(r"#\s(\w+) = "), re.compile(r"\s*(\w+)(?:\[\(\)\])? = ")
WORD, PLACE = re.compile(r"\w+"), re.compile(r"(?<=  )(?:\S+\.py|cell):\d+$")


def with_boxes(
    code: Emitted, graph: Graph, name: str, boxes: Mapping[Node, str], origins: Mapping[str, Origin]
) -> list[CodeLine]:
    """The lines of generated code with their boxes. A node inside another's expression belongs to that one's line.

    Each line is due to one line of the user's, the origin of the box that it computes.
    """
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
    code_lines, below, due = list[CodeLine](), tuple[str, ...](), ""
    for i in reversed(range(len(lines))):
        line = lines[i]
        if i == start or line.lstrip().startswith("return "):  # the arguments, or the results
            own = _all(named, WORD.findall(line.partition("(")[2] if i == start else line))
        else:
            match = COMMENT.search(line) or TARGET.match(line)
            own = _all(owners, [match[1]] if match else [])
            if own and match:
                due = next((place(origins[box]) for box in named[match[1]] if box in origins), "")
            if not own and start < i and line.strip():
                own = below  # a call without a comment belongs to the next one that has one
        below, due = own, due if own else ""
        code_lines.append(CodeLine(PLACE.sub(due, line) if due else line, own))
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
