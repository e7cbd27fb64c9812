"""A layered layout in plain Python: blocks in rows, lines that lead down, frames around what belongs together.

It knows nothing of what the blocks mean. In order: `ranks` chooses rows, `rows` lets long lines pass the rows between,
`order` sorts each row, `columns` finds the places, `level` puts these together, and `nested` does it for frames in
frames. `widths` measures text.
"""

from .level import Station
from .nested import Block, Frame, Line, Placed, arrange
from .widths import text_width

__all__ = ["Block", "Frame", "Line", "Placed", "Station", "arrange", "text_width"]
