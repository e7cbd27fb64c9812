"""Exercises of tutorial 01: A single node."""
