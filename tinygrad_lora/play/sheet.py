"""What is seen of a few lines of code, part by part: pictures, numbers, formulas, passes and the generated program.

Each part is HTML. `data-lines` says from which lines of the code an element comes, for a page to tie them together.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from ..compiler import compile
from ..core.autodiff import gradients
from ..core.graph import topological_order
from ..core.node import ComputationNode
from ..errors import CompileError, RenderError, ShapeError
from ..view.diagram.data import diagram
from ..view.errors.failure import failure
from ..view.explorer.explore import explore
from ..view.explorer.steps import ExplorerStep
from ..view.explorer.union import PROGRAM, TRACE, short
from ..view.formula.write import formula
from ..view.svg.draw import draw_svg
from ..view.words.highlight import code, lines as colored
from ..view.words.markup import Markup, element, joined, scrolling
from ..view.words.sentences import shape_text, short_array
from ..view.written import GONE, NEW, CodeLine
from .cell import FILE, Cell, run

LARGEST = 300  # nodes that a picture shows while somebody types
PARTS = {
    "said": "Output", "value": "Result", "picture": "Graph", "numbers": "Values and gradients", "passes": "Passes",
    "program": "NumPy",
}  # fmt: skip
TAGS = {NEW: "ins", GONE: "del"}
Part = tuple[str, str]


def parts(source: str) -> Iterator[Part]:
    """The parts of the sheet, each with its name, those first that are there first."""
    cell = run(source)
    yield "said", _said(cell)
    if cell.error is not None:
        return  # what stood there before is the best that there is to see
    node = cell.result
    if not isinstance(node, ComputationNode):
        yield "value", _value(node)
        for name in ("picture", "numbers", "passes", "program"):
            yield name, ""
        return
    yield "value", ""
    leaves = [n for n in topological_order([node]) if n.requires_gradient and not n.parents]
    seed = np.ones(node.shape, node.dtype)
    if leaves:
        node.backward(seed)
    yield "picture", _picture(node)
    slopes = gradients(node, leaves, seed) if leaves else []
    yield "numbers", _numbers(node, leaves, slopes)
    yield from _compiled(node, slopes)


# --- What was said ---


def _said(cell: Cell) -> Markup:
    pieces = [element("pre", cell.printed)] if cell.printed else []
    pieces += [element("p", element("b", "Warning: "), words, class_="warning") for words in cell.warned]
    if cell.error is not None:
        pieces.append(element("div", _error(cell.error, cell.line), class_="error", data_lines=str(cell.line)))
    return joined(pieces)


def _error(error: BaseException, line: int) -> Markup:
    """The error in words; shapes that do not fit are drawn, and tell how to mend it."""
    if isinstance(error, ShapeError) and (drawn := failure(error)) is not None:
        return Markup(drawn.html)
    words = str(error.msg if isinstance(error, SyntaxError) else error)
    where = f"line {line}: " if line else ""
    return element("p", element("b", f"{where}{type(error).__name__}: "), words)


def _value(value: Any) -> Markup:
    if value is None:
        return element("p", "Give a name to a node, or end with an expression, and it is drawn here.")
    drawn = getattr(value, "_repr_html_", None)
    return Markup(drawn()) if drawn else element("p" if isinstance(value, str) else "pre", str(value))


# --- The graph with its numbers ---


def _picture(node: ComputationNode) -> Markup:
    nodes = topological_order([node])
    if len(nodes) > LARGEST:
        words = f"The graph has {len(nodes)} nodes, too many to draw while you type: tl.render(node, 'graph.svg') does."
        return element("p", words)
    drawn = Markup(draw_svg(diagram(node, values=True, gradients=node.requires_gradient), prefix="sheet"))
    tied = joined([element("i", data_box=f"n{i}", data_lines=_line(n)) for i, n in enumerate(nodes)])
    return joined([drawn, element("span", tied, hidden="")])


def _numbers(node: ComputationNode, leaves: list[ComputationNode], slopes: list[ComputationNode]) -> Markup:
    slope_of = dict(zip(leaves, slopes, strict=True))
    result = node.name or "result"
    rows = []
    for one in [*leaves, *(n for n in topological_order([node]) if n.parents and (n.name or n is node))]:
        name, slope = one.name or ("result" if one is node else str(one.op)), slope_of.get(one)
        equation = _formula(one) if slope is None else _formula(slope)
        label = f"{name} = " if slope is None else f"∂{result}/∂{name} = "
        gradient = "" if one.gradient is None else " ".join(short_array(one.gradient))
        cells = [
            element("th", name, scope="row"),
            element("td", element("code", f"{label}{equation}") if equation else ""),
            element("td", shape_text(one.shape)),
            element("td", " ".join(short_array(one.value)), class_="words"),
            element("td", gradient, class_="words"),
        ]
        rows.append(element("tr", *cells, data_lines=_line(one)))
    heads = (element("th", words, scope="col") for words in ("", "formula", "shape", "value", "gradient"))
    of_sum = "" if not node.shape else f"The gradients are those of the sum of all elements of {result}."
    note = of_sum if leaves else "Nothing here is trainable: tl.parameter(...) makes a leaf that gets a gradient."
    whole = element("table", element("thead", element("tr", *heads)), element("tbody", *rows))
    return joined([scrolling(whole, "Values and gradients"), *([element("p", note)] if note else [])])


def _formula(node: ComputationNode) -> str:
    try:
        return str(formula(node)).partition("\n")[0].rpartition(" = ")[2]  # the names in it are explained by other rows
    except RenderError:
        return ""  # too long to be read


def _line(node: ComputationNode) -> str | None:
    return str(node.origin[1]) if node.origin and node.origin[0] == FILE else None


# --- The compiler ---


def _compiled(node: ComputationNode, slopes: Iterable[ComputationNode]) -> Iterator[Part]:
    """The passes and the program that gives the result and its gradients. Parameters are its arguments."""
    outputs = [node, *slopes]

    def program() -> list[ComputationNode]:
        return outputs

    try:
        story = explore(compile(program, buffers=False).prepare()).story
        planned = compile(program).prepare().source
    except CompileError as error:
        yield "passes", element("p", str(error))
        yield "program", ""
        return
    lines_of = {box: str(line) for box, (file, line) in story.union.origins.items() if file == FILE}
    passes = [step for step in story.steps if step.name not in (TRACE, PROGRAM)]
    first, last = story.steps[0], story.steps[-1]
    head = f"{short(first.before.flops)} floating-point operations become {short(last.after.flops)}."
    steps = [_step(step, lines_of) for step in passes]
    yield "passes", joined([element("p", head if steps else "No pass changes this graph."), *steps])
    summary = element("summary", "The same in memory that is planned ahead: what runs")
    fast = element("details", summary, code(planned, "The fast program"))
    yield "program", joined([_code(last.lines, lines_of, "The generated program"), fast])


def _step(step: ExplorerStep, lines_of: Mapping[str, str]) -> Markup:
    flops = f"{short(step.before.flops)} → {short(step.after.flops)} flops"
    law = step.rule.equation if step.rule else ""
    title = element("summary", element("code", step.name), f" {flops}" if step.kept else " declined: it costs more")
    shown = [line for line in step.lines if line.state in TAGS]
    why = element("p", step.rule.legal) if step.rule else ""
    return element("details", title, element("p", law, class_="law"), _code(shown, lines_of, step.name), why)


def _code(lines: Iterable[CodeLine], lines_of: Mapping[str, str], label: str) -> Markup:
    """Lines of code, each with the lines of the user's that it comes from."""
    shown = list(lines)
    rows = []
    for line, words in zip(shown, colored("\n".join(line.text for line in shown)), strict=False):
        own = " ".join(dict.fromkeys(lines_of[box] for box in line.boxes if box in lines_of))
        rows.append(element(TAGS.get(line.state, "span"), words, "\n", data_lines=own or None, class_="line"))
    return scrolling(element("pre", element("code", *rows)), label)
