"""Other engines for the same graph: each writes its own source, and runs it with a library imported on use."""
