"""From a graph to NumPy calls that write into planned memory: what runs, one call a line.

    memory = room(24576)
    t0 = np.ndarray((64, 32), np.float32, memory, 0)

    def step(x, W):
        matmul(x, W, t0)      # t0 = x @ W

The program owns its memory, so it serves one call at a time. Another call at the same time runs the text once more, and
has a program of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ...core import ops
from ...core.node import ComputationNode as Node
from ..operations import gives_number, inner_product
from ..text.expressions import Code, expression
from ..text.expressions import name as variable
from ..text.lines import array_source, commented, dtype_source, helpers_of, signature
from ..text.literals import refuse_foreign
from ..text.names import Vocabulary, literal_number
from ..text.plain import is_weak, number
from .calls import Call
from .decide import Lowered
from .order import Unit, cut_along
from .products import product, product_in_blocks

ROOM = '''\
def room(size):
    """Bytes of memory that start at a multiple of 64, where a cache line does."""
    memory = np.empty(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size]
'''
Line = tuple[str, str, Node | None]  # code, what it computes, and for which node
ALONE = Unit(())


class Planned(NamedTuple):
    """Generated source: a function of the given name, and one called `packer`, or "" where nothing is kept."""

    source: str
    packer: str
    variables: dict[Node, str]
    lowered: Lowered
    nodes: tuple[Node | None, ...]  # for each line of the function's body, the last of the source, the node it is for


def emit_planned(lowered: Lowered, name: str, names: Mapping[Node, str] | None = None) -> Planned:
    """The source of a function whose arguments are the inputs of the graph, and then what `pack_<name>` keeps.

    `names` gives variables their names where the nodes' own are not unique. The same graph gives the same text.
    """
    refuse_foreign(lowered.graph)
    return Writer(lowered, name, names).write()


class Writer:
    """Writes one program."""

    def __init__(self, lowered: Lowered, name: str, names: Mapping[Node, str] | None) -> None:
        self.lowered, self.graph, self.plan, self.name = lowered, lowered.graph, lowered.plan, name
        # What writes into an array of the program's own does not call the helper in its line.
        helpers = helpers_of(n for n in self.graph.nodes if n not in self.plan.shapes or not hasattr(n.op, "in_place"))
        self.words = Vocabulary(self.graph.nodes, helpers, name, names)
        self.code: dict[Node, Code] = {}  # how each node is referred to
        self.flat: dict[Node, str] = {}  # planned arrays as vectors
        self.constants: list[str] = []
        self.ready: list[str] = []  # arrays in the memory, and views that are made once

    def write(self) -> Planned:
        """All of it."""
        for leaf in self.graph.inputs:
            self._define(leaf, "x")
        for node in self.graph.nodes:
            if not node.parents and node not in self.code:
                self._constant(node)
        packing = self._packing()
        body = self._numbers()
        for unit in self.lowered.units:
            lines = [line for node in unit.nodes for line in self._statement(node, unit)]
            body += self._in_blocks(unit, lines) if unit.rows else lines
        body += self._endings()
        packer = self.words.packer if self.lowered.kept else ""
        self.lowered.choices["ready_numbers"] = len(self.words.numbers)
        nodes = tuple([node for _, _, node in body])
        return Planned(self._assembled(packing, body), packer, self.words.names.variables, self.lowered, nodes)

    def _on(self, technique: str) -> bool:
        return technique in self.lowered.techniques

    def _define(self, node: Node, letter: str = "t") -> str:
        name = self.words.names.define(node, letter)
        self.code[node] = variable(name)
        return name

    def _constant(self, node: Node) -> None:
        if node.shape == () and is_weak(node, self.graph):
            self.code[node] = number(node)
        else:
            self.constants.append(f"{self._define(node, 'c')} = {array_source(node.value)}")

    def _numbers(self) -> list[Line]:
        """Arguments without axes as NumPy scalars: arithmetic on arrays of one number takes five times as long."""
        given = self.graph.inputs[: len(self.graph.inputs) - len(self.graph.captured)]
        names = [self.code[leaf].text for leaf in given if not leaf.shape and self.graph.users[leaf]]
        return [(f"{name} = {name}[()]", "a number, even if an array holds it", None) for name in names]

    def _packing(self) -> list[Line]:
        """The lines that compute what is kept, as plain expressions."""
        lines: list[Line] = []
        wanted = set(self.lowered.kept)
        for node in reversed(self.graph.nodes):
            if node in wanted:
                wanted.update(node.parents)
        for node in self.graph.nodes:
            if node in wanted and node.parents:
                text = expression(node, self.code).text
                if not node.shape:
                    text = text if gives_number(node) else f"{text}[()]"
                elif node.op.view and node in self.lowered.kept:
                    text = f"np.ascontiguousarray({text})"
                lines.append((f"{self._define(node, 'w')} = {text}", f"{node.op} {node.shape}", node))
        return lines

    # --- One operation ---

    def _statement(self, node: Node, unit: Unit) -> list[Line]:
        place = self.plan.places[node]
        if node in self.plan.written:
            self.code[node] = self.code[self.plan.written[node]]
            self.words.names.variables[node] = self.code[node].text
            return self._calls(node, unit)
        if place.kind == "view":
            return self._view(node, place.fixed and self._on("ready_views"))
        if place.kind == "number":
            return self._number(node)
        dtype = dtype_source(node.dtype)
        if place.kind == "memory":
            where = f"np.ndarray({self.plan.shapes[node]}, {dtype}, memory, {self.plan.offsets[node]})"
            if node in self.plan.replaced:
                # The very same array: NumPy would look for an overlap of two, which takes longer than a small sum.
                where = self.code[self.plan.replaced[node]].text
            self.ready.append(f"{self._define(node)} = {where}")
            return self._calls(node, unit)
        if node in self.lowered.cuts or unit.rows:
            empty = f"{self._define(node)} = {self.words.use('np.empty')}({node.shape}, {dtype})"
            return [(empty, "", None), *self._calls(node, unit)]
        if node.op is ops.matmul:
            text = self._product(node, None, ALONE)
        else:
            text = self.words.shortened(expression(node, self.code).text)
        if node.op.view and node in self.graph.outputs:  # what it may be a view of need not last
            text += ".copy()"
        return [(f"{self._define(node)} = {text}", f"{node.op} {node.shape}", node)]

    def _calls(self, node: Node, unit: Unit) -> list[Line]:
        """The calls that write the result into its place."""
        told = expression(node, self.code).text
        out = self._cut(name := self.code[node].text, node, node, unit)
        if node.op is ops.matmul:
            lines = [self._product(node, out, unit)]
        elif node in self.lowered.copied:
            lines = [f"{self.words.use('np.copyto')}({out}, {told})"]
        elif node.op is ops.concatenate and any(whole is node for whole, _ in self.plan.parts.values()):
            lines = self._missing_parts(node, out)
        else:
            operands = [self._cut(self._operand(p), p, node, unit) for p in node.parents]
            ready = self.words.number if self._on("ready_numbers") else literal_number
            lines = Call(node, operands, out, self.plan.replaced.get(node), self.words.use, ready).lines()
        return [(line, f"{name} = {told}" if line is lines[-1] else "", node) for line in lines]

    def _operand(self, node: Node) -> str:
        """An operand of a call: a number in the source becomes a ready one."""
        constant = not node.parents and node.known and node.shape == () and node not in self.words.names.variables
        if not constant or not self._on("ready_numbers"):
            return self.code[node].text
        return self.words.number(node.value.item(), node.dtype)

    def _product(self, node: Node, out: str | None, unit: Unit) -> str:
        a, b = (self._cut(self.code[p].text, p, node, unit) for p in node.parents)
        if node in self.lowered.cuts and out:
            self.lowered.choices["row_blocks"] += 1
            turned = not self.plan.places[node.parents[0]].in_rows and node.parents[0].op is ops.transpose
            cut = self.lowered.cuts[node]
            return product_in_blocks(node, cut, a, b, out, turned_a=turned, use=self.words.use)
        text = product(node, a, b, out, dot=self._on("small_dot"), use=self.words.use)
        self.lowered.choices["small_dot" if ".dot(" in text else "matmul"] += 1
        return text

    def _missing_parts(self, node: Node, out: str) -> list[str]:
        """Copies of the parts of a vector that are not there yet."""
        lines, start = [], 0
        for operand in node.parents:
            if self.plan.parts.get(self.plan.places[operand].root) != (node, start * node.dtype.itemsize):
                part = f"{out}[{start}:{start + operand.size}]"
                lines.append(f"{self.words.use('np.copyto')}({part}, {self.code[operand].text})")
            start += operand.size
        return lines

    def _number(self, node: Node) -> list[Line]:
        """A result without axes. If only arrays are computed from it, it is written into an array of one number.

        NumPy takes half as long for that as for finding out what to do with a number of another kind.
        """
        users, what = self.graph.users[node], f"{node.op} {node.shape}"
        if node in self.graph.outputs or not all(user.shape for user in users) or not self._on("ready_numbers"):
            return [(f"{self._define(node)} = {self._as_number(node)}", what, node)]
        # An array of floats takes any number, one of whole numbers refuses what it cannot hold.
        plain = node.op is ops.cast and node.dtype.kind == "f"
        text = self.code[node.parents[0]].text if plain else self._as_number(node)
        self.ready.append(f"{self._define(node)} = np.empty((), {dtype_source(node.dtype)})")
        return [(f"{self.code[node].text}[()] = {text}", what, node)]

    def _as_number(self, node: Node) -> str:
        """The expression of a result without axes: a NumPy scalar, never a view of an array that changes."""
        operand, use = node.parents[0], self.words.use
        if node.op in (ops.reduce_sum, ops.reduce_max) and operand.shape:
            function = use("np.add.reduce" if node.op is ops.reduce_sum else "np.maximum.reduce")
            return f"{function}({self.code[operand].text}, None)"
        # np.maximum takes ten times as long for a single number; of whole numbers it makes a float.
        if node.op is ops.relu and operand.parents and operand.dtype == node.dtype:
            x, zero = self.code[operand].text, self.words.ready(f"np.{node.dtype.name}(0.0)", "zero")
            return f"{zero} if {x} <= 0.0 else +{x}"  # the plus makes a number of its own
        if node.op is ops.cast and node.dtype.kind != "b":  # likewise `astype`
            return f"{use('np.' + node.dtype.name)}({self.code[operand].text})"
        if node.op is inner_product and self._on("small_dot"):
            places = [self.plan.places[p] for p in node.parents]
            if all(place.fixed and place.in_rows for place in places):
                return "{}.dot({})".format(*(self._flat(place.root) for place in places))
        text = self.words.shortened(expression(node, self.code).text)
        return text if gives_number(node) else f"{text}[()]"

    def _flat(self, node: Node) -> str:
        """An array in the memory as a vector."""
        if node not in self.flat:
            text = self.code[node].text
            self.flat[node] = self.words.names.free(f"{text}_flat")
            self.ready.append(f"{self.flat[node]} = {text}.reshape(-1)")
        return self.flat[node]

    def _view(self, node: Node, once: bool) -> list[Line]:
        """A view: made before the first call where the array is there, else where it is used."""
        code = expression(node, self.code)
        if node in self.plan.shapes:  # of a block
            code = code._replace(text=f"{self.code[node.parents[0]].text}.reshape({self.plan.shapes[node]})")
        if once:
            self.ready.append(f"{self._define(node)} = {code.text}")
            self.lowered.choices["ready_views"] += 1
            return []
        if len(self.graph.users[node]) == 1 and node not in self.graph.outputs:
            self.code[node] = code
            return []
        return [(f"{self._define(node)} = {self.words.shortened(code.text)}", f"{node.op} {node.shape}", node)]

    # --- Blocks ---

    def _in_blocks(self, unit: Unit, lines: list[Line]) -> list[Line]:
        """The lines of a unit in a loop over blocks of rows. Arrays are made before it."""
        self.lowered.choices["cache_blocks"] += 1
        start, rows, left = map(self.words.word, ("start", "rows", "left"))
        head = f"for {start} in range(0, {unit.length}, {unit.rows}):"
        inside: list[Line] = [
            (head, f"{-(-unit.length // unit.rows)} blocks of {unit.rows} rows", None),
            (f"    {rows} = slice({start}, {start} + {unit.rows})", "", None),
        ]
        if unit.length % unit.rows:
            shorter = "for the last block, which is shorter"
            inside.append((f"    {left} = slice({unit.length} - {start})", shorter, None))
        inside += [(f"    {code}", told, node) for code, told, node in lines if node is not None]
        return [line for line in lines if line[2] is None] + inside

    def _cut(self, text: str, node: Node, reader: Node, unit: Unit) -> str:
        """An array in a call: in a block only the rows of that block."""
        if not unit.rows or not cut_along(node, reader):
            return text
        if self.plan.shapes.get(node, node.shape) == node.shape:
            return f"{text}[{self.words.word('rows')}]"
        return f"{text}[{self.words.word('left')}]" if unit.length % unit.rows else text

    # --- The whole ---

    def _endings(self) -> list[Line]:
        """What is left to do: replace arguments that could not be written right away, and return the outputs."""
        into, outputs = self.lowered.into, self.graph.outputs
        late = {i: self.code[leaf].text for i, leaf in into.items() if self.plan.written.get(outputs[i]) is not leaf}
        kept, copies, results = list[Line](), list[Line](), list[str]()
        for i, node in enumerate(outputs):
            text, root = self.code[node].text, self.lowered.root(node)
            copied = f"{text}.copy()" if node.shape else f"{text}[()]"
            if late and root in self.graph.inputs and (i in late or i not in into):
                text = self.words.names.free(f"old_{self.code[root].text}")
                kept.append((f"{text} = {copied}", "before an argument is replaced", None))
            elif i not in into and (node in outputs[:i] or not self.lowered.makes(node)):
                text = copied
            if i in late:
                copies.append((f"{self.words.use('np.copyto')}({late[i]}, {text})", f"the new {late[i]}", None))
            elif i not in into:
                results.append(text)
        return [*kept, *copies, (f"return {', '.join(results)}".rstrip(), "", None)]

    def _assembled(self, packing: list[Line], body: list[Line]) -> str:
        """The parts of the text, in the order in which a reader needs them."""
        plan, kept = self.plan, [self.code[node].text for node in self.lowered.kept]
        parts = [helper.strip() for helper in self.words.helpers]
        parts += [ROOM.strip()] if plan.offsets else []
        parts += ["\n".join(self.constants)] if self.constants else []
        if kept:
            head = signature(self.words.packer, [self.code[node].text for node in self.lowered.frozen])
            told = '    """What depends on frozen weights alone: computed again only when one of them changes."""'
            parts.append("\n".join([head, told, *commented(packing), f"    return {', '.join(kept)},"]))
        lines = self.words.definitions()
        if plan.offsets:
            told = f"{len(plan.offsets)} arrays; a place for each would take {plan.separate:,} bytes"
            lines.append(f"memory = room({plan.size})  # {told}")
        lines += self.ready
        parts += ["\n".join(lines)] if lines else []
        head = signature(self.name, [*(self.code[node].text for node in self.graph.inputs), *kept])
        parts.append("\n".join([head, *commented(body)]))
        return "\n\n\n".join(parts) + "\n"
