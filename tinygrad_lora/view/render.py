"""Pictures as files: SVG, PNG, PDF, DOT, text or a page. A file appears when it is complete, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from ..errors import RenderError
from ..files import FilePath, write_atomically
from .diagram.data import Drawable
from .diagram.text import listing
from .graphviz import engines
from .graphviz.draw import Picture, draw
from .picture_page import picture_page

LARGEST_PNG = 500  # boxes; a larger bitmap is hard to open, and its text cannot be searched
SUFFIXES = (".svg", ".png", ".pdf", ".dot", ".txt", ".html")


def svg(obj: Drawable | Picture, example: ArrayLike | None = None, **options: Any) -> str:
    """The picture as an SVG element, to put into a page. `obj` and the options are as in `draw`."""
    return draw(obj, example, **options).svg()


def render(obj: Drawable | Picture, path: FilePath, example: ArrayLike | None = None, **options: Any) -> Path:
    """Write a picture of `obj` to a file.

    A missing folder is created. The file appears when it is complete. An .html page can be searched and zoomed, and its
    closed boxes open.

    obj: what `draw` takes
    path: that of the file; its ending is the format: .svg, .png, .pdf, .dot, .txt or .html
    example: an input for a layer, an array or a shape
    **options: those of `draw`
    Returns the path.
    Raises ValueError for another ending, RenderError where no Graphviz can draw a PNG or PDF.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = tl.render(tl.exp(tl.placeholder(2, name="x")), pathlib.Path(folder, "graph.txt"))
    ...     print(path.read_text(encoding="utf-8").splitlines()[-1])
    %1    exp(x)       (2,)   float64  operation, output
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path.name!r}: the ending says what to write, one of {', '.join(SUFFIXES)}")
    return write_atomically(path, _content(obj, path.suffix.lower(), example, options))


def _content(obj: Drawable | Picture, suffix: str, example: ArrayLike | None, options: dict[str, Any]) -> bytes:
    if suffix == ".txt" and not isinstance(obj, Picture):
        numbers = {key: options[key] for key in ("values", "gradients", "open", "depth") if key in options}
        return (listing(obj, example, **numbers) + "\n").encode()
    if suffix == ".html":
        return picture_page(obj.diagram if isinstance(obj, Picture) else obj, example, **options).encode()
    picture = draw(obj, example, **options)
    if suffix == ".txt":
        return (picture.text + "\n").encode()
    if suffix == ".dot":
        return picture.source.encode()
    if suffix == ".svg":
        return (picture.svg() + "\n").encode()
    if suffix == ".png" and (n := len(picture.diagram.boxes)) > LARGEST_PNG:
        remedy = "use SVG, render(obj, 'graph.svg')"
        raise RenderError(f"a PNG of {n} boxes is too large; the limit is {LARGEST_PNG}: {remedy}")
    return engines.convert(picture.source, suffix[1:])
