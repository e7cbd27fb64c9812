"""Where the user's code meets the engine, which computes the same without this folder, and says less when it cannot.

Arrays and arguments come in, numbers go out, the user's lines are remembered, and what cannot be is refused with what
to write instead.

`words` holds the sentences, `nodes` what a node does not have, `arrays` the door for arrays from outside; `arguments`
names what is wrong with a call, `lines` keeps the user's line and call at a node, and `lost` the line where a node
became a number and the gradient ended.
"""
