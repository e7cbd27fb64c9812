"""Notebooks from the sources of the tutorials: for students, for instructors, for nbgrader and for Otter."""
