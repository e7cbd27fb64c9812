"""Submissions that attack, by what they reach for: each a name and a text. `test_attacks` says what must hold for all.

A text may use the names of `PRELUDE`. What it gets hold of, it puts into `found`; `EPILOGUE` then uses it as an answer
and tells it. A text that defines `unbroadcast` attacks when it is called.
"""

from . import answers, files, network, notebooks, processes, protocol, references, resources

KINDS = (files, processes, network, resources, references, answers, protocol)
ATTACKS = {f"{kind.__name__.rpartition('.')[2]}: {name}": text for kind in KINDS for name, text in kind.ATTACKS.items()}
NOTEBOOKS = notebooks.ATTACKS
# Those that go on until they are stopped: seconds each.
LONG = {
    *(f"answers: {name}" for name in (
        "a long list", "an error whose text never ends", "many arrays")),
    *(f"processes: {name}" for name in (
        "a crash by recursion", "a crash in C by recursion", "a deaf loop", "a large power", "a long sum", "a loop in C", "blocked signals", "no alarm", "sleep")),
    *(f"protocol: {name}" for name in (
        "a list of everything", "a slow frame", "calls whose replies nobody reads", "a table with keys that collide", "a wide value", "half a frame", "many nodes", "many sizes", "no time", "nodes that double", "products without end")),
    *(f"resources: {name}" for name in (
        "a compressed bomb", "a list that doubles", "arrays", "memory that is caught", "output", "output below Python", "processor time in the cells", "warnings")),
}  # fmt: skip

PRELUDE = """
import os, sys
from pathlib import Path
found = ""
"""
EPILOGUE = """
if found:
    text = found.decode(errors="replace") if isinstance(found, bytes) else str(found)
    try:
        exec(text)
    except BaseException:
        pass
    raise LookupError("FOUND " + text[:250])
"""
