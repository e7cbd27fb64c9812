"""Checking an answer: the student's code runs under a time limit, and each check passes or ends in a diagnosis.

Reading order: `check` (what a student calls), `run` (every check of an exercise), `guard` (time limits), `report` (what
is shown), `signatures` (functions that are not written yet, or take something else), `arguments` (functions that change
what they are given). `solutions` makes stubs from references, `exchange` replaces parts of the engine,
`evaluated` compiles without generating code.
"""
