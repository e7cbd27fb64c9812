"""Rows of a batch that go different ways, and come back in their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...core.node import ComputationNode
from ...core.ops import take
from ...library import concatenate


def rows_of(samples: Sequence[int], step: int) -> Any:
    """The rows of these samples in a matrix in which each sample has `step` rows."""
    return (np.array(samples)[:, None] * step + np.arange(step)).ravel()


def part_of(x: ComputationNode, rows: Any) -> ComputationNode:
    """These rows of x; x itself if they are all."""
    if len(rows) == x.shape[0] and (rows == np.arange(len(rows))).all():
        return x
    return take(x, rows)


def joined(parts: Sequence[tuple[Any, ComputationNode]]) -> ComputationNode:
    """One array from parts of it: each part comes with the numbers of its rows."""
    order = np.concatenate([rows for rows, _ in parts])
    y = parts[0][1] if len(parts) == 1 else concatenate([part for _, part in parts], axis=0)
    if (order[1:] > order[:-1]).all():
        return y
    return take(y, np.argsort(order))
