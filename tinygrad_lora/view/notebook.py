"""Graphs, layers and compiled functions draw themselves when they are the last line of a notebook cell; errors, too."""

from __future__ import annotations

from typing import Any

from ..compiler import CompiledFunction
from ..core.graph import Graph
from ..errors import CompileError, RenderError, ShapeError
from ..nn import Layer
from .diagram.dot import draw
from .errors.failure import show_errors


def draw_in_notebooks() -> None:
    """Give them the method that notebooks ask for. The package calls this when it is imported in a notebook."""
    for kind in (Graph, Layer, CompiledFunction):
        kind._repr_mimebundle_ = _picture  # type: ignore[union-attr]
    show_errors()


def _picture(shown: Any, include: Any = None, exclude: Any = None) -> dict[str, Any]:
    """The picture in every form that a notebook may show; text alone for what cannot be drawn (yet)."""
    try:
        return dict(draw(shown)._repr_mimebundle_(include, exclude))
    except (CompileError, RenderError, ShapeError):
        return {"text/plain": repr(shown)}
