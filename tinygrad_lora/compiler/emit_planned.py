"""From a graph to NumPy calls that write into planned memory: what runs, one call a line.

    memory = room(24576)
    t0 = np.ndarray((64, 32), np.float32, memory, 0)

    def step(x, W):
        matmul(x, W, t0)      # t0 = x @ W

The program owns its memory, so it serves one call at a time. Another call at the same time runs the text once more, and
has a program of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .. import ops
from ..core.graph import Graph
from ..core.node import ComputationNode as Node
from ..core.node import Op
from .calls import Call, can_write
from .emit import is_weak, number
from .expressions import Code, expression
from .expressions import name as variable
from .packing import needed, packed
from .plan import Plan, make_plan
from .products import cut, product, product_in_blocks, reads_rows
from .schedule import Unit, cut_along, replacing_last, scheduled
from .writing import Names, array_source, commented, dtype_source, helpers_of, names_of, signature

ROOM = '''\
def room(size):
    """Bytes of memory that start at a multiple of 64, where a cache line does."""
    memory = np.empty(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size]
'''
FUNCTIONS = ("np.matmul", "np.copyto", "np.empty", "np.add", "np.add.reduce", "np.maximum.reduce", "np.add.at")
Line = tuple[str, str, Node | None]
ALONE = Unit(())


@dataclass
class Planned:
    """Generated source: a function of the given name, and one called `packer`, or "" where nothing is kept."""

    source: str
    packer: str
    variables: dict[Node, str]
    plan: Plan
    frozen: list[Node]  # what the packer takes
    kept: list[Node]  # what it gives: the last arguments of the function
    choices: dict[str, int]  # how often each way of calling was chosen


class Writer:
    """Writes one program."""

    def __init__(
        self, graph: Graph, name: str, names: Mapping[Node, str] | None, on: frozenset[str], frozen: Iterable[Node],
        into: Mapping[int, Node], views: Mapping[Node, Sequence[Node]],
    ) -> None:  # fmt: skip
        self.graph, self.name, self.on, self.into = graph, name, on, into
        self.frozen = [leaf for leaf in frozen if leaf in graph.users]
        self.kept = packed(graph, self.frozen) if "pack_weights" in on else []
        order = replacing_last(needed(graph, self.kept), {graph.outputs[i] for i in into})
        self.cuts = {n: c for n in order if n.op is ops.matmul and "row_blocks" in on and (c := cut(n)) is not None}
        self.copied = {
            n.parents[1] for n, c in self.cuts.items()
            if n.parents[1].op is ops.transpose and n.parents[1] not in self.kept and reads_rows(n, c)
        }  # fmt: skip
        self.units = scheduled(order, graph, cache_blocks="cache_blocks" in on)
        self.order = [node for unit in self.units for node in unit.nodes]
        given = dict.fromkeys(graph.inputs, False) | {node: node.op is ops.transpose for node in self.kept}
        self.plan = make_plan(
            self.units, given, graph.outputs, filter(can_write, order), copied=self.copied,
            into=into, views=views, techniques=on,
        )  # fmt: skip
        self.helpers = helpers_of(node for node in graph.nodes if not hasattr(node.op, "in_place"))
        functions = {f.split(".", 1)[1].replace(".", "_") for f in FUNCTIONS}
        functions |= {f for op in {n.op for n in order} for f in re.findall(r"\bnp\.(\w+)", f"{op.numpy} {op.ufunc}")}
        self.names = Names([name, "pack_" + name, "room", "arrays", "memory", *functions, *names_of(self.helpers)], names)
        self.code: dict[Node, Code] = {}
        self.functions: dict[str, str] = {}
        self.numbers: dict[str, str] = {}
        self.constants: list[str] = []
        self.ready: list[str] = []
        self.choices: dict[str, int] = {}

    # --- Names for functions and numbers ---

    def use(self, function: str) -> str:
        """The short name of a NumPy function in the program: "np.add.reduce" is add_reduce."""
        short = function.split(".", 1)[1].replace(".", "_")
        self.functions[short] = function
        return short

    def number(self, value: Any, dtype: Any) -> str:
        """A number in a call, as an array of the right dtype that is there already."""
        text = array_source(dtype.type(value)) if dtype.kind != "b" else repr(bool(value))
        if "ready_numbers" not in self.on or dtype.kind == "b":
            return repr(value)
        return self._ready_number(text, f"k{len(self.numbers)}")

    def _ready_number(self, text: str, name: str) -> str:
        if text not in self.numbers:
            self.numbers[text] = self.names.free(name)
        return self.numbers[text]

    def chose(self, what: str) -> None:
        self.choices[what] = self.choices.get(what, 0) + 1

    # --- The program ---

    def write(self) -> Planned:
        for i, leaf in enumerate(self.graph.inputs):
            self.code[leaf] = variable(self.names.define(leaf, f"x{i}"))
        for node in self.graph.nodes:
            if not node.parents and node not in self.code:
                self._constant(node)
        packing = self._packing()
        body: list[Line] = []
        for unit in self.units:
            lines = [line for node in unit.nodes for line in self._statement(node, unit)]
            body += self._in_blocks(unit, lines) if unit.rows else lines
        body += self._endings()
        return self._assembled(packing, body)

    def _constant(self, node: Node) -> None:
        if node.shape == () and is_weak(node, self.graph):
            self.code[node] = number(node)
        else:
            self.constants.append(f"{self.names.define(node, f'c{len(self.constants)}')} = {array_source(node.value)}")
            self.code[node] = variable(self.names.variables[node])

    def _packing(self) -> list[Line]:
        """The lines that compute what is kept, as plain expressions."""
        lines: list[Line] = []
        wanted = set(self.kept)
        for node in reversed(self.graph.nodes):
            if node in wanted:
                wanted.update(node.parents)
        for node in self.graph.nodes:
            if node in wanted and node.parents:
                text = expression(node, self.code).text
                text = f"np.ascontiguousarray({text})" if node.op is ops.transpose and node in self.kept else text
                name = self.names.define(node, f"w{len(lines)}")
                lines.append((f"{name} = {text}", f"{node.op} {node.shape}", node))
                self.code[node] = variable(name)
        return lines

    def _statement(self, node: Node, unit: Unit) -> list[Line]:
        place = self.plan.places[node]
        told = expression(node, self.code).text
        if node in self.plan.written:
            leaf = self.plan.written[node]
            self.names.variables[node] = self.code[leaf].text
            self.code[node] = self.code[leaf]
            return self._calls(node, unit, told)
        if place.kind == "view":
            return self._view(node, place.fixed and "ready_views" in self.on)
        if place.kind == "number":
            text = self._as_number(node)
            return [(f"{self._define(node)} = {text}", f"{node.op} {node.shape}", node)]
        if place.kind == "memory":
            shape, dtype = self.plan.shapes[node], dtype_source(node.dtype)
            variable_name = self._define(node)
            self.ready.append(f"{variable_name} = np.ndarray({shape}, {dtype}, memory, {self.plan.offsets[node]})")
            return self._calls(node, unit, told)
        if node in self.cuts or unit.rows:
            allocate = f"{self._define(node)} = {self.use('np.empty')}({node.shape}, {dtype_source(node.dtype)})"
            return [(allocate, "", None), *self._calls(node, unit, told)]
        text = self._bound(self._product(node, None) if node.op is ops.matmul else told)
        return [(f"{self._define(node)} = {text}", f"{node.op} {node.shape}", node)]

    def _in_blocks(self, unit: Unit, lines: list[Line]) -> list[Line]:
        """The lines of a unit in a loop over blocks of rows. Arrays are made before it."""
        before = [line for line in lines if line[2] is None]
        self.chose("cache_blocks")
        blocks = -(-unit.length // unit.rows)
        head = f"for start in range(0, {unit.length}, {unit.rows}):"
        inside = [
            (head, f"{blocks} blocks of {unit.rows} rows", None),
            (f"    rows = slice(start, start + {unit.rows})", "", None),
        ]
        if unit.length % unit.rows:
            inside.append((f"    left = slice({unit.length} - start)", "for the last block, which is shorter", None))
        return [*before, *inside, *((f"    {code}", told, node) for code, told, node in lines if node is not None)]

    def _cut(self, text: str, node: Node, reader: Node, unit: Unit) -> str:
        """An array in a call: in a block only the rows of that block."""
        if not unit.rows or not cut_along(node, reader):
            return text
        if self.plan.shapes.get(node, node.shape) == node.shape:
            return f"{text}[rows]"
        return f"{text}[left]" if unit.length % unit.rows else text

    def _define(self, node: Node) -> str:
        name = self.names.define(node, f"t{len(self.names.variables) - len(self.graph.inputs)}")
        self.code[node] = variable(name)
        return name

    def _view(self, node: Node, once: bool) -> list[Line]:
        code = expression(node, self.code)
        if not once and len(self.graph.users[node]) == 1 and node not in self.graph.outputs:
            self.code[node] = code
            return []
        name = self._define(node)
        if once:
            self.ready.append(f"{name} = {code.text}")
            return []
        return [(f"{name} = {self._bound(code.text)}", f"{node.op} {node.shape}", node)]

    def _calls(self, node: Node, unit: Unit, told: str) -> list[Line]:
        out = self._cut(name := self.code[node].text, node, node, unit)
        if node.op is ops.matmul:
            lines = [self._product(node, out, unit)]
        elif node in self.copied:
            lines = [f"{self.use('np.copyto')}({out}, {expression(node, self.code).text})"]
        elif node.op is ops.concatenate and any(whole is node for whole, _ in self.plan.parts.values()):
            lines = self._joined(node, out)
        else:
            operands = [self._cut(self._operand(p), p, node, unit) for p in node.parents]
            lines = Call(node, operands, out, self.plan.replaced.get(node), self.use, self.number).lines()
        return [(line, f"{name} = {told}" if line is lines[-1] else "", node) for line in lines]

    def _joined(self, node: Node, out: str) -> list[str]:
        """Copies of the parts of a vector that are not there yet."""
        lines, start = [], 0
        for operand in node.parents:
            if self.plan.parts.get(self.plan.places[operand].root, (None, 0))[0] is not node:
                copy = self.use("np.copyto")
                lines.append(f"{copy}({out}[{start}:{start + operand.size}], {self.code[operand].text})")
            start += operand.size
        return lines

    def _operand(self, node: Node) -> str:
        """An operand of a call: a number in the source becomes a ready one."""
        constant = not node.parents and node.known and node.shape == () and node not in self.names.variables
        return self.number(node.value.item(), node.dtype) if constant else self.code[node].text

    def _product(self, node: Node, out: str | None, unit: Unit = ALONE) -> str:
        a, b = (self._cut(self.code[p].text, p, node, unit) for p in node.parents)
        if node in self.cuts and out:
            self.chose("row_blocks")
            turned = not self.plan.places[node.parents[0]].in_rows and node.parents[0].op is ops.transpose
            return product_in_blocks(node, self.cuts[node], a, b, out, turned_a=turned, use=self.use)
        text = product(node, a, b, out, dot="small_dot" in self.on, use=self.use)
        self.chose("small_dot" if ".dot(" in text else "matmul")
        return text

    def _as_number(self, node: Node) -> str:
        """The expression of a result without axes: a NumPy scalar, never a view of an array that changes."""
        if node.op in (ops.reduce_sum, ops.reduce_max) and node.parents[0].shape:
            function = "np.add.reduce" if node.op is ops.reduce_sum else "np.maximum.reduce"
            return f"{self.use(function)}({self.code[node.parents[0]].text}, None)"
        if node.op is ops.relu and node.parents[0].parents:  # np.maximum takes ten times as long for a single number
            x, zero = self.code[node.parents[0]].text, self._ready_number(f"np.{node.dtype.name}(0.0)", "zero")
            return f"{zero} if {x} <= 0.0 else {x}"
        if node.op is ops.cast and node.dtype.kind != "b":  # likewise `astype`
            return f"{self.use('np.' + node.dtype.name)}({self.code[node.parents[0]].text})"
        code = expression(node, self.code)
        if node.op.view and node.parents[0].shape:
            return f"{code.text}[()]"
        return self._bound(code.text)

    def _bound(self, text: str) -> str:
        """The text with NumPy's functions by their short names."""
        return re.sub(r"\bnp(\.[a-z_]\w*)+(?=\()", lambda m: self.use(m[0]), text)

    def _endings(self) -> list[Line]:
        """What is left to do: replace arguments that could not be written right away, and return the outputs."""
        lines: list[Line] = []
        for i, leaf in self.into.items():
            output = self.graph.outputs[i]
            if self.plan.written.get(output) is not leaf:
                line = f"{self.use('np.copyto')}({self.code[leaf].text}, {self.code[output].text})"
                lines.append((line, f"the new {self.code[leaf].text}", None))
        results, given = [], set[Node]()
        for i, node in enumerate(self.graph.outputs):
            if i not in self.into:
                place = self.plan.places.get(node)
                fresh = place is not None and place.kind in ("own", "number") and node.parents and not node.op.view
                text = self.code[node].text
                results.append(text if fresh and node not in given else f"{text}.copy()")
                given.add(node)
        return [*lines, (f"return {', '.join(results)}".rstrip(), "", None)]

    def _assembled(self, packing: list[Line], body: list[Line]) -> Planned:
        name, plan = self.name, self.plan
        arguments = [self.code[n].text for n in self.graph.inputs]
        parts = [helper.strip() + "\n" for helper in self.helpers]
        parts += [ROOM] if plan.offsets else []
        parts += ["\n".join(self.constants) + "\n"] if self.constants else []
        if self.kept:
            lines = [signature(f"pack_{name}", [self.code[n].text for n in self.frozen])]
            lines.append('    """What depends on frozen weights alone: computed again only when one of them changes."""')
            lines += [*commented(packing), f"    return {', '.join(self.code[n].text for n in self.kept)},"]
            parts.append("\n".join(lines) + "\n")
        lines = [f"{short} = {full}" for short, full in sorted(self.functions.items())]
        lines += [f"{k} = {text}" for text, k in self.numbers.items()]
        if plan.offsets:
            told = f"{plan.size:,} bytes for {len(plan.offsets)} arrays; a place for each would take {plan.separate:,}"
            lines.append(f"memory = room({plan.size})  # {told}")
        lines += self.ready
        parts += ["\n".join(lines) + "\n"] if lines else []
        lines = [signature(name, [*arguments, *(self.code[n].text for n in self.kept)]), *commented(body)]
        parts.append("\n".join(lines) + "\n")
        packer = f"pack_{name}" if self.kept else ""
        return Planned("\n\n".join(parts), packer, self.names.variables, plan, self.frozen, self.kept, self.choices)


def emit_planned(
    graph: Graph, name: str, names: Mapping[Node, str] | None = None, *, techniques: frozenset[str],
    frozen: Iterable[Node] = (), into: Mapping[int, Node] | None = None,
    views: Mapping[Node, Sequence[Node]] | None = None,
) -> Planned:  # fmt: skip
    """The source of a function with the inputs of `graph`, and then what `pack_<name>` keeps, as its arguments.

    `frozen` are the inputs that seldom change. `into` says which outputs are written over which inputs instead of being
    returned, `views` which inputs are views of such an input.
    """
    return Writer(graph, name, names, techniques, frozen, into or {}, views or {}).write()



