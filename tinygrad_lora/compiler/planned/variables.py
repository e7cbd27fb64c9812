"""How a planned program refers to each value, and what stands before its function to define that."""

from collections.abc import Mapping

from ...core.node import ComputationNode as Node
from ..text.expressions import Code, name as variable
from ..text.lines import array_source, helpers_of
from ..text.plain import is_weak, number
from .decide import Lowered
from .order import Unit, cut_along
from .vocabulary import Vocabulary


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
