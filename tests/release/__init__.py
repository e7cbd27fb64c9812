"""Whether this checkout can be released: `python3 run.py release --check`."""
