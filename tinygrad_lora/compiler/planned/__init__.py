"""The fast program: calls that write into memory of its own."""
