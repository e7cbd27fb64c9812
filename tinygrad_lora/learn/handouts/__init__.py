"""Tutorials on paper: pages to print, with pictures, questions, and room for what a student writes."""
