r"""What DoRA, PiSSA and OLoRA have in common: they start at the weight that they are beside."""

from typing import Any, Self

import numpy as np

from ....errors import ShapeError
from ..lora import LoRALayer


class BesideWeight(LoRALayer):
    r"""$y = s\,(x A) B$ with a start that depends on a weight W: a subclass writes `begin`.

    Arguments as for `LoRALayer`, and `weight`, an array (in, out). Raises TypeError without it, ShapeError for another
    shape.
    """

    def __init__(self, *sizes: Any, weight: Any = None, name: str = "lora", **options: Any) -> None:
        if weight is None:
            raise TypeError(_remedy(type(self), "sizes"))
        super().__init__(*sizes, name=name, **options)
        if np.shape(weight) != (shape := (self.input_size, self.output_size)):
            raise ShapeError(f"the weight has the shape {np.shape(weight)}, not {shape}")
        self.begin(np.asarray(weight), name)

    @classmethod
    def from_arrays(cls, *arrays: Any, **options: Any) -> Self:
        """There is no such adapter: A and B do not say what it started at. Raises TypeError."""
        raise TypeError(_remedy(cls, "arrays"))

    @classmethod
    def for_layer(cls, base: Any, rank: int, alpha: float | None = -1, **options: Any) -> Self:
        """An adapter of the base's sizes and dtype, at its start."""
        return super().for_layer(base, rank, alpha, weight=base.weight.value, **options)

    def begin(self, weight: Any, name: str) -> None:
        """Take the start from this weight (in, out). `name` goes before the names of new parameters."""
        raise NotImplementedError(f"{type(self).__name__} needs a method begin(self, weight, name)")


def _remedy(kind: type[Any], what: str) -> str:
    name = kind.__name__
    remedy = f"use {name}.for_layer(linear, rank), or adapt(model, rank, variant={name})"
    return f"{name} starts at the weight beside it, so {what} alone do not make one: {remedy}"
