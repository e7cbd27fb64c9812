"""A ShapeError as a picture: the graph up to the operation that fails, the sizes, the lines of code, and a remedy."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from importlib import import_module
from typing import Any, overload

from ...core import ops
from ...core.node import ComputationNode, Op
from ...errors import CounterexampleError, PassError, ShapeError
from ..diagram.data import Box, Diagram
from ..diagram.looks import VERMILION
from ..words.markup import Markup, element
from ..words.sentences import one_line
from .broken_pass import BrokenPass, broken_pass
from .excerpt import above, marked_image, whole, with_box
from .fixes import clashes, fix
from .lines import SourceLine, assignment, failing_frame, variable
from .refused import refusal

FAILED = "failed"  # the id of the box
WRONG = f"font-weight: bold; color: {VERMILION}"
PLAIN = "margin: 0.5em 0; font-family: monospace"  # columns stay columns, whatever the page's style says


@dataclass(frozen=True)
class Failure:
    """What is known of an operation whose operands do not fit: `.text`, `.html`, `.diagram`.

    `title` is what the user called: the operation, a function of the library or a layer. `named` are the operands as
    the user knows them: matmul makes matrices of vectors. `labels` are their names, `lines` where each was made (None
    where that is not known), `line` is where the operation stands, and `remedy` a change that would work.
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
        """The same without the picture."""
        remedy = [f"Fix: {self.remedy}"] if self.remedy else []
        return "\n".join([one_line(self.message), *self._sizes(), *self._places(), *remedy])

    def __str__(self) -> str:
        return self.text

    @property
    def diagram(self) -> Diagram:
        """The operands, what they were computed from, and the operation that fails."""
        own = dict(zip(self.named, self.labels, strict=True))
        shown, ids = whole(self.operands, own)
        labels = {box.id: box.label for box in shown.boxes}
        operands = [ids[x] for x in self.operands]
        box = Box(
            id=FAILED, label=f"%{len(shown.boxes)}", operation=self.title, shape="?", dtype=shown.boxes[0].dtype,
            operands=tuple(labels[i] for i in operands), parameters=(("fails", "the shapes do not fit"),),
            role="operation", output=False,
        )  # fmt: skip
        return above(with_box(shown, box, operands, self.op.operands(len(operands))), FAILED, f"{self.title} fails")

    @property
    def html(self) -> str:
        """One element that a notebook shows, trusted or not."""
        sizes = element("pre", Markup("\n".join(self._sizes(_emphasized, escape))), style=PLAIN)
        places = element("pre", "\n".join(self._places()), style=PLAIN) if self._places() else ""
        remedy = element("p", element("strong", "Fix: "), self.remedy) if self.remedy else ""
        head = element("p", element("strong", "ShapeError: "), one_line(self.message))
        return element("div", head, marked_image(self.diagram, FAILED), sizes, places, remedy)

    def _repr_html_(self) -> str:
        return self.html

    # --- Words ---

    def _sizes(self, mark: Any = "[{}]".format, plain: Any = str) -> list[str]:
        """The sizes of the operands, axis below axis; those that do not fit stand in brackets."""
        shapes = [x.shape for x in self.operands]
        wrong = clashes(self.op, shapes, self.params)
        names = self.op.operands(len(shapes))
        heads = [f"{name}  {label}" if label != name else name for name, label in zip(names, self.labels, strict=True)]
        left, longest = max(map(len, heads)), max(map(len, shapes))
        wide = max((len(str(n)) for shape in shapes for n in shape), default=1) + 2

        def cell(i: int, k: int) -> str:
            if len(shapes[i]) < -k:
                return " " * wide
            size = str(shapes[i][k])
            shown = f"[{size}]" if (i, k) in wrong else f"{size} "
            padding = " " * (wide - len(shown))
            return padding + (mark(size) if (i, k) in wrong else shown)

        return [
            f"  {plain(head)}{' ' * (left - len(head))}  {' '.join(cell(i, k) for k in range(-longest, 0))}".rstrip()
            for i, head in enumerate(heads)
        ]

    def _places(self) -> list[str]:
        """The lines of code: the operation's, then the operands'."""
        found = [("fails in", self.line)] if self.line else []
        found += [(f"{label} is made in", line) for label, line in zip(self.labels, self.lines, strict=True) if line]
        found = list(dict.fromkeys(found))
        width = max((len(head) for head, _ in found), default=0)
        return [f"  {head:<{width}}  {one_line(str(line))}" for head, line in found]


def _emphasized(size: str) -> str:
    return element("span", f"[{size}]", style=WRONG)


@overload
def failure(error: ShapeError) -> Failure | None: ...
@overload
def failure(error: PassError) -> BrokenPass: ...
def failure(error: ShapeError | PassError) -> Failure | BrokenPass | None:
    """What is known of a ShapeError: the operation, its operands, the lines, a remedy.

    A function of the library, or a layer, is told as one operation; None if it was none of these. Of a PassError: the
    node before and after the pass. In a notebook both errors show this by themselves. Raises TypeError for another
    error, which knows of no operands.
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
    # Matmul makes matrices of vectors; to the user they are still vectors.
    own = [x.parents[0] if op is ops.matmul and x.op is ops.reshape and x.parents[0].ndim == 1 else x for x in operands]
    found = failing_frame(error.__traceback__)
    frame, line = found if found else (None, None)
    variables = [variable(x, frame) if frame else None for x in held or own]
    names = op.operands(len(own))
    labels = [one_line(x.name or v or name) for x, v, name in zip(own, variables, names, strict=True)]
    lines = [
        SourceLine(*x.origin) if x.origin else assignment(v, line) if v and line else None
        for x, v in zip(own, variables, strict=True)
    ]
    vectors = [x is not y for x, y in zip(own, operands, strict=True)]
    of_layer = op is ops.matmul and error.operation is None  # its weight is not there to be turned or swapped
    remedy = None if of_layer else fix(op, [x.shape for x in operands], params, vectors)
    return Failure(
        str(error), title, op, tuple(operands), tuple(own), dict(params), tuple(labels), line,
        tuple(None if x == line else x for x in lines), remedy,
    )  # fmt: skip


def show_errors() -> None:
    """From here on the errors that know what failed draw it in a notebook, above their traceback."""
    kind: Any
    for kind in (ShapeError, PassError, CounterexampleError):
        kind._repr_html_, kind._render_traceback_ = _html, _traceback


def _picture(error: Any) -> Any:
    """What can be shown of an error: an object with `.text` and `.html`, or None."""
    if isinstance(error, CounterexampleError):
        return error.counterexample if hasattr(error.counterexample, "html") else None
    return failure(error)


def _html(error: Any) -> str | None:
    found = _picture(error)
    return found.html if found else None


def _traceback(error: Any) -> Any:
    """What IPython asks for: the lines of the traceback, as always. The picture is shown on the way."""
    ipython = import_module("IPython")
    found = _picture(error)
    if found and error.__dict__.get("_shown") is not error.__traceback__:  # IPython asks more than once
        error.__dict__["_shown"] = error.__traceback__
        import_module("IPython.display").display({"text/plain": found.text, "text/html": found.html}, raw=True)
    return ipython.get_ipython().InteractiveTB.structured_traceback(
        type(error), error, error.__traceback__, tb_offset=1
    )
