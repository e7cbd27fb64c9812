"""What the compiler did, as text: a table for a quick look, and the full story."""

import inspect
from collections import Counter
from collections.abc import Mapping, Sequence

from ..core import ComputationNode, Graph
from .cost import Cost, graph_cost
from .pipeline import Snapshot
from .planned.write import Planned
from .text.lines import columns

Laws = Mapping[str, str]  # by the name of a pass or of another technique


def table(graph: Graph, snapshots: Sequence[Snapshot], planned: Planned | None = None) -> str:
    """One row a pass that changed something: operations, NumPy calls, flops and bytes after it."""
    rows = [("pass", "operations", "calls", "flops", "bytes", "change")]
    rows.append(("trace", *_numbers(graph, graph_cost(graph)), ""))
    final = graph
    for s in snapshots:
        rows.append((s.name, *_numbers(s.after, s.cost_after), s.note))
        final = s.after if s.kept else final
    before, after = graph_cost(graph), graph_cost(final)
    saved = f"flops {_short(before.flops)} -> {_short(after.flops)}, calls {before.calls} -> {after.calls}"
    in_all = f"in all: {saved}, bytes {_short(before.bytes)} -> {_short(after.bytes)}"
    return "\n".join([*columns(rows, right=range(1, 5)), in_all, *(lowering(graph, planned) if planned else [])])


def lowering(graph: Graph, planned: Planned, laws: Laws | None = None) -> list[str]:
    """How calls and memory were chosen: a line for each technique that did something (with its law, if asked)."""
    lowered, plan = planned.lowered, planned.lowered.plan
    done = {
        "pack_weights": (len(lowered.kept), "result", "of frozen weights kept from call to call"),
        "small_dot": (lowered.choices["small_dot"], "product", "by dot"),
        "row_blocks": (lowered.choices["row_blocks"], "thin product", "in blocks of rows"),
        "largest_by_index": (lowered.choices["largest_by_index"], "row maximum", "taken from its place"),
        "cache_blocks": (lowered.choices["cache_blocks"], "chain", "in blocks that fit the cache"),
        "ready_views": (lowered.choices["ready_views"], "view", "made before the first call"),
        "ready_numbers": (lowered.choices["ready_numbers"], "number", "kept in array form"),
        "in_place": (len(plan.replaced), "result", "written over an operand"),
        "parts_in_place": (len(plan.parts), "array", "made right inside a vector"),
        "update_in_place": (len(plan.written), "argument", "updated in place"),
    }
    width = max((len(name) for name, (n, *_) in done.items() if n), default=0)
    ends = {name: f": {law}" for name, law in (laws or {}).items()}
    lines = []
    for name, (n, what, outcome) in done.items():
        if n:
            lines.append(f"{name:<{width}}  {n:>3} {what}{'s' * (n != 1)} {outcome}{ends.get(name, '')}")
    eager = sum(node.size * node.dtype.itemsize for node in graph.nodes if node.parents and not node.op.view)
    memory = f"memory: {plan.size:,} bytes planned; {plan.least:,} are in use at once, no plan can do with less"
    return [*lines, memory, f"        {plan.separate:,} with a place for each array; eager keeps {eager:,}"]


def explanation(graph: Graph, snapshots: Sequence[Snapshot], laws: Laws, planned: Planned | None = None) -> str:
    """Every change, with the law that allows it and the nodes that went and came; then the calls and the memory."""
    parts = []
    for i, s in enumerate(snapshots, 1):
        old, new = set(s.before.nodes), set(s.after.nodes)
        head = f"{i}. {s.name}: {laws.get(s.name, '')}"
        cost = f"   flops {_short(s.cost_before.flops)} -> {_short(s.cost_after.flops)}; {s.note}"
        gone = Counter(_line(n) for n in s.before.nodes if n not in new)
        come = Counter(_line(n) for n in s.after.nodes if n not in old)
        # A node is new when an operand is; only lines that read differently tell something.
        gone, come = gone - come, come - gone
        changes = [*(f"   - {n}" for n in gone.elements()), *(f"   + {n}" for n in come.elements())]
        parts.append("\n".join([head, cost, *changes]))
    parts = parts or ["No pass found anything to improve."]
    if planned:
        parts.append("\n".join(["Calls and memory:", *lowering(graph, planned, laws)]))
    return "\n\n".join(parts)


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
