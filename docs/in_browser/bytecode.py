"""Modules as bytecode, so that a browser need not compile them at each start: that takes seconds there."""

import importlib.util
import marshal

TAG = ".cpython-311.pyc"
COMPILES = importlib.util.MAGIC_NUMBER[:2] == (3495).to_bytes(2, "little")  # this is Python 3.11, as Pyodide's
UNCHECKED = (0b01).to_bytes(4, "little") + bytes(8)  # flags and hash: what is compiled is taken as it is


def bytecode(path: str, source: bytes) -> bytes | None:
    """The module as Python keeps it beside its source. None for a template, or where this is no Python 3.11."""
    if not COMPILES:
        return None
    try:
        code = compile(source, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return None
    return importlib.util.MAGIC_NUMBER + UNCHECKED + marshal.dumps(code)
