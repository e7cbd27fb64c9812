"""The words of a generated program: short names for NumPy's functions, and numbers that are arrays already."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..core.node import ComputationNode as Node
from .passes.fuse_elementwise import operations
from .writing import Names, array_source, names_of

# What calls may use beyond the lines of the operations themselves.
FUNCTIONS = ("np.matmul", "np.copyto", "np.empty", "np.add", "np.add.reduce", "np.maximum.reduce", "np.add.at")


class Vocabulary:
    """Hands out names, and remembers which functions, numbers and helpers a program needs."""

    def __init__(
        self, nodes: Iterable[Node], helpers: Iterable[str], reserved: Iterable[str], wanted: Mapping[Node, str] | None
    ) -> None:
        nodes, self.helpers = list(nodes), list(helpers)
        single = dict.fromkeys(op for node in nodes for op in operations(node.op))
        lines = [*FUNCTIONS, *(f"{op.numpy} {op.ufunc}" for op in single)]
        used = {_short(function) for line in lines for function in re.findall(r"\bnp\.[\w.]+", line)}
        self.names = Names([*reserved, *used, *names_of(self.helpers)], wanted)
        self.functions: dict[str, str] = {}
        self.numbers: dict[str, str] = {}

    def use(self, function: str) -> str:
        """The short name of a function: "np.add.reduce" is add_reduce."""
        short = _short(function)
        self.functions[short] = function
        return short

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


def literal_number(value: Any, dtype: Any) -> str:
    """A number as Python writes it, which NumPy converts in every call."""
    return repr(value)


def _short(function: str) -> str:
    return function.removeprefix("np.").replace(".", "_")
