"""From a graph to loops over single elements: plain Python, which a compiler of loops makes fast.

A kernel is a loop over rows, and in it one inner loop for each stage.
"""

from collections.abc import Mapping

import numpy as np

from ....core import ComputationNode as Node, Graph, ops
from ...text.lines import Names, commented, helpers_of, module, names_of, signature
from ...text.literals import refuse_foreign
from ...text.plain import Emitted
from .alone import LOOPS, alone
from .kernels import REDUCTIONS, Kernel, loops, opened, scheduled
from .scalars import element, helpers, number, reserved, short
from .views import FIXED, Axis, whole
from .writer import LoopWriter


def written_as_loops(graph: Graph, name: str, names: Mapping[Node, str] | None = None) -> Emitted:
    """The source of a function called `name` that computes the outputs of `graph` from its inputs.

    Inputs are arrays in rows (C order), or NumPy scalars where they have no axes. So are the outputs, and those share
    memory with nothing. Raises CompileError for a node with something else than plain values in it.
    """
    refuse_foreign(graph)
    plain, became = opened(graph, products=True)
    wanted = {became[node]: text for node, text in (names or {}).items() if node in became}
    w = LoopWriter(plain, Names([name, *reserved(), *names_of(helpers_of(plain.nodes))], wanted))
    steps = scheduled(plain.nodes, w.known)
    for step in steps:
        if isinstance(step, Kernel):
            KernelWriter(w, step).write()
        else:
            alone(w, step)
    lines = [step for step in steps if not isinstance(step, Kernel) and step.op not in LOOPS]  # NumPy's own
    results = _results(w, plain)
    body = [*commented(w.lines), f"    return {', '.join(results)}".rstrip()]
    function = [signature(name, (w.names.variables[x] for x in plain.inputs)), *body]
    called = [*helpers([*w.constants, *body]), *helpers_of(lines)]
    variables = {old: w.names.variables[new] for old, new in became.items() if new in w.names.variables}
    return Emitted(module(*called, "\n".join(w.constants), "\n".join(function)), variables)


def _results(w: LoopWriter, graph: Graph) -> list[str]:
    """The outputs, copied where they would share memory with an input or with another output."""
    results: list[str] = []
    for node in graph.outputs:
        made_here = w.known[node].base is node and (loops(node) or (node.op in LOOPS and node.op is not ops.reshape))
        text = w.names.variables[node] if made_here else w.copy(node)
        results.append(f"{text}.copy()" if text in results and node.shape else text)
    return results


class KernelWriter:
    """Writes operations that share a loop: each row has inner loops, one for each stage of the kernel."""

    def __init__(self, w: LoopWriter, kernel: Kernel) -> None:
        self.w, self.kernel = w, kernel
        self.rows = len(kernel.shape[:-1])  # axes of the loop over rows
        self.now: dict[Node, str] = {}  # numbers of this row, or of this element in the present inner loop

    def write(self) -> None:
        w, k = self.w, self.kernel
        for node in k.members:
            if node in k.later:
                self._start(node)
            elif self._kept(node):
                w.new(node)
            elif self._waits(node):
                w.say(f"{w.define(node)} = np.empty({k.shape[-1:]}, {short(node.dtype)})", comment="one row")
        with w.over(k.shape[:-1]):
            for stage in range(max(map(self._stage, k.members)) + 1):
                self._stage_of_a_row(stage)

    def _stage_of_a_row(self, stage: int) -> None:
        w, k = self.w, self.kernel
        here = [node for node in k.members if self._stage(node) == stage]
        numbers = [node for node in here if node in k.rows and node.op not in REDUCTIONS]
        inner = [node for node in here if node not in numbers]
        for node in numbers:
            self._assign(node)
        if not inner:
            return
        sums = [node for node in inner if node in k.rows or (node in k.later and self.rows in node.params["axis"])]
        for node in sums:
            self.now[node] = self._scalar(node, self.rows)
            w.say(f"{self.now[node]} = {_nothing(node)}")
        with w.over(k.shape[-1:], self.rows):
            for node in inner:
                if node in k.later or node in k.rows:
                    total = self.now.get(node) or self._total(node)
                    self._accumulate(node, total, self._operand(node, node.parents[0]))
                else:
                    self._assign(node)
        for node in sums:
            if node in k.later:
                self._accumulate(node, self._total(node), self.now[node])
            elif self._kept(node):
                w.say(f"{w.own(node)} = {self.now[node]}")
        for node in inner:
            if node not in k.rows:
                self.now.pop(node, None)

    # When and where.

    def _stage(self, node: Node) -> int:
        """The inner loop in or before which the node is computed."""
        summed = node in self.kernel.rows and node.op in REDUCTIONS
        return self.kernel.stages[node] - summed

    def _kept(self, node: Node) -> bool:
        """Whether the node gets an array, because somebody outside the kernel reads it."""
        return bool(node.shape) and any(r is None or r not in self.kernel.stages for r in self.w.readers[node])

    def _stages_of_readers(self, node: Node) -> list[int]:
        return [self._stage(r) for r in self.w.readers[node] if r is not None and r in self.kernel.stages]

    def _waits(self, node: Node) -> bool:
        """Whether a later inner loop of the same row reads the node."""
        single = node in self.kernel.rows or node in self.kernel.later
        return not single and any(stage > self._stage(node) for stage in self._stages_of_readers(node))

    # Lines and their parts.

    def _assign(self, node: Node) -> None:
        """Compute one element, or one number of a row, and keep it where it is read later."""
        w, single = self.w, node in self.kernel.rows
        code = element(node, [self._operand(node, p) for p in node.parents])
        if self._kept(node):
            place = w.own(node)
        elif self._waits(node):
            place = w.at(w.define(node), whole(node.shape)[-1:], w.letters)
        else:
            place = self.now[node] = w.define(node)
        if place != w.define(node) and any(s == self._stage(node) or single for s in self._stages_of_readers(node)):
            self.now[node] = self._scalar(node, self.rows if single else node.ndim)
            place = f"{self.now[node]} = {place}"
        w.say(f"{place} = {code}", node)

    def _operand(self, node: Node, operand: Node) -> str:
        """What a line reads: a number of this row or element, an element of the row's own array, or of an array."""
        w, base = self.w, self.w.known[operand].base
        if base in self.now:
            return self.now[base]
        if base in self.kernel.stages and not self._kept(base):
            return w.at(w.define(base), whole(base.shape)[-1:], w.letters)
        return w.read(operand, w.beside(operand, operand.ndim if node.op in REDUCTIONS else node.ndim))

    def _scalar(self, node: Node, axes: int) -> str:
        """A variable for one element of an array: t3_ij for t3[i, j]."""
        if node in self.kernel.rows and not self._kept(node):
            return self.w.define(node)
        return self.w.names.free(f"{self.w.define(node)}_{''.join(self.w.letters[:axes])}".rstrip("_"))

    def _start(self, node: Node) -> None:
        """Begin a sum over rows."""
        nothing = _nothing(node)
        filled = f"np.full({node.shape}, {nothing}, {short(node.dtype)})" if node.shape else nothing
        self.w.say(f"{self.w.define(node)} = {filled}")

    def _total(self, node: Node) -> str:
        """The element of a sum over rows that this element goes into."""
        w, reduced = self.w, node.params["axis"]
        axes = [FIXED if k in reduced or n == 1 else Axis(k) for k, n in enumerate(self.kernel.shape)]
        kept = axes if node.params["keepdims"] else [axis for k, axis in enumerate(axes) if k not in reduced]
        return w.at(w.define(node), kept, w.letters)

    def _accumulate(self, node: Node, total: str, part: str) -> None:
        """Add a part to a sum, or let it compete for the maximum."""
        operand = node.parents[0]
        text = part if operand.dtype == node.dtype or part == self.now.get(node) else f"{short(node.dtype)}({part})"
        combine = "plus" if node.op is ops.reduce_sum else "larger" if node.dtype.kind == "f" else "max"
        self.w.say(f"{total} = {combine}({total}, {text})", node)


def _nothing(node: Node) -> str:
    """The sum, or the largest, of no numbers."""
    if node.op is ops.reduce_sum:
        return number(0, node.dtype)
    lowest = -np.inf if node.dtype.kind == "f" else False if node.dtype.kind == "b" else np.iinfo(node.dtype).min
    return number(lowest, node.dtype)
