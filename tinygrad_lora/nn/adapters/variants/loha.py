r"""LoHa: the elementwise product of two matrices of rank r has a rank of up to r * r."""

from typing import Any

from ....core import ComputationNode
from .factored import Factor, Factored


class LoHa(Factored):
    r"""$\Delta W = s\,(w_{1a} w_{1b}) \odot (w_{2a} w_{2b})$ with $s = \alpha / r$.

    The first factor of each product is (in, r), the second (r, out). $w_{2b}$ starts at zero. Twice the numbers of LoRA
    of the same rank, for the square of its rank; but the dense $\Delta W$ is computed in every step.

    input_size: numbers in a row of x
    output_size: numbers in a row of y
    rank: r, a positive whole number
    alpha: $\alpha$, a positive number; -1 or None stands for the rank
    seed: a whole number or a Generator that draws the factors; None draws new numbers every time
    dtype: that of the parameters
    name: goes before the names of the parameters in listings
    **options: none; another one raises TypeError
    Raises ValueError for sizes, a rank or an alpha that are not positive.
    Source: Hyeon-Woo et al. 2021, "FedPara" (arXiv:2108.06098); Yeh et al. 2023, "LyCORIS" (arXiv:2309.14859).

    >>> from tinygrad_lora.nn.adapters.variants import LoHa
    >>> layer = LoHa(4, 3, 2, seed=0)
    >>> [p.shape for p in layer.parameters()]
    [(4, 2), (2, 3), (4, 2), (2, 3)]
    >>> layer.delta().shape, layer.merge_weights().shape, layer.of_rows(tl.constant(np.ones((5, 4)))).shape
    ((4, 3), (4, 3), (5, 3))
    >>> layer.make_factors(lambda name, shape, fan_in: tl.parameter(np.zeros(shape), name))
    """

    def make_factors(self, factor: Factor) -> None:
        """Make the four factors.

        factor: a function of a name, a shape and a fan-in that makes a parameter; a fan-in of 0 stands for zeros
        """
        n, r, m = self.input_size, self.rank, self.output_size
        self.hada_w1_a, self.hada_w1_b = factor("w1_a", (n, r), n), factor("w1_b", (r, m), r)
        self.hada_w2_a, self.hada_w2_b = factor("w2_a", (n, r), n), factor("w2_b", (r, m), 0)

    def delta(self) -> ComputationNode:
        r"""$\Delta W$ (in, out), as a graph.

        Returns a node (in, out).
        """
        return self.scaling * ((self.hada_w1_a @ self.hada_w1_b) * (self.hada_w2_a @ self.hada_w2_b))

    def of_rows(self, rows: ComputationNode) -> ComputationNode:
        return rows @ self.delta()

    def merge_weights(self) -> Any:
        r"""$\Delta W$ as numbers.

        Returns an array (in, out).
        """
        return self.delta().value
