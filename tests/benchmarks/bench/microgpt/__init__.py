"""W8, written five times: a GPT of one layer that learns names, one name a step.

`model.py` says what it is, and each other module is one way to train it.
"""
