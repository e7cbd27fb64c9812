"""A new adapter of a model, made of several that it has."""

import copy
import re
from typing import Any

import numpy as np

from ....errors import AdaptError
from ...checks import check_number, check_size
from ...layer import Layer
from ...linear import Seed
from ..adapted import Weights, check_new_name, checked_weights, listed
from ..adapter import Adapter
from ..lora import LoRALayer
from ..lora_embedding import LoRAEmbeddingLayer
from ..mergeable import MergeableLayer
from ..trained_copy import TrainedCopy
from .combine import COMBINATIONS, PRUNED, combined, factor_by_factor, low_rank, side_by_side
from .settings import AdapterSettings, adapter_settings, keep_settings
from .switching import adapted_layers, adapter_names, adapters, attach_all


def add_weighted_adapter(
    model: Layer, weights: Weights, *, name: str, combination: str = "cat", rank: int | None = None,
    density: float | None = None, majority: str = "total", clamp: float | None = None, seed: Seed = None,
) -> None:  # fmt: skip
    r"""$\Delta W \approx \sum_i w_i\,\Delta W_i$: a new adapter of the model, made of those that `weights` names.

    The new adapter is not active yet. Numbers are those of PEFT's function of this name. An option that the combination
    does not have is refused.

    model: a layer with adapters
    weights: a dict of finite numbers $w_i$ by the names of adapters
    name: that of the new adapter
    combination: "cat" puts the factors side by side: exact, and the ranks add up. "svd" is the best of the given
        `rank`. "linear" adds the factors, which must have one rank: a rough way, with cross terms. "ties",
        "dare_linear", "dare_ties" and "magnitude_prune" keep a share of each factor before they add; "ties_svd" and so
        on do that to $\Delta W$ and take the best of the rank
    rank: that of the new adapter, for "svd" and its kin; None takes that of the largest adapter
    density: the share that "ties" and its kin keep, above 0 and at most 1
    majority: TIES keeps what has this sign, that of the "total" or of the "frequency"
    clamp: a quantile at which "svd" cuts numbers off, above 0 and at most 1
    seed: a whole number or a Generator that draws what is dropped at random
    Raises AdaptError for unknown or taken names and for adapters that cannot be combined like this, ValueError for a
    wrong combination or option; then nothing is changed.
    Source: Yadav et al. 2023, "TIES-Merging" (arXiv:2306.01708); Yu et al. 2023, "DARE" (arXiv:2311.03099).

    >>> model = tl.adapt(tl.Sequential(tl.Linear(4, 3, seed=0)), rank=1, name="french", seed=1)
    >>> model = tl.adapt(model, rank=2, name="legal", seed=2)
    >>> tl.add_weighted_adapter(model, {"french": 0.7, "legal": 0.3}, name="both")
    >>> tl.adapter_names(model), model[0].adapters["both"].rank
    (['french', 'legal', 'both'], 3)
    """
    weights = checked_weights(weights, adapter_names(model))
    check_new_name(name, adapter_names(model))
    _check(combination, rank, density, majority, clamp)
    layers = adapted_layers(model)
    ranks = [x.adapters[n].rank for x in adapters(model).values() for n in weights if n in x.adapters]
    largest = max(ranks, default=1) if rank is None else rank
    options: dict[str, Any] = {"density": density, "majority": majority, "rng": np.random.default_rng(seed)}
    new: list[tuple[Any, Any]] = []
    new_ranks: dict[str, int] = {}
    for path, layer in layers.items():
        own = {n: w for n, w in weights.items() if n in layer.adapters}
        if isinstance(layer, TrainedCopy) and own:
            new.append((layer, copy.deepcopy(_only_copy(path, layer, own))))
        elif isinstance(layer, MergeableLayer) and own:
            if bent := [n for n in own if not getattr(layer.adapters[n], "is_linear", True)]:
                raise AdaptError(f"in {path!r} these have an activation, so they add no matrix: {listed(bent)}")
            if combination.endswith("svd"):
                deltas = [layer.delta(n) for n in own]
                A, B = low_rank(combined(deltas, [*own.values()], _before(combination), **options), largest, clamp)
            else:
                A, B = _from_factors(path, layer, own, combination, **options)
            new.append((layer, _adapter(layer, own, A, B, f"{path}.{name}".lstrip("."))))
            new_ranks[path] = A.shape[1]
    if not new_ranks:
        raise AdaptError(f"{listed(weights)} have no factors to combine: they are trained copies alone")
    attach_all(name, new)
    rank = max(new_ranks.values())
    patterns = {re.escape(path): r for path, r in new_ranks.items() if r != rank}
    settings = AdapterSettings(rank, list(new_ranks), rank_pattern=patterns)
    keep_settings(model, adapter_settings(model) | {name: settings})


def _check(combination: str, rank: int | None, density: float | None, majority: str, clamp: float | None) -> None:
    if combination not in COMBINATIONS:
        raise ValueError(f"combination must be one of {listed(COMBINATIONS)}, not {combination!r}")
    if majority not in ("total", "frequency"):
        raise ValueError(f"majority must be 'total' or 'frequency', not {majority!r}")
    if pruned := _before(combination) in PRUNED:
        if density is None:
            raise ValueError(f"{combination!r} keeps a share of the numbers: say which, as in density=0.5")
        if not 0 < check_number(density, "density", 0) <= 1:
            raise ValueError(f"density must be above 0, and at most 1, not {density}")
    if density is not None and not pruned:
        raise ValueError(f"{combination!r} keeps all numbers: leave density out")
    if majority != "total" and "ties" not in combination:
        raise ValueError(f"{combination!r} does not vote: leave majority out")
    if options := [name for name, value in (("rank", rank), ("clamp", clamp)) if value is not None]:
        if not combination.endswith("svd"):
            raise ValueError(f"{combination!r} has no singular values: leave {options[0]} out")
        check_size(1 if rank is None else rank, "the rank")
        if clamp is not None and not 0 < check_number(clamp, "clamp", 0) <= 1:
            raise ValueError(f"clamp must be above 0, and at most 1, not {clamp}")


def _before(combination: str) -> str:
    """What is done before the singular values, if it is that."""
    return combination.removesuffix("_svd").replace("svd", "linear")


def _from_factors(path: str, layer: MergeableLayer, own: Weights, combination: str, **options: Any) -> tuple[Any, Any]:
    """A and B from those of the adapters, which must be plain ones."""
    parts = {n: layer.adapters[n] for n in own}
    if other := [f"{n!r}, of type {type(part).__name__}," for n, part in parts.items() if not is_product(part)]:
        raise AdaptError(f"{' '.join(other)} is not s A B alone in {path!r}: combine it with combination='svd'")
    factors = [part.factors() for part in parts.values()]
    scaled = [w * parts[n].scaling for n, w in own.items()]
    if combination == "cat":
        return side_by_side(factors, scaled)
    if len({part.rank for part in parts.values()}) > 1:
        ranks = ", ".join(f"{n!r} {part.rank}" for n, part in parts.items())
        problem = f"{combination!r} needs adapters of one rank, in {path!r} they are {ranks}"
        raise AdaptError(f"{problem}: use 'cat' or 'svd'")
    return factor_by_factor(factors, scaled, combination, **options)


def is_product(adapter: Adapter) -> bool:
    """Whether the adapter adds s A B to the weight, and its class makes nothing else of A and B."""
    kind = type(adapter)
    like = LoRALayer if isinstance(adapter, LoRALayer) else LoRAEmbeddingLayer
    methods = "__call__", "merge_weights", "merged", "factors"
    return not kind.residual and all(getattr(kind, m, None) is getattr(like, m, None) for m in methods)


def _adapter(layer: MergeableLayer, own: Weights, A: Any, B: Any, name: str) -> Adapter:
    """A plain adapter of scale 1 in the dtype of the base, with the weighted sum of the biases if there are any."""
    dtype = layer.weight.dtype
    A, B = A.astype(dtype), B.astype(dtype)
    if layer.takes_indices:
        return LoRAEmbeddingLayer.from_arrays(A, B, name=name)
    added = [(w, layer.adapters[n].merged_bias(None)) for n, w in own.items()]
    biases = [w * bias for w, bias in added if bias is not None]
    return LoRALayer.from_arrays(A, B, bias=np.sum(biases, axis=0).astype(dtype) if biases else None, name=name)


def _only_copy(path: str, layer: TrainedCopy, own: Weights) -> Any:
    if len(own) > 1:
        raise AdaptError(f"{listed(own)} each train a copy of {path!r} as a whole: copies cannot be combined")
    return layer.adapters[next(iter(own))]
