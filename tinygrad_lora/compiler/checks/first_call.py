"""The first call of a new program is compared with its graph, run operation by operation.

A program that computes something else is not used: the plain text of the traced graph runs in its place.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...core import Graph
from ...errors import CompileError
from ..cost import graph_cost
from ..programs import CompiledProgram
from .agreement import Disagreement, disagreement, evaluate

DEFAULT: bool | str = "cheap"  # what `check=None` means
SHARE = 0.15  # of the time that generating the program took
MOST_BYTES = 256 * 2**20  # of all intermediate results
NS_PER_NODE = 2000.0  # of Python's own, when a graph is run operation by operation
TIMES = 4  # the graph runs, the program runs once more, and the results are compared


def checked_setting(check: bool | str | None) -> bool | str | None:
    """The setting of `compile`, or CompileError."""
    if check not in (None, True, False, "cheap"):
        raise CompileError(f"check is True (always), False (never) or 'cheap' (where it costs little), not {check!r}")
    return check


def wanted(program: CompiledProgram, check: bool | str | None) -> bool:
    """Whether the first call of this program is compared."""
    check = DEFAULT if check is None else check
    return is_cheap(program.traced, program.seconds) if check == "cheap" else bool(check)


def is_cheap(graph: Graph, seconds: float) -> bool:
    """Whether running a graph costs little beside generating its program, which took so long."""
    results = [n for n in graph.nodes if n.parents and not n.op.view]
    if sum(n.size * n.dtype.itemsize for n in results) > MOST_BYTES:
        return False
    return TIMES * (graph_cost(graph).nanoseconds + NS_PER_NODE * len(graph.nodes)) <= SHARE * seconds * 1e9


def fault_of(program: CompiledProgram, arrays: Sequence[Any]) -> tuple[Disagreement | Exception | None, list[Any]]:
    """What is wrong with a program for these arrays, if anything; and the values of all inputs before it ran.

    Nothing is changed: what the program writes over are copies. NumPy warns in the call itself, not here. Where the
    graph raises an error, as for a label out of range, there is nothing to compare.
    """
    values = program.inputs(arrays)
    with np.errstate(all="ignore"):
        try:
            expected = evaluate(program.traced, values)
        except Exception:
            return None, values
        try:
            results = program.outputs(values)
        except Warning:
            return None, values  # the user wants warnings as errors, and gets this one from the call itself
        except Exception as error:
            return error, values
    previous = {output: values[i] for output, i in program.into.items()}
    options: dict[str, Any] = {"expected": expected, "previous": previous, "promised_only": True}
    return disagreement(program.traced, values, results, **options), values
