"""Rows of a batch that go different ways, and come back in their order."""

from collections.abc import Container, Sequence
from typing import Any

import numpy as np

from ...core import ComputationNode
from ...core.ops import take
from ...errors import AdaptError
from ...library import concatenate

RowNames = tuple[str | None, ...]


def row_groups(names: RowNames, known: Container[str], x: ComputationNode, step: int = 1) -> dict[str | None, Any]:
    """The rows, `step` for each sample of x, by the name of their adapter; None: by one that is not known, or none.

    Raises AdaptError unless the first axis of x has one sample for each name.
    """
    if not x.shape or (len(x.shape) < 2 and x.dtype.kind == "f"):
        raise AdaptError(f"names for {len(names)} rows, and one sample of shape {x.shape}: put it into a batch")
    if x.shape[0] != len(names):
        raise AdaptError(f"{len(names)} names for {x.shape[0]} rows: the batch of shape {x.shape} needs one for each")
    samples: dict[str | None, list[int]] = {}
    for i, name in enumerate(names):
        samples.setdefault(name if name in known else None, []).append(i)
    return {name: (np.array(own)[:, None] * step + np.arange(step)).ravel() for name, own in samples.items()}


def part_of(x: ComputationNode, rows: Any) -> ComputationNode:
    """These rows of x; x itself if they are all."""
    return x if len(rows) == x.shape[0] and (rows == np.arange(len(rows))).all() else take(x, rows)


def joined(parts: Sequence[tuple[Any, ComputationNode]]) -> ComputationNode:
    """One array from parts of it: each part comes with the numbers of its rows."""
    order = np.concatenate([rows for rows, _ in parts])
    y = parts[0][1] if len(parts) == 1 else concatenate([part for _, part in parts], axis=0)
    return y if (order[1:] > order[:-1]).all() else take(y, np.argsort(order))
