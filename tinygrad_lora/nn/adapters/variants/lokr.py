r"""LoKr: a large matrix as the Kronecker product of two small ones."""

from functools import reduce
from math import isqrt
from typing import Any

import numpy as np

from ....core import ComputationNode
from ....core.ops import matmul
from ....library import reshape
from .factored import Factor, Factored


class LoKr(Factored):
    r"""$\Delta W = s\,w_1 \otimes w_2$: the block in row i, column j of $\Delta W$ is $s\,(w_1)_{ij}\,w_2$.

    Both sizes of the weight are split into two factors near their root. $w_1$ starts at zero. $w_2$ is a product of
    rank r if r is below half of its larger size. $\Delta W$ is not computed: a vector is a matrix in disguise, and
    $x (w_1 \otimes w_2)$ is $w_1^\top X w_2$.

    input_size: numbers in a row of x
    output_size: numbers in a row of y
    rank: r, a positive whole number
    alpha: $\alpha$, a positive number; -1 or None stands for the rank
    seed: a whole number or a Generator that draws the factors; None draws new numbers every time
    dtype: that of the parameters
    name: goes before the names of the parameters in listings
    **options: `decompose_factor`, the size that one of the two factors should have; -1 takes one near the root
    Raises ValueError for sizes, a rank or an alpha that are not positive.
    Source: Yeh et al. 2023, "LyCORIS" (arXiv:2309.14859).

    >>> from tinygrad_lora.nn.adapters.variants import LoKr
    >>> layer = LoKr(16, 16, 1, seed=0)
    >>> [p.shape for p in layer.parameters()], [p.shape for p in layer.second]
    ([(4, 4), (4, 1), (1, 4)], [(4, 1), (1, 4)])
    >>> layer.merge_weights().shape, layer.of_rows(tl.constant(np.ones((5, 16)))).shape
    ((16, 16), (5, 16))
    >>> layer.make_factors(lambda name, shape, fan_in: tl.parameter(np.zeros(shape), name), 2)
    >>> layer.lokr_w1.shape
    (2, 2)
    """

    def make_factors(self, factor: Factor, decompose_factor: int = -1) -> None:
        """Make the two factors, or three where $w_2$ is a product.

        factor: a function of a name, a shape and a fan-in that makes a parameter; a fan-in of 0 stands for zeros
        decompose_factor: the size that one of the two factors should have; -1 takes one near the root
        """
        (a, b), (c, d) = (two_factors(n, decompose_factor) for n in (self.input_size, self.output_size))
        self.lokr_w1 = factor("w1", (a, c), 0)
        if (r := self.rank) < max(b, d) / 2:
            self.lokr_w2_a, self.lokr_w2_b = factor("w2_a", (b, r), b), factor("w2_b", (r, d), r)
        else:
            self.lokr_w2 = factor("w2", (b, d), b)

    @property
    def second(self) -> list[ComputationNode]:
        """The matrices whose product is $w_2$."""
        return [p for name, p in self.named_parameters().items() if name != "lokr_w1"]

    def of_rows(self, rows: ComputationNode) -> ComputationNode:
        n, a = rows.shape[0], self.lokr_w1.shape[0]
        X = reduce(matmul, self.second, reshape(rows, (n, a, self.input_size // a)))
        return self.scaling * reshape(self.lokr_w1.mT @ X, (n, self.output_size))

    def merge_weights(self) -> Any:
        r"""$\Delta W$ as numbers.

        Returns an array (in, out).
        """
        return self.scaling * np.kron(self.lokr_w1.value, reduce(matmul, self.second).value)


def two_factors(n: int, near: int = -1) -> tuple[int, int]:
    """Two numbers whose product is n: `near` and the other, or a pair as equal as there is, the smaller one first.

    If `near` does not divide n, the smaller one is at most `near`.

    >>> two_factors(256), two_factors(128), two_factors(127), two_factors(128, 4)
    ((16, 16), (8, 16), (1, 127), (4, 32))
    """
    if near > 0 and n % near == 0:
        return near, n // near
    small = max(k for k in range(1, isqrt(n) + 1) if n % k == 0 and not k > near > 0)
    return small, n // small
