"""A layered layout in plain Python: blocks in rows, lines that lead down, frames around what belongs together.

It knows nothing of what the blocks mean. In order: `ranks` chooses rows, `rows` lets long lines pass the rows between,
`order` sorts each row, `columns` finds the places, `level` puts these together, and `nested` does it for frames in
frames. `widths` measures text.
"""

from .level import Segment
from .nested import Frame, LayoutBlock, LayoutLine, Placed, arrange
from .widths import text_width

__all__ = ["Frame", "LayoutBlock", "LayoutLine", "Placed", "Segment", "arrange", "text_width"]
