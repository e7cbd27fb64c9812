"""The compiler explorer: a page that shows what each pass does to a graph and to the code. `explore.py` comes first."""
