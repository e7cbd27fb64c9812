r"""A plain LoRA adapter out of the difference of two models: of each layer's $\Delta W$, the best of a low rank."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import hypot
from typing import Any, NamedTuple

import numpy as np

from ....errors import AdaptError, ShapeError
from ...checks import check_number, check_size
from ...embedding import Embedding
from ...layer import Layer
from ...linear import Linear
from ..adapted import AdaptedLayer, check_new_name, listed
from ..mergeable import MergeableLayer
from ..trained_copy import TrainedCopy
from .combine import low_rank
from .plan import attach, base_of, plan_adapters
from .settings import AdapterSettings
from .switching import adapter_names, adapters
from .targets import Targets, chosen_layers, outer_layers


class ExtractedLayer(NamedTuple):
    r"""What an extracted adapter is in one layer.

    rank: the rank that it has there
    size: $\lVert \Delta W \rVert$, the size of the change
    missing: the size of what the adapter does not have of it

    >>> layer = tl.nn.ExtractedLayer(rank=2, size=10.0, missing=1.0)
    >>> layer.error
    0.1
    """

    rank: int
    size: float
    missing: float

    @property
    def error(self) -> float:
        """The missing part, as a share of the change."""
        return self.missing / self.size if self.size else 0.0


@dataclass(frozen=True)
class Extraction:
    """How close an extracted adapter is, layer by layer; print it for a table. `tl.extract_lora` makes it.

    layers: an `ExtractedLayer` for each layer that has the adapter, a dict by dotted name
    elsewhere: the sizes of changes that no adapter of a layer can have, such as that of a normalization, or that were
        left out by the choice of layers. The model with the adapter differs by these, too

    >>> base = tl.Sequential(tl.Linear(4, 3, seed=0))
    >>> report = tl.extract_lora(base, tl.Sequential(tl.Linear(4, 3, seed=1)), rank=3)
    >>> report.error < 1e-12, list(report.layers), list(report.elsewhere)
    (True, ['0'], [])
    """

    layers: dict[str, ExtractedLayer]
    elsewhere: dict[str, float]

    @property
    def error(self) -> float:
        """The missing part of all layers together, as a share of their change."""
        size = hypot(*(layer.size for layer in self.layers.values()))
        return hypot(*(layer.missing for layer in self.layers.values())) / size if size else 0.0

    def __str__(self) -> str:
        rows = [("layer", "rank", "change", "error")]
        rows += [(path, str(x.rank), f"{x.size:.3g}", f"{x.error:.1e}") for path, x in self.layers.items()]
        rows += [(name, "-", f"{size:.3g}", "left out") for name, size in self.elsewhere.items()]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [[c.rjust(w) for c, w in zip(row, widths, strict=True)] for row in rows]
        return "\n".join("  ".join([row[0].ljust(widths[0]), *line[1:]]) for row, line in zip(rows, lines, strict=True))


def extract_lora(
    base: Layer, tuned: Layer, *, rank: int | None = None, energy: float | None = None, name: str = "lora",
    target_modules: Targets | None = None,
) -> Extraction:  # fmt: skip
    r"""$s A B \approx W_{tuned} - W_{base}$: give the base a plain LoRA adapter that does what the tuned model does.

    So `extract_lora(model, model, energy=1.0, name="plain")` turns the active adapters of one model into plain LoRA,
    which any program that reads PEFT's folders can load. Layers that did not change get no adapter. Biases that changed
    become biases of the adapter (`lora_bias`), unless it has embeddings.

    A change of rank r is met exactly by rank r or more: those of LoRA, rsLoRA, LoRA+, LoRA-FA, VeRA and AdaLoRA have
    their rank, those of PiSSA and OLoRA twice that, LoHa's its square. Those of DoRA, and of training as a whole, have
    full rank.

    base: a layer, changed in place, as by `adapt`; adapters that it has already do not count
    tuned: a model of the same layers with other weights: one that was trained as a whole, or one with adapters of any
        variant, of which the active ones count
    rank: how many of the largest singular values of each layer's change the adapter holds
    energy: in place of a rank: as few as have this share of the sum of their squares, above 0 and at most 1, where 1.0
        means all that is not rounding
    name: that of the new adapter
    target_modules: which layers count, as in `adapt`; it may name embeddings, too. None takes every linear layer
    Returns an `Extraction`: what the adapter misses of each layer's change, and what changed elsewhere.
    Raises AdaptError for models of other structure, and where nothing changed, ShapeError for parameters of another
    shape, ValueError for a rank that a layer cannot have, an energy out of range, both or neither of the two, and
    numbers that are not finite. Then nothing is changed.
    Source: Eckart and Young 1936; PEFT's `convert_to_lora` makes the same choice.

    >>> base, tuned = tl.Sequential(tl.Linear(4, 3, seed=0)), tl.Sequential(tl.Linear(4, 3, seed=1))
    >>> report = tl.extract_lora(base, tuned, rank=3)
    >>> report.layers["0"].rank, bool(np.allclose(base.forward(np.ones(4)), tuned.forward(np.ones(4))))
    (3, True)
    """
    if (rank is None) == (energy is None):
        raise ValueError("say how much to keep, in one of two ways: rank=8, or energy=0.95")
    if rank is not None:
        check_size(rank, "Rank")
    elif not 0 < check_number(energy, "energy", 0) <= 1:
        raise ValueError(f"energy is a share of the change, above 0 and at most 1, not {energy}")
    check_new_name(name, adapter_names(base))
    changes = _changes(base, tuned)
    chosen = [p for p, x in outer_layers(base).items() if isinstance(base_of(x), Linear)]
    if target_modules is not None:
        chosen = list(chosen_layers(base, target_modules))
    own = {path: changes.pop(_named(path, "weight")) for path in chosen if _named(path, "weight") in changes}
    if not own:
        elsewhere = f"they differ in {listed(changes)}" if changes else "no adapter is needed"
        raise AdaptError(f"these models have the same weights in {listed(chosen) or 'all layers'}: {elsewhere}")
    if rank is not None and (small := [f"{p!r} {x.shape}" for p, x in own.items() if min(x.shape) < rank]):
        raise ValueError(f"Rank ({rank}) cannot exceed the smaller size of a layer: {', '.join(small)}")
    bases = {path: base_of(layer) for path, layer in outer_layers(base).items() if path in own}
    factors = {path: _factors(change, rank, energy, bases[path].weight.dtype) for path, change in own.items()}

    tables = any(isinstance(layer, Embedding) for layer in bases.values())
    biases = {p: changes.pop(_named(p, "bias")) for p in own if _named(p, "bias") in changes and not tables}
    ranks = {path: A.shape[1] for path, (A, _) in factors.items()}
    most = Counter(ranks.values()).most_common(1)[0][0]
    settings = AdapterSettings(
        most, "|".join(map(re.escape, own)), lora_bias=bool(biases),
        rank_pattern={f"^{re.escape(p)}": r for p, r in ranks.items() if r != most},
    )  # fmt: skip
    attach(base, plan_adapters(base, settings, name=name, seed=0))
    layers: dict[str, ExtractedLayer] = {}
    for path, (A, B) in factors.items():
        adapter = adapters(base)[path].adapters[name]
        bias = [biases.get(path, np.zeros(B.shape[1]))] if biases else []
        adapter.set_parameters(np.concatenate([A.ravel(), B.ravel(), *bias]))
        missing = own[path] - adapter.merge_weights()
        layers[path] = ExtractedLayer(ranks[path], norm(own[path]), norm(missing))
    return Extraction(layers, {name: norm(change) for name, change in changes.items()})


def norm(array: Any) -> float:
    """The square root of the sum of squares."""
    return float(np.linalg.norm(array))


def _factors(change: Any, rank: int | None, energy: float | None, dtype: Any) -> tuple[Any, Any]:
    """A and B with the largest singular values of the change: so many, or those with this share of the squares.

    What is as small as rounding in the dtype of the weight is never counted as a part of the change.
    """
    A, B = low_rank(change, min(change.shape))
    if rank is None:
        squares = np.sum(B * B, axis=1)
        rounding = (max(change.shape) * float(np.finfo(dtype).eps)) ** 2 * squares[0]
        left_out = np.cumsum(squares[::-1])[::-1]  # at each rank, what the rank does not have
        rank = max(1, int(np.sum(left_out > max((1 - energy) * left_out[0], rounding))))  # type: ignore[operator]
    return A[:, :rank], B[:rank]


# --- What changed ---


def _changes(base: Layer, tuned: Layer) -> dict[str, Any]:
    """Of each parameter that differs the difference, by its name in the model without adapters."""
    before, after = dict(_plain_arrays(base, False)), dict(_plain_arrays(tuned, True))
    for model, own, other in (("the base", before, after), ("the tuned model", after, before)):
        if alone := [name for name in own if name not in other]:
            raise AdaptError(f"the two models are not of one structure: only {model} has {listed(alone)}")
    for name, array in before.items():
        if array.shape != after[name].shape:
            raise ShapeError(f"{name!r} is {array.shape} in the base, and {after[name].shape} in the tuned model")
    deltas = {_named(path, "weight"): _delta(layer) for path, layer in adapters(tuned).items()}
    changes = {name: (after[name] - array.astype(float)) + deltas.get(name, 0) for name, array in before.items()}
    if wrong := [name for name, change in changes.items() if not np.isfinite(change).all()]:
        raise ValueError(f"there is no adapter for numbers that are not finite: {listed(wrong)}")
    return {name: change for name, change in changes.items() if change.any()}


def _delta(layer: MergeableLayer) -> Any:
    """What the active adapters add to the weight of the original."""
    return sum(w * layer.delta(name) for name, w in layer.active.items()) if layer.mode != "disabled" else 0


def _plain_arrays(model: Layer, with_adapters: bool) -> Iterator[tuple[str, Any]]:
    """The parameters of a model by their names without adapters; of an adapted layer the weight of the original."""
    adapted = {path: x for path, x in outer_layers(model).items() if isinstance(x, AdaptedLayer)}
    inside = tuple(_named(path, "") for path in adapted)
    for name, p in model.named_parameters().items():
        if not name.startswith(inside):
            yield name, p.value
    for path, layer in adapted.items():
        for name, array in _of_adapted(path, layer, with_adapters).items():
            yield _named(path, name), array


def _named(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _of_adapted(path: str, layer: Any, with_adapters: bool) -> Mapping[str, Any]:
    """The parameters of one layer, whose adapters add to its bias where they have one."""
    if isinstance(layer, TrainedCopy):
        if with_adapters and layer.active and layer.in_use is layer.base and layer.mode != "disabled":
            mixed = f"{path!r} mixes {listed(layer.active)}, which is no one layer"
            raise AdaptError(f"{mixed}: activate one adapter first")
        parameters = (layer.in_use if with_adapters else layer.base).named_parameters()
    else:
        parameters = {"weight": layer.weight, "bias": layer.bias}
        if with_adapters and layer.mode != "disabled":
            parameters["bias"] = layer.merged_bias()
    return {n: getattr(p, "value", p) for n, p in parameters.items() if p is not None}
