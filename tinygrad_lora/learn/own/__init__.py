"""For who writes exercises: a course of one's own, what begins an exercise, and what an exercise must prove."""
