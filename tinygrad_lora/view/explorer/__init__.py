"""A page that shows what each pass does to a graph."""
