"""What holds a student's process: the operating system (`bubblewrap`, `namespaces`), and a hook that names attempts."""
