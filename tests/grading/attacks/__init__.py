"""Submissions that attack, by what they reach for: each a name and a text. `test_attacks` says what must hold for all.

A text may use the names of `PRELUDE`. What it gets hold of, it puts into `found`; `EPILOGUE` then uses it as an answer
and tells it. A text that defines `unbroadcast` attacks when it is called.
"""

from . import answers, files, network, notebooks, processes, protocol, references, resources

KINDS = (files, processes, network, resources, references, answers, protocol)
ATTACKS = {f"{kind.__name__.rpartition('.')[2]}: {name}": text for kind in KINDS for name, text in kind.ATTACKS.items()}
NOTEBOOKS = notebooks.ATTACKS

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
