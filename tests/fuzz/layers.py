"""Layers and attention in random programs: operations, to a pass, but not to `compile`, nor to a training step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tinygrad_lora as tl
from tinygrad_lora.checking import Programs, RandomProgram
from tinygrad_lora.checking.kinds_real import REAL
from tinygrad_lora.checking.vocabulary import WORDS, Word
from tinygrad_lora.checking.writer import ProgramWriter, UnfitError, is_float
from tinygrad_lora.nn.attention import attention, heads

from .harness import filled

STEPS = "stride, padding, dilation, groups"
ATTENTION = "from tinygrad_lora.nn.attention import attention, heads\n"


@dataclass(frozen=True, eq=False)
class LayerLine:
    """A layer: the expression that creates it, and the seed of its parameters."""

    text: str
    seed: int
    kind: str = "layer"
    letter: str = "layer"

    @property
    def printed(self) -> str:
        """The layer as Python source."""
        return f"filled({self.text}, {self.seed})"

    def node(self, name: str) -> Any:
        """The layer itself; small numbers in all its parameters, so that no part of it is zero."""
        return filled(eval(self.text, {"tl": tl}), self.seed)


WORDS |= {
    word.name: word
    for word in (
        Word("attention", "q, k, v, *, count", "attention(heads(q, count), heads(k, count), heads(v, count))",
             attention=attention, heads=heads),
        Word("called", "layer, x", "layer(x)"), Word("embedded", "layer, indices", "layer(indices)"),
        Word("weight", "layer, *, name", "layer.named_parameters()[name]"),
        Word("conv1d", f"x, weight, bias, *, {STEPS}", f"tl.conv1d(x, weight, bias, {STEPS})"),
        Word("conv2d", f"x, weight, bias, *, {STEPS}", f"tl.conv2d(x, weight, bias, {STEPS})"),
        Word("max_pool", "x, *, size, stride, padding", "tl.max_pool(x, size, stride, padding)"),
        Word("avg_pool", "x, *, size, stride, padding", "tl.avg_pool(x, size, stride, padding)"),
        Word("dropout", "x, *, rate, seed", "tl.dropout(x, rate, seed)"),
    )
}  # fmt: skip


def attended(w: ProgramWriter) -> int:
    """Attention over tokens of (batch, time, width)."""
    try:
        x = w.pick(lambda v: v.ndim == 3 and v.size > 0 and is_float(v))
    except UnfitError:
        sizes = [n for n in w.sizes if n] or [2]
        x = w.leaf((w.one((1, 2)), w.one(sizes), 2 * w.one((1, 2))), w.style.dtypes[0])
        if not is_float(w.values[x]):
            raise
    width = w.values[x].shape[-1]
    others = w.line_numbers(lambda v: v.shape == w.values[x].shape and v.dtype == w.values[x].dtype)
    count = w.one([n for n in (1, 2, 3) if width % n == 0])
    return w.write("attention", x, w.one(others), w.one(others), count=count)


def attended_by_hand(w: ProgramWriter) -> int:
    """Attention as it is mostly written: the softmax of each row of scores, perhaps masked, times the values."""
    try:
        x = w.pick(lambda v: v.ndim in (2, 3) and v.size > 0 and is_float(v))
    except UnfitError:
        x = w.leaf((w.one((2, 3)), w.one((2, 4))), w.style.dtypes[0])
        if not is_float(w.values[x]):
            raise
    scores = w.write("matmul", x, w.write("transpose", x))
    if w.chance(0.6):
        scores = w.write("scale", scores, factor=w.one((0.5, 0.25, 2.0)))
    if w.chance(0.5):
        n, dtype = w.values[scores].shape[-1], w.values[scores].dtype.name
        scores = w.write("add", scores, w.leaf((n, n), dtype, w.one(("constant", "input"))))
    weights = w.write("softmax", scores, axis=w.one((-1, -1, -1, -2)))
    return w.write("matmul", weights, x)


def layer(w: ProgramWriter) -> int:
    """A layer that fits, called; sometimes followed by the gradient of one of its parameters."""
    x = w.pick(lambda v: v.ndim > 0 and v.shape[-1] > 0 and is_float(v))
    n, m, dtype = w.values[x].shape[-1], w.one([s for s in w.sizes if s] or [2]), w.values[x].dtype
    r = min(n, m, w.one((1, 2)))
    options = f", dtype={dtype.name!r}" if dtype != "float64" else ""
    linear = f"tl.Linear({n}, {m}, bias={w.chance(0.7)}, seed=0{options})"
    activation = w.one(("relu", "gelu", "tanh", "sigmoid", "softmax"))
    text = w.one((
        linear, linear, f"tl.LoRALinear({linear}, {r}, {w.one((-1, 2, 8))}, seed=0)",
        f"tl.LoRALinear({linear}, {r}, seed=0)", f"tl.LoRALayer({n}, {m}, {r}, seed=0{options})",
        f"tl.LayerNorm({n}{options})", f"tl.RMSNorm({n}{options})",
        f"tl.Sequential({linear}, tl.{activation}, tl.Linear({m}, {n}, seed=1{options}))",
    ))  # fmt: skip
    called = w.keep(LayerLine(text, int(w.rng.integers(2**31))))
    y = w.write("called", called, x)
    if w.chance(0.5):
        return y
    name = w.one(list(w.values[called].named_parameters()))
    return w.write("gradient_of_square", y, w.write("weight", called, name=name))


def embedded(w: ProgramWriter) -> int:
    """The embeddings of some tokens, with or without an adapter."""
    width, dtype = w.one([s for s in w.sizes if s] or [2]), w.dtypes[0]
    options = f", dtype={dtype!r}" if dtype.startswith("float") and dtype != "float64" else ""
    text = f"tl.Embedding(5, {width}, seed=0{options})"
    text = text if w.chance(0.6) else f"tl.LoRAEmbedding({text}, 1, seed=0)"
    called = w.keep(LayerLine(text, int(w.rng.integers(2**31))))
    return w.write("embedded", called, w.indices(5, w.shape(w.one((1, 2))), least=0))


def _image(w: ProgramWriter) -> int:
    """Floats of (batch, channels, length) or (batch, channels, height, width), of which none is empty."""
    try:
        return w.pick(lambda v: v.ndim in (3, 4) and v.size > 0 and is_float(v))
    except UnfitError:
        x = w.leaf((w.one((1, 2)), w.one((1, 2, 4)), *w.one(((3,), (5,), (3, 4)))), w.style.dtypes[0])
        if not is_float(w.values[x]):
            raise
        return x


def convolved(w: ProgramWriter) -> int:
    """A convolution over one axis of space or two."""
    x = _image(w)
    _, channels, *space = w.values[x].shape
    groups = w.one([n for n in (1, 1, 2) if channels % n == 0])
    outputs, dilation = groups * w.one((1, 2)), w.one((1, 1, 2))
    size = tuple(w.one([n for n in (1, 2, 3) if dilation * (n - 1) < length] or [1]) for length in space)
    dtype = w.values[x].dtype.name
    weight, bias = (w.leaf(shape, dtype) for shape in ((outputs, channels // groups, *size), (outputs,)))
    steps = {"stride": w.one((1, 1, 2)), "padding": w.one((0, 0, 1)), "dilation": dilation, "groups": groups}
    return w.write(f"conv{len(space)}d", x, weight, bias, **steps)


def pooled(w: ProgramWriter) -> int:
    """The largest number, or the mean, of each window."""
    x = _image(w)
    size = min(w.one((1, 2, 3)), *w.values[x].shape[2:])
    padding = w.one((0, 0, size // 2))
    return w.write(w.one(("max_pool", "avg_pool")), x, size=size, stride=w.one((None, 1, 2)), padding=padding)


def dropped(w: ProgramWriter) -> int:
    """Some elements as zero."""
    return w.write("dropout", w.pick(is_float), rate=w.one((0.0, 0.3, 0.5)), seed=int(w.rng.integers(100)))


def parameters_of(program: RandomProgram) -> list[tl.ComputationNode]:
    """Its parameters, also those of its layers: a test may give them new values between calls."""
    own = [[x] if isinstance(x, tl.ComputationNode) else x.parameters() for x in program.own.values()]
    return [p for parameters in own for p in parameters if p.op.name == "parameter"]


class ProgramsWithLayers(Programs):
    """Random programs in which layers and attention occur as well."""

    real = (
        *REAL,
        attended,
        attended,
        attended_by_hand,
        attended_by_hand,
        layer,
        layer,
        layer,
        embedded,
        convolved,
        convolved,
        pooled,
        pooled,
        dropped,
    )
