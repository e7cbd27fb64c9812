"""A graph, step by step: the page and what it shows."""
