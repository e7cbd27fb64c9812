"""The exercises of the course, one file each. `t04/topo.py` is "04-topo"."""
