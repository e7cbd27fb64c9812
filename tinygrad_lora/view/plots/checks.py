"""Checks of what is plotted: finite numbers, class numbers, an adapter. Each error says what to do."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

from ...core import Array
from ...errors import AdaptError, DtypeError, ShapeError
from ...nn import Layer, LoRALayer, LoRALinear
from ...nn.adapters.model.switching import adapters
from ..words.sentences import one_line


def finite(data: ArrayLike, what: str, remedy: str = "") -> Array:
    """`data` as an array of finite real numbers. Raises ValueError with the place of the first that is not."""
    try:
        array = np.asarray(data)
    except ValueError:
        raise ShapeError(f"{what} has rows of unequal length, so it is no array") from None
    if array.dtype.kind not in "biuf":
        raise DtypeError(f"{what} must hold real numbers, not {array.dtype}")
    if not (good := np.isfinite(array)).all():
        at = tuple(int(i) for i in np.argwhere(~good)[0])
        place = f" at [{', '.join(map(str, at))}]" if at else ""
        share = f"{(~good).sum():,} of {array.size:,} numbers"
        first = f"the first is {array[at]}{place}{': ' * bool(remedy)}{remedy}"
        raise ValueError(f"{what} holds {share} that are not finite, {first}")
    return array


def class_numbers(data: ArrayLike, what: str) -> Array:
    """`data` as class numbers 0, 1, 2, ..., one for each sample. Raises ShapeError, DtypeError or ValueError."""
    array = finite(data, what)
    if array.ndim != 1:
        raise ShapeError(f"{what} must be one class number a sample, shape (n,), not {array.shape}")
    if not array.size:
        raise ValueError(f"{what} is empty: there is no sample to show")
    if (array != np.floor(array)).any():
        raise DtypeError(f"{what} must be class numbers 0, 1, 2, ...: of logits take logits.argmax(axis=-1)")
    if array.min() < 0:
        raise ValueError(f"{what} must be class numbers from 0 on, not {array.min():g}")
    return array.astype(np.int64)


def the_adapter(obj: Layer) -> LoRALayer:
    """The low-rank layer of an adapter, or of a model with one adapter. Raises AdaptError or TypeError for others."""
    if isinstance(obj, LoRALinear):
        return obj.lora
    if isinstance(obj, LoRALayer):
        return obj
    if not isinstance(obj, Layer):
        raise TypeError(f"this plot shows an adapter, a LoRALayer or a LoRALinear, not {type(obj).__name__}")
    by_name = adapters(obj)
    if len(by_name) == 1:
        return next(iter(by_name.values())).lora
    if not by_name:
        raise AdaptError(f"this {type(obj).__name__} has no adapters: adapt(model, rank=...) gives it some")
    names = ", ".join(repr(one_line(name)) for name in by_name)
    raise AdaptError(f"this {type(obj).__name__} has {len(by_name)} adapters, {names}: pass one, adapters(model)[name]")


def factors(layer: LoRALayer) -> tuple[Array, Array]:
    """A and B, as float64."""
    remedy = "first_nonfinite(loss) finds where it began"
    A = finite(layer.lora_A.value, "A of the adapter", remedy)
    return A.astype(np.float64), finite(layer.lora_B.value, "B of the adapter", remedy).astype(np.float64)


def comparable(sizes: Iterable[float], factor: float) -> bool:
    """Whether one scale suits these sizes: the largest is at most `factor` times the smallest, zeros aside."""
    present = [size for size in sizes if size]
    return not present or max(present) <= factor * min(present)
