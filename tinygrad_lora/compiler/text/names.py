"""The name of a generated program's function: never one that a program itself gives to something else."""

import keyword
import unicodedata
from collections.abc import Iterable

from ...core import Op
from ..operations import add_at
from .lines import names_of, unlike

MEMORY = ("room", "memory")  # where the planned memory comes from, and what it is called
# What programs call without saying where it comes from; the last five in the main part of a saved program.
PYTHON = ("bool", "bytes", "range", "slice", "enumerate", "isinstance", "list", "print", "tuple")


def program_name(wanted: str, words: Iterable[str] = ()) -> str:
    """The name of the function in a program: as wanted, but for what programs call themselves; then with a number.

    `words` are those of an engine. Functions of NumPy are not among them: then a program writes `np.` before them.
    """
    helpers = names_of(op.prelude for op in (*Op.registry.values(), add_at))
    wanted = unicodedata.normalize("NFKC", str.__str__(wanted))  # as Python reads names; plain text, whatever its class
    wanted = wanted if wanted.isidentifier() else "compiled"
    return unlike({"np", *keyword.kwlist, *PYTHON, *MEMORY, *helpers, *words}, wanted)
