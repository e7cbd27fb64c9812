"""From the sources of the tutorials to notebooks: for students, for instructors, for nbgrader and for Otter."""
