"""A graph as mathematics."""
