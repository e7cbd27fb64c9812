"""A layered layout in plain Python: blocks in rows, lines that lead down, frames around blocks that belong together.

It does not know what the blocks mean. In order: `ranks` chooses the row of each block, `rows` leads long lines through
the rows between, `order` sorts each row, `columns` finds the places; `level` puts these together, and `nested` does so
for frames inside frames. `widths` measures text.
"""

from .level import Segment
from .nested import Frame, LayoutBlock, LayoutLine, Placed, arrange
from .widths import text_width

__all__ = ["Frame", "LayoutBlock", "LayoutLine", "Placed", "Segment", "arrange", "text_width"]
