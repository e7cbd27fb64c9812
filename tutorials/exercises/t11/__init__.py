"""Exercises of tutorial 11: Low rank."""
