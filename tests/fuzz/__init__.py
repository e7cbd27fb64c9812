"""Random programs, compiled in random ways and compared with their eager graphs: `python3 run.py fuzz`."""
