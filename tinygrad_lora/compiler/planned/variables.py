"""How a planned program refers to each value, and what stands before its function to define that.

Whatever a program calls by a name gets this name here: short names for NumPy's functions, ready numbers, and variables
of its own. So no argument and no function of the user can be taken for it.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ...core import ComputationNode as Node
from ..operations import operations
from ..text.expressions import Code, name as variable
from ..text.lines import Names, array_source, helpers_of, names_of
from ..text.names import MEMORY
from ..text.plain import is_weak, number
from .decide import Lowered
from .order import Unit, cut_along

# What calls may use beyond the lines of the operations themselves.
FUNCTIONS = ("np.matmul", "np.copyto", "np.empty", "np.add", "np.add.reduce", "np.maximum.reduce", "np.add.at")


class Vocabulary:
    """The words of a program: hands out names, and remembers which functions, numbers and helpers a program needs."""

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


class Variables:
    """The variables of one program. `constants` and `ready` collect the lines that define some before the first call.

    `code` says how each node is referred to: as a variable, as a number, or as a view that stands where it is used.
    """

    def __init__(self, lowered: Lowered, name: str, names: Mapping[Node, str] | None) -> None:
        self.lowered, self.graph, self.plan = lowered, lowered.graph, lowered.plan
        # What writes into an array of the program's own does not call the helper in its line.
        helpers = helpers_of(n for n in self.graph.nodes if n not in self.plan.shapes or not hasattr(n.op, "in_place"))
        self.words = Vocabulary(self.graph.nodes, helpers, name, names)
        self.code: dict[Node, Code] = {}
        self.constants: list[str] = []
        self.ready: list[str] = []
        self._vectors: dict[Node, str] = {}
        for leaf in self.graph.inputs:
            self.define(leaf, "x")
        for node in self.graph.nodes:
            if node.parents or node in self.code:
                continue
            if node.shape == () and is_weak(node, self.graph):
                self.code[node] = number(node)
            else:
                self.constants.append(f"{self.define(node, 'c')} = {array_source(node.value)}")

    def define(self, node: Node, letter: str = "t") -> str:
        """A new variable for a node."""
        name = self.words.names.define(node, letter)
        self.code[node] = variable(name)
        return name

    def share(self, node: Node, other: Node) -> None:
        """Let a node go by the variable of another one, whose array it is written over."""
        self.code[node] = self.code[other]
        self.words.names.variables[node] = self.code[node].text

    def define_ready(self, node: Node, text: str, comment: str = "") -> None:
        """A variable for an array, or a view, that is made before the first call."""
        self.ready.append(f"{self.define(node)} = {text}" + (f"  # {comment}" if comment else ""))

    def operand(self, node: Node) -> str:
        """An operand of a call: a number in the source becomes a ready one."""
        constant = not node.parents and node.known and node.shape == () and node not in self.words.names.variables
        if not constant or not self.uses("ready_numbers"):
            return self.code[node].text
        return self.words.number(node.value.item(), node.dtype)

    def vector(self, node: Node) -> str:
        """An array in the memory as a vector."""
        if node not in self._vectors:
            text = self.code[node].text
            self._vectors[node] = self.words.names.free(f"{text}_flat")
            self.ready.append(f"{self._vectors[node]} = {text}.reshape(-1)")
        return self._vectors[node]

    def in_block(self, text: str, node: Node, reader: Node, unit: Unit) -> str:
        """The source of an array in a call: in a block only the rows of that block."""
        if not unit.rows or not cut_along(node, reader):
            return text
        if self.plan.shapes.get(node, node.shape) == node.shape:
            return f"{text}[{self.words.word('rows')}]"
        return f"{text}[{self.words.word('left')}]" if unit.length % unit.rows else text

    def uses(self, technique: str) -> bool:
        """Whether this program is written with a technique."""
        return technique in self.lowered.techniques
