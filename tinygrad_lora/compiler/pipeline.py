"""The passes in order, and the loop that applies them: each must mean the same and cost no more."""

from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial, update_wrapper
from pathlib import Path
from typing import Any

from ..boundary.nodes import refuse_replacement
from ..core import ComputationNode as Node, Graph
from ..errors import GraphError, PassError
from .cost import Cost, graph_cost, planned_cost
from .passes.collect_factors import collect_factors
from .passes.distribute_products import distribute_products
from .passes.drop_shifts import drop_shifts
from .passes.expand_powers import expand_powers
from .passes.factor_products import factor_products
from .passes.flatten_products import flatten_products
from .passes.fold_constants import fold_constants
from .passes.fold_scales import fold_scales
from .passes.fuse_elementwise import fuse_elementwise, fuse_numbers
from .passes.inner_products import inner_products
from .passes.join_scatters import join_scatters
from .passes.merge_duplicates import merge_duplicates
from .passes.narrow_takes import narrow_takes
from .passes.raise_reshapes import raise_reshapes
from .passes.raise_transposes import raise_transposes
from .passes.rebracket import rebracket
from .passes.repeat_rows import repeat_rows
from .passes.separate_sums import separate_sums
from .passes.simplify import simplify
from .passes.sink_transposes import sink_transposes
from .passes.square_powers import square_powers
from .passes.sums_as_products import sums_as_products

Pass = Callable[[Graph], Graph]

# Passes in one row are judged together: sinking a transpose may cost something until the chain around it is bracketed.
DEFAULT: tuple[tuple[Pass, ...], ...] = (
    (fold_constants,),
    (simplify,),
    (expand_powers,),
    (merge_duplicates,),
    (drop_shifts,),
    (flatten_products,),
    (raise_reshapes,),
    (narrow_takes,),
    (join_scatters,),
    (sink_transposes, distribute_products, rebracket),
    (square_powers,),
    (factor_products,),
    (separate_sums,),
    (collect_factors,),
    (fold_scales,),
    (inner_products,),
    (fuse_elementwise,),
)
# Where arrays are written into planned memory, call by call, there is less to join.
IN_PLANNED_MEMORY: dict[Pass, Pass] = {fuse_elementwise: fuse_numbers}
# What suits such a program: it runs call after call, mostly with the same frozen weights. Each is applied once, last.
FOR_CALLS: tuple[Callable[..., Graph], ...] = (repeat_rows, raise_transposes, sums_as_products)
# Every pass by its name.
PASSES: dict[str, Callable[..., Graph]] = {
    apply.__name__: apply for row in (*DEFAULT, tuple(IN_PLANNED_MEMORY.values()), FOR_CALLS) for apply in row
}
MOST_ROUNDS = 8


@dataclass(frozen=True)
class Snapshot:
    """What one pass did: the graph before and after, what both cost, and whether the result was kept."""

    name: str
    before: Graph
    after: Graph
    cost_before: Cost
    cost_after: Cost
    kept: bool

    @property
    def note(self) -> str:
        """The change in words."""
        old, new = set(self.before.nodes), set(self.after.nodes)
        change = f"{len(old - new)} nodes out, {len(new - old)} in"
        return change if self.kept else f"declined: right, but not worth it ({change})"


def improving(graph: Graph, passes: Sequence[Pass | tuple[Pass, ...]] = DEFAULT) -> Iterator[Snapshot]:
    """Apply the passes round after round until none changes anything, and yield each change.

    The last row is applied once, at the end: fusing hides the operations that the others look for. A pass whose result
    costs more is declined, and its snapshot says so. A row of several passes must make the graph cheaper; if it does
    not, it counts as if it had not been tried.
    """
    *repeated, last = [row if isinstance(row, tuple) else (row,) for row in passes] or [()]
    cost = graph_cost(graph)
    settled: dict[tuple[Pass, ...], Graph] = {}  # the graph in which a row found nothing: it would find nothing again
    for _ in range(MOST_ROUNDS):
        start = graph
        for row in repeated:
            if settled.get(row) is not graph:
                settled[row] = graph
                graph, cost = yield from _applying(row, graph, cost, graph_cost)
        if graph.outputs == start.outputs:
            break
    yield from _applying(last, graph, cost, graph_cost)


def improving_calls(graph: Graph, frozen: Iterable[Node], names: Collection[str]) -> Iterator[Snapshot]:
    """Apply those of the passes for planned memory that have one of these names. `frozen` inputs seldom change."""
    frozen = list(frozen)
    cost_of = partial(planned_cost, frozen=frozen)
    cost = cost_of(graph)
    for name, apply in passes_for_calls(frozen).items():
        if name in names:
            graph, cost = yield from _applying((apply,), graph, cost, cost_of)


def passes_for_calls(frozen: Iterable[Node]) -> dict[str, Pass]:
    """The passes of FOR_CALLS by name, each as a function of a graph alone."""
    with_rows: Any = update_wrapper(partial(repeat_rows, frozen=list(frozen)), repeat_rows)
    return {apply.__name__: with_rows if apply is repeat_rows else apply for apply in FOR_CALLS}


def _applying(
    row: tuple[Pass, ...], graph: Graph, cost: Cost, cost_of: Callable[[Graph], Cost]
) -> Generator[Snapshot, None, tuple[Graph, Cost]]:
    """Apply one row; the generator's result is the graph to go on with, and its cost."""
    steps = []
    current, current_cost = graph, cost
    for apply in row:
        after = applied(apply, current)
        if after.outputs != current.outputs:
            steps.append((name_of(apply), current, after, current_cost, cost_of(after)))
            current, current_cost = after, steps[-1][-1]
    change = current_cost.nanoseconds - cost.nanoseconds
    if len(row) > 1 and change >= 0:
        return graph, cost
    for step in steps:
        yield Snapshot(*step, kept=change <= 0)
    return (current, current_cost) if change <= 0 else (graph, cost)


def applied(apply: Pass, graph: Graph) -> Graph:
    """What a pass makes of a graph. Raises PassError if it cannot take the place of that graph."""
    after: Graph | None = None
    try:
        after = apply(graph)
        _check(after, graph)
    except PassError as error:
        message = f"{name_of(apply)}: {error}{_line(error.replaced)}"
        raise PassError(message, **vars(error) | {"before": graph, "after": after}) from None
    except GraphError as error:
        raise PassError(f"{name_of(apply)}: {error}", before=graph) from None
    return after


def name_of(apply: Pass) -> str:
    """What a pass is called."""
    return getattr(apply, "__name__", None) or type(apply).__name__


def _check(after: Any, before: Graph) -> None:
    """The contract of a pass: the same inputs, and as many outputs of the same kinds."""
    if not isinstance(after, Graph):
        remedy = "a pass ends with `return graph.map(build)`, or `return graph`"
        raise PassError(f"it gave {after!r}, not a graph: {remedy}")
    if after.inputs != before.inputs or after.captured != before.captured:
        raise PassError("the graph that it gave has other inputs: pass on `graph.inputs` and `graph.captured`")
    if len(after.outputs) != len(before.outputs):
        problem = f"it was given a graph of {len(before.outputs)} outputs and gave one of {len(after.outputs)}"
        raise PassError(f"{problem}: each output must have its replacement, in order")
    for old, new in zip(before.outputs, after.outputs, strict=True):
        refuse_replacement(old, new)


def _line(node: Node | None) -> str:
    """Where the user's code made a node."""
    return f" ({Path(node.origin[0]).name}:{node.origin[1]})" if node is not None and node.origin else ""
