"""Exercises of tutorial 10: Compiling the gradient."""
