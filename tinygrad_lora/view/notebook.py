"""In a notebook, graphs, layers and compiled functions draw themselves as the last line of a cell; so do errors."""

from typing import Any

from ..compiler import CompiledFunction
from ..core import Graph
from ..errors import CompileError, RenderError, ShapeError
from ..nn import Layer
from .errors.failure import show_errors
from .graphviz.draw import draw


def draw_in_notebooks() -> None:
    """Give these classes the method that notebooks call. The package does so when it is imported in a notebook.

    >>> tl.view.draw_in_notebooks()  # doctest: +SKIP
    >>> hasattr(tl.Graph, "_repr_mimebundle_")  # doctest: +SKIP
    True
    """
    for kind in (Graph, Layer, CompiledFunction):
        kind._repr_mimebundle_ = _picture  # type: ignore[union-attr]
    show_errors()


def _picture(obj: Any, include: Any = None, exclude: Any = None) -> dict[str, Any]:
    """The picture in every form that a notebook may show; plain text for what cannot be drawn, or not yet."""
    try:
        return dict(draw(obj)._repr_mimebundle_(include, exclude))
    except (CompileError, RenderError, ShapeError):
        return {"text/plain": repr(obj)}
