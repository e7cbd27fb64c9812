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
    r"""$\delta(x) = ((x A) \odot d)\,B \odot b$: A (in, r) and B (r, out) are random, frozen and shared; d, b are learned.

    d starts at `d_initial`, b at zero. `projections` are the shared matrices, as large as the largest layer needs: a
    smaller one uses their first rows and columns. Without them the adapter draws its own. The change has no scale, so
    alpha stays -1. Raises ValueError for another alpha, or for projections that are too small.
    Source: Kopiczko et al. 2023, "VeRA: Vector-based Random Matrix Adaptation" (arXiv:2310.11454).
    """

    alpha, scaling = -1.0, 1.0  # type: ignore[assignment]

    @classmethod
    def shared(cls, bases: Mapping[str, Any], ranks: Mapping[str, int], *, seed: Seed, **options: Any) -> Options:
        """The options, and the two matrices in the size of the largest layer."""
        sizes = [max(sizes) for sizes in zip(*((x.input_size, x.output_size) for x in bases.values()), strict=True)]
        dtype = np.result_type(*(x.weight.dtype for x in bases.values()))
        return {"projections": _projections(*sizes, max(ranks.values()), seed, dtype)} | options

    @classmethod
    def for_layer(
        cls, base: Any, rank: int, alpha: float | None = -1, *, seed: Seed = None, name: str = "lora",
        projections: Any = None, d_initial: float = 0.1,
    ) -> Self:  # fmt: skip
        """An adapter of the base's sizes and dtype, at its start."""
        layer, r, (n, m) = cls(), check_size(rank, "Rank"), (base.input_size, base.output_size)
        if alpha not in (-1, None):
            raise ValueError(f"VeRA has no scale, so alpha must be left out, not {alpha}: its vectors learn the size")
        layer.vera_A, layer.vera_B = projections or _projections(n, m, r, seed, base.weight.dtype)
        (rows, ranks), (_, columns) = layer.vera_A.shape, layer.vera_B.shape
        if rows < n or columns < m or ranks < r:
            told = f"({rows}, {ranks}) and ({ranks}, {columns})"
            raise ValueError(f"the shared matrices {told} are too small for a layer ({n}, {m}) of rank {r}")
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


def _projections(n: int, m: int, rank: int, seed: Seed, dtype: Any) -> tuple[ComputationNode, ComputationNode]:
    """A (n, rank) and B (rank, m), uniform with variance 2 / fan-in, as PEFT draws them."""
    rng = np.random.default_rng(seed)
    A, B = rng.uniform(-sqrt(6 / n), sqrt(6 / n), (n, rank)), rng.uniform(-sqrt(6 / rank), sqrt(6 / rank), (rank, m))
    return parameter(A.astype(dtype), "vera_A", False), parameter(B.astype(dtype), "vera_B", False)
