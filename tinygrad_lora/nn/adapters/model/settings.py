"""What a model was told when it got an adapter."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from ....core.node import ComputationNode
from ....errors import AdaptError
from ...layer import Layer
from ..adapted import AdaptedLayer, listed

BIASES = ("none", "all", "lora_only")


@dataclass(frozen=True)
class AdapterSettings:
    """The arguments of `adapt` for one adapter, by their names there."""

    rank: int
    target_modules: str | Collection[str] = "all-linear"
    alpha: float | None = -1
    exclude_modules: str | Collection[str] | None = None
    rank_pattern: Mapping[str, int] = field(default_factory=dict)
    alpha_pattern: Mapping[str, float] = field(default_factory=dict)
    layers_to_transform: int | Collection[int] | None = None
    layers_pattern: str | Collection[str] | None = None
    rslora: bool = False
    bias: str = "none"
    lora_bias: bool = False
    modules_to_save: Collection[str] | None = None
    init: str = "gaussian"
    variant: Any = "lora"
    options: Mapping[str, Any] = field(default_factory=dict)


def adapter_settings(model: Layer) -> dict[str, AdapterSettings]:
    """For each adapter that `adapt` gave this model, by name, what it was last told; not for those made by hand."""
    return dict(vars(model).get("_adapter_settings", {}))


def keep_settings(model: Layer, settings: Mapping[str, AdapterSettings]) -> None:
    """Make these the settings of the model's adapters."""
    model._adapter_settings = dict(settings)


def check_bias(model: Layer, name: str, bias: str) -> None:
    """Raise unless the biases may be trained in this way: by one adapter at most, since there is one of each."""
    if bias not in BIASES:
        raise ValueError(f"bias must be one of {listed(BIASES)}, not {bias!r}")
    if name in (kept := adapter_settings(model)) and kept[name].bias != bias:
        raise AdaptError(f"the adapter {name!r} has bias={kept[name].bias!r}: go on with that, not with {bias!r}")
    others = [n for n, settings in adapter_settings(model).items() if settings.bias != "none" and n != name]
    if bias != "none" and others:
        raise AdaptError(f"the adapter {others[0]!r} trains the biases, which all adapters share: bias='none'")


def set_trained_biases(model: Layer, active: Collection[str]) -> None:
    """Make the biases trainable that an active adapter trains, and freeze those that an inactive one does."""
    for name, settings in adapter_settings(model).items():
        for bias in _biases(model, name, settings.bias):
            bias.requires_gradient = name in active
            bias.zero_gradient()


def _biases(model: Layer, name: str, which: str) -> list[ComputationNode]:
    """Those of the layers that have the adapter, or all of the model but for those in adapters."""
    if which == "none":
        return []
    layers = [x for x in model.named_layers().values() if isinstance(x, AdaptedLayer)]
    if which == "lora_only":
        found = [getattr(x, "bias", None) for x in layers if name in x.adapters and hasattr(x, "merge")]
        return [bias for bias in found if bias is not None]
    own = {id(p) for x in layers for adapter in x.adapters.values() for p in adapter.named_parameters().values()}
    return [p for n, p in model.named_parameters().items() if n.rpartition(".")[2] == "bias" and id(p) not in own]
