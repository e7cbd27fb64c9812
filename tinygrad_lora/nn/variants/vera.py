r"""VeRA: random matrices that all layers share and nobody trains; each layer learns two vectors."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Any, Self

import numpy as np

from ...core.node import ComputationNode, parameter
from ..adapter import Adapter, Options
from ..checks import check_size
from ..linear import Seed, check_width, on_rows


class VeRA(Adapter):
    r"""$\delta(x) = ((x A) \odot d)\,B \odot b$: A (in, r) and B (r, out) are random, frozen, shared; d, b are learned.

    d starts at `d_initial`, b at zero. `projections` are the shared matrices, as large as the largest layer needs: a
    smaller one uses their first rows and columns. Without them the adapter draws its own. The change has no scale, so
    alpha stays -1. Raises ValueError for another alpha, or for projections that are too small.
    Source: Kopiczko et al. 2023, "VeRA: Vector-based Random Matrix Adaptation" (arXiv:2310.11454).
    """

    alpha, scaling = -1.0, 1.0  # type: ignore[assignment]

    @classmethod
    def shared(cls, bases: Mapping[str, Any], ranks: Mapping[str, int], *, seed: Seed, **options: Any) -> Options:
        """The options, and the two matrices in the size of the largest layer, uniform with variance 2 / fan-in."""
        rng, r = np.random.default_rng(seed), max(check_size(rank, "Rank") for rank in ranks.values())
        n, m = max(x.input_size for x in bases.values()), max(x.output_size for x in bases.values())
        A, B = rng.uniform(-sqrt(6 / n), sqrt(6 / n), (n, r)), rng.uniform(-sqrt(6 / r), sqrt(6 / r), (r, m))
        dtype = np.result_type(*(x.weight.dtype for x in bases.values()))
        shared = [parameter(X.astype(dtype), name, False) for X, name in ((A, "vera_A"), (B, "vera_B"))]
        return {"projections": shared} | options

    @classmethod
    def for_layer(
        cls, base: Any, rank: int, alpha: float | None = -1, *, seed: Seed = None, name: str = "lora",
        projections: Any = None, d_initial: float = 0.1,
    ) -> Self:  # fmt: skip
        """An adapter of the base's sizes and dtype, at its start."""
        layer, r, n, m = cls(), check_size(rank, "Rank"), base.input_size, base.output_size
        if alpha not in (-1, None):
            raise ValueError(f"VeRA has no scale, so alpha must be left out, not {alpha}: its vectors learn the size")
        layer.vera_A, layer.vera_B = projections or cls.shared({"": base}, {"": r}, seed=seed)["projections"]
        A, B = layer.vera_A.shape, layer.vera_B.shape
        if (n, r) > A or (r, m) > B or A[1] < r or B[1] < m:
            raise ValueError(f"the shared matrices {A} and {B} are too small for a layer ({n}, {m}) of rank {r}")
        layer.rank, layer.input_size, layer.output_size, layer.input_shape = r, n, m, (n,)
        layer.vera_lambda_d = parameter(np.full(r, d_initial, base.weight.dtype), f"{name}_d")
        layer.vera_lambda_b = parameter(np.zeros(m, base.weight.dtype), f"{name}_b")
        return layer

    def __call__(self, x: ComputationNode) -> ComputationNode:
        check_width(x, self.input_size)
        A = self.vera_A[: self.input_size, : self.rank]
        B = self.vera_B[: self.rank, : self.output_size]
        return on_rows(lambda rows: ((rows @ A) * self.vera_lambda_d) @ B * self.vera_lambda_b, x)

    def merge_weights(self) -> Any:
        r"""$\Delta W = A\,\mathrm{diag}(d)\,B\,\mathrm{diag}(b)$ (in, out)."""
        return self(parameter(np.eye(self.input_size, dtype=self.vera_lambda_d.dtype))).value
