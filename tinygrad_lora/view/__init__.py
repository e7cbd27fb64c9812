"""Pictures of computations, and what explains them: steps, formulas, paths of gradients, errors, plots.

A picture begins as plain data in `diagram/`; `graphviz/` draws it, or `layout/` and `svg/` do so without Graphviz.
`stepper/` and `explorer/` are pages built from such pictures. `formula/` writes a graph as mathematics, `errors/` shows
what led to an error, `written` finds the user's own lines, `chart/` draws numbers, `plots/` are charts of models, and
`words/` holds the sentences and the markup that all of them use.

Three functions have the name of the folder that they are in, and are imported from there: `diagram.data.diagram`,
`formula.write.formula` and, for a picture as text, `render.svg`.
"""

from .diagram.text import listing
from .diagram.tree import parameter_tree
from .errors.failure import failure
from .errors.folding import fold_tracebacks
from .errors.nonfinite import first_nonfinite
from .explorer.explore import explore
from .graphviz.draw import Picture, draw
from .notebook import draw_in_notebooks
from .paths import explain
from .render import render
from .stepper.page import step_through
from .svg.draw import draw_svg, lay_out

__all__ = [
    "Picture", "draw", "draw_in_notebooks", "draw_svg", "explain", "explore", "failure", "first_nonfinite",
    "fold_tracebacks", "lay_out", "listing", "parameter_tree", "render", "step_through",
]  # fmt: skip
