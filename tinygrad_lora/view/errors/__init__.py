"""What led to an error, as sentences and pictures: the lines of code, the shapes and the numbers."""
