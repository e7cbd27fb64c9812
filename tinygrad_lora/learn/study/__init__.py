"""A study kit: the same twelve questions before and after a course, with other numbers, and an export without names."""
