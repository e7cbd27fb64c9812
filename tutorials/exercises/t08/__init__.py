"""Exercises of tutorial 08: When it goes wrong."""
