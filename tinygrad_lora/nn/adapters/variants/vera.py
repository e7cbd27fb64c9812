r"""VeRA: random matrices that all layers share and nobody trains; each layer learns two vectors."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ....core.node import ComputationNode, constant, parameter
from ...checks import check_size
from ...linear import Seed
from ..adapter import Options
from .factored import Factor, Factored, drawing


class VeRA(Factored):
    r"""$\delta(x) = ((x A) \odot d)\,B \odot b$: A (in, r) and B (r, out) are random, frozen, shared; d, b are learned.

    d starts at `d_initial`, b at zero. The change has no scale, so alpha is left out.

    input_size: numbers in a row of x
    output_size: numbers in a row of y
    rank: r, a positive whole number
    alpha: left out: -1, None or the rank
    seed: a whole number or a Generator that draws A and B; None draws new numbers every time
    dtype: that of the parameters
    name: goes before the names of the parameters in listings
    **options: `projections`, the shared matrices, as large as the largest layer needs: a smaller one uses their first
        rows and columns, and without them the adapter draws its own; `d_initial`, a number, by default 0.1
    Raises ValueError for another alpha, for sizes or a rank that are not positive, and for projections that are too
    small.
    Source: Kopiczko et al. 2023, "VeRA: Vector-based Random Matrix Adaptation" (arXiv:2310.11454).

    >>> from tinygrad_lora.nn.adapters.variants import VeRA
    >>> layer = VeRA(4, 3, 2, seed=0)
    >>> [p.shape for p in layer.parameters()], layer.merge_weights().shape
    ([(3,), (2,)], (4, 3))
    >>> layer.of_rows(tl.constant(np.ones((5, 4)))).shape
    (5, 3)
    >>> shared = VeRA.shared({"0": tl.Linear(4, 3), "1": tl.Linear(6, 2)}, {"0": 2, "1": 2}, seed=0)
    >>> [p.shape for p in shared["projections"]]
    [(6, 2), (2, 3)]
    >>> layer.make_factors(lambda name, shape, fan_in: tl.parameter(np.ones(shape), name), d_initial=0.5)
    >>> layer.vera_lambda_d.value
    array([0.5, 0.5])
    """

    @classmethod
    def shared(cls, bases: Mapping[str, Any], ranks: Mapping[str, int], *, seed: Seed, **options: Any) -> Options:
        """The options, and the two matrices in the size of the largest layer.

        bases: the chosen layers, by dotted name
        ranks: their ranks, by dotted name
        seed: a whole number or a Generator that draws the matrices
        **options: those that `adapt` was called with
        Returns a dict of options.
        """
        n, m = max(x.input_size for x in bases.values()), max(x.output_size for x in bases.values())
        dtype, r = np.result_type(*(x.weight.dtype for x in bases.values())), max(ranks.values())
        return {"projections": _projections(drawing(seed, dtype, "vera"), n, check_size(r, "Rank"), m)} | options

    def make_factors(self, factor: Factor, projections: Any = None, d_initial: float = 0.1) -> None:
        """Make two vectors, and two matrices unless they are given.

        factor: a function of a name, a shape and a fan-in that makes a parameter; a fan-in of 0 stands for zeros
        projections: A and B, a pair of frozen parameters; None draws them
        d_initial: what d starts at, a number
        Raises ValueError for another alpha, and for projections that are too small.
        """
        n, r, m = self.input_size, self.rank, self.output_size
        if self.scaling != 1:
            raise ValueError(f"VeRA has no scale, so alpha must be left out, not {self.alpha}: b learns the size")
        self.vera_A, self.vera_B = A, B = projections or _projections(factor, n, r, m)
        if A.shape[0] < n or B.shape[1] < m or A.shape[1] < r:
            raise ValueError(f"the shared matrices {A.shape} and {B.shape} are too small for {n, m} of rank {r}")
        self.vera_lambda_b, self.vera_lambda_d = factor("b", (m,), 0), factor("d", (r,), 0)
        self.vera_lambda_d.value = np.full(r, d_initial)

    def of_rows(self, rows: ComputationNode) -> ComputationNode:
        A, B = self.vera_A[: self.input_size, : self.rank], self.vera_B[: self.rank, : self.output_size]
        return ((rows @ A) * self.vera_lambda_d) @ B * self.vera_lambda_b

    def merge_weights(self) -> Any:
        r"""$\Delta W = A\,\mathrm{diag}(d)\,B\,\mathrm{diag}(b)$ as numbers.

        Returns an array (in, out).
        """
        return self(constant(np.eye(self.input_size, dtype=self.dtype))).value


def _projections(factor: Factor, n: int, r: int, m: int) -> Any:
    """A (n, r) and B (r, m), frozen, with variance 2 / fan-in, as PEFT draws them."""
    both = factor("A", (n, r), n / 6), factor("B", (r, m), r / 6)
    return [parameter(p.value, p.name, trainable=False) for p in both]
