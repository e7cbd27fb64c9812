"""Give a model adapters: choose its linear layers by name, and put a LoRALinear in the place of each."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

import numpy as np

from ..errors import AdaptError
from .layer import Layer
from .linear import Linear, Seed
from .lora import LoRALinear

Targets = str | Collection[str]
Model = TypeVar("Model", bound=Layer)
Value = TypeVar("Value")


def adapt(
    model: Model, rank: int, target_modules: Targets = "all-linear", *,
    alpha: float | None = -1, exclude_modules: Targets | None = None, rank_pattern: Mapping[str, int] | None = None,
    alpha_pattern: Mapping[str, float] | None = None, seed: Seed = None, init: str = "gaussian",
) -> Model:  # fmt: skip
    """Replace linear layers of `model`, in place, by LoRALinear layers, and freeze everything but the adapters.

    `target_modules` chooses by dotted name, as the PEFT library does: a string is a regular expression for the full
    name, a list holds full names or their last parts ("q_proj" fits "blocks.0.q_proj"), "all-linear" means every linear
    layer. `exclude_modules` is read in the same way and wins. `rank_pattern` and `alpha_pattern` give other values to
    some layers: their keys are regular expressions for the name or its last parts, and the first that fits counts. Each
    adapter draws its numbers from a stream of its own, and all come from the one `seed`. A layer that is used in two
    places gets one adapter.

    Returns the model. Raises AdaptError, which lists the names, if nothing is chosen, if a word chooses nothing, or if
    a layer has an adapter already; ValueError if a rank does not fit. Then nothing is changed.
    """
    if not isinstance(model, Layer):
        raise TypeError(f"the model must be a Layer, not {type(model).__name__}")
    model.before_change()
    layers = _linear_layers(model)
    chosen = _chosen(layers, target_modules, exclude_modules)
    linear = {name: x for name in chosen if isinstance(x := layers[name], Linear)}
    if adapted := [name for name in chosen if name not in linear]:
        raise AdaptError(
            f"these layers have an adapter already: {_listed(adapted)}; leave them out with exclude_modules"
        )
    if "" in chosen:
        raise AdaptError("the model is itself a Linear, which cannot be replaced in place: use LoRALinear(model, rank)")
    ranks = _by_pattern(chosen, rank, rank_pattern, "rank_pattern")
    alphas = _by_pattern(chosen, alpha, alpha_pattern, "alpha_pattern")
    streams = np.random.default_rng(seed).spawn(len(chosen))
    replacements: dict[int, Layer] = {}
    for name, stream in zip(chosen, streams, strict=True):
        replacements[id(linear[name])] = LoRALinear(
            linear[name], ranks[name], alphas[name],
            init=init, seed=stream, trainable_base=True, name=f"{name}.lora",
        )  # fmt: skip
    holders = list(model.named_layers().values())
    trained = [p for layer in adapters(model).values() for p in layer.lora.parameters()]
    model.freeze()
    for p in trained:  # those of an earlier adapt
        p.requires_gradient = True
    for holder in holders:
        for name, value in list(vars(holder).items()):
            if (new := _replaced(value, replacements)) is not value:
                setattr(holder, name, new)
    return model


def _linear_layers(model: Layer) -> dict[str, Linear | LoRALinear]:
    """The linear layers by name, with an adapter or without; not those inside an adapted layer."""
    layers = model.named_layers()
    inside = {id(layer.base) for layer in layers.values() if isinstance(layer, LoRALinear)}
    return {n: x for n, x in layers.items() if isinstance(x, Linear | LoRALinear) and id(x) not in inside}


def _chosen(layers: Mapping[str, Layer], targets: Targets, exclude: Targets | None) -> list[str]:
    """The names that the targets fit and the exclusions do not."""
    _check_words(targets, "target_modules")
    if exclude is not None:
        _check_words(exclude, "exclude_modules")
    every = isinstance(targets, str) and targets.lower() == "all-linear"
    fitting = [name for name in layers if every or _fits(name, targets)]
    unused = [] if isinstance(targets, str) else [t for t in targets if not any(_fits(name, [t]) for name in layers)]
    chosen = [name for name in fitting if exclude is None or not _fits(name, exclude)]
    if unused or not chosen:
        what = (
            f"target_modules {_listed(unused)} fit no linear layer" if unused else f"nothing to adapt for {targets!r}"
        )
        without = f" without {exclude!r}" if exclude is not None and not unused else ""
        raise AdaptError(f"{what}{without}; the linear layers are {_listed(layers) or 'none'}")
    return chosen


def _fits(name: str, targets: Targets) -> bool:
    """The rule of PEFT: a string is a pattern for the full name, a list holds names or last parts of names."""
    if isinstance(targets, str):
        return re.fullmatch(targets, name) is not None
    return name in targets or any(name.endswith(f".{t}") for t in targets)


def _by_pattern(names: list[str], default: Value, patterns: Mapping[str, Value] | None, what: str) -> dict[str, Value]:
    """The value for each name: that of the first pattern that fits it, or the default."""
    patterns = dict(patterns or {})
    _check_words(list(patterns), what)
    first = {name: next((k for k in patterns if re.match(rf"(.*\.)?({k})$", name)), None) for name in names}
    if unused := [k for k in patterns if not any(re.match(rf"(.*\.)?({k})$", name) for name in names)]:
        raise AdaptError(f"{what} {_listed(unused)} fits none of the chosen layers {_listed(names)}")
    return {name: default if key is None else patterns[key] for name, key in first.items()}


def _check_words(words: Any, what: str) -> None:
    """Raise TypeError unless these are strings, AdaptError for a regular expression that is none."""
    if not isinstance(words, str) and not (isinstance(words, Collection) and all(isinstance(w, str) for w in words)):
        raise TypeError(f"{what} must be a string or a list of strings, not {words!r}")
    for pattern in [words] if isinstance(words, str) else words if what.endswith("_pattern") else []:
        try:
            re.compile(pattern)
        except re.error as error:
            raise AdaptError(f"{what}: {pattern!r} is not a regular expression: {error}") from None


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


def _listed(names: Collection[str]) -> str:
    return ", ".join(repr(name) for name in names)


def adapters(model: Layer) -> dict[str, LoRALinear]:
    """The adapted layers of a model by dotted name."""
    return {name: layer for name, layer in model.named_layers().items() if isinstance(layer, LoRALinear)}


def adapter_weights(model: Layer) -> dict[str, Any]:
    """Copies of the adapters' matrices by name, as in "0.lora.lora_A". `model.load_weights` takes them back."""
    factors = {id(p) for layer in adapters(model).values() for p in layer.lora.named_parameters().values()}
    return {name: np.array(p.value) for name, p in model.named_parameters().items() if id(p) in factors}


def merge_all(model: Layer) -> None:
    """Merge every adapter of a model into its base weight."""
    for layer in _some_adapters(model):
        layer.merge()


def unmerge_all(model: Layer) -> None:
    """Put every original weight of a model back, exactly as it was."""
    for layer in _some_adapters(model):
        layer.unmerge()


@contextmanager
def disabled(model: Layer) -> Iterator[None]:
    """`with disabled(model):` every adapter is off, and the model gives exactly what it gave before `adapt`."""
    with ExitStack() as stack:
        for layer in _some_adapters(model):
            stack.enter_context(layer.disabled())
        yield


def _some_adapters(model: Layer) -> Collection[LoRALinear]:
    found = adapters(model)
    if not found:
        raise AdaptError(f"this {type(model).__name__} has no adapters: adapt(model, rank=...) gives it some")
    return found.values()
