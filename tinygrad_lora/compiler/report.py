"""What the compiler did, as text: a table for a quick look, and the full story."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Sequence

from ..core.graph import Graph
from ..core.node import ComputationNode
from .cost import Cost, graph_cost
from .pipeline import Snapshot


def table(graph: Graph, snapshots: Sequence[Snapshot]) -> str:
    """One row a pass that changed something: operations, NumPy calls, flops and bytes after it."""
    rows = [("pass", "operations", "calls", "flops", "bytes", "change")]
    rows.append(("trace", *_numbers(graph, graph_cost(graph)), ""))
    final = graph
    for s in snapshots:
        rows.append((s.name, *_numbers(s.after, s.cost_after), s.note))
        final = s.after if s.kept else final
    before, after = graph_cost(graph), graph_cost(final)
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    lines = [
        f"{row[0]:<{widths[0]}}  " + "  ".join(f"{row[i]:>{widths[i]}}" for i in range(1, 5)) + f"  {row[5]}".rstrip()
        for row in rows
    ]
    saved = f"flops {_short(before.flops)} -> {_short(after.flops)}, calls {before.calls} -> {after.calls}"
    return "\n".join([*lines, f"in all: {saved}, bytes {_short(before.bytes)} -> {_short(after.bytes)}"])


def explanation(snapshots: Sequence[Snapshot], equations: dict[str, str]) -> str:
    """Every change, with the law that allows it and the nodes that went and came."""
    parts = []
    for i, s in enumerate(snapshots, 1):
        old, new = set(s.before.nodes), set(s.after.nodes)
        head = f"{i}. {s.name}: {equations.get(s.name, '')}"
        cost = f"   flops {_short(s.cost_before.flops)} -> {_short(s.cost_after.flops)}; {s.note}"
        gone = Counter(_line(n) for n in s.before.nodes if n not in new)
        come = Counter(_line(n) for n in s.after.nodes if n not in old)
        # A node is new when an operand is; only lines that read differently tell something.
        gone, come = gone - come, come - gone
        parts.append(
            "\n".join([head, cost, *(f"   - {n}" for n in gone.elements()), *(f"   + {n}" for n in come.elements())])
        )
    return "\n\n".join(parts) if parts else "No pass found anything to improve."


def first_line(function: object) -> str:
    """The first line of a docstring."""
    return (inspect.getdoc(function) or "").split("\n")[0]


def _line(node: ComputationNode) -> str:
    name = f"{node.name} = " if node.name else ""
    params = "".join(f", {k}={v}" for k, v in node.params.items())
    operands = ", ".join(f"{p.name or p.op}{list(p.shape)}" for p in node.parents)
    return f"{name}{node.op}({operands}{params}) {list(node.shape)}"


def _numbers(graph: Graph, cost: Cost) -> tuple[str, str, str, str]:
    operations = sum(1 for n in graph.nodes if n.parents)
    return str(operations), str(cost.calls), _short(cost.flops), _short(cost.bytes)


def _short(number: float) -> str:
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.2f}{unit}"
    return f"{number:.0f}"
