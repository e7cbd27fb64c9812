r"""A weight in four bits: NF4, the storage under QLoRA. A block of 64 numbers is one scale, and for each the nearest of
16 levels; the scales in turn are 8-bit codes.

Source: Dettmers et al. 2023, "QLoRA: Efficient Finetuning of Quantized LLMs" (arXiv:2305.14314). The bytes are those
of bitsandbytes on a CPU.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple, Self

import numpy as np

from ...core.node import PARAMETER, ComputationNode, Shape, parameter
from ...core.ops import cast, take
from ...errors import ShapeError
from ...library import concatenate, reshape
from ..linear import Linear, computes

BLOCK, SCALES = 64, 256  # numbers that share a scale; scales that share a factor

# On each side of zero, a standard normal number, scaled to at most 1, falls equally often between any two neighbors.
# Zero is one of them, and there is one more above it than below.
LEVELS = np.array([
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
], np.float32)  # fmt: skip
PAIRS = np.stack([np.repeat(LEVELS, 16), np.tile(LEVELS, 16)], axis=1)  # the two numbers that a byte stands for


class NF4(NamedTuple):
    r"""$x_i = s_{\lfloor i / 64 \rfloor}\,\ell_{q_i}$, and $s_j = f_{\lfloor j / 256 \rfloor}\,d_{c_j} + \bar s$.

    `packed` holds two q in a byte, the first in the high half; `codes` the c, one byte a scale; `factors` the f and
    `offset` $\bar s$, the mean of the scales, in float32. The levels $\ell$ are `LEVELS`, d is `dynamic_map()`.
    """

    packed: Any
    codes: Any
    factors: Any
    offset: Any
    shape: Shape

    @property
    def nbytes(self) -> int:
        """The memory that it takes, in bytes: a little more than half a byte for each number."""
        return sum(int(part.nbytes) for part in self[:4])


def quantize_nf4(array: Any) -> NF4:
    """The nearest numbers that NF4 can store, taken row by row. Raises ValueError for what is not finite.

    The relative error of normal numbers is about 9.2 percent (the root of the mean square).
    """
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is told below
        x = np.asarray(array).astype(np.float32)
    if not np.isfinite(x).all():
        raise ValueError("only finite numbers have a nearest level: the array holds infinities or NaNs")
    level = np.full(x.size + x.size % 2, 7, np.uint8)  # an odd one out is packed beside a zero
    scaled, scales = _scaled(x.ravel(), BLOCK, divide_last=True)
    level[: x.size] = np.searchsorted(_between(LEVELS), scaled)
    offset = np.float32(scales.mean(dtype=np.float64) if scales.size else 0)
    scaled, factors = _scaled(scales - offset, SCALES)
    grid = np.floor((scaled + 1) * np.float32(32767.5) + np.float32(0.5))  # where bitsandbytes looks codes up
    codes = np.searchsorted(_between(dynamic_map()), grid / 32767.5 - 1).astype(np.uint8)
    codes[np.repeat(factors == 0, SCALES)[: codes.size]] = 0
    return NF4(level[::2] << 4 | level[1::2], codes, factors, offset, x.shape)


def dequantize_nf4(stored: NF4, pairs: Any = PAIRS, scale_map: Any = None) -> Any:
    """The numbers, as a float32 array in their shape; or as a graph, where the arguments are nodes."""
    packed, codes, factors, offset, shape = stored
    size = int(np.prod(shape))
    scales = _by_block(take(dynamic_map() if scale_map is None else scale_map, codes), factors, SCALES) + offset
    numbers = reshape(take(pairs, packed), -1)
    return reshape(_by_block(numbers[:size] if size % 2 else numbers, scales, BLOCK), shape)


def dynamic_map() -> Any:
    """The 256 numbers that a code of a scale stands for: seven decades of them, more in the higher ones, 0 and 1.

    Source: Dettmers 2015, "8-Bit Approximations for Parallelism in Deep Learning" (arXiv:1511.04561).
    """
    start, decades = np.float32(0.1), []
    for decade in range(7):
        n = 2**decade
        step, i = float((1 - start) / np.float32(n)), np.arange(n + 1)
        # From the nearer end, and rounded once: PyTorch's numbers, to the last bit.
        ends = np.where(i < (n + 1) // 2, float(start) + step * i, 1 - step * (n - i)).astype(np.float32)
        decades.append(np.float32(10.0 ** (decade - 6)) * _between(ends))
    positive = np.concatenate(decades)
    return np.sort(np.concatenate([-positive, [0], positive, [1]]).astype(np.float32))


def _between(values: Any) -> Any:
    """Halfway between neighbors."""
    return (values[:-1] + values[1:]) / 2


def _scaled(x: Any, block: int, divide_last: bool = False) -> tuple[Any, Any]:
    """A vector with each block divided by the largest size in it, and these sizes."""
    blocks = np.pad(x, (0, -x.size % block)).reshape(-1, block)
    largest = np.abs(blocks).max(axis=1, initial=0)
    tiny = np.maximum(largest, np.float32(1e-38))
    scaled = blocks * (1 / tiny)[:, None]
    if divide_last and x.size % block:
        scaled[-1] = blocks[-1] / tiny[-1]  # bitsandbytes divides in a block that is not full: other last bits
    return np.clip(scaled, -1, 1).ravel()[: x.size], largest


def _by_block(x: Any, scales: Any, block: int) -> Any:
    """A vector, array or node, with each block times its scale."""
    full = x.shape[0] // block
    if not full:
        return x * scales
    if full * block == x.shape[0]:
        return reshape(reshape(x, (full, block)) * reshape(scales, (full, 1)), -1)
    rest = x[full * block :] * scales[full:]
    return concatenate([_by_block(x[: full * block], scales[:full], block), rest])


class QuantizedLinear(Linear):
    r"""$y = x\,\mathrm{dequantize}(q) + b$: a frozen linear layer with its weight in four bits.

    The weight is made from `stored` in the graph, whenever it is used; so gradients reach x, and nothing else is kept.
    A compiled function keeps a copy of it, and does not with `without=["pack_weights"]`. `stored` is the NF4 of the
    transpose, (output_size, input_size), as bitsandbytes has it. `quantize(model)` makes these layers.
    """

    stored: NF4
    _leaves: NF4
    _precision: Any
    _transient = (*Linear._transient, "_leaves")

    @classmethod
    def from_linear(cls, layer: Linear) -> Self:
        """The layer with its weight rounded to NF4. The given one is left as it is."""
        if not isinstance(layer, Linear) or not computes(layer, Linear):
            raise TypeError(f"only a plain Linear can be quantized, not one of type {type(layer).__name__}")
        return cls.from_arrays(layer.weight.value, None if layer.bias is None else layer.bias.value)

    @classmethod
    def from_stored(cls, stored: NF4, bias: Any = None, *, dtype: Any = np.float32) -> Self:
        """The layer with these bytes, for a weight (output_size, input_size), computing in `dtype`.

        Raises ShapeError where they do not fit together.
        """
        count, size = -(-int(np.prod(stored.shape)) // BLOCK), -(-int(np.prod(stored.shape)) // 2)
        wanted, shapes = [(size,), (count,), (-(-count // SCALES),), ()], [np.shape(part) for part in stored[:4]]
        if len(stored.shape) != 2 or shapes != wanted or (bias is not None and np.shape(bias) != stored.shape[:1]):
            raise ShapeError(f"parts of shapes {shapes}, bias {np.shape(bias)}: no NF4 of a weight {stored.shape}")
        layer = cls.__new__(cls)
        layer._take(stored, bias, dtype)
        return layer

    def _hold(self, weight: Any, bias: Any, name: str | None) -> None:
        self._take(quantize_nf4(weight.T), bias, weight.dtype, f"{name}.bias" if name else "bias")

    def _take(self, stored: NF4, bias: Any, dtype: Any, name: str = "bias") -> None:
        self.output_size, self.input_size = stored.shape
        self.input_shape = (self.input_size,)
        self.bias = None if bias is None else parameter(bias, name, trainable=False)
        self.stored, self._precision = stored, np.dtype(dtype)
        self._make_leaves()

    def _make_leaves(self) -> None:
        """Frozen leaves, so that a compiled program takes the bytes as inputs, and its text does not hold them."""
        leaves = [_leaf(part, name) for part, name in zip(self.stored[:4], NF4._fields[:4], strict=True)]
        self._leaves = NF4._make([*leaves, self.stored.shape])

    def _parts(self) -> Iterable[tuple[str, Any]]:
        return [item for item in vars(self).items() if item[0] != "_leaves"]  # bytes cannot be trained

    @property
    def weight(self) -> ComputationNode:  # type: ignore[override]
        """The weight that is stored, (input_size, output_size), as a graph of operations on the bytes."""
        weight = dequantize_nf4(self._leaves, *_TABLES).mT
        return weight if weight.dtype == self._precision else cast(weight, dtype=self._precision)

    @property
    def dtype(self) -> Any:
        """What the layer computes in."""
        return self._precision

    @property
    def nbytes(self) -> int:
        """The memory of the stored weight, in bytes."""
        return self.stored.nbytes

    def get_diagnostics(self) -> dict[str, str]:
        """As for every layer, and how the weight is stored."""
        bits = f"{8 * self.nbytes / (self.input_size * self.output_size):.3f}"
        return super().get_diagnostics() | {"quantized.bytes": str(self.nbytes), "quantized.bits_per_weight": bits}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._make_leaves()

    def __repr__(self) -> str:
        return f"QuantizedLinear({self.input_size} x {self.output_size} weights in {self.nbytes} bytes)"


def _leaf(array: Any, name: str) -> ComputationNode:
    array = np.array(array)[()]
    return ComputationNode(PARAMETER, (), {}, array.shape, array.dtype, False, array, name)


_TABLES = _leaf(PAIRS, "pairs"), _leaf(dynamic_map(), "scale_map")  # one of each, for all layers
