"""A graph as a formula: `reading.py` simplifies it, `notation.py` knows text and LaTeX, `write.py` writes it."""
