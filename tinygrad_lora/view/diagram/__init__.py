"""A graph as boxes and arrows: plain data (`data.py`), which Graphviz draws (`dot.py`) and a terminal lists."""
