"""Small programs in planned memory, in which everything occurs that a planner decides: what each gives, run for real.

Blocks, parts, results over operands, views, packed weights, products in blocks, vectors of parameters, numbers without
axes, mixed dtypes. With `tiny()` all of that happens to arrays of a dozen rows.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.compiler.passes import inner_products, repeat_rows
from tinygrad_lora.compiler.planned import calls, order as schedule, products
from tinygrad_lora.compiler.planned.decide import lower
from tinygrad_lora.compiler.planned.write import Planned, emit_planned
from tinygrad_lora.core import ops
from tinygrad_lora.core.graph import Graph
from tinygrad_lora.core.source import function_from_source

Arrays = list[np.ndarray]


@contextmanager
def tiny() -> Iterator[None]:
    """Blocks of a few rows, and products in blocks, for arrays of a few dozen numbers."""
    with (
        patch.object(schedule, "LARGE", 24), patch.object(schedule, "BLOCK_BYTES", 200),
        patch.object(calls, "FEW_ROWS", 2),
        patch.object(products, "SMALL_KERNEL", 200), patch.object(products, "FEWEST_ROWS", 2),
        patch.object(repeat_rows, "MOST_TO_REPEAT", 60), patch.object(inner_products, "SHORTEST_ROW", 4),
    ):  # fmt: skip
        yield


def floats(rng: np.random.Generator, *shape: int, dtype: Any = np.float64) -> Any:
    return rng.normal(size=shape).astype(dtype)


class Case(NamedTuple):
    """A compiled function, and how arguments for it are made up."""

    name: str
    compiled: Any
    arguments: Callable[[np.random.Generator], Arrays]

    def planned(self) -> Planned:
        """The program as the planner writes it now."""
        lowered, graph = self.compiled.program.planned.lowered, self.compiled.graph
        into, views = self.compiled._replaced(graph)
        plan = lower(graph, lowered.techniques, lowered.frozen, into, views)
        return emit_planned(plan, self.compiled.name, self.compiled._names(graph))

    def function(self, planned: Planned) -> Any:
        return function_from_source(self.compiled.name, planned.source)

    @property
    def views(self) -> Any:
        return self.compiled._replaced(self.compiled.graph)[1]

    def inputs(self, rng: np.random.Generator) -> Arrays:
        """Arrays for all inputs of the graph. Those that are views of a vector are views of it here as well."""
        graph = self.compiled.graph
        given = self.arguments(rng)
        arrays = dict(zip(graph.inputs, given, strict=False))
        for leaf in graph.inputs[len(given) :]:
            arrays[leaf] = (
                rng.uniform(0.5, 1.5, leaf.shape) if leaf.dtype.kind == "f" else rng.integers(0, 3, leaf.shape)
            )
            arrays[leaf] = np.asarray(arrays[leaf], leaf.dtype)
        if hasattr(self.compiled, "storage"):
            leaves = self.compiled._captured(graph)
            for flat in self.compiled.storage.flats:
                for node, part in zip(flat.nodes, flat.parts, strict=True):
                    if node in leaves and flat.leaf in leaves:
                        arrays[leaves[node]] = arrays[leaves[flat.leaf]][part].reshape(node.shape)
        return [arrays[leaf] for leaf in graph.inputs]

    def wrong(self, planned: Planned, runs: int) -> str:
        """What is wrong with the results over so many runs, each with other numbers in the memory; "" if nothing is."""
        graph, function = self.compiled.graph, self.function(planned)
        scope, into = function.__globals__, planned.lowered.into
        names = {name: node for node, name in planned.variables.items()}
        arrays = {name: x for name, x in scope.items() if isinstance(x, np.ndarray)}
        scratch = [
            x
            for name, x in arrays.items()
            if name == "memory" or (x.base is None and name in names and names[name].parents)
        ]
        constants = [x for name, x in arrays.items() if name in names and not names[name].parents]
        before = [x.copy() for x in constants]
        earlier: list[tuple[np.ndarray, np.ndarray]] = []
        for seed in range(runs):
            rng = np.random.default_rng(seed)
            for x in scratch:
                noise = [np.full(x.nbytes, 255, np.uint8), rng.integers(0, 256, x.nbytes, dtype=np.uint8)][seed % 2]
                np.copyto(x, np.frombuffer(noise.tobytes(), x.dtype).reshape(x.shape))
            inputs = self.inputs(rng)
            kept = []
            if planned.packer:
                frozen = dict(zip(graph.inputs, inputs, strict=True))
                kept = list(scope[planned.packer](*(frozen[leaf] for leaf in planned.lowered.frozen)))
            expected = [np.array(x) for x in Graph(graph.inputs, graph.outputs)(*(x.copy() for x in inputs))]
            saved = [np.array(x) for x in [*inputs, *kept]]
            results = function(*inputs, *kept)
            results = list(results) if type(results) is tuple else [] if results is None else [results]
            wanted = [x for i, x in enumerate(expected) if i not in into]
            written = {graph.inputs.index(leaf): i for i, leaf in into.items()}
            held = [scope.get("memory"), *inputs, *kept, *constants]
            for i, (x, y) in enumerate(zip(results, wanted, strict=True)):
                if not _equal(x, y):
                    return f"output {i} is {x} and not {y}"
                others = [z for z in [*held, *results[:i]] if isinstance(z, np.ndarray)]
                if isinstance(x, np.ndarray) and any(np.shares_memory(x, z) for z in others):
                    return f"output {i} is a part of something else"
            for j, (x, y) in enumerate(zip([*inputs, *kept], saved, strict=True)):
                if j in written:
                    if not _equal(x, expected[written[j]]):
                        return f"argument {j} is {x} after the call and not {expected[written[j]]}"
                elif not any(np.shares_memory(x, inputs[k]) for k in written) and not _equal(x, y):
                    return f"argument {j} was changed"
            if any(not _equal(x, y) for x, y in [*earlier, *zip(constants, before, strict=True)]):
                return "a constant or an earlier result was changed"
            earlier = [(x, x.copy()) for x in results if isinstance(x, np.ndarray)]
            for x, _ in earlier if seed % 3 == 2 else ():
                x[...] = 1
            earlier = [(x, x.copy()) for x, _ in earlier]
        return ""


def _equal(x: Any, y: Any) -> bool:
    x, y = np.asarray(x), np.asarray(y)
    if x.dtype != y.dtype or x.shape != y.shape:
        return False
    if x.dtype.kind != "f":
        return np.array_equal(x, y)
    tolerance = 1e-9 if x.dtype == np.float64 else 2e-4
    return np.allclose(
        x, y, rtol=tolerance, atol=tolerance * max(1.0, np.abs(y[np.isfinite(y)]).max(initial=0)), equal_nan=True
    )


# --- The programs ---


def _gradients(f: Callable[..., Any], n: int) -> Callable[..., Any]:
    def both(*xs: Any) -> Any:
        y = f(*xs)
        return y, *tl.gradients(tl.sum(y * y), xs[:n])

    return both


def _normalized(x: Any, w: Any, b: Any) -> Any:
    return tl.softmax(tl.tanh(tl.layer_norm(x, w, b)))


def _turned(x: Any) -> Any:
    k = x @ x.mT
    return tl.gradients(tl.sum(k * k.mT * k), x)


def _masked(x: Any, m: Any) -> Any:
    return tl.sum(x * m, 1) / tl.maximum(1.0, tl.sum(m, 1)), tl.where(x > 0.0, x, m) * m, tl.relu(m + m)


def _chosen(x: Any, y: Any) -> Any:
    a, b = x * 2.0, tl.exp(y)
    c = tl.where(a > b, a * b, b)
    d = tl.where(c > x, c, tl.where(x > 0.0, b - x, x + c))
    return d * c, tl.maximum(d, c)


def _joined(x: Any, y: Any) -> Any:
    a, b, c = tl.reshape(x * y, (-1,)), tl.reshape((x + y).mT, (-1,)), tl.reshape(tl.exp(y), (-1,))
    v = tl.concatenate([a, b, c, a[2:5]])
    return v * 2.0, tl.concatenate([x * 3.0, y * x], axis=1) * 2.0, tl.concatenate([tl.sum(x, 0), x[0] * 2.0]) + 1.0


def _parts(x: Any) -> Any:
    y = tl.tanh(x)
    return (tl.concatenate([y[1:], y[:1]]) * y)[:, ::2] * 2.0, (y[::-1] * x).mT @ y, y[2, 1] * y, y[-1]


def _taken(x: Any, rows: Any) -> Any:
    z = tl.take(x * 2.0, rows) * 1.5
    return tl.cross_entropy(x, rows), tl.sum(z * z)


def _scattered(x: Any, y: Any, z: Any, rows: Any) -> Any:
    return ops.scatter_add((x > y) * z, rows, shape=(3, 3)).mT


def _classified(x: Any, w: Any, labels: Any) -> Any:
    loss = tl.cross_entropy(x @ w, labels)
    return loss, tl.gradients(loss, w)


def _numbers(x: Any) -> Any:
    s, m = tl.sum(x), tl.max(x)
    r = tl.relu(s) + tl.relu(x[0, 1])
    return s * m, r, x * s, (x - m) / (s * s + 1.0), tl.relu(r - 1.0) * x, ops.cast(s, dtype="float32"), s


def _same(x: Any, y: Any) -> Any:
    z = tl.exp(x)
    return x, x.mT, z, z, tl.reshape(z, (-1,)), z.mT, y, tl.reshape(y, (-1,)), z[0], tl.broadcast(z[:1] * 2.0, x.shape)


def _batches(x: Any, y: Any) -> Any:
    z = tl.softmax(x @ y.mT) @ y
    return z * x, tl.sum(z * y, axis=(0, 2)), tl.max(z, axis=1, keepdims=True) * z


def _mixed(x: Any, y: Any, n: Any) -> Any:
    a = ops.cast(x, dtype="float64") * y
    b = ops.cast(a, dtype="float32") + x
    return b * b, a * n, (x > 0.0) * n, tl.where(n > 0, a, y) - tl.sum(n * n, axis=1, keepdims=True), x * 2.0 + y


def _sums(x: Any, v: Any) -> Any:
    y = x * 2.0
    a, b, c = tl.sum(y, axis=0, keepdims=True), tl.sum(y * y, axis=1), y @ v
    d = (y - a) * tl.reshape(b, (-1, 1)) + c
    return d * y, tl.max(d, axis=1), tl.sum(tl.exp(d * 0.01), axis=(0, 1), keepdims=True) * x, tl.sum(d * x, axis=1)


def _nested(x: Any, y: Any) -> Any:
    a = tl.concatenate([tl.reshape(x * y, (-1,)), tl.reshape(tl.exp(x), (-1,))])
    b = tl.concatenate([a, tl.reshape(y * 2.0, (-1,)), a[:3]])
    return (
        b * 2.0,
        tl.sum(a),
        tl.concatenate([tl.reshape(x + y, (-1,)), tl.reshape(ops.cast(y, dtype="float32"), (-1,))]),
    )


def _empty(x: Any) -> Any:
    y = tl.exp(x * 2.0)
    return tl.sum(y, axis=1), y.mT @ y, tl.concatenate([tl.reshape(y, (-1,)), tl.sum(y, 0)])


def _rows(x: Any, b: Any) -> Any:
    y = x * b + x
    s = tl.sum(y, axis=1, keepdims=True)
    z = (y - s) * x
    return tl.sum(z, axis=0), z @ tl.exp(x).mT, tl.mean(z * z, axis=1), y + z.mT.mT


def _frozen() -> Callable[..., Any]:
    rng = np.random.default_rng(0)
    w = tl.parameter(floats(rng, 6, 8), "w", trainable=False)
    bias = tl.parameter(floats(rng, 8), "bias", trainable=False)
    a, b = tl.parameter(floats(rng, 6, 2), "a"), tl.parameter(floats(rng, 2, 8), "b")

    def frozen(x: Any) -> Any:
        y = 0.5 * (x @ w) + bias + 2.0 * (x @ a @ b)
        z = tl.relu(y)
        return z, tl.exp(bias), bias * 2.0, w.mT, *tl.gradients(tl.sum(z * z), [a, b, x])

    return frozen


def _thin(x: Any, a: Any, b: Any) -> Any:
    y = tl.tanh(x @ a @ b)
    return y, *tl.gradients(tl.sum(y * y * x), [x, a, b])


def _checkpointed(x: Any, w: Any, v: Any) -> Any:
    """Three blocks, each computed again for its gradient; the second looks at one number of what it computes."""
    y = tl.checkpoint(lambda z: tl.tanh(z @ w) * z)(x)
    y = tl.checkpoint(lambda z: tl.exp(z * 0.1) @ v + z[0, 0])(y)
    return tl.checkpoint(lambda z: tl.softmax(z) * z)(y)


class Exchanging(tl.SGD):
    """The parameters take the values of the slot, and the slot theirs."""

    elementwise = True

    def __init__(self, parameters: Any, lr: float) -> None:
        super().__init__(parameters, lr)
        self.slots = [self._zeros("other")]

    def update(self, parameters: Any, gradients: Any, state: Any, rate: Any) -> Any:
        return [s + 0 * g for s, g in zip(state, gradients, strict=True)], [p * 1.0 for p in parameters]


class Mirroring(tl.SGD):
    """A rule that is not elementwise, whatever it says: each number takes the place of another."""

    elementwise = True

    def update(self, parameters: Any, gradients: Any, state: Any, rate: Any) -> Any:
        return [tl.where(p > g, p[::-1], p) + rate * g for p, g in zip(parameters, gradients, strict=True)], []


def _model(dtype: Any = np.float64, rank: int = 0) -> Any:
    model = tl.Sequential(tl.Linear(6, 5, seed=0, dtype=dtype), tl.tanh, tl.Linear(5, 3, seed=1))
    return tl.adapt(model, rank, seed=2) if rank else model


def _step(name: str, model: Any, optimizer: Any, loss: Any = tl.cross_entropy, **options: Any) -> Case:
    step = tl.compile_training_step(model, loss, optimizer, **options)

    def batch(rng: np.random.Generator) -> Arrays:
        x = floats(rng, 8, 6, dtype=model.dtype or np.float64)
        return [x, rng.integers(0, 3, 8) if loss is tl.cross_entropy else floats(rng, 8, 3)]

    step.prepare(*batch(np.random.default_rng(0)))
    return Case(name, step, batch)


def cases() -> list[Case]:
    """All programs, compiled."""
    found: list[Case] = []

    def add(name: str, f: Callable[..., Any], *shapes: Any, **options: Any) -> None:
        def arguments(rng: np.random.Generator) -> Arrays:
            return [shape(rng) if callable(shape) else floats(rng, *shape) for shape in shapes]

        found.append(Case(name, tl.compile(f, **options).prepare(*arguments(np.random.default_rng(0))), arguments))

    def whole(*shape: int, dtype: Any = np.int64) -> Any:
        return lambda rng: rng.integers(0, 3, shape).astype(dtype)

    def single(*shape: int) -> Any:
        return lambda rng: floats(rng, *shape, dtype=np.float32)

    for rows in (12, 13):
        add(f"normalized {rows}", _gradients(_normalized, 3), (rows, 5), (5,), (5,))
        add(f"checkpointed {rows}", _gradients(_checkpointed, 3), (rows, 4), (4, 4), (4, 4))
        add(f"turned {rows}", _turned, (rows, 3))
        add(f"turned plainly {rows}", _turned, (rows, 3), passes=())
        add(f"chosen {rows}", _chosen, (rows, 4), (rows, 4))
        add(f"rows {rows}", _rows, (rows, 4), (4,))
    add("normalized float32", _gradients(_normalized, 3), single(12, 5), single(5), single(5))
    for kind in (np.int64, np.bool_, np.int32):
        add(f"masked {kind.__name__}", _masked, (12, 4), whole(12, 4, dtype=kind))
    add("chosen single", _chosen, single(12, 4), single(12, 4))
    add("joined", _joined, (4, 3), (4, 3))
    add("joined large", _joined, (10, 4), (10, 4))
    add("parts", _parts, (6, 5))
    add(
        "parts' slopes",
        lambda x: tl.gradients(tl.sum(_parts(x)[1] * _parts(x)[1]) + tl.sum(x[1:4, ::2] * x[2:5, ::2]), x),
        (6, 5),
        passes=(),
    )
    add(
        "taken",
        lambda x, rows: (_taken(x, rows), tl.gradients(_taken(x, rows)[0] + _taken(x, rows)[1], x))[1],
        (3, 5),
        whole(3),
    )
    add("numbers", _numbers, (4, 3))
    add(
        "numbers of whole numbers",
        lambda x: (tl.relu(x[0]) + tl.relu(x[1]), tl.sum(x) * tl.relu(tl.sum(x)), x * tl.sum(x)),
        whole(4),
    )
    add("the same twice", _same, (3, 4), ())
    add("batches", _batches, (2, 4, 3), (2, 4, 3))
    add("mixed", _mixed, single(12, 3), (12, 3), whole(12, 3))
    add("sums", _sums, (12, 5), (5, 1))
    add("sums plainly", _sums, (13, 5), (5, 1), passes=())
    add("nested", _nested, (4, 3), (4, 3))
    add("one row", lambda x, y: (tl.tanh(x * y) - x) * y + tl.sum(x * y, axis=1, keepdims=True), (1, 40), (1, 40))
    add("empty", _empty, (0, 3))
    add("empty scattered", _scattered, (), (1,), (0, 3), whole(0))
    add("a part of parts", lambda x, y: tl.concatenate([x**2, x, y])[:1] * 1.0, (1,), (0,), passes=())
    for left_out in ("in_place", "ready_numbers", "small_dot"):
        add(f"classified without {left_out}", _classified, (4, 3), (3, 5), whole(4), without=[left_out])
    add("frozen", _frozen(), (12, 6))
    add("frozen plainly", _frozen(), (12, 6), passes=())
    add("thin", _thin, (16, 6), (6, 2), (2, 6))
    add("thin turned", lambda x, a: (x @ a.mT, (x @ a.mT).mT @ x), (16, 3), (10, 3), passes=())
    for left_out in ("reuse_memory", "ready_views"):
        add(f"normalized without {left_out}", _gradients(_normalized, 3), (12, 5), (5,), (5,), without=[left_out])
    model = _model()
    found.append(_step("sgd", model, tl.SGD(model.parameters(), 0.1, momentum=0.9)))
    model = _model(rank=2)
    found.append(_step("adam on adapters", model, tl.Adam(model.parameters(), 0.1)))
    model = _model(np.float32)
    found.append(_step("two dtypes", model, tl.AdamW(model.parameters(), 0.1), tl.mse))
    model = _model()
    found.append(_step("exchanging", model, Exchanging(model.parameters(), 0.1), tl.mse, input_gradient=True))
    model = _model()
    found.append(_step("copied at the end", model, tl.Adam(model.parameters(), 0.1), without=["update_in_place"]))
    model = _model()
    found.append(_step("mirroring", model, Mirroring(model.parameters(), 0.1)))
    return found
