"""The settings of an adapter as PEFT can hold them: read off the layers that have it, so that they say what is true."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ...errors import AdaptError
from ...nn import AdapterSettings, Layer, LoRAEmbeddingLayer, TrainedCopy, adapter_names, adapter_settings
from ...nn.adapters.adapted import listed
from ...nn.adapters.adapter import Adapter
from ...nn.adapters.lora import LoRALayer
from ...nn.adapters.mergeable import MergeableLayer
from ...nn.adapters.model.targets import fits, outer_layers
from ...nn.adapters.variants import VARIANTS
from .config import conflicts, peft_options
from .names import layers_with

# The classes of adapters that PEFT calls LoRA, with the settings that say which one it is.
KINDS: dict[type[Adapter], dict[str, Any]] = {
    LoRALayer: {},
    VARIANTS["rslora"]: {},
    VARIANTS["lora_fa"]: {},
    VARIANTS["qlora"]: {},
    VARIANTS["dora"]: {"variant": "dora"},
    VARIANTS["pissa"]: {"init": "pissa"},
    VARIANTS["olora"]: {"init": "olora"},
}


def describe(model: Layer, name: str, plain: bool = False) -> AdapterSettings:
    """The settings of an adapter; `plain`: of one that does the same on the base itself, not on a residual base.

    Raises AdaptError if there is none of this name, or if PEFT has no words for it.
    """
    if name not in adapter_names(model):
        raise AdaptError(f"no adapter is called {name!r}: there are {listed(adapter_names(model)) or 'none'}")
    layers = layers_with(model, name)
    if "" in layers:
        raise AdaptError("the model is itself the adapted layer, and PEFT has no name for it: use Sequential(layer)")
    adapters = {path: layer.adapters[name] for path, layer in layers.items() if isinstance(layer, MergeableLayer)}
    if not adapters:
        raise AdaptError(f"the adapter {name!r} is in no linear layer or embedding, and PEFT needs one")
    doubled = {path: 2 if plain and adapter.residual else 1 for path, adapter in adapters.items()}
    options = _options(adapters) | ({"init": "gaussian"} if plain else {})
    power = 0.5 if options["rslora"] else 1  # of the rank in the scaling, which must stay what it is
    rank, ranks = _common({path: adapter.rank * doubled[path] for path, adapter in adapters.items()})
    alpha, alphas = _common({path: _whole(a.alpha * doubled[path] ** power) for path, a in adapters.items()})
    kept = adapter_settings(model).get(name)
    settings = AdapterSettings(
        rank=rank, target_modules=_words(list(adapters), outer_layers(model)), alpha=alpha, rank_pattern=ranks,
        alpha_pattern=alphas, bias=kept.bias if kept else "none",
        modules_to_save=[path for path, x in layers.items() if isinstance(x, TrainedCopy)] or None,
        **options,
    )  # fmt: skip
    if problems := conflicts(peft_options(settings)):
        raise AdaptError(f"PEFT has no such adapter as {name!r}: {'; '.join(problems)}")
    return settings


def _options(adapters: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that PEFT has once for all layers."""
    linear = {path: a for path, a in adapters.items() if not isinstance(a, LoRAEmbeddingLayer)}
    if unknown := sorted({type(a).__name__ for a in linear.values() if type(a) not in KINDS}):
        raise AdaptError(f"PEFT's files of LoRA have no place for {listed(unknown)}: merge it, and save the model")
    if acting := [path for path, a in linear.items() if a.activation is not None]:
        raise AdaptError(f"PEFT's adapters are linear maps, and these have an activation: {listed(acting)}")
    each = [KINDS[type(a)] | {"lora_bias": a.lora_B_bias is not None} for a in linear.values()]
    if any(options != each[0] for options in each):
        kinds = sorted({type(a).__name__ for a in linear.values()})
        raise AdaptError(f"PEFT has one kind of adapter for all layers, and here are several: {listed(kinds)}")
    scales = {bool(a.rslora) for a in adapters.values()}
    if len(scales) > 1:
        raise AdaptError("PEFT has one rslora for all layers, and here it is True for some and False for others")
    return {"rslora": scales.pop()} | (each[0] if each else {})


def _words(chosen: Collection[str], layers: Iterable[str]) -> str | list[str]:
    """The shortest `target_modules` that fit the chosen layers and no others: last parts of names, names, a pattern."""
    others = set(layers) - set(chosen)
    for words in (sorted({path.rpartition(".")[2] for path in chosen}), sorted(chosen)):
        if not any(fits(path, words) for path in others):
            return words
    return "|".join(re.escape(path) for path in sorted(chosen))


def _common(values: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The most frequent value, and the others by patterns that fit just one name each."""
    most = Counter(values.values()).most_common(1)[0][0]
    return most, {f"^{re.escape(path)}": value for path, value in values.items() if value != most}


def _whole(number: float) -> float:
    """An integer where it is one: PEFT writes alphas so."""
    return int(number) if float(number).is_integer() else number
