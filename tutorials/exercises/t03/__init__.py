"""Exercises of tutorial 03: One step back."""
