"""Exercises of tutorial 02: Running a graph forward."""
