"""What a picture shows of a layer."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Cluster:
    """A frame around the boxes of one layer, with the frames of its parts inside."""

    id: str
    title: str
    lines: tuple[str, ...]
    boxes: tuple[str, ...]
    clusters: tuple[Cluster, ...] = ()


def picture_of_layer(obj: Any, example: Any) -> Any: ...
def tree_of_layer(obj: Any) -> Any: ...
