"""Damaged and hostile files, given to every reader of the package: `python3 run.py fuzz --files`."""
