"""Exercises of tutorial 16: Convolution is a product."""
