"""Exercises of tutorial 15: Small weights."""
