"""The rule behind each pass: its equation, why it is legal, and its own source. All of it is read from the pass."""

import inspect
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ...compiler.pipeline import PASSES
from ..equations import plain, typeset
from ..words.markup import Markup

REASON = "Why it is legal. "  # begins the last paragraph in the docstring of a pass's module
UNKNOWN = "A pass of your own: the measured difference is the evidence."


@dataclass(frozen=True)
class Rule:
    """A pass explained."""

    name: str
    equation: str  # the first sentence of its docstring, in plain characters
    law: Markup  # what it says before a colon, typeset
    more: str  # the rest of its docstring
    legal: str  # from the docstring of its module
    source: str  # "" where Python cannot find it


def rule_of(name: str, passes: Iterable[Sequence[Any]] = ()) -> Rule:
    """The rule of the pass called `name`, which is one of the compiler's or one of `passes`."""
    rows = [*passes, PASSES.values()]
    function = next((p for row in rows for p in row if p.__name__ == name), None)
    first, _, more = (inspect.getdoc(function) or "").partition("\n")
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    legal = " ".join((getattr(module, "__doc__", None) or "").partition(REASON)[2].split())
    return Rule(name, plain(first), typeset(first.partition(": ")[0]), plain(more), legal or UNKNOWN, _source(function))


def _source(function: Any) -> str:
    try:
        return inspect.getsource(function).rstrip()
    except (OSError, TypeError):
        return ""
