"""One file, one idea, one equation: each pass is a function from a graph to a graph that means the same."""
