r"""May these results differ as they do? The one answer for the first call, the tests and random programs.

`disagreement(graph, arrays, results)` compares what a program gave with what its graph gives when it is run operation
by operation. Rounding is the only excuse, and the bound is this:

1. Shapes, dtypes, whole numbers and truth values are equal; but see 3 and 5. NaN equals NaN, and -0.0 equals 0.0.
2. A float may differ by TOLERANCE times the largest finite magnitude in its output: nearly all that is right does.
3. Where that fails, the graph runs again with noise: every float that an operation reads or rounds is multiplied by
   $1 + \delta$, $|\delta| \le 4\varepsilon$, anew at every place and in every run. In every second run comparisons come
   out as they do without noise: of many equal numbers, each of the other runs has another one as the largest. From
   eager and noisy runs together each element has a lowest and a highest value. A result may lie outside them by FACTOR
   times their distance (and the tolerance of 2). This is what rounding can do to this element: cancellation makes the
   distance large, a comparison that could fall either way gives both results. Whole numbers that depend on floats may
   lie between the two.
4. What is finite in all these runs is finite in the results, and the other way round. One run uses the next wider
   floats, so that a result may be finite where only the eager order overflows. With `promised_only` this holds where
   every float of the graph, in the middle as well, is 0 or of a magnitude between 1 / PROMISED and PROMISED: beyond
   that the order of products decides what overflows.
5. Noise never turns all elements alike, and a program may: x (ab) - (xa) b can be exactly 0 everywhere. So where all
   this does not explain a result, the graph runs with exact zeros. Where noise turns signs in a sum, a difference or a
   logarithm, its elements are zero that have zero within their bound of 3. Where the two sides of a comparison have
   such a difference it is false, and true in a second run; a float that is whole but for rounding is cast to that
   number, and to the one before. What then comes out is allowed: an infinity, NaN, a whole number, a float (up to the
   tolerance of 2 times itself). A float between it and the others is allowed only after a comparison, a sign or a cast
   to whole numbers.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core import ComputationNode as Node, Graph, ops
from ...recomputation import later

TOLERANCE = {2: 5e-3, 4: 1e-5, 8: 1e-11}  # by the bytes of a float
OF_A_CHANGE = 10  # times the tolerance: a change is the small difference of two rounded numbers
PROMISED = {2: 50.0, 4: 1e12, 8: 1e100}  # by the bytes of a float
NOISE = 4.0  # in units of the relative spacing of floats
FACTOR = 4.0
FIRST_RUNS, ALL_RUNS = 4, 32  # with noise; the rest only where the first do not explain everything
ZERO_RUNS = 12  # with noise, to find what is zero but for rounding
MOST_WIDE_FLOPS = 1e9  # products of the widest floats take a hundred times longer
WIDER = {np.dtype("f2"): np.dtype("f4"), np.dtype("f4"): np.dtype("f8")}
if np.finfo(np.longdouble).max > np.finfo(np.float64).max:
    WIDER[np.dtype("f8")] = np.dtype(np.longdouble)
# What gives one of its operands' numbers, or a number that rounding cannot change.
EXACT = {
    ops.relu, ops.sign, ops.greater, ops.where, ops.transpose, ops.reshape, ops.broadcast, ops.reduce_max, ops.take,
    ops.index, ops.place, ops.concatenate, ops.identity, ops.stop_gradient, ops.cast, later,
}  # fmt: skip
# What can be zero because terms cancel.
CANCELING = {ops.add, ops.subtract, ops.matmul, ops.reduce_sum, ops.scatter_add, ops.log}

Change = Callable[[Node, Sequence[Any], Any], Any]  # of the result of a node, given the operands


@dataclass(frozen=True)
class Disagreement:
    """A result that rounding does not explain. `str()` of it is a sentence.

    `output` counts from 0. `index` is the element that differs most, None where shape or dtype differ; `expected` and
    `actual` are the two numbers, and `bound` is how much they may differ.
    """

    output: int
    index: tuple[int, ...] | None
    expected: Any
    actual: Any
    bound: float = 0.0

    def __str__(self) -> str:
        if self.index is None:
            return f"output {self.output} is {self.actual}, and eagerly {self.expected}"
        place = f"output {self.output}" + (f" at {list(self.index)}" if self.index else "")
        return f"{place} is {self.actual!r}, and eagerly {self.expected!r}; rounding explains {self.bound:.2g}"


def disagreement(
    graph: Graph, arrays: Sequence[Any], results: Sequence[Any], *,
    expected: Sequence[Any] | None = None, previous: Mapping[int, Any] | None = None, promised_only: bool = False,
) -> Disagreement | None:  # fmt: skip
    """None where `results` are the outputs of `graph` for these arrays, up to rounding; else the worst difference.

    `arrays` are those of all inputs; those of the captured parameters may be left out, and are then their values.
    `expected` are the eager outputs, if they are known. `previous` says for outputs (counted from 0) what they replace:
    ten times the tolerance, relative to the change, is then allowed. `promised_only` leaves out infinities and NaN
    beyond the promise.
    """
    values = complete(graph, arrays)
    with np.errstate(all="ignore"):
        if expected is None:
            expected = evaluate(graph, values)
        pairs = [(np.asarray(e), np.asarray(r)) for e, r in zip(expected, results, strict=True)]
        for i, (e, r) in enumerate(pairs):
            if (e.shape, e.dtype) != (r.shape, r.dtype):
                return Disagreement(i, None, f"{e.dtype}{list(e.shape)}", f"{r.dtype}{list(r.shape)}")
        replaced = previous or {}
        bounds = {i: _Bound(e, replaced.get(i)) for i, (e, r) in enumerate(pairs) if not _close(e, r, replaced.get(i))}
        wrong = {i: bad for i, bound in bounds.items() if (bad := ~bound.allows(pairs[i][1])).any()}
        for outputs, zeros in _other_runs(graph, values) if wrong else ():
            for i in wrong:
                bounds[i].widen(np.asarray(outputs[i]), between=not zeros or _jumps(graph, graph.outputs[i]))
            wrong = {i: bad for i in wrong if (bad := ~bounds[i].allows(pairs[i][1])).any()}
            if not wrong:
                break
        if wrong and promised_only and not _is_promised(graph, values):
            ordinary = {i: bad & np.isfinite(pairs[i][0]) & np.isfinite(pairs[i][1]) for i, bad in wrong.items()}
            wrong = {i: bad for i, bad in ordinary.items() if bad.any()}
        return next((bounds[i].worst(i, *pairs[i], bad) for i, bad in wrong.items()), None)


def _tolerance(expected: Any, previous: Any) -> Any:
    """How far a float may be off, relative to the largest in its output, or to the largest change."""
    relative = TOLERANCE.get(expected.dtype.itemsize, TOLERANCE[8])
    if previous is None:
        return relative * _largest(expected)
    rounding = NOISE * np.finfo(expected.dtype).eps * np.abs(expected)
    return OF_A_CHANGE * relative * _largest(expected - previous) + rounding


def _largest(array: Any) -> float:
    """The largest finite magnitude."""
    largest = np.abs(array).max(initial=0)
    return float(largest if np.isfinite(largest) else np.abs(array).max(initial=0, where=np.isfinite(array)))


def _close(expected: Any, actual: Any, previous: Any) -> bool:
    """The quick answer for nearly all outputs: everything is finite and within the tolerance."""
    if expected.dtype.kind != "f":
        return bool((expected == actual).all())
    return bool(np.isfinite(expected).all() and (np.abs(actual - expected) <= _tolerance(expected, previous)).all())


class _Bound:
    """What one output may be, element by element."""

    def __init__(self, expected: Any, previous: Any = None) -> None:
        self.float = expected.dtype.kind == "f"
        self.low = self.high = expected.astype(np.float64) if self.float else expected
        self.widened = False
        self.points: list[Any] = []
        if self.float:
            finite, self.spacing = np.isfinite(expected), float(np.finfo(expected.dtype).eps)
            self.smallest = float(np.finfo(expected.dtype).smallest_subnormal)
            self.tolerance = _tolerance(expected, previous)
            self.others = {kind: np.asarray(kind(expected)) for kind in (np.isnan, np.isposinf, np.isneginf)}
            self.low, self.high = np.where(finite, self.low, np.inf), np.where(finite, self.low, -np.inf)

    def widen(self, outcome: Any, *, between: bool = True) -> None:
        """Take in what another run gave, and what lies between it and the others; or without that, if it is a float."""
        self.widened = True
        if not self.float:
            self.low, self.high = np.minimum(self.low, outcome), np.maximum(self.high, outcome)
            return
        outcome = outcome.astype(np.float64)
        finite = np.isfinite(outcome)
        if between:
            np.minimum(self.low, outcome, out=self.low, where=finite)
            np.maximum(self.high, outcome, out=self.high, where=finite)
        else:
            slack = self._slack()  # where the bound reaches, it says enough
            beyond = (outcome < self.low - slack) | (outcome > self.high + slack)
            self.points.append(np.where(finite & beyond, outcome, np.nan))
        for kind, seen in self.others.items():
            np.logical_or(seen, kind(outcome), out=seen)

    def allows(self, actual: Any) -> Any:
        """Which elements are within the bound."""
        if not self.float:
            return (self.low <= actual) & (actual <= self.high)
        wide = actual.astype(np.float64)
        slack = self._slack()
        allowed = np.isfinite(wide) & (self.low - slack <= wide) & (wide <= self.high + slack)
        for kind, seen in self.others.items():
            allowed |= kind(wide) & seen
        relative = TOLERANCE.get(actual.dtype.itemsize, TOLERANCE[8])
        for point in self.points:
            allowed |= np.abs(wide - point) <= relative * np.abs(point)
        return allowed

    def _slack(self) -> Any:
        """How far outside of lowest and highest an element may lie; these are never closer than one rounding.

        Below the smallest normal number floats are equally far apart, however small they are.
        """
        seen = self.low <= self.high
        magnitude = np.maximum(np.abs(self.low), np.abs(self.high))
        rounding = NOISE * np.maximum(self.spacing * magnitude, self.smallest)
        distance = np.where(seen, np.maximum(self.high - self.low, rounding), 0)
        return FACTOR * distance * self.widened + self.tolerance

    def worst(self, output: int, expected: Any, actual: Any, bad: Any) -> Disagreement:
        """The element that is furthest outside, among those that are bad."""
        excess = np.zeros(actual.shape)
        bound = np.zeros(actual.shape)
        if self.float:
            excess = np.nan_to_num(np.abs(actual.astype(np.float64) - expected), nan=np.inf)
            bound = self._slack() + np.where(self.low <= self.high, self.high - self.low, 0)
        index = np.unravel_index(np.argmax(np.where(bad, excess, -1.0)), actual.shape)
        place = tuple(int(i) for i in index)
        return Disagreement(output, place, expected[place].item(), actual[place].item(), float(bound[place]))


def complete(graph: Graph, arrays: Sequence[Any]) -> list[Any]:
    """An array for every input: where those of the captured parameters are left out, their values."""
    arrays = [np.asarray(a) for a in arrays]
    missing = len(graph.inputs) - len(arrays)
    return arrays + [p._value for p in graph.captured] if missing == len(graph.captured) else arrays


def evaluate(
    graph: Graph, values: Sequence[Any], noise: np.random.Generator | None = None, *,
    wide: bool = False, change: Change | None = None,
) -> Any:  # fmt: skip
    """The outputs for these values of all inputs, operation by operation; with noise, or in the next wider floats.

    `change` gives what stands in the place of a result.
    """
    known: dict[Node, Any] = dict(zip(graph.inputs, values, strict=True))
    users = {node: len(list_of) for node, list_of in graph.users.items()}
    for node in graph.outputs:
        users[node] += 1
    for node in graph.nodes:
        if node.parents:
            operands = [known[p] for p in node.parents]
            rounds = noise is not None and node.op not in EXACT
            if rounds:
                operands = [_noisy(x, noise) for x in operands]
            known[node] = node.op.forward(*operands, **node.params)
            if rounds:
                known[node] = _noisy(known[node], noise)
            if change:
                known[node] = change(node, operands, known[node])
            for p in node.parents:  # what nobody needs any more is let go
                users[p] -= 1
                if not users[p]:
                    del known[p]
        elif node not in known:
            known[node] = node._value
        if wide and node in known and node.dtype in WIDER:
            known[node] = known[node].astype(WIDER[node.dtype])
    return [known[node] for node in graph.outputs]


def _is_promised(graph: Graph, values: Sequence[Any]) -> bool:
    """Whether all floats, also those in the middle, are of a magnitude for which the most is promised."""
    for x in evaluate(Graph(graph.inputs, graph.nodes), values):
        if x.dtype.kind == "f":
            most = PROMISED.get(x.dtype.itemsize, PROMISED[8])
            sizes = np.abs(x)
            if not np.all((sizes == 0) | ((sizes >= 1 / most) & (sizes <= most))):
                return False
    return True


def _noisy(x: Any, noise: Any) -> Any:
    """Floats multiplied by one plus a few units of their spacing, at random; anything else as it is."""
    if x.dtype.kind != "f":
        return x
    factors = 1 + NOISE * float(np.finfo(x.dtype).eps) * noise.uniform(-1, 1, x.shape)
    return (x * factors).astype(x.dtype)


def _other_runs(graph: Graph, values: Sequence[Any]) -> Iterator[tuple[Any, bool]]:
    """The outputs again and again: with noise, once with wider floats, with noise again; with exact zeros (True)."""
    if not any(node.parents and node.op not in EXACT and _touches_floats(node) for node in graph.nodes):
        return  # nothing is rounded
    noise, kept = np.random.default_rng(0), _keeping_choices(graph, values)
    for i in range(ALL_RUNS + 1):
        try:
            if i != FIRST_RUNS:
                yield evaluate(graph, values, noise, change=kept if i % 2 else None), False
            elif graph.flops <= MOST_WIDE_FLOPS:
                yield evaluate(graph, values, wide=True), False
        except Exception:  # an index that depends on rounding may be out of range, an operation may know no wide floats
            continue
    zeros = _Zeros(graph, values)
    for negative in (False, True):
        try:
            yield evaluate(graph, values, change=zeros.exact(negative)), True
        except Exception:
            continue


def _keeping_choices(graph: Graph, values: Sequence[Any]) -> Change:
    """What has comparisons, signs and casts to whole numbers come out as they do without noise."""
    results = values_of([node for node in graph.nodes if _chooses(node)], graph, values)
    return lambda node, operands, result: results.get(node, result)


def values_of(nodes: Sequence[Node], graph: Graph, values: Sequence[Any]) -> dict[Node, Any]:
    """The value of each of these nodes of a graph."""
    return dict(zip(nodes, evaluate(Graph(graph.inputs, nodes), values), strict=True))


class _Zeros:
    """Which numbers in the middle of a graph are zero but for rounding."""

    def __init__(self, graph: Graph, values: Sequence[Any]) -> None:
        self.bounds: dict[Node, tuple[Any, Any]] = {}
        noise = np.random.default_rng(1)
        for source in (None, *[noise] * ZERO_RUNS):
            try:
                evaluate(graph, values, source, change=self._look)
            except Exception:  # as above
                continue

    def _look(self, node: Node, operands: Sequence[Any], result: Any) -> Any:
        distance = _from_zero(node, operands, result)
        if distance is not None:
            low, high = self.bounds.get(node, (distance, distance))
            self.bounds[node] = np.minimum(low, distance), np.maximum(high, distance)
        return result

    def exact(self, negative: bool) -> Change:
        """What puts exact zeros in their place, 0.0 or -0.0: one over it is infinite, with either sign.

        A comparison that finds a zero is false, and true in the other case; a cast float is whole, or a little smaller.
        """

        def change(node: Node, operands: Sequence[Any], result: Any) -> Any:
            if node not in self.bounds:
                return result
            low, high = self.bounds[node]
            if not ((low < 0) & (high > 0)).any():
                return result  # a sum of squares is not zero, however small
            slack = FACTOR * (high - low)
            is_zero = np.isfinite(slack) & (low - slack <= 0) & (high + slack >= 0)
            exact: Any = -0.0 if negative else 0.0
            if node.op is ops.greater:
                exact = negative
            elif node.op is ops.cast:
                whole = np.rint(operands[0])
                is_zero, exact = is_zero & (high - low < 0.5), whole - np.sign(whole) * negative
            elif not np.isfinite(result).all():
                is_zero = is_zero & np.isfinite(result)  # an infinity that an earlier zero made
            return np.where(is_zero, exact, result).astype(result.dtype)

        return change


def _from_zero(node: Node, operands: Sequence[Any], result: Any) -> Any:
    """What is zero where terms cancel, two sides are equal, or a float is a whole number; None for other operations."""
    if node.op in CANCELING and result.dtype.kind == "f":
        return result
    if node.op is ops.greater and any(x.dtype.kind == "f" for x in operands):
        return operands[0] - operands[1]
    return operands[0] - np.rint(operands[0]) if _truncates(node) else None


def _truncates(node: Node) -> bool:
    return node.op is ops.cast and node.parents[0].dtype.kind == "f" and node.dtype.kind != "f"


def _jumps(graph: Graph, output: Node) -> bool:
    """Whether a tiny difference can become a large one: by a comparison, a sign or a cast to whole numbers."""
    return any(map(_chooses, Graph(graph.inputs, [output]).nodes))


def _chooses(node: Node) -> bool:
    return node.op in (ops.greater, ops.sign) or _truncates(node)


def _touches_floats(node: Node) -> bool:
    return any(n.dtype.kind == "f" for n in (node, *node.parents))
