"""A graph as boxes and arrows, and how they are drawn."""
