"""Pictures of computations as data, text, Graphviz graphs and files; their steps, formulas and explanations."""

from .diagram import diagram
from .dot import Picture, draw
from .explorer import explore
from .failure import failure
from .formula import formula
from .nonfinite import first_nonfinite
from .notebook import draw_in_notebooks
from .paths import explain
from .render import render, svg
from .stepper import step_through
from .svg import draw_svg, lay_out
from .text import listing
from .tree import parameter_tree

__all__ = [
    "Picture", "diagram", "draw", "draw_in_notebooks", "draw_svg", "explain", "explore", "failure", "first_nonfinite",
    "formula", "lay_out", "listing", "parameter_tree", "render", "step_through", "svg",
]  # fmt: skip
