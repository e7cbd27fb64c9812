"""A graph as boxes and arrows, in plain data (`data.py`): their looks, smaller versions, and listings as text."""
