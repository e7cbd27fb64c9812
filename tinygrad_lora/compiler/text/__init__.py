"""The plain program: a line of NumPy for each operation, in order."""
