"""Explains a ShapeError: a picture of the graph up to the failing operation, the sizes, the lines of code, a remedy."""

import re
from dataclasses import dataclass, replace
from html import escape
from importlib import import_module
from typing import Any, overload

from ...core import ComputationNode, Op, ops
from ...errors import CounterexampleError, PassError, ShapeError
from ..diagram.data import Arrow, Box, Diagram
from ..diagram.looks import VERMILION
from ..words.bundle import Explained
from ..words.markup import Markup, element
from ..words.sentences import one_line
from .broken_pass import BrokenPass, broken_pass
from .excerpt import above, marked_image, whole
from .fixes import clashes, fix
from .folding import REFUSALS, folded
from .lines import SourceLine, assignment, failing_frame, variable
from .refused import refusal

EXPLAINED = (ShapeError, PassError, CounterexampleError)
FAILED = "failed"  # the id of the box
WRONG = f"font-weight: bold; color: {VERMILION}"
PLAIN = "margin: 0.5em 0; font-family: monospace"  # keeps columns aligned, whatever the page's style is


@dataclass(frozen=True)
class Failure(Explained):
    """An operation whose operands do not fit, explained: `.text`, `.html`, `.diagram`.

    `title` is what the user called: the operation, a function of the library or a layer. `named` are the operands as
    the user knows them, before matmul reshapes vectors to matrices. `labels` are their names, `lines` where each was
    computed (None if not known), `line` is the line of the operation, and `remedy` a change that would work.
    """

    message: str
    title: str
    op: Op
    operands: tuple[ComputationNode, ...]
    named: tuple[ComputationNode, ...]
    params: dict[str, Any]
    labels: tuple[str, ...]
    line: SourceLine | None
    lines: tuple[SourceLine | None, ...]
    remedy: str | None

    @property
    def text(self) -> str:
        """The explanation as plain text, without the picture."""
        sizes = [(head + cells).rstrip() for head, cells in self._sizes()]
        remedy = [f"Fix: {self.remedy}"] if self.remedy else []
        return "\n".join([one_line(self.message), *sizes, *self._places(), *remedy])

    @property
    def diagram(self) -> Diagram:
        """The picture as plain data: the operands, what they were computed from, and the operation that fails."""
        diagram, ids = whole(self.operands, dict(zip(self.named, self.labels, strict=True)))
        labels = {box.id: box.label for box in diagram.boxes}
        operands = [ids[x] for x in self.operands]
        box = Box(
            id=FAILED, label=f"%{len(diagram.boxes)}", operation=self.title, shape="?", dtype=diagram.boxes[0].dtype,
            operands=tuple(labels[i] for i in operands), parameters=(("fails", "the shapes do not fit"),),
            role="operation", output=False,
        )  # fmt: skip
        names = zip(operands, self.op.operands(len(operands)), strict=True)
        arrows = (*diagram.arrows, *(Arrow(operand, FAILED, name, False) for operand, name in names))
        whole_picture = replace(diagram, boxes=(*diagram.boxes, box), arrows=arrows)
        return above(whole_picture, FAILED, f"{self.title} fails")

    @property
    def html(self) -> str:
        """The explanation as one HTML element, which even an untrusted notebook shows."""
        lines = [(escape(head) + re.sub(r"\[\d+\]", _emphasized, cells)).rstrip() for head, cells in self._sizes()]
        sizes = element("pre", Markup("\n".join(lines)), style=PLAIN)
        places = element("pre", "\n".join(self._places()), style=PLAIN) if self._places() else ""
        remedy = element("p", element("strong", "Fix: "), self.remedy) if self.remedy else ""
        head = element("p", element("strong", "ShapeError: "), one_line(self.message))
        return element("div", head, marked_image(self.diagram, FAILED), sizes, places, remedy)

    # --- Words ---

    def _sizes(self) -> list[tuple[str, str]]:
        """The name of each operand and its sizes, aligned by axis; those that do not fit are in square brackets."""
        shapes = [x.shape for x in self.operands]
        wrong = clashes(self.op, shapes, self.params)
        names = self.op.operands(len(shapes))
        heads = [f"{name}  {label}" if label != name else name for name, label in zip(names, self.labels, strict=True)]
        left, longest = max(map(len, heads)), max(map(len, shapes))
        wide = max((len(str(n)) for shape in shapes for n in shape), default=1) + 2

        def cell(i: int, k: int) -> str:
            size = str(shapes[i][k]) if len(shapes[i]) >= -k else ""
            return (f"[{size}]" if (i, k) in wrong else f"{size} ").rjust(wide)

        cells = [" ".join(cell(i, k) for k in range(-longest, 0)) for i in range(len(shapes))]
        return [(f"  {head:<{left}}  ", sizes) for head, sizes in zip(heads, cells, strict=True)]

    def _places(self) -> list[str]:
        """The lines of code: that of the operation, then those of the operands."""
        places = [("fails in", self.line)] if self.line else []
        places += [(f"{label} is made in", line) for label, line in zip(self.labels, self.lines, strict=True) if line]
        places = list(dict.fromkeys(places))
        width = max((len(head) for head, _ in places), default=0)
        return [f"  {head:<{width}}  {one_line(str(line))}" for head, line in places]


def _emphasized(size: re.Match[str]) -> str:
    return element("span", size[0], style=WRONG)


@overload
def failure(error: ShapeError) -> Failure | None: ...
@overload
def failure(error: PassError) -> BrokenPass: ...
def failure(error: ShapeError | PassError) -> Failure | BrokenPass | None:
    """Explain a ShapeError: the operation, its operands, the lines of code, a remedy. Or a PassError: before and after.

    A function of the library, or a layer, counts as one operation. In a notebook both errors show their explanation by
    themselves.

    error: the exception that was caught
    Returns an explanation, which `print` and a notebook show; None if the error comes from no operation and no pass.
    Raises TypeError for any other error.

    >>> try:
    ...     tl.constant(np.ones((2, 3))) @ tl.constant(np.ones((2, 3)))
    ... except tl.errors.ShapeError as error:
    ...     print(str(tl.failure(error)).splitlines()[-1])
    Fix: transpose the second operand: (2, 3) @ (3, 2)
    """
    if isinstance(error, PassError):
        return broken_pass(error)
    if not isinstance(error, ShapeError):
        raise TypeError(f"failure() takes a ShapeError or a PassError, not {type(error).__name__}")
    params: dict[str, Any] = {}
    held: tuple[Any, ...] = ()
    if error.operation is not None:
        op, operands, params = error.operation
        title = str(op)
    elif refused := refusal(error.__traceback__):
        title, op, operands, held = refused
    else:
        return None
    # Matmul reshapes vectors to matrices; to the user they are still vectors.
    own = [x.parents[0] if op is ops.matmul and x.op is ops.reshape and x.parents[0].ndim == 1 else x for x in operands]
    frame, line = failing_frame(error.__traceback__) or (None, None)
    variables = [variable(x, frame) if frame else None for x in held or own]
    names = op.operands(len(own))
    labels = [one_line(x.name or v or name) for x, v, name in zip(own, variables, names, strict=True)]
    made = [SourceLine(*x.origin) if x.origin else None for x in own]
    lines = [at or (assignment(v, line) if v and line else None) for at, v in zip(made, variables, strict=True)]
    vectors = [x is not y for x, y in zip(own, operands, strict=True)]
    of_layer = op is ops.matmul and error.operation is None  # nobody would transpose or swap its weight
    remedy = None if of_layer else fix(op, [x.shape for x in operands], params, vectors)
    return Failure(
        str(error), title, op, tuple(operands), tuple(own), dict(params), tuple(labels), line,
        tuple(None if x == line else x for x in lines), remedy,
    )  # fmt: skip


def show_errors() -> None:
    """Let the errors that can be explained show their picture in a notebook, above a traceback of the user's lines."""
    kind: Any
    for kind in REFUSALS:
        kind._render_traceback_ = _traceback
    for kind in EXPLAINED:
        kind._repr_html_ = _html


def _picture(error: Any) -> Any:
    """The explanation of an error: an object with `.text` and `.html`, or None."""
    if not isinstance(error, EXPLAINED):
        return None
    if isinstance(error, CounterexampleError):
        return error.counterexample if hasattr(error.counterexample, "html") else None
    return failure(error)


def _html(error: Any) -> str | None:
    picture = _picture(error)
    return picture.html if picture else None


def _traceback(error: Any) -> Any:
    """The lines of the traceback, as IPython asks for them; shows the picture first."""
    ipython = import_module("IPython")
    picture = _picture(error)
    if picture and error.__dict__.get("_shown") is not error.__traceback__:  # IPython asks more than once
        error.__dict__["_shown"] = error.__traceback__
        import_module("IPython.display").display({"text/plain": picture.text, "text/html": picture.html}, raw=True)
    traceback, note = folded(error.__traceback__)
    table = ipython.get_ipython().InteractiveTB
    lines = table.structured_traceback(type(error), error, traceback, tb_offset=1)
    return [*lines[:-1], *([note] if note and len(lines) > 1 else []), *lines[-1:]]
