"""Pictures of computations: as plain data, as text, as a Graphviz graph, as a file."""

from .diagram import diagram
from .dot import Picture, draw
from .notebook import draw_in_notebooks
from .render import render, svg
from .text import listing

__all__ = ["Picture", "diagram", "draw", "draw_in_notebooks", "listing", "render", "svg"]
