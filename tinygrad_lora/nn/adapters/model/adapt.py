"""Give a model adapters: choose its layers by name, and put an adapted layer in the place of each."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeVar

import numpy as np

from ....errors import AdaptError
from ...embedding import Embedding
from ...layer import Layer
from ...linear import Linear, Seed, computes
from ..adapted import AdaptedLayer, check_new_name, listed
from ..adapter import Adapter, adapter_for
from ..lora import LoRALayer
from ..lora_embedding import LoRAEmbedding, LoRAEmbeddingLayer
from ..lora_linear import LoRALinear
from ..mergeable import MergeableLayer
from ..trained_copy import TrainedCopy
from .settings import AdapterSettings, adapter_settings, check_bias, keep_settings
from .surgery import replace_layers
from .switching import activate, attach_all
from .targets import Numbers, Targets, by_pattern, chosen_layers, chosen_modules

Model = TypeVar("Model", bound=Layer)
RESIDUAL = ("pissa", "olora")  # what PEFT calls ways to begin: the adapter starts at a part of W


def adapt(
    model: Model, rank: int, target_modules: Targets = "all-linear", *, name: str = "lora", alpha: float | None = -1,
    variant: str | type[Adapter] = "lora", init: str = "gaussian", seed: Seed = None,
    exclude_modules: Targets | None = None, rank_pattern: Mapping[str, int] | None = None,
    alpha_pattern: Mapping[str, float] | None = None, layers_to_transform: Numbers = None,
    layers_pattern: Targets | None = None, modules_to_save: Collection[str] | None = None,
    bias: str = "none", lora_bias: bool = False, rslora: bool = False, **options: Any,
) -> Model:  # fmt: skip
    r"""$x W + b$ becomes $x W + b + s\,(x A) B$ in the chosen layers of `model`, in place; only adapters are trained.

    `target_modules` chooses linear layers and embeddings by dotted name, as the PEFT library does: a string is a
    regular expression for the full name, a list holds full names or their last parts ("q_proj" fits
    "blocks.0.q_proj"), "all-linear" means every linear layer. `exclude_modules` is read in the same way and wins.
    `layers_to_transform` takes a list's layers only where the first number in the name is one of these; with
    `layers_pattern`, the number that stands after this word. `rank_pattern` and `alpha_pattern` give other values to
    some layers: their keys are regular expressions for the name or its last parts, and the first that fits counts.

    `name` is that of the adapter: adapting once more under another name gives the layers a second one, and activates
    it. `variant` is a relative of LoRA, such as "dora", or a class; `options` are those it has. `init` is "gaussian" or
    "kaiming_uniform" for A, or "pissa" or "olora", which are variants too. `rslora` and `lora_bias` are those of
    `LoRALayer`. `bias="all"` trains the biases of the model as well, "lora_only" those of the chosen layers: there is
    one of each, so switching the adapter off does not bring them back. `modules_to_save` are layers that are trained as
    a whole, each in a copy that comes and goes with the adapter. A layer that is used in two places gets one adapter.
    Each adapter draws its numbers from a stream of its own, and all come from the one `seed`.

    Returns the model. Raises AdaptError, which lists the names, if nothing is chosen, if a word chooses nothing, or if
    a layer has an adapter of this name already, or is of a class that computes more than its weight says; ValueError if
    a rank does not fit, TypeError for an option that the variant does not have. Then nothing is changed.
    Source: Hu et al. 2021 (arXiv:2106.09685); for the choice of layers, the PEFT library.
    """
    if not isinstance(model, Layer):
        raise TypeError(f"the model must be a Layer, not {type(model).__name__}")
    model.before_change()
    check_new_name(name, ())
    check_bias(model, name, bias)
    saved = chosen_modules(model, modules_to_save)
    chosen = chosen_layers(model, target_modules, exclude_modules, list(saved), layers_to_transform, layers_pattern)
    _check_free(chosen | saved, name)
    _check_kinds(chosen)
    ranks = by_pattern(chosen, rank, rank_pattern, "rank_pattern")
    alphas = by_pattern(chosen, alpha, alpha_pattern, "alpha_pattern")

    if init in RESIDUAL and variant not in ("lora", init):
        raise AdaptError(f"init={init!r} is a variant itself, so it does not go with variant={variant!r}: choose one")
    kind = adapter_class(init if init in RESIDUAL else variant)
    special = {"rslora": rslora, "lora_bias": lora_bias, "init": init not in ("gaussian", *RESIDUAL) and init}
    given = {key: value for key, value in special.items() if value} | options
    bases = {n: _base(layer, kind) for n, layer in chosen.items()}
    shared = kind.shared(bases, ranks, seed=seed, **given)
    streams = np.random.default_rng(seed).spawn(len(chosen))
    new: list[tuple[AdaptedLayer, Any]] = []
    for (path, layer), stream in zip(chosen.items(), streams, strict=True):
        base, node_name = bases[path], f"{path}.{name}".lstrip(".")
        adapter = _adapter(kind, base, ranks[path], alphas[path], seed=stream, name=node_name, **shared)
        new.append((layer if isinstance(layer, AdaptedLayer) else _around(base), adapter))
    copies = [layer if isinstance(layer, TrainedCopy) else TrainedCopy(layer) for layer in saved.values()]
    attach_all(name, [*new, *((layer, layer.copy_of_base()) for layer in copies)])

    model.freeze()
    places = zip((chosen | saved).values(), [*(layer for layer, _ in new), *copies], strict=True)
    replace_layers(model, {id(old): layer for old, layer in places if old is not layer})
    settings = AdapterSettings(
        rank, target_modules, alpha, exclude_modules, rank_pattern or {}, alpha_pattern or {}, layers_to_transform,
        layers_pattern, rslora, bias, lora_bias, modules_to_save, init, variant, options,
    )  # fmt: skip
    keep_settings(model, adapter_settings(model) | {name: settings})
    activate(model, name)
    return model


def adapter_class(variant: str | type[Adapter]) -> type[Adapter]:
    """The class of this name. Raises AdaptError, which lists the names, if there is none."""
    if isinstance(variant, type) and issubclass(variant, Adapter):
        return variant
    if variant == "lora":
        return LoRALayer
    from ..variants import VARIANTS

    if variant not in VARIANTS:
        raise AdaptError(f"no variant is called {variant!r}: there are 'lora', {listed(VARIANTS)}")
    found: type[Adapter] = VARIANTS[variant]
    return found


def _check_free(layers: Mapping[str, Layer], name: str) -> None:
    """Raise AdaptError for a layer that cannot be adapted, or has an adapter of this name."""
    if adapted := [path for path, x in layers.items() if isinstance(x, AdaptedLayer) and name in x.adapters]:
        raise AdaptError(
            f"these layers have an adapter already: {listed(adapted)}; leave them out with exclude_modules, or give "
            f"the new one another name than {name!r}"
        )
    if "" in layers and not isinstance(whole := layers[""], AdaptedLayer):
        kind, instead = type(whole).__name__, "LoRALinear" if isinstance(whole, Linear) else "LoRAEmbedding"
        raise AdaptError(
            f"the model is itself a{'n' * (kind[0] in 'AEIO')} {kind}, which cannot be replaced in place: "
            f"use {instead}(model, rank)"
        )


def _check_kinds(layers: Mapping[str, Layer]) -> None:
    """Raise AdaptError for a layer whose class computes more than a Linear or an Embedding does."""
    kinds = {path: next((k for k in (Linear, Embedding) if isinstance(x, k)), None) for path, x in layers.items()}
    if own := [path for path, kind in kinds.items() if kind and not computes(layers[path], kind)]:
        told = ", ".join(f"{path!r} ({type(layers[path]).__name__})" for path in own)
        raise AdaptError(
            f"these layers compute more than their weight says, and an adapter stands beside the weight alone: {told}; "
            "leave them out with exclude_modules, or make each a layer that holds a plain one"
        )


def _base(layer: Any, kind: type[Adapter]) -> Any:
    """The layer that an adapter of this kind goes beside."""
    base = layer.given if isinstance(layer, MergeableLayer) else layer
    if isinstance(base, Embedding):
        if kind is not LoRALayer and not kind.residual:
            raise AdaptError(f"{kind.__name__} is for linear layers: leave out the embeddings with exclude_modules")
        return base
    wanted = kind.for_base(base)
    if isinstance(layer, MergeableLayer) and wanted is not base:
        raise AdaptError(f"{kind.__name__} needs another base than the {type(base).__name__} of an earlier adapter")
    return wanted


def _adapter(kind: type[Adapter], base: Any, rank: int, alpha: float | None, /, **options: Any) -> Any:
    """An adapter for a linear layer; for an embedding a LoRAEmbeddingLayer, which begins in one way only."""
    if not isinstance(base, Embedding):
        return adapter_for(adapt, kind, base, rank, alpha, **options)
    options.pop("init", None)
    if options.pop("lora_bias", False):
        raise AdaptError("lora_bias is for linear layers: an embedding has no bias")
    return adapter_for(adapt, LoRAEmbeddingLayer, base, rank, alpha, **options)


def _around(base: Any) -> AdaptedLayer:
    return LoRAEmbedding.around(base) if isinstance(base, Embedding) else LoRALinear.around(base)
