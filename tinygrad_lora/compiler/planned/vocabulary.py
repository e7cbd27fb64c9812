"""The words of a planned program: short names for NumPy's functions, ready numbers, and variables of its own.

Whatever a program calls by a name gets this name here. So no argument and no function of the user can be taken for it.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ...core.node import ComputationNode as Node
from ..operations import operations
from ..text.lines import Names, array_source, names_of
from ..text.names import MEMORY

# What calls may use beyond the lines of the operations themselves.
FUNCTIONS = ("np.matmul", "np.copyto", "np.empty", "np.add", "np.add.reduce", "np.maximum.reduce", "np.add.at")


class Vocabulary:
    """Hands out names, and remembers which functions, numbers and helpers a program needs."""

    def __init__(
        self, nodes: Iterable[Node], helpers: Iterable[str], name: str, wanted: Mapping[Node, str] | None
    ) -> None:
        self.name, self.packer = name, f"pack_{name}"
        nodes, self.helpers = list(nodes), list(helpers)
        single = dict.fromkeys(op for node in nodes for op in operations(node.op))
        lines = [*FUNCTIONS, *(f"{op.numpy} {op.ufunc}" for op in single)]
        used = {_short(function) for line in lines for function in re.findall(r"\bnp\.[\w.]+", line)}
        self.names = Names([name, self.packer, *MEMORY, *used, *names_of(self.helpers)], wanted)
        self.functions: dict[str, str] = {}
        self.own: dict[str, str] = {}
        self.numbers: dict[str, str] = {}

    def use(self, function: str) -> str:
        """The short name of a function: "np.add.reduce" is add_reduce. In a program called add, "np.add" stays."""
        short = _short(function)
        if short == self.name:
            return function
        self.functions[short] = function
        return short

    def word(self, text: str) -> str:
        """The name of a variable that belongs to no node, such as the `start` of a block: as wanted, if it is free."""
        if text not in self.own:
            self.own[text] = self.names.free(text)
        return self.own[text]

    def shortened(self, text: str) -> str:
        """An expression with all functions of NumPy by their short names."""
        return re.sub(r"\bnp(\.[a-z_]\w*)+(?=\()", lambda m: self.use(m[0]), text)

    def number(self, value: Any, dtype: Any) -> str:
        """A number as an array of this dtype: NumPy converts a number of Python's own in every call."""
        return repr(bool(value)) if dtype.kind == "b" else self.ready(array_source(dtype.type(value)), "k")

    def ready(self, text: str, name: str) -> str:
        """The name of a number that is made once, before the first call."""
        if text not in self.numbers:
            self.numbers[text] = self.names.free(f"k{len(self.numbers)}" if name == "k" else name)
        return self.numbers[text]

    def definitions(self) -> list[str]:
        """The lines that define all of it."""
        imported = sorted(short for short, full in self.functions.items() if full == f"np.{short}")
        lines = [f"from numpy import {', '.join(imported[i : i + 12])}" for i in range(0, len(imported), 12)]
        lines += [f"{short} = {full}" for short, full in sorted(self.functions.items()) if full != f"np.{short}"]
        return lines + [f"{name} = {text}" for text, name in self.numbers.items()]


def _short(function: str) -> str:
    return function.removeprefix("np.").replace(".", "_")
