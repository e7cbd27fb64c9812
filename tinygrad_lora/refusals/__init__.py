"""Refusals that teach, outside the engine: it computes the same without them, and says less when it cannot.

`words` holds the sentences, `nodes` what a node does not have, `arrays` the door for arrays from outside; `arguments`
names what is wrong with a call, `lines` keeps the user's line and call at a node, and `lost` the line where a node
became a number and the gradient ended.
"""
