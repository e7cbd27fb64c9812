"""The process that runs a student's code, and how the judge talks to it: only data crosses. See `grading`."""
