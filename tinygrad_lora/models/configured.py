"""Networks made from a configuration, as Hugging Face writes it to config.json."""

import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, fields
from math import prod
from typing import Any, TypeVar

from ..core import Shape
from ..errors import ModelError, ModelFileError
from ..nn.activations import ACTIVATIONS
from ..nn.layer import Layer

Settings = TypeVar("Settings")

SIZES = "vocab_size", "hidden_size", "intermediate_size", "type_vocab_size"

_KINDS: dict[Any, tuple[str, Callable[[Any], bool]]] = {
    int: ("a whole number of at least 1", lambda x: type(x) is int and x >= 1),
    float: ("a positive number", lambda x: type(x) in (int, float) and 0 < x <= sys.float_info.max),
    bool: ("true or false", lambda x: type(x) is bool),
    str: ("a string", lambda x: type(x) is str),
}


def settings(kind: type[Settings], config: Mapping[str, Any]) -> Settings:
    """The dataclass `kind` filled from a configuration: fields by name, others are not read.

    Raises ModelError for a field that is missing and has no default, and for one of another type.
    """
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    required = [name for name, f in known.items() if f.default is MISSING]
    values = {name: config[name] for name in known if config.get(name) is not None}
    for name, value in values.items():
        wanted, fits = _KINDS[known[name].type]
        if not fits(value):
            raise ModelError(f"{name} must be {wanted}, not {value!r}")
    if missing := [name for name in required if name not in values]:
        raise ModelError(f"the configuration does not say {', '.join(missing)}")
    return kind(**values)


def require(config: Mapping[str, Any], **wanted: Any) -> None:
    """Raise ModelError unless each of these is left out of the configuration, or is what this package can do."""
    for name, value in wanted.items():
        if config.get(name, value) not in (value, None):
            raise ModelError(f"{name} = {config[name]!r} is not supported: only {value!r} is")


def check_plausible(file: Any, config: Mapping[str, Any], shapes: Collection[Shape], *more: str) -> None:
    """Raise ModelFileError for a size that is no axis of the weights, or for more parts than there are weights.

    So a configuration that is damaged, or made to deceive, makes nobody take memory. `more` are other sizes to look at.
    """
    axes = [None, *{n for shape in shapes for n in shape}]  # None: it is not said, which `settings` deals with
    for name in (*SIZES, *more):
        if config.get(name) not in axes:
            raise ModelFileError(f"{file}: {name} is {config[name]!r}, and no array of the weights has such an axis")
    blocks, width = (config.get(name) for name in ("num_hidden_layers", "hidden_size"))
    if isinstance(blocks, int | float) and blocks > len(shapes):
        raise ModelFileError(f"{file}: num_hidden_layers is {blocks}, and there are {len(shapes)} arrays of weights")
    matrices: list[tuple[Any, ...]] = [(width, config.get(name)) for name in ("vocab_size", *more)]
    matrices += [(blocks, width, size) for size in (width, config.get("intermediate_size"))]
    total = sum(map(prod, shapes))
    for sizes in matrices:
        if all(type(size) is int for size in sizes) and prod(sizes) > total:
            raise ModelFileError(f"{file}: {' times '.join(map(str, sizes))} numbers are more than its {total} weights")


def name_parameters(network: Layer) -> None:
    """Call each parameter what it is called in the network: so it appears in pictures and in generated code."""
    for name, p in network.named_parameters().items():
        p.name = name


def activation(name: str) -> Callable[[Any], Any]:
    """The function that a configuration calls this."""
    if name not in ACTIVATIONS:
        raise ModelError(f"the activation {name!r} is not supported: there are {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]
