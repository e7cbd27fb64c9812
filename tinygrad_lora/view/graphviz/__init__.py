"""Draws a diagram with Graphviz, wherever one works: `draw.py` builds the picture, `engines.py` runs Graphviz."""
