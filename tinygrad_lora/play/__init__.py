"""The playground: one page with a few lines of code, and beside them everything that the engine makes of it.

`cell` runs the code, `sheet` writes what is seen, `worker` is the process that does both and may be ended at any time,
`server` hands the page to a browser on this machine. None of them knows more than the one before.
"""
