"""Other layers in the place of those that a model has."""

from collections.abc import Mapping
from typing import Any

from ...layer import Layer


def replace_layers(model: Layer, replacements: Mapping[int, Layer]) -> None:
    """Put new layers in the place of old ones, given by identity, wherever the model holds them, in place."""
    for holder in list(model.named_layers().values()):
        for name, value in list(vars(holder).items()):
            if (new := _replaced(value, replacements)) is not value:
                setattr(holder, name, new)


def _replaced(value: Any, replacements: Mapping[int, Layer]) -> Any:
    """`value` with the new layers in the place of the old; a list or dict is changed in place, a tuple made anew."""
    if isinstance(value, Layer):
        return replacements.get(id(value), value)
    if isinstance(value, tuple):
        new = tuple(_replaced(part, replacements) for part in value)
        return value if all(a is b for a, b in zip(new, value, strict=True)) else new
    if isinstance(value, list | dict):
        for key, part in list(enumerate(value) if isinstance(value, list) else value.items()):
            value[key] = _replaced(part, replacements)
    return value
