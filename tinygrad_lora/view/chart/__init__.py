"""Charts as SVG, drawn by this package alone: `chart.py` says what a chart shows, `write.py` writes it.

`marks.py` holds the data, `scales.py` finds limits and ticks, `contour.py` lines of equal height, `layout.py` the place
of everything; `words.py` says it in words.
"""

from .chart import Chart, Panels, images

__all__ = ["Chart", "Panels", "images"]
