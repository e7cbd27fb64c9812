"""A second look at what is compiled: the memory of a planned program, and the numbers of its first call."""
