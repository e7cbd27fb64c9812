"""A diagram as SVG, drawn by this package alone: `layout.py` finds the places, `draw.py` draws what stands there."""
