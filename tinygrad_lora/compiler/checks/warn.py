"""The warning for a program that is wrong."""

import warnings

from ...boundary.lines import user_line
from ...errors import MiscompiledWarning


def warn_of_fault(name: str, report: str) -> None:
    """Say at the user's line that the plain program of this function runs instead."""
    problem = f"a program of {name} was wrong and is not used: plain NumPy runs in its place, and what you get is right"
    plea = "Please report this to the authors of tinygrad_lora, with the function and the lines below."
    warnings.warn_explicit(f"{problem}. {plea}\n{report}", MiscompiledWarning, *(user_line() or (__file__, 0)))
