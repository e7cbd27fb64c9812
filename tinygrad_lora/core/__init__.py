"""The engine. Read in this order: node, ops, graph, autodiff, trace."""
