"""What Hypothesis draws: operands for each operation, and random programs on which re-association changes nothing.

`inputs_for(op)` has one line for each operation. `random_graphs()` and `matmul_chains()` give a program and arrays to
call it on; every number in them is whole, or a few halvings of one, and stays below 2**40. There float64 is exact, so
whatever a compiler does to such a program must agree with it to the last bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import settings, strategies as st

import tinygrad_lora as tl

LIMIT = 2**40

# --- Arrays ---

# Eighths: exact in float32 as well, and a failing example is easy to read.
ANY = st.integers(-24, 24).map(lambda n: n / 8)
POSITIVE = st.integers(1, 32).map(lambda n: n / 8)
NONZERO = st.builds(lambda x, sign: x * sign, POSITIVE, st.sampled_from((1, -1)))
SIZES = st.sampled_from((1, 2, 3, 1, 2, 3, 0))  # empty axes are legal, and rare
FILLED = st.sampled_from((1, 2, 3))


def examples(most: int, **options: Any) -> settings:
    """For a test: that many examples with `--all`, and in a quick run the first quarter of them, though 5 at least."""
    everything = settings.default.max_examples == settings.get_profile("fixed").max_examples
    return settings(max_examples=most if everything else max(5, most // 4), **options)


def shapes(min_dims: int = 0, max_dims: int = 3, sizes: Any = SIZES) -> st.SearchStrategy[tuple[int, ...]]:
    return st.lists(sizes, min_size=min_dims, max_size=max_dims).map(tuple)


def arrays(shape: tuple[int, ...], elements: Any = ANY, unique: bool = False) -> st.SearchStrategy[Any]:
    n = math.prod(shape)
    return st.lists(elements, min_size=n, max_size=n, unique=unique).map(lambda x: np.array(x, float).reshape(shape))


@st.composite
def broadcastable(draw: Any, n: int, sizes: Any = SIZES) -> list[tuple[int, ...]]:
    """n shapes that broadcast: one of them less some leading axes, and with some axes of length 1."""
    whole = draw(shapes(sizes=sizes))
    parts = [
        tuple(draw(st.sampled_from((size, 1))) for size in whole[draw(st.integers(0, len(whole))) :]) for _ in range(n)
    ]
    parts[draw(st.integers(0, n - 1))] = whole
    return parts


# --- The operands of one operation ---


class Case(NamedTuple):
    operands: tuple[Any, ...]
    params: dict[str, Any]

    def astype(self, dtype: Any) -> Case:
        """The same numbers; conditions and indices stay what they are."""
        return Case(tuple(x.astype(dtype) if x.dtype.kind == "f" else x for x in self.operands), self.params)

    @property
    def real(self) -> list[int]:
        """Which operands can have a gradient."""
        return [i for i, x in enumerate(self.operands) if x.dtype.kind == "f"]


@st.composite
def elementwise(draw: Any, *elements: Any, **params: Any) -> Case:
    """One array for each strategy, in shapes that broadcast."""
    operands = tuple(draw(arrays(s, e)) for s, e in zip(draw(broadcastable(len(elements))), elements, strict=True))
    return Case(operands, {name: draw(strategy) for name, strategy in params.items()})


@st.composite
def one_array(
    draw: Any, params: Callable[..., dict[str, Any]] = lambda draw, x: {}, min_dims: int = 0, unique: bool = False
) -> Case:
    """One array of any shape, and parameters that suit it."""
    x = draw(arrays(draw(shapes(min_dims)), unique=unique))
    return Case((x,), params(draw, x))


@st.composite
def matrices(draw: Any) -> Case:
    a, b = draw(broadcastable(2, st.sampled_from((1, 2)))) if draw(st.booleans()) else ((), ())
    rows, inner, columns = draw(SIZES), draw(SIZES), draw(SIZES)
    return Case((draw(arrays(a[:2] + (rows, inner))), draw(arrays(b[:2] + (inner, columns)))), {})


def axes(draw: Any, x: Any) -> dict[str, Any]:
    chosen = draw(st.sets(st.integers(0, x.ndim - 1))) if x.ndim else ()
    return {"axis": tuple(sorted(chosen)), "keepdims": draw(st.booleans())}


def filled_axes(draw: Any, x: Any) -> dict[str, Any]:
    """Axes to take a maximum over: none of them empty."""
    params = axes(draw, x)
    return params | {"axis": tuple(i for i in params["axis"] if x.shape[i])}


def new_shape(draw: Any, x: Any) -> dict[str, Any]:
    ones = [1] * draw(st.integers(0, 2))
    return {"shape": tuple(draw(st.permutations([*factors(x.size, draw), *ones])))}


def factors(n: int, draw: Any) -> list[int]:
    """n as a product of one, two or three sizes."""
    sizes = []
    for p in (2, 3):
        while n and n % p == 0 and draw(st.booleans()):
            sizes, n = [*sizes, p], n // p
    return sizes if n == 1 and sizes else [*sizes, n]


@st.composite
def stretched(draw: Any) -> Case:
    small, whole = draw(broadcastable(2).filter(lambda s: np.broadcast_shapes(*s) == s[1]))
    return Case((draw(arrays(small)),), {"shape": whole})


def keys(shape: tuple[int, ...]) -> st.SearchStrategy[Any]:
    """Numbers, slices, None and the ellipsis that select something of an array of this shape."""
    size = st.integers(-3, 3)
    slices = st.builds(slice, st.none() | size, st.none() | size, st.none() | st.sampled_from((1, 2, -1, -2)))

    @st.composite
    def key(draw: Any) -> Any:
        parts = [
            draw(st.integers(-n, n - 1)) if n and draw(st.booleans()) else draw(slices)
            for n in shape[: draw(st.integers(0, len(shape)))]
        ]
        for extra in draw(st.sampled_from(((), (None,), (Ellipsis,), (None, Ellipsis)))):
            parts.insert(draw(st.integers(0, len(parts))) if extra is None else len(parts), extra)
        return tuple(parts)

    return key()


@st.composite
def indices(draw: Any, shape: tuple[int, ...], depth: int) -> tuple[Any, ...]:
    """Whole-number arrays, in shapes that broadcast, that select elements along the first `depth` axes."""
    # An index may occur twice, so that a gradient which overwrites instead of adding is seen.
    where = [s[-2:] for s in draw(broadcastable(depth, FILLED))]
    pick = [st.integers(-n, n - 1) for n in shape[:depth]]
    return tuple(draw(arrays(s, e)).astype(np.int64) for s, e in zip(where, pick, strict=True))


def broadcasts(shapes: list[tuple[int, ...]]) -> bool:
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        return False
    return True


@st.composite
def taken(draw: Any) -> Case:
    shape = draw(shapes(1, sizes=FILLED))
    return Case((draw(arrays(shape)), *draw(indices(shape, draw(st.integers(1, len(shape)))))), {})


@st.composite
def scattered(draw: Any) -> Case:
    shape = draw(shapes(1, sizes=FILLED))
    where = draw(indices(shape, draw(st.integers(1, len(shape)))))
    x = draw(arrays(np.broadcast_shapes(*(i.shape for i in where)) + shape[len(where) :]))
    return Case((x, *where), {"shape": shape})


@st.composite
def placed(draw: Any) -> Case:
    shape = draw(shapes())
    key = draw(keys(shape))
    return Case((draw(arrays(np.zeros(shape)[key].shape)),), {"key": key, "shape": shape})


@st.composite
def side_by_side(draw: Any) -> Case:
    shape = draw(shapes(1))
    axis = draw(st.integers(0, len(shape) - 1))
    parts = draw(st.lists(SIZES, min_size=1, max_size=3))
    return Case(tuple(draw(arrays(shape[:axis] + (n,) + shape[axis + 1 :])) for n in parts), {"axis": axis})


POWERS = elementwise(ANY, exponent=st.integers(0, 3)) | elementwise(
    POSITIVE, exponent=st.sampled_from((-1, -2, 0.5, 1.5, -0.5))
)
FACTORS = st.sampled_from((1, 2, -1, 0, 0.5, -1.25, 3))

FACTORIES: dict[str, st.SearchStrategy[Case]] = {
    "matmul": matrices(),
    "scale": elementwise(ANY, factor=FACTORS),
    "add": elementwise(ANY, ANY),
    "subtract": elementwise(ANY, ANY),
    "multiply": elementwise(ANY, ANY),
    "divide": elementwise(ANY, NONZERO),
    "power": POWERS,
    "exp": elementwise(ANY),
    "log": elementwise(POSITIVE),
    "sqrt": elementwise(POSITIVE),
    "tanh": elementwise(ANY),
    "relu": elementwise(NONZERO),
    "sign": elementwise(ANY),
    "greater": elementwise(ANY, ANY),
    "where": elementwise(ANY, ANY, ANY).map(lambda case: Case((case.operands[0] > 0, *case.operands[1:]), {})),
    "transpose": one_array(min_dims=2),
    "reshape": one_array(new_shape),
    "broadcast": stretched(),
    "reduce_sum": one_array(axes),
    "reduce_max": one_array(filled_axes, unique=True),
    "identity": one_array(),
    "stop_gradient": one_array(),
    "cast": one_array(lambda draw, x: {"dtype": draw(st.sampled_from(("float64", "float32")))}),
    "take": taken(),
    "scatter_add": scattered(),
    "index": one_array(lambda draw, x: {"key": draw(keys(x.shape))}),
    "place": placed(),
    "concatenate": side_by_side(),
    "random_uniform": st.builds(
        lambda seed, stream, shape: Case((np.array(seed),), {"stream": stream, "shape": shape}),
        st.integers(0, 99), st.integers(0, 9), shapes(),
    ),
}  # fmt: skip

# Operations that are not defined on complex numbers, or have kinks: the complex step says nothing about them.
# The factories keep them away from the kinks, so that central differences do.
NOT_ANALYTIC = {"relu", "reduce_max", "cast"}


def inputs_for(op: tl.Op) -> st.SearchStrategy[Case]:
    """Operands and parameters that are legal for this operation."""
    if op.name not in FACTORIES:
        remedy = "add a line to FACTORIES in tests/strategies.py"
        pytest.fail(f"the operation {op.name!r} has no inputs to be tested on: {remedy}", pytrace=False)
    return FACTORIES[op.name]


# --- Programs ---


@dataclass(frozen=True)
class Step:
    """One line of a program: the operation, which earlier values it takes, and its parameters."""

    op: str
    operands: tuple[int, ...] = ()
    params: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Value:
    """What is known of an earlier value: its shape, a bound on its numbers, and how often they may have been halved."""

    shape: tuple[int, ...]
    bound: float
    halvings: int = 0

    @property
    def bits(self) -> float:
        """The largest whole number that it takes to write these numbers in units of the smallest."""
        return max(self.bound, 1) * 2**self.halvings


ENGINE: dict[str, Callable[..., Any]] = {
    "constant": lambda array: tl.constant(array),
    "add": tl.add,
    "subtract": tl.subtract,
    "multiply": tl.multiply,
    "scale": tl.scale,
    "matmul": tl.matmul,
    "transpose": tl.transpose,
    "sum": tl.sum,
    "reshape": tl.reshape,
    "broadcast": tl.broadcast,
    "relu": tl.relu,
    "maximum": tl.maximum,
    "where": lambda a, b, c, d: tl.where(tl.greater(a, b), c, d),
    "concatenate": lambda *arrays, axis: tl.concatenate(arrays, axis),
    "index": lambda x, key: x[key],
    "take": lambda x, indices: tl.take(x, indices),
    "identity": tl.identity,
}


class Program:
    """A function of `len(arrays)` nodes, as data: `tl.trace(program, *arrays)`. Its repr is its source.

    `parameters` are nodes that it uses besides its arguments, as a model uses its weights.
    """

    def __init__(self, arrays: Any, steps: Iterable[Step], outputs: Iterable[int], parameters: Any = ()) -> None:
        self.arrays, self.parameters = tuple(arrays), tuple(parameters)
        self.steps, self.outputs = tuple(steps), tuple(outputs)

    def __call__(self, *inputs: Any) -> Any:
        result = self.run(ENGINE, [*inputs, *self.parameters])
        return result[0] if len(result) == 1 else result

    def run(self, table: dict[str, Callable[..., Any]], leaves: Iterable[Any]) -> list[Any]:
        """The outputs, with each operation as `table` has it."""
        values = list(leaves)
        for step in self.steps:
            values.append(table[step.op](*(values[i] for i in step.operands), **step.params))
        return [values[i] for i in self.outputs]

    def __repr__(self) -> str:
        leaves = [f"x{i}" for i in range(len(self.arrays))] + [f"w{i}" for i in range(len(self.parameters))]
        name = [*leaves, *(f"v{i}" for i in range(len(self.steps)))]
        lines = [f"def f({', '.join(leaves[: len(self.arrays)])}):"]
        for result, step in zip(name[len(leaves) :], self.steps, strict=True):
            arguments = [name[i] for i in step.operands] + [f"{k}={v!r}" for k, v in step.params.items()]
            lines.append(f"    {result} = {step.op}({', '.join(arguments)})")
        lines.append(f"    return {', '.join(name[i] for i in self.outputs)}")
        lines += [f"{x} = {a!r}" for x, a in zip(leaves, [*self.arrays, *self.parameters], strict=True)]
        return "\n".join(lines)


class Writer:
    """Writes a program line by line, and leaves out what would not be exact or would be large."""

    def __init__(self, draw: Any, limit: float = LIMIT) -> None:
        self.draw, self.limit = draw, limit
        self.values: list[Value] = []
        self.steps: list[Step] = []

    def leaf(self, shape: tuple[int, ...], bound: int) -> Any:
        self.values.append(Value(shape, bound))
        return self.draw(arrays(shape, st.integers(-bound, bound)))

    def write(self, value: Value, op: str, *operands: int, **params: Any) -> int | None:
        """Add a line, if what it computes is exact and small enough; say which value it is."""
        if value.bits >= self.limit or math.prod(value.shape) > 64 or len(value.shape) > 4:
            return None
        self.steps.append(Step(op, operands, params))
        self.values.append(value)
        return len(self.values) - 1

    def pick(self, fits: Callable[[Value], bool] = lambda v: True) -> int:
        """An earlier value that fits, a late one rather than an early one."""
        fitting = [i for i, v in enumerate(self.values) if fits(v)]
        return self.draw(st.sampled_from(fitting + 2 * fitting[-2:]))

    def pick_beside(self, *taken: int) -> int:
        """An earlier value that broadcasts with those taken."""
        return self.pick(lambda v: broadcasts([v.shape, *(self.values[i].shape for i in taken)]))

    def together(self, operands: tuple[int, ...], bound: float) -> Value:
        """What an elementwise operation makes of these values."""
        parts = [self.values[i] for i in operands]
        return Value(np.broadcast_shapes(*(v.shape for v in parts)), bound, max(v.halvings for v in parts))

    # Each of these adds a line, or a few, or none.

    def constant(self) -> Any:
        shape = self.draw(shapes(0, 2, FILLED))
        return self.write(Value(shape, 3), "constant", array=self.draw(arrays(shape, st.integers(-3, 3))))

    def sum_or_difference(self) -> Any:
        a = self.pick()
        b = self.pick_beside(a)
        bound = self.values[a].bound + self.values[b].bound
        return self.write(self.together((a, b), bound), self.draw(st.sampled_from(("add", "subtract"))), a, b)

    def multiply(self) -> Any:
        a = self.pick()
        b = self.pick_beside(a)
        whole = self.together((a, b), self.values[a].bound * self.values[b].bound)
        halvings = self.values[a].halvings + self.values[b].halvings
        return self.write(Value(whole.shape, whole.bound, halvings), "multiply", a, b)

    def scale(self, x: int | None = None) -> Any:
        x = self.pick() if x is None else x
        factor = self.draw(st.sampled_from((2, -1, 0.5, 3, 1, -0.25, 4.0, 0, -3)))
        v = self.values[x]
        halvings = v.halvings + {0.5: 1, -0.25: 2}.get(factor, 0)
        return self.write(Value(v.shape, v.bound * abs(factor), halvings), "scale", x, factor=factor)

    def product(self, a: int, b: int) -> Any:
        p, q = self.values[a], self.values[b]
        shape = np.broadcast_shapes(p.shape[:-2], q.shape[:-2]) + (p.shape[-2], q.shape[-1])
        bound = p.shape[-1] * max(p.bound, 1) * max(q.bound, 1)
        return self.write(Value(shape, bound, p.halvings + q.halvings), "matmul", a, b)

    def matmul(self) -> Any:
        if not any(len(v.shape) > 1 for v in self.values):
            return None
        a = self.pick(lambda v: len(v.shape) > 1)
        p = self.values[a].shape
        fitting = [
            i for i, v in enumerate(self.values)
            if len(v.shape) > 1 and v.shape[-2] == p[-1] and broadcasts([v.shape[:-2], p[:-2]])
        ]  # fmt: skip
        b = self.draw(st.sampled_from(fitting)) if fitting else self.transpose(a)
        return None if b is None else self.product(a, b)

    def transpose(self, x: int | None = None) -> Any:
        if x is None and not any(len(v.shape) > 1 for v in self.values):
            return None
        x = self.pick(lambda v: len(v.shape) > 1) if x is None else x
        v = self.values[x]
        return self.write(Value(v.shape[:-2] + v.shape[:-3:-1], v.bound, v.halvings), "transpose", x)

    def sum(self) -> Any:
        x = self.pick()
        v, n = self.values[x], len(self.values[x].shape)
        axis = None
        if n and self.draw(st.booleans()):
            back = self.draw(st.sampled_from((0, n)))  # the same axes, counted from the front or from the back
            axis = tuple(sorted(i - back for i in self.draw(st.sets(st.integers(0, n - 1)))))
        keepdims = self.draw(st.booleans())
        gone = range(n) if axis is None else {i % n for i in axis}
        shape = tuple(1 if i in gone else m for i, m in enumerate(v.shape) if keepdims or i not in gone)
        value = Value(shape, v.bound * math.prod(v.shape), v.halvings)
        return self.write(value, "sum", x, axis=axis, keepdims=keepdims)

    def reshape(self) -> Any:
        x = self.pick()
        v = self.values[x]
        shape = new_shape(self.draw, np.zeros(v.shape))["shape"]
        return self.write(Value(shape, v.bound, v.halvings), "reshape", x, shape=shape)

    def broadcast(self) -> Any:
        x = self.pick()
        v = self.values[x]
        grown = tuple(self.draw(FILLED) if n == 1 else n for n in v.shape)
        shape = self.draw(shapes(0, 1, FILLED)) + grown
        return self.write(Value(shape, v.bound, v.halvings), "broadcast", x, shape=shape)

    def relu(self) -> Any:
        x = self.pick()
        return self.write(self.values[x], self.draw(st.sampled_from(("relu", "identity"))), x)

    def maximum(self) -> Any:
        a = self.pick()
        b = self.pick_beside(a)
        return self.write(self.together((a, b), max(self.values[a].bound, self.values[b].bound)), "maximum", a, b)

    def where(self) -> Any:
        chosen: list[int] = [self.pick()]
        for _ in range(3):
            chosen.append(self.pick_beside(*chosen))
        return self.write(self.together(tuple(chosen), max(self.values[i].bound for i in chosen[2:])), "where", *chosen)

    def concatenate(self) -> Any:
        a = self.pick()
        v = self.values[a]
        if not v.shape:
            return None
        axis = self.draw(st.integers(0, len(v.shape) - 1))
        rest = v.shape[:axis] + v.shape[axis + 1 :]
        b = self.pick(lambda u: len(u.shape) == len(v.shape) and u.shape[:axis] + u.shape[axis + 1 :] == rest)
        u = self.values[b]
        shape = v.shape[:axis] + (v.shape[axis] + u.shape[axis],) + v.shape[axis + 1 :]
        return self.write(
            Value(shape, max(u.bound, v.bound), max(u.halvings, v.halvings)), "concatenate", a, b, axis=axis
        )

    def index(self) -> Any:
        x = self.pick()
        v = self.values[x]
        key = self.draw(keys(v.shape))
        shape = np.zeros(v.shape)[key].shape
        return self.write(Value(shape, v.bound, v.halvings), "index", x, key=key) if 0 not in shape else None

    def take(self) -> Any:
        x = self.pick()
        v = self.values[x]
        if not v.shape:
            return None
        where = self.draw(shapes(1, 2, FILLED))
        rows = self.draw(arrays(where, st.integers(-v.shape[0], v.shape[0] - 1))).astype(np.int64)
        return self.write(Value(where + v.shape[1:], v.bound, v.halvings), "take", x, indices=rows)


KINDS = (
    Writer.sum_or_difference, Writer.matmul, Writer.scale, Writer.multiply, Writer.transpose, Writer.sum, Writer.relu,
    Writer.matmul, Writer.sum_or_difference, Writer.reshape, Writer.broadcast, Writer.maximum, Writer.index,
    Writer.concatenate, Writer.take, Writer.where, Writer.constant,
)  # fmt: skip


@st.composite
def random_graphs(
    draw: Any, *, max_steps: int = 14, parameters: bool = False, limit: float = LIMIT
) -> tuple[Program, tuple[Any, ...]]:
    """A random program of exact operations, and the arrays to call it on.

    `parameters`: it uses some parameters too, which `tl.trace` captures. `limit` bounds the numbers.
    """
    writer = Writer(draw, limit)
    some = shapes(2, 2, FILLED) | shapes(0, 3, FILLED)
    given_arrays = [writer.leaf(draw(some), 4) for _ in range(draw(st.integers(1, 3)))]
    weights = []
    for i in range(draw(st.integers(1, 2)) if parameters else 0):
        weight = writer.leaf(draw(shapes(1, 2, FILLED)), 4)
        weights.append(tl.parameter(weight, name=f"w{i}", trainable=draw(st.booleans())))
    leaves = len(writer.values)
    # Many programs are long, and shrink all the same.
    least = draw(st.sampled_from((1, max_steps // 3, max_steps // 2, max_steps)))
    for _ in range(draw(st.integers(least, max_steps))):
        draw(st.sampled_from(KINDS))(writer)
    # Everything that nothing uses is an output, so that all lines count; or the last line alone, or other values too.
    used = {i for step in writer.steps for i in step.operands}
    last = len(writer.values) - 1
    outputs = [i for i in range(leaves, last) if i not in used] if draw(st.integers(0, 3)) else []
    outputs += [last, *draw(st.lists(st.integers(0, last), max_size=1))]
    program = Program(given_arrays, writer.steps, dict.fromkeys(outputs), weights)
    return program, program.arrays


@st.composite
def matmul_chains(draw: Any, *, largest: int = 5) -> tuple[Program, tuple[Any, ...]]:
    """A program such as LoRA is: matrix products in any bracketing, transposes, scales, and products used twice.

    The arrays are the factors of one product M0 M1 ... Mn, some of them given as their transposes, M0 maybe a batch.
    The program adds up several ways to compute it, and may give parts of it as further outputs.
    """
    writer = Writer(draw)
    dims = draw(st.lists(st.integers(1, largest), min_size=3, max_size=6))
    flipped = [draw(st.booleans()) for _ in dims[1:]]
    batch = (2,) if draw(st.booleans()) and not flipped[0] else ()
    given_arrays = []
    for i, turned in enumerate(flipped):
        shape = (dims[i + 1], dims[i]) if turned else (dims[i], dims[i + 1])
        given_arrays.append(writer.leaf((batch if i == 0 else ()) + shape, 2))
    computed: dict[tuple[int, int], list[int]] = {}

    def factor(i: int) -> int | None:
        return writer.transpose(i) if flipped[i] else i

    def part(i: int, j: int) -> int | None:
        """M_i ... M_j in some bracketing: maybe one that exists, maybe written backwards and transposed."""
        known = computed.setdefault((i, j), [])
        if known and draw(st.booleans()):
            return draw(st.sampled_from(known))
        if i == j:
            result = factor(i)
        else:
            k = draw(st.integers(i, j - 1))
            left, right = part(i, k), part(k + 1, j)
            if left is None or right is None:
                return None
            backwards = not (batch and i == 0) and draw(st.integers(0, 3)) == 3
            if backwards:
                turned = writer.transpose(right), writer.transpose(left)
                result = None if None in turned else writer.product(*turned)
                result = None if result is None else writer.transpose(result)
            else:
                result = writer.product(left, right)
        if result is not None and draw(st.integers(0, 3)) == 3:
            scaled = writer.scale(result)
            result = result if scaled is None else scaled
        if result is not None:
            known.append(result)
        return result

    total = None
    for _ in range(draw(st.integers(1, 3))):
        term = part(0, len(dims) - 2)
        if term is not None and total is not None:
            bound = writer.values[total].bound + writer.values[term].bound
            term = writer.write(writer.together((total, term), bound), "add", total, term)
        total = total if term is None else term
    outputs = [len(writer.values) - 1 if total is None else total]
    if draw(st.booleans()):
        outputs.append(draw(st.integers(0, len(writer.values) - 1)))
    program = Program(given_arrays, writer.steps, dict.fromkeys(outputs))
    return program, program.arrays


# --- Comparing ---


def assert_same(actual: Any, expected: Any) -> None:
    """The same shape, dtype and numbers, to the last bit (0.0 and -0.0 are one number)."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert (actual.shape, actual.dtype) == (expected.shape, expected.dtype)
    assert np.array_equal(actual, expected), f"{actual} is not {expected}"


def assert_close(actual: Any, expected: Any) -> None:
    """The same shape and dtype, and the same numbers but for the last bits: NumPy's vector code rounds as it likes."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert (actual.shape, actual.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_allclose(actual, expected, rtol=1e-14)


def inner(a: Any, b: Any) -> Any:
    r"""$\langle a, b \rangle$; operands that broadcast count as often as they are repeated."""
    return (np.asarray(a) * b).sum()
