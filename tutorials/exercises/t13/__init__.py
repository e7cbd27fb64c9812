"""Exercises of tutorial 13: Attention."""
