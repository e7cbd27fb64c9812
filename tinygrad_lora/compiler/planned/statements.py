"""The statements of a planned program that compute a node: into its place in the memory, as a number, or as a view."""

from ...core import ComputationNode as Node, ops
from ..operations import gives_number, inner_product
from ..text.expressions import expression
from ..text.lines import Statement, dtype_source
from .calls import Call, finds_by_index
from .order import Unit
from .products import product, product_in_blocks
from .variables import Variables

ALONE = Unit(())


class Statements:
    """Writes the nodes of one program in the order in which they are asked for."""

    def __init__(self, variables: Variables) -> None:
        self.variables, self.lowered = variables, variables.lowered
        self.graph, self.plan = variables.graph, variables.plan
        self.code, self.words = variables.code, variables.words
        self.define, self.uses = variables.define, variables.uses

    def of(self, node: Node, unit: Unit) -> list[Statement]:
        """The statements that compute a node, in the unit that it belongs to."""
        place = self.plan.places[node]
        if node in self.plan.written:
            self.variables.share(node, self.plan.written[node])
            return self._calls(node, unit)
        if place.kind == "view":
            return self._view(node, place.fixed and self.uses("ready_views"))
        if place.kind == "number":
            return self._number(node)
        dtype = dtype_source(node.dtype)
        if place.kind == "memory":
            self._place(node, dtype)
            return self._calls(node, unit)
        if node in self.lowered.cuts or unit.rows:
            empty = f"{self.define(node)} = {self.words.use('np.empty')}({node.shape}, {dtype})"
            return [Statement(empty), *self._calls(node, unit)]
        if node.op is ops.matmul:
            text = self._product(node, None, ALONE)
        else:
            text = self.words.shortened(expression(node, self.code).text)
        if node.op.view and node in self.graph.outputs:  # what it may be a view of need not last
            text += ".copy()"
        return [Statement(f"{self.define(node)} = {text}", f"{node.op} {node.shape}", node)]

    def _place(self, node: Node, dtype: str) -> None:
        """Define the array in the memory that receives a result."""
        if node in self.plan.replaced:
            # The very same array: NumPy would look for an overlap of two, which takes longer than a small sum.
            operand = self.code[self.plan.replaced[node]].text
            self.variables.define_ready(node, operand, f"written over {operand}")
        else:
            where = f"np.ndarray({self.plan.shapes[node]}, {dtype}, memory, {self.plan.offsets[node]})"
            self.variables.define_ready(node, where)

    def _calls(self, node: Node, unit: Unit) -> list[Statement]:
        """The calls that write the result into its place."""
        formula = expression(node, self.code).text
        out = self.variables.in_block(name := self.code[node].text, node, node, unit)
        if node.op is ops.matmul:
            lines = [self._product(node, out, unit)]
        elif node in self.lowered.copied:
            lines = [f"{self.words.use('np.copyto')}({out}, {formula})"]
        elif node.op is ops.concatenate and any(whole is node for whole, _ in self.plan.parts.values()):
            lines = self._missing_parts(node, out)
        elif finds_by_index(node) and not unit.rows and self.uses("largest_by_index"):
            lines = [self._largest(node, out)]
        else:
            operands = [self.variables.in_block(self.variables.operand(p), p, node, unit) for p in node.parents]
            ready = self.words.number if self.uses("ready_numbers") else lambda value, dtype: repr(value)
            lines = Call(node, operands, out, self.plan.replaced.get(node), self.words.use, ready).lines()
        return [Statement(line, f"{name} = {formula}" if line is lines[-1] else "", node) for line in lines]

    def _product(self, node: Node, out: str | None, unit: Unit) -> str:
        a, b = (self.variables.in_block(self.code[p].text, p, node, unit) for p in node.parents)
        if node in self.lowered.cuts and out:
            self.lowered.choices["row_blocks"] += 1
            turned = not self.plan.places[node.parents[0]].in_rows and node.parents[0].op is ops.transpose
            cut = self.lowered.cuts[node]
            return product_in_blocks(node, cut, a, b, out, turned_a=turned, use=self.words.use)
        text = product(node, a, b, out, dot=self.uses("small_dot"), use=self.words.use)
        self.lowered.choices["small_dot" if ".dot(" in text else "matmul"] += 1
        return text

    def _largest(self, node: Node, out: str) -> str:
        """The call that takes the largest of each row from the place where it is."""
        self.lowered.choices["largest_by_index"] += 1
        operand = node.parents[0]
        x, columns = self.variables.operand(operand), operand.shape[-1]
        starts = self.words.ready(f"np.arange(0, {operand.size}, {columns}).reshape({node.shape})", "starts")
        keep = ", keepdims=True" if node.params["keepdims"] else ""
        return f'{x}.take({x}.argmax({operand.ndim - 1}{keep}) + {starts}, None, {out}, "clip")'

    def _missing_parts(self, node: Node, out: str) -> list[str]:
        """Copies of the parts of a vector that are not there yet."""
        lines, start = [], 0
        for operand in node.parents:
            if self.plan.parts.get(self.plan.places[operand].root) != (node, start * node.dtype.itemsize):
                part = f"{out}[{start}:{start + operand.size}]"
                lines.append(f"{self.words.use('np.copyto')}({part}, {self.code[operand].text})")
            start += operand.size
        return lines

    def _number(self, node: Node) -> list[Statement]:
        """A result without axes. If only arrays are computed from it, it is written into an array of one number.

        NumPy takes half as long for that as for finding out what to do with a number of another kind.
        """
        users, what = self.graph.users[node], f"{node.op} {node.shape}"
        if node in self.graph.outputs or not all(user.shape for user in users) or not self.uses("ready_numbers"):
            return [Statement(f"{self.define(node)} = {self._as_number(node)}", what, node)]
        # An array of floats takes any number, one of whole numbers refuses what it cannot hold.
        plain = node.op is ops.cast and node.dtype.kind == "f"
        text = self.code[node.parents[0]].text if plain else self._as_number(node)
        self.variables.define_ready(node, f"np.empty((), {dtype_source(node.dtype)})")
        return [Statement(f"{self.code[node].text}[()] = {text}", what, node)]

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
        if node.op is inner_product and self.uses("small_dot"):
            places = [self.plan.places[p] for p in node.parents]
            if all(place.fixed and place.in_rows for place in places):
                return "{}.dot({})".format(*(self.variables.vector(place.root) for place in places))
        text = self.words.shortened(expression(node, self.code).text)
        return text if gives_number(node) else f"{text}[()]"

    def _view(self, node: Node, once: bool) -> list[Statement]:
        """A view: made before the first call where the array is there, else where it is used."""
        code = expression(node, self.code)
        if node in self.plan.shapes:  # of a block
            code = code._replace(text=f"{self.code[node.parents[0]].text}.reshape({self.plan.shapes[node]})")
        if once:
            self.variables.define_ready(node, code.text)
            self.lowered.choices["ready_views"] += 1
            return []
        if len(self.graph.users[node]) == 1 and node not in self.graph.outputs:
            self.code[node] = code
            return []
        return [Statement(f"{self.define(node)} = {self.words.shortened(code.text)}", f"{node.op} {node.shape}", node)]
