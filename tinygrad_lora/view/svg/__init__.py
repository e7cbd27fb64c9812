"""Pictures of graphs in SVG, without another program."""
