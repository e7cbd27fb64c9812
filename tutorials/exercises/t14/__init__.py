"""Exercises of tutorial 14: A language model from nothing."""
