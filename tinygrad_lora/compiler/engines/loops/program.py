"""From a graph to loops over single elements: plain Python, which a compiler of loops makes fast."""

from collections.abc import Mapping

from ....core import ops
from ....core.graph import Graph
from ....core.node import ComputationNode as Node
from ...text.lines import Names, commented, helpers_of, module, names_of, signature
from ...text.literals import refuse_foreign
from ...text.plain import Emitted
from .alone import LOOPS, alone
from .kernels import Kernel, loops, opened, scheduled
from .rows import KernelWriter
from .scalars import helpers, reserved
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
