"""Exercises of tutorial 07: Learning."""
