"""Runs graphs on random inputs: the evidence that a pass changed how something is computed, and not what."""

from collections.abc import Callable, Iterable, Sequence
from timeit import Timer
from typing import Any

import numpy as np

from ...compiler.programs import CompiledProgram
from ...core import Graph, ops
from ...core.node import PARAMETER, Array, ComputationNode as Node
from ...core.source import function_from_source

Values = dict[Node, Array]
SEVERAL = 8  # whole numbers are drawn below this if they are not indices
BATCHES, SECONDS = 7, 0.01  # of a measurement: their number, and the length of each


def random_inputs(graph: Graph, seed: int = 0) -> list[Array]:
    """An array for each input, parameters too: normally distributed numbers, and whole numbers that are valid indices.

    If the outputs would not be finite, as under a logarithm, the numbers lie between 0 and 1 instead.
    """
    arrays: list[Array] = []
    for turn in (np.asarray, lambda x: 1 / (1 + np.exp(-x))):
        rng = np.random.default_rng(seed)
        arrays = [_drawn(rng, node, graph, turn) for node in graph.inputs]
        values: Values = {}
        run(graph, arrays, values)
        if all(np.isfinite(values[node]).all() for node in graph.outputs if node.dtype.kind in "fc"):
            break
    return arrays


def _drawn(rng: np.random.Generator, node: Node, graph: Graph, turn: Callable[[Array], Array]) -> Array:
    if node.dtype.kind in "iu":
        return rng.integers(0, _limit(node, graph), node.shape).astype(node.dtype)
    if node.dtype.kind == "b":
        return rng.random(node.shape) < 0.5
    # Matrices keep the size of what they multiply, so that a softmax further on does not saturate.
    size = node.shape[0] ** -0.5 if node.op is PARAMETER and node.ndim > 1 else 1.0
    return np.asarray(turn(rng.standard_normal(node.shape)) * size, node.dtype)


def _limit(node: Node, graph: Graph) -> int:
    """The length of the shortest axis that these whole numbers index."""
    limits, forms = [], [node]
    for form in forms:  # the list grows while it is read
        for user in graph.users[form]:
            if user.op.view or user.op is ops.cast:
                forms.append(user)
            elif user.op in (ops.take, ops.scatter_add):
                shape = user.parents[0].shape if user.op is ops.take else user.params["shape"]
                limits += [n for n, index in zip(shape, user.parents[1:], strict=False) if index is form]
    return max(1, min(limits, default=SEVERAL))


def run(graph: Graph, arrays: Sequence[Array], values: Values) -> None:
    """Compute the value of every node that is not yet in `values`, and add it there."""
    values.update(zip(graph.inputs, arrays, strict=True))
    with np.errstate(all="ignore"):
        for node in graph.nodes:
            if node not in values:
                parents = [values[p] for p in node.parents]
                values[node] = node.op.forward(*parents, **node.params) if node.parents else node.value


def same(a: Array, b: Array) -> bool:
    """Whether two results are equal up to rounding."""
    a, b = np.asarray(a), np.asarray(b)
    if a.dtype.kind not in "fc":
        return bool(np.array_equal(a, b))
    largest = float(np.max(np.abs(b), initial=0.0, where=np.isfinite(b)))
    tolerance = float(np.sqrt(np.finfo(a.dtype).eps))
    return bool(np.allclose(a, b, rtol=tolerance, atol=tolerance * largest, equal_nan=True))


def difference(results: Iterable[Array], expected: Iterable[Array]) -> float:
    """The largest difference of any result from the expected one, relative to the largest number in that."""
    worst = 0.0
    for a, b in zip(results, expected, strict=True):
        a, b = np.asarray(a, float), np.asarray(b, float)
        apart = np.max(np.abs(a - b), initial=0.0, where=~((a == b) | (np.isnan(a) & np.isnan(b))))
        largest = np.max(np.abs(b), initial=0.0)
        relative = float(apart / largest) if largest and apart else float(apart)
        if not relative <= worst:  # true for nan as well
            worst = relative
    return worst


def run_program(program: CompiledProgram, arrays: Sequence[Array]) -> list[Array]:
    """The outputs of the generated NumPy for these inputs."""
    call = as_function(program)
    arguments = [np.array(array) for array in arrays]  # a training step writes over its arguments
    with np.errstate(all="ignore"):
        returned = call(*arguments)
    rest = list(returned) if isinstance(returned, tuple) else [] if returned is None else [returned]
    into = program.planned.lowered.into if program.planned else {}
    place = dict(zip(program.graph.inputs, arguments, strict=True))
    return [place[into[i]] if i in into else rest.pop(0) for i in range(len(program.graph.outputs))]


def as_function(program: CompiledProgram) -> Callable[..., Any]:
    """The generated NumPy as a function of the inputs of the graph, with memory of its own."""
    planned, function = program.planned, function_from_source(program.name, program.source)
    if planned is None or not planned.packer:
        return function
    pack, frozen = function.__globals__[planned.packer], [program.graph.inputs.index(n) for n in planned.lowered.frozen]
    return lambda *arrays: function(*arrays, *pack(*(arrays[i] for i in frozen)))


def microseconds(function: Callable[..., Any], arrays: Sequence[Array], seconds: float = SECONDS) -> float:
    """The time of one call: the best of several batches of calls, because disturbances only ever add time."""
    timer = Timer("function(*arrays)", globals={"function": function, "arrays": arrays})
    with np.errstate(all="ignore"):
        calls = max(1, int(seconds / min(timer.repeat(3, number=1))))
        return min(timer.repeat(BATCHES, calls)) / calls * 1e6
