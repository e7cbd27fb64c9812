"""What an error says: the lines, the shapes and the numbers that led to it."""
