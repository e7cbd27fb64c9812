"""Exercises of tutorial 09: A compiler in three passes."""
