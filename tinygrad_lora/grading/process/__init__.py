"""The student's process, and what is said between it and the judge."""
