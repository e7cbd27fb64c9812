"""Exercises of tutorial 05: Arrays."""
