"""A computation step by step: `steps.py` makes events of it, `timeline.py` says of what, `page.py` shows them."""
