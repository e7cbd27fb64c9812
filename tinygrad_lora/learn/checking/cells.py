"""What a notebook knows: whether the newest cell that defines a name has run at all."""

import ast
import re
import sys
from collections.abc import Iterable, Sequence


def note_about(names: Iterable[str]) -> str:
    """A sentence if the newest cell that defines one of these is no Python; "" if not, and outside of notebooks.

    Such a cell does not run, and what an older one defined is still there.
    """
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return newest_broken(names, list(getattr(shell, "user_ns", {}).get("In", ())))


def newest_broken(names: Iterable[str], cells: Sequence[str]) -> str:
    """The sentence about these cells, oldest first."""
    for name in sorted(names):
        defines = re.compile(rf"^\s*(?:(?:def|class)\s+{re.escape(name)}\b|{re.escape(name)}\s*=)", re.MULTILINE)
        newest = next((cell for cell in reversed(cells) if defines.search(cell)), "")
        try:
            ast.parse(newest)
        except SyntaxError as error:
            line = (newest.splitlines() or [""])[min(error.lineno or 1, len(newest.splitlines())) - 1].strip()
            why = f"{error.msg} in line {error.lineno}, `{line}`"
            return f"the newest cell that defines {name} did not run ({why}): what an older cell defined was checked"
    return ""
