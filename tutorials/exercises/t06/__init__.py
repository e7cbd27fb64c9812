"""Exercises of tutorial 06: Layers."""
