"""Pictures of computations: as plain data, as text, as a Graphviz graph, as a file."""

from .diagram import diagram
from .dot import Picture, draw
from .render import render, svg
from .text import listing

__all__ = ["Picture", "diagram", "draw", "listing", "render", "svg"]
