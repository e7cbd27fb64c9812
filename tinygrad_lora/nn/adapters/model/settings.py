"""The options of an adapter: one record, which `adapt` fills in, a plan follows, a file and a model keep."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from ....core import ComputationNode
from ....errors import AdaptError
from ...layer import Layer
from ..adapted import AdaptedLayer, listed
from .targets import Numbers, Targets

BIASES = ("none", "all", "lora_only")
RESIDUAL = ("pissa", "olora")  # what PEFT calls ways to begin: the adapter starts at a part of W


@dataclass(frozen=True)
class AdapterSettings:
    """The options of one adapter of a model, under the names that `adapt` has for them.

    What belongs to one call of `adapt` alone, the model, the adapter's name and the seed, is not among them.

    rank, target_modules, alpha, exclude_modules, rank_pattern, alpha_pattern: as in `tl.adapt`
    layers_to_transform, layers_pattern, rslora, bias, lora_bias, modules_to_save, init, variant: as in `tl.adapt`
    options: those of the variant, a dict

    >>> settings = tl.nn.AdapterSettings(rank=4, init="pissa")
    >>> settings.residual, settings.of_each_adapter()
    ('pissa', {})
    """

    rank: int
    target_modules: Targets = "all-linear"
    alpha: float | None = -1
    exclude_modules: Targets | None = None
    rank_pattern: Mapping[str, int] = field(default_factory=dict)
    alpha_pattern: Mapping[str, float] = field(default_factory=dict)
    layers_to_transform: Numbers = None
    layers_pattern: Targets | None = None
    rslora: bool = False
    bias: str = "none"
    lora_bias: bool = False
    modules_to_save: Collection[str] | None = None
    init: str = "gaussian"
    variant: Any = "lora"
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def residual(self) -> str | None:
        """ "pissa" or "olora", if the adapter begins as a part of the base weight, and the base is what is left."""
        return self.init if self.init in RESIDUAL else None

    def of_each_adapter(self) -> dict[str, Any]:
        """The options that every single adapter is made with, beside its rank, alpha and seed; defaults left out.

        Returns a dict.
        """
        init = "" if self.init in ("gaussian", *RESIDUAL) else self.init
        special = {"rslora": self.rslora, "lora_bias": self.lora_bias, "init": init}
        return {name: value for name, value in special.items() if value} | dict(self.options)


def adapter_settings(model: Layer) -> dict[str, AdapterSettings]:
    """The options of each adapter that `adapt` gave this model, by name; not of those made by hand.

    model: a layer
    Returns a dict of `tinygrad_lora.nn.AdapterSettings`.

    >>> model = tl.adapt(tl.Sequential(tl.Linear(3, 2)), rank=1, alpha=2.0)
    >>> settings = tl.adapter_settings(model)["lora"]
    >>> settings.rank, settings.alpha, settings.target_modules
    (1, 2.0, 'all-linear')
    """
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
        biases = [getattr(x, "bias", None) for x in layers if name in x.adapters and hasattr(x, "merge")]
        return [bias for bias in biases if bias is not None]
    own = {id(p) for x in layers for adapter in x.adapters.values() for p in adapter.named_parameters().values()}
    return [p for n, p in model.named_parameters().items() if n.rpartition(".")[2] == "bias" and id(p) not in own]
