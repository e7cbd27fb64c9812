"""What a model's new adapter will be, layer by layer; and the one place that puts it there.

`plan_adapters` decides and changes nothing; its plan is data. `attach` makes what the plan says, and then changes the
model: when anything is refused, nothing was changed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

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
from ..variants import VARIANTS
from .settings import AdapterSettings, adapter_settings, check_bias, keep_settings
from .surgery import replace_layers
from .switching import activate, attach_all
from .targets import by_pattern, chosen_layers, chosen_modules, fits, fits_pattern, outer_layers

ARGUMENTS = {field.name for field in fields(AdapterSettings)} - {"options"} | {"name", "seed"}  # those of `adapt`


class PlannedAdapter(NamedTuple):
    """One layer's part of a plan."""

    layer: Any  # the layer as the model has it now: a plain one, or one that has other adapters
    kind: type[Adapter]
    rank: int
    alpha: float | None
    seed: np.random.Generator
    prefix: str  # goes before the names of the adapter's parameters


@dataclass(frozen=True)
class AdapterPlan:
    """An adapter of a whole model before it is there: what each layer gets, and which modules are trained whole.

    `layers` and `modules` are by dotted name. `settings` are those that the plan follows.
    """

    name: str
    settings: AdapterSettings
    kind: type[Adapter]
    seed: Seed
    layers: dict[str, PlannedAdapter]
    modules: dict[str, Layer]


def plan_adapters(
    model: Layer, settings: AdapterSettings, *, name: str = "lora", seed: Seed = None, strict: bool = True
) -> AdapterPlan:
    """Decide which layers get which adapter. Nothing is made or changed yet.

    Each adapter draws its numbers from a stream of its own, and all come from the one `seed`. Words and patterns that
    fit no layer are refused; if not `strict`, they are left out of the plan's settings, as PEFT passes over them.
    Raises AdaptError, which lists the names, if nothing is chosen or the variant is not known, MergedError while
    adapters are merged.
    """
    if not isinstance(model, Layer):
        raise TypeError(f"the model must be a Layer, not {type(model).__name__}")
    model.before_change()
    check_new_name(name, ())
    if not strict:
        settings = _without_idle_words(settings, outer_layers(model))
    modules = chosen_modules(model, settings.modules_to_save)
    layers = chosen_layers(
        model, settings.target_modules, settings.exclude_modules, list(modules), settings.layers_to_transform,
        settings.layers_pattern,
    )  # fmt: skip
    if not strict:
        settings = _without_idle_patterns(settings, layers)
    ranks = by_pattern(layers, settings.rank, settings.rank_pattern, "rank_pattern")
    alphas = by_pattern(layers, settings.alpha, settings.alpha_pattern, "alpha_pattern")
    kind = _kind_of(settings)
    planned = {
        path: PlannedAdapter(
            layer, LoRAEmbeddingLayer if isinstance(base_of(layer), Embedding) else kind, ranks[path], alphas[path],
            stream, f"{path}.{name}".lstrip("."),
        )
        for (path, layer), stream in zip(layers.items(), np.random.default_rng(seed).spawn(len(layers)), strict=True)
    }  # fmt: skip
    return AdapterPlan(name, settings, kind, seed, planned, modules)


def attach(model: Layer, plan: AdapterPlan) -> None:
    """Make the adapters of a plan, put them into the model, and activate them; all other parameters are frozen.

    Raises AdaptError for a layer that has an adapter of this name, that computes more than its weight says, or that the
    variant is not for, ValueError for a rank that does not fit, TypeError for an option that the variant does not have.
    Then nothing is changed.
    """
    check_bias(model, plan.name, plan.settings.bias)
    layers = {path: planned.layer for path, planned in plan.layers.items()}
    replaced: dict[str, Layer] = layers | plan.modules
    _check_free(replaced, plan.name)
    _check_kinds(layers)
    new = _made(plan)
    copies = [layer if isinstance(layer, TrainedCopy) else TrainedCopy(layer) for layer in plan.modules.values()]
    attach_all(plan.name, [*new, *((layer, layer.copy_of_base()) for layer in copies)])

    model.freeze()
    places = zip(replaced.values(), [*(layer for layer, _ in new), *copies], strict=True)
    replace_layers(model, {id(old): layer for old, layer in places if old is not layer})
    keep_settings(model, adapter_settings(model) | {plan.name: plan.settings})
    activate(model, plan.name)


def base_of(layer: Any) -> Any:
    """The linear layer or embedding that adapters of this layer go beside."""
    return layer.original if isinstance(layer, MergeableLayer) else layer


# --- Deciding ---


def _kind_of(settings: AdapterSettings) -> type[Adapter]:
    """The class of the adapters. Raises AdaptError, which lists the names, if there is none."""
    variant: str | type[Adapter] = settings.residual or settings.variant
    if settings.residual and settings.variant not in ("lora", settings.init):
        other = f"it does not go with variant={settings.variant!r}"
        raise AdaptError(f"init={settings.init!r} is a variant itself, so {other}: choose one")
    if isinstance(variant, type) and issubclass(variant, Adapter):
        return variant
    kinds: dict[Any, type[Adapter]] = {"lora": LoRALayer, **VARIANTS}
    if variant not in kinds:
        raise AdaptError(f"no variant is called {variant!r}: there are {listed(kinds)}")
    return kinds[variant]


def _without_idle_words(settings: AdapterSettings, layers: Iterable[str]) -> AdapterSettings:
    """The settings without words of lists that fit none of these layers. If no word of the targets does, all stay.

    PEFT passes over them, and adds some itself: "classifier" and "score" for a classifier, whichever the model has.
    """
    paths = [path for path in layers if path]
    targets = settings.target_modules
    if not isinstance(targets, str):
        targets = [w for w in targets if any(fits(path, [w]) for path in paths)] or targets
    modules = [w for w in settings.modules_to_save or () if any(path.endswith(w) for path in paths)] or None
    return replace(settings, target_modules=targets, modules_to_save=modules)


def _without_idle_patterns(settings: AdapterSettings, layers: Iterable[str]) -> AdapterSettings:
    """The settings without patterns that fit none of the chosen layers."""
    paths = list(layers)

    def used(patterns: Mapping[str, Any]) -> dict[str, Any]:
        return {k: v for k, v in patterns.items() if any(fits_pattern(path, k) for path in paths)}

    ranks, alphas = used(settings.rank_pattern), used(settings.alpha_pattern)
    return replace(settings, rank_pattern=ranks, alpha_pattern=alphas)


# --- Refusing, before anything is changed ---


def _check_free(layers: Mapping[str, Layer], name: str) -> None:
    """Raise AdaptError for a layer that cannot be adapted, or has an adapter of this name."""
    if adapted := [path for path, x in layers.items() if isinstance(x, AdaptedLayer) and name in x.adapters]:
        remedy = f"leave them out with exclude_modules, or give the new one another name than {name!r}"
        raise AdaptError(f"these layers have an adapter already: {listed(adapted)}; {remedy}")
    if "" in layers and not isinstance(whole := layers[""], AdaptedLayer):
        kind, instead = type(whole).__name__, "LoRALinear" if isinstance(whole, Linear) else "LoRAEmbedding"
        problem = f"the model is itself a{'n' * (kind[0] in 'AEIO')} {kind}, which cannot be replaced in place"
        raise AdaptError(f"{problem}: use {instead}(model, rank)")


def _check_kinds(layers: Mapping[str, Layer]) -> None:
    """Raise AdaptError for a layer whose class computes more than a Linear or an Embedding does."""
    kinds = {path: next((k for k in (Linear, Embedding) if isinstance(x, k)), None) for path, x in layers.items()}
    if own := [path for path, kind in kinds.items() if kind and not computes(layers[path], kind)]:
        names = ", ".join(f"{path!r} ({type(layers[path]).__name__})" for path in own)
        problem = "these layers compute more than their weight says, and an adapter stands beside the weight alone"
        remedy = "leave them out with exclude_modules, or make each a layer that holds a plain one"
        raise AdaptError(f"{problem}: {names}; {remedy}")


# --- Making ---


def _made(plan: AdapterPlan) -> list[tuple[AdaptedLayer, Any]]:
    """The adapted layer that will stand where each layer of the plan was, and its new adapter, not attached yet."""
    bases = {path: _base(planned.layer, plan.kind) for path, planned in plan.layers.items()}
    ranks = {path: planned.rank for path, planned in plan.layers.items()}
    options = plan.kind.shared(bases, ranks, seed=plan.seed, **plan.settings.of_each_adapter())
    new: list[tuple[AdaptedLayer, Any]] = []
    for path, planned in plan.layers.items():
        own = _of_embedding(options) if planned.kind is LoRAEmbeddingLayer else options
        adapter = adapter_for(
            ARGUMENTS, planned.kind, bases[path], planned.rank, planned.alpha, seed=planned.seed, name=planned.prefix,
            **own,
        )  # fmt: skip
        new.append((_adapted(planned.layer, bases[path]), adapter))
    return new


def _base(layer: Any, kind: type[Adapter]) -> Any:
    """The layer that an adapter of this kind goes beside."""
    base = base_of(layer)
    if isinstance(base, Embedding):
        if kind is not LoRALayer and not kind.residual:
            raise AdaptError(f"{kind.__name__} is for linear layers: leave out the embeddings with exclude_modules")
        return base
    wanted = kind.for_base(base)
    if isinstance(layer, MergeableLayer) and wanted is not base:
        raise AdaptError(f"{kind.__name__} needs another base than the {type(base).__name__} of an earlier adapter")
    return wanted


def _of_embedding(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of an embedding's adapter, which begins in one way only."""
    if options.get("lora_bias"):
        raise AdaptError("lora_bias is for linear layers: an embedding has no bias")
    return {name: value for name, value in options.items() if name not in ("init", "lora_bias")}


def _adapted(layer: Any, base: Any) -> AdaptedLayer:
    """The layer, if it has adapters already, or a new adapted layer around its base."""
    if isinstance(layer, AdaptedLayer):
        return layer
    return LoRAEmbedding.holding(base) if isinstance(base, Embedding) else LoRALinear.holding(base)
