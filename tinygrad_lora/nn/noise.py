"""Dropout: random numbers as an operation of a seed and a shape, the same whether eager or compiled."""

from __future__ import annotations

from math import prod
from operator import index
from typing import Any

import numpy as np

from ..boundary.arguments import explained
from ..boundary.arrays import real_array
from ..boundary.lines import remembered
from ..core import ops
from ..core.node import ComputationNode, Op, Operand, Shape
from ..errors import DtypeError, ShapeError
from .checks import check_number


class RandomUniform(Op):
    r"""$y \sim U[0, 1)$: numbers that depend on the seed, the stream and the shape alone; $\bar x = 0$.

    Drawn by NumPy's Philox generator, whose key is the two whole numbers: those of other keys are independent.
    Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".
    """

    prelude = """\
def uniform_numbers(seed, stream, shape):
    key = np.array([int(number) % 2**64 for number in (seed, stream)], np.uint64)
    return np.random.Generator(np.random.Philox(key=key)).random(shape)

"""
    signature, numpy, differentiable = "seed, *, stream, shape", "uniform_numbers(seed, stream, shape)", False

    def shape(self, seed: Shape, *, stream: int, shape: Shape) -> Shape:
        if seed:
            raise ShapeError(f"a seed is one whole number, not an array of shape {seed}")
        return shape

    def dtype(self, seed: Any, **params: Any) -> Any:
        if seed.kind not in "iu":
            raise DtypeError(f"a seed is a whole number, not of the dtype {seed}: use an int, or np.int64")
        return np.dtype(np.float64)

    def flops(self, out: Shape, seed: Shape, **params: Any) -> int:
        return 4 * prod(out)


random_uniform = RandomUniform()


@explained
@remembered
def dropout(x: Operand, rate: float, seed: Operand = None, stream: int = 0) -> Any:
    r"""$y = \frac{x\,m}{1 - \text{rate}}$ where m is 1 with probability 1 - rate, else 0: the mean of y is x.

    The mask depends on `seed`, `stream` and the shape of x alone: the same three give the same mask.

    x: a node or an array of any shape
    rate: the share that is dropped, from 0 to below 1
    seed: a whole number or a node of one; None drops nothing, as when a model is evaluated. As an argument of a
        compiled step, such as np.array(step), it gives each step another mask
    stream: a whole number from 0 on; give each dropout of a model one of its own, so that their masks differ
    Returns y, of the shape of x; x itself where nothing is dropped.
    Raises ValueError for a rate or a stream out of range, DtypeError for a seed that is no whole number, ShapeError for
    one that is an array.
    Source: Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting".

    >>> tl.dropout(np.ones(6), 0.5, seed=0)
    array([0., 0., 0., 2., 2., 0.])
    >>> tl.dropout(np.ones(6), 0.5)
    array([1., 1., 1., 1., 1., 1.])
    """
    rate = check_number(rate, "rate", 0, 1)
    if seed is None or rate == 0:
        return x
    seed = seed if isinstance(seed, ComputationNode) else real_array(seed, "seed")
    random_uniform.infer((seed,), {"stream": 0, "shape": ()})  # which says what is wrong with a seed
    if not 0 <= index(stream) < 2**63:
        raise ValueError(f"a stream is a whole number from 0 on and below 2**63, not {stream}")
    uniform = random_uniform(seed, stream=index(stream), shape=np.shape(x))
    return ops.where(ops.greater(uniform, rate), ops.scale(x, factor=1 / (1 - rate)), 0.0)
