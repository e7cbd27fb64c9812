"""What is done to all adapters of a model at once: list, activate, mix, delete, merge and switch them off."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from ....core import ComputationNode
from ....core.trace import trace
from ....errors import AdaptError
from ...layer import Layer
from ..adapted import AdaptedLayer, Weights, checked_weights, listed
from ..mergeable import MergeableLayer
from ..trained_copy import TrainedCopy
from .settings import adapter_settings, keep_settings, set_trained_biases
from .surgery import replace_layers


def adapted_layers(model: Layer) -> dict[str, AdaptedLayer]:
    """The layers of a model that have adapters, or copies that are trained as a whole, by dotted name.

    model: a layer
    Returns a dict of layers; {} if there are none.

    >>> model = tl.adapt(tl.Sequential(tl.Linear(3, 2), tl.relu, tl.Linear(2, 1)), rank=1, modules_to_save=["2"])
    >>> {name: type(layer).__name__ for name, layer in tl.nn.adapted_layers(model).items()}
    {'0': 'LoRALinear', '2': 'TrainedCopy'}
    """
    return {name: layer for name, layer in model.named_layers().items() if isinstance(layer, AdaptedLayer)}


def adapters(model: Layer) -> dict[str, Any]:
    """The adapted layers of a model by dotted name, without those that are trained as a whole.

    model: a layer
    Returns a dict of LoRALinear and LoRAEmbedding layers; {} if there are none.

    >>> model = tl.adapt(tl.Sequential(tl.Linear(3, 2), tl.relu, tl.Linear(2, 1)), rank=1)
    >>> tl.adapters(model)
    {'0': LoRALinear(13 parameters, 5 trainable), '2': LoRALinear(6 parameters, 3 trainable)}
    """
    return {name: layer for name, layer in adapted_layers(model).items() if isinstance(layer, MergeableLayer)}


def adapter_names(model: Layer) -> list[str]:
    """The names of a model's adapters, in the order in which they came.

    model: a layer
    Returns a list of strings; [] if there are none.

    >>> model = tl.adapt(tl.Sequential(tl.Linear(3, 2)), rank=1, name="french")
    >>> tl.adapter_names(tl.adapt(model, rank=1, name="legal"))
    ['french', 'legal']
    """
    return list(dict.fromkeys(name for layer in adapted_layers(model).values() for name in layer.adapters))


def adapter_weights(model: Layer, name: str | None = None) -> dict[str, Any]:
    """Copies of the adapters' matrices by name, as in "0.lora.lora_A". `model.load_weights` takes them back.

    model: a layer with adapters
    name: that of one adapter; None takes those of all
    Returns a dict of arrays.
    Raises AdaptError if no adapter has the name.

    >>> model = tl.adapt(tl.Sequential(tl.Linear(3, 2)), rank=1, seed=0)
    >>> {name: array.shape for name, array in tl.adapter_weights(model).items()}
    {'0.lora.lora_A': (3, 1), '0.lora.lora_B': (1, 2)}
    """
    wanted = adapter_names(model) if name is None else list(checked_weights(name, adapter_names(model)))
    chosen = [layer.adapters[n] for layer in adapted_layers(model).values() for n in wanted if n in layer.adapters]
    own = {id(p) for adapter in chosen for p in adapter.named_parameters().values()}
    return {path: np.array(p.value) for path, p in model.named_parameters().items() if id(p) in own}


# --- Which are active ---


def activate(model: Layer, which: str | Weights, trainable: bool = True) -> None:
    r"""Make one adapter of a model the active one, by name, or mix several: `{"french": 0.7, "legal": 0.3}`.

    A mixture adds $\sum_i w_i\,\delta_i(x)$ in every layer. A layer that has none of them gives what its base gives.

    model: a layer with adapters
    which: a name, or a dict of weights, which are finite numbers, by name
    trainable: True trains the active ones; all others are frozen, and kept
    Raises AdaptError for names that there are not, MergedError while some are merged; then nothing is changed.

    >>> model = tl.adapt(tl.Sequential(tl.Linear(3, 2)), rank=1, name="french")
    >>> model = tl.adapt(model, rank=1, name="legal")
    >>> tl.activate(model, "french")
    >>> model[0].states()
    {'french': '', 'legal': 'inactive'}
    >>> tl.activate(model, "german")
    Traceback (most recent call last):
        ...
    tinygrad_lora.errors.AdaptError: no adapter is called 'german': there are 'french', 'legal'
    """
    layers = _some_adapters(model)
    weights = checked_weights(which, adapter_names(model))
    for layer in layers:
        layer.check_switchable()
    for layer in layers:
        layer.select({name: w for name, w in weights.items() if name in layer.adapters}, trainable)
    set_trained_biases(model, weights if trainable else ())


def delete_adapter(model: Layer, name: str) -> None:
    """Forget an adapter of a model. Those that are active beside it stay so; if none is, the model is its base.

    model: a layer with adapters
    name: that of the adapter
    Raises AdaptError if there is none of this name, MergedError while it is merged; then nothing is changed.

    >>> model = tl.adapt(tl.Sequential(tl.Linear(3, 2)), rank=1, name="french")
    >>> tl.delete_adapter(model, "french")
    >>> tl.adapter_names(model)
    []
    """
    layers = [layer for layer in _some_adapters(model) if name in layer.adapters]
    checked_weights(name, adapter_names(model))
    for layer in layers:
        layer.check_deletable(name)
    for layer in layers:
        layer.delete(name)
    set_trained_biases(model, [n for layer in _some_adapters(model) for n in layer.active])
    keep_settings(model, {n: settings for n, settings in adapter_settings(model).items() if n != name})


@contextmanager
def by_row(model: Layer, names: Sequence[str | None]) -> Iterator[None]:
    """`with by_row(model, ["french", None, "legal"]):` each sample of a batch goes through an adapter of its own.

    The product with the base weight is made once for the whole batch.

    model: a layer with adapters
    names: one for each sample; None is for the base alone
    Returns a context manager.
    Raises AdaptError for names that there are not and for a batch of another length, MergedError while adapters are
    merged, TypeError for what is no list.

    >>> model = tl.adapt(tl.Sequential(tl.Linear(3, 2, seed=0)), rank=1, name="french")
    >>> with tl.by_row(model, ["french", None]):
    ...     print(model.forward(np.ones((2, 3))).shape)
    (2, 2)
    """
    layers = _some_adapters(model)
    if isinstance(names, str) or not isinstance(names, Sequence):
        raise TypeError(f"names are a list with one for each sample, such as ['french', None], not {names!r}")
    if named := dict.fromkeys(name for name in names if name is not None):
        checked_weights(dict.fromkeys(named, 1.0), adapter_names(model))
    with ExitStack() as stack:
        for layer in layers:
            stack.enter_context(layer.by_row(tuple(names)))
        yield


@contextmanager
def disabled(model: Layer) -> Iterator[None]:
    """`with disabled(model):` every adapter is off, and the model gives exactly what it gave before `adapt`.

    Merged or not, and it may be nested.

    model: a layer with adapters
    Returns a context manager.
    Raises AdaptError where there are no adapters.

    >>> model = tl.Sequential(tl.Linear(3, 2, seed=0))
    >>> before = model.forward(np.ones(3))
    >>> model = tl.adapt(model, rank=1, seed=0)
    >>> model.set_parameters(np.ones(5))
    >>> with tl.disabled(model):
    ...     print((model.forward(np.ones(3)) == before).all())
    True
    """
    with ExitStack() as stack:
        for layer in _some_adapters(model):
            stack.enter_context(layer.disabled())
        yield


def attach_all(name: str, pairs: Sequence[tuple[AdaptedLayer, Any]]) -> None:
    """Give each layer its adapter, or, if one cannot take it, none."""
    try:
        for layer, adapter in pairs:
            layer.attach(name, adapter)
    except Exception:
        for layer, adapter in pairs:
            if layer.adapters.get(name) is adapter:
                layer.delete(name)
        raise


# --- Merging ---


def merge_all(model: Layer) -> None:
    """Merge the active adapters of a model into its base weights: in all layers or, if one of them raises, in none.

    What is merged already stays so. While merged the model cannot be trained.

    model: a layer with adapters
    Raises AdaptError where there are no adapters, ValueError for an adapter with an activation.

    >>> model = tl.adapt(tl.Sequential(tl.Linear(3, 2, seed=0)), rank=1, seed=0)
    >>> tl.merge_all(model)
    >>> model[0].merged
    True
    >>> tl.unmerge_all(model)
    >>> model[0].merged
    False
    """
    waiting = [layer for layer in _some_adapters(model, MergeableLayer) if not layer.merged]
    try:
        for layer in waiting:
            layer.merge()
    except BaseException:
        for layer in waiting:
            layer.unmerge()
        raise


def unmerge_all(model: Layer) -> None:
    """Put every original weight of a model back, exactly as it was.

    model: a layer with adapters
    Raises AdaptError where there are no adapters.

    >>> model = tl.adapt(tl.Sequential(tl.Linear(3, 2, seed=0)), rank=1, seed=0)
    >>> tl.merge_all(model)
    >>> tl.unmerge_all(model)
    >>> model[0].mode
    ''
    """
    for layer in _some_adapters(model, MergeableLayer):
        layer.unmerge()


def merge_and_unload(model: Layer) -> Any:
    """The model without adapters, which gives what it gives now: plain layers, with the active adapters merged.

    It is changed in place. All its parameters are frozen.

    model: a layer with adapters
    Returns the model; another layer if the model itself is the adapted one.
    Raises AdaptError where there are no adapters, for a mixture of trained copies, which is no one layer, and for a
    weight with adapters that is tied to another place, where it would change too.

    >>> model = tl.adapt(tl.Sequential(tl.Linear(3, 2, seed=0)), rank=1, seed=0)
    >>> model = tl.merge_and_unload(model)
    >>> model[0], tl.adapter_names(model)
    (Linear(8 parameters, 0 trainable), [])
    """
    layers = _some_adapters(model)
    for layer in layers:
        if isinstance(layer, TrainedCopy) and layer.active and layer.in_use is layer.base:
            raise AdaptError(f"a mixture of {listed(layer.active)} is no one layer: activate one adapter first")
    merge_untied(model)
    copies = {layer for layer in layers if isinstance(layer, TrainedCopy)}
    plain: dict[int, Layer] = {id(layer): layer.in_use if layer in copies else layer.base for layer in layers}
    replace_layers(model, plain)
    keep_settings(model, {})
    return plain.get(id(model), model).freeze()


def merge_untied(model: Layer) -> list[MergeableLayer]:
    """As `merge_all`, for good: gives the layers that were not merged before.

    Raises AdaptError if a merged weight is used elsewhere too, as by an output layer that shares the table of tokens,
    and puts all back. There it would still be the weight without adapters: no plain layers give what that model gives,
    and are tied. Seen in what layers hold and, where the model can be traced, in what it computes.
    """
    waiting = [layer for layer in adapters(model).values() if not layer.merged]
    merge_all(model)
    merged = {name: layer for name, layer in adapters(model).items() if layer.merged}
    uses = Counter({layer.original: layer.weight for layer in merged.values()}.values())
    elsewhere = {*model.named_parameters().values(), *_captured(model)}
    if tied := [name for name, layer in merged.items() if layer.weight in elsewhere or uses[layer.weight] > 1]:
        for layer in waiting:
            layer.unmerge()
        problem = f"the weight of {listed(tied)} is tied to another place, which the adapter does not change"
        reason = "merged for good, that place would change too, or the tie end"
        own = "a parameter of its own: tl.parameter(layer.weight.value)"
        remedy = f"Keep the adapter, as merge_all(model) does, or first give the other place {own}"
        raise AdaptError(f"{problem}: {reason}. {remedy}")
    return waiting


def _captured(model: Layer) -> Sequence[ComputationNode]:
    """The parameters that the model computes with; none where it cannot be traced."""
    for shape in (None, (1, 1)):  # of tokens, for a model that does not say its input's
        try:
            return trace(model, model._placeholder(shape)).captured
        except Exception:  # whatever the author's code raises on a placeholder
            continue
    return ()


def _some_adapters(model: Layer, kind: Any = AdaptedLayer) -> Collection[Any]:
    layers = [layer for layer in adapted_layers(model).values() if isinstance(layer, kind)]
    if not layers:
        raise AdaptError(f"this {type(model).__name__} has no adapters: adapt(model, rank=...) gives it some")
    return layers
