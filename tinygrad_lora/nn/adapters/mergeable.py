r"""An adapted layer whose adapters change one weight: they can be merged into it, $W + \sum_i w_i\,\Delta W_i$."""

import copy
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from ...core.node import PARAMETER, ComputationNode
from ...errors import AdaptError, MergedError
from ..layer import Layer
from ..linear import Rows, computes
from .adapted import AdaptedLayer, Weights, listed
from .adapter import Adapter, adapter_for, keywords_of
from .rows import joined, part_of, row_groups

Through = tuple[ComputationNode, ComputationNode, ComputationNode]  # the base's output, x W, W


@dataclass(eq=False)
class _BeforeMerge:
    """The base as it was, and when the parameters that went into the sum got their values."""

    base: Any
    versions: tuple[int, ...]


class MergeableLayer(AdaptedLayer):
    r"""$y = x W + b + \sum_i w_i\,\delta_i(x)$, or $y = x (W + \sum_i w_i\,\Delta W_i) + b$ while merged.

    The `original` is the layer that was given, and is never changed. Its `_stand_in` has another weight: while adapters
    are merged that with their changes; for an adapter on a residual base, $W - w\,\Delta W$ with the $\Delta W$ that it
    started at. `base` is the one of the two that a call goes through.
    """

    takes: ClassVar[type[Layer]]  # the class that a base is of
    _merged: _BeforeMerge | None = None
    _stand_in: Any  # the original itself, where it needs none
    _starts: dict[str, Adapter]  # copies of the adapters that live on a residual base, as they began

    @classmethod
    def holding(cls, base: Any) -> Self:
        """The layer without any adapter yet: it gives what the base gives.

        base: a layer of the class that this one is for
        Returns an adapted layer.
        Raises TypeError for a wrong base.

        >>> tl.LoRALinear.holding(tl.Linear(3, 2, seed=0)).mode
        'base'
        """
        cls.check_base(base)
        layer = cls.__new__(cls)
        layer._hold(base)
        return layer

    @classmethod
    def check_base(cls, base: Any) -> None:
        """Refuse a base that is not of the class that this layer is for, or computes more than that class does.

        base: what should get an adapter
        Raises TypeError, which says why.

        >>> tl.LoRALinear.check_base(tl.Linear(3, 2))
        """
        kind, own = cls.takes.__name__, type(base).__name__
        kind = f"{'an' if kind[0] in 'AEIO' else 'a'} {kind}"
        if not isinstance(base, cls.takes):
            has_one = isinstance(base, MergeableLayer)
            remedy = "it has an adapter already" if has_one else "adapt() finds those of a model"
            raise TypeError(f"the base must be {kind}, not {own}: {remedy}")
        if not computes(base, cls.takes):
            problem = f"{own} computes more than {kind}, and an adapter stands beside the weight alone"
            raise TypeError(f"{problem}: make it a layer that holds {kind}, and adapt that one")

    def _begin(
        self, base: Any, kind: type[Adapter], rank: int, alpha: float | None, trainable_base: bool, **options: Any
    ) -> None:
        """Hold the base and a first adapter, "lora". Both are made and checked before anything is changed."""
        self.check_base(base)
        adapter = adapter_for(keywords_of(type(self)), kind, base, rank, alpha, **options)
        self._hold(base if trainable_base else base.freeze())
        self.attach("lora", adapter)
        self.activate("lora")

    def _hold(self, base: Any) -> None:
        self.original = self._stand_in = base
        self.input_shape = base.input_shape
        self.adapters, self.active, self._starts = {}, {}, {}

    def like_original(self, weight: Any, bias: Any) -> Any:
        """A layer like the original with other arrays.

        weight: an array of the shape of the original's
        bias: an array, or None for none
        Returns a layer.
        Raises NotImplementedError where no subclass wrote it.
        """
        raise NotImplementedError(f"{type(self).__name__} needs a method like_original(self, weight, bias)")

    # --- The original and its stand-in ---

    @property
    def base(self) -> Any:
        """The layer that a call goes through: the original while adapters are off or rows choose, else its stand-in."""
        return self._stand_in if self._enabled and self._rows is None else self.original

    @property
    def weight(self) -> ComputationNode:
        """The weight of the original: what a layer that is tied to this one shares."""
        return self.original.weight

    @property
    def bias(self) -> ComputationNode | None:
        """The bias of the original, or None."""
        return getattr(self.original, "bias", None)

    @property
    def is_base_alone(self) -> bool:
        """Whether a call is a call of the base alone. Raises MergedError if what was merged is out of date."""
        if self._enabled and self._merged and self._merged.versions != self._versions(self._merged.base):
            raise MergedError("the factors got new values while they are merged: unmerge(), then merge() again")
        wanted = self.active if self._rows is None else self._rows
        return not self._enabled or self.merged or not any(name in self.adapters for name in wanted)

    def attach(self, name: str, adapter: Adapter) -> None:
        """Take one more adapter, which is not active yet.

        name: a word that names it, such as "french"
        adapter: an adapter for a layer of this size
        Raises AdaptError for a name that is in use or invalid, MergedError while merged, ClosedError after `close()`.
        """
        super().attach(name, adapter)
        if adapter.residual:
            self._starts[name] = copy.deepcopy(adapter).freeze()

    def _select(self, weights: Weights) -> None:
        super()._select(weights)
        shifts = [w * self._starts[name].merge_weights() for name, w in self.active.items() if name in self._starts]
        if not self.merged:
            W = self.weight
            rest = (W.value - sum(shifts)).astype(W.dtype) if shifts else None
            self._stand_in = self._made_stand_in(rest, self.bias, W.requires_gradient) if shifts else self.original

    def delete(self, name: str) -> None:
        """Forget an adapter. If it was active, those that are active beside it stay so.

        name: that of the adapter
        Raises AdaptError where there is none of this name, MergedError while it is merged.
        """
        super().delete(name)
        self._starts = {n: start for n, start in self._starts.items() if n != name}

    # --- A call ---

    def _beside_base(self, x: ComputationNode, step: int) -> Rows:
        """What a call does to the rows of x, of which each sample has `step`: the base and the adapters beside it."""
        if self._rows is None:
            return self._adapted
        groups = row_groups(self._rows, self.adapters, x, step)
        return lambda rows: self._adapted_by_row(rows, groups)

    def _base_alone(self, x: ComputationNode) -> ComputationNode:
        """What the base gives. Raises AdaptError if rows choose, all of them the base, and are not as many as in x."""
        if self._enabled and self._rows is not None and not any(self._rows):
            row_groups(self._rows, self.adapters, x)
        return self.base(x)

    def _through_base(self, rows: ComputationNode) -> Through:
        """The base's output, and in it the product without the bias and the weight: nothing is computed twice."""
        raise NotImplementedError(f"{type(self).__name__} needs a method _through_base(self, rows)")

    def _adapted(self, rows: ComputationNode) -> ComputationNode:
        y, product, weight = self._through_base(rows)
        for name, w in self.active.items():
            change = self.adapters[name].change(rows, product, weight)
            y = y + (change if w == 1 else w * change)
        return y

    def _adapted_by_row(self, rows: ComputationNode, groups: dict[str | None, Any]) -> ComputationNode:
        """The product with the base is made once; each adapter sees its own rows alone."""
        y, product, weight = self._through_base(rows)
        parts = []
        for name, own in groups.items():
            part = part_of(y, own)
            for sign, adapter in self.own_change(name):
                change = adapter.change(part_of(rows, own), part_of(product, own), weight)
                part = part + change if sign > 0 else part - change
            parts.append((own, part))
        return joined(parts) if parts else y

    def own_change(self, name: str | None) -> list[tuple[int, Adapter]]:
        """What an adapter adds to the original: its change, less what it started at on a residual base.

        name: that of the adapter; None for the base alone
        Returns a list of pairs: 1 or -1, and an adapter.
        """
        start = [(-1, self._starts[name])] if name in self._starts else []
        return [] if name is None else [(1, self.adapters[name]), *start]

    # --- Merging ---

    @property
    def merged(self) -> bool:
        """Whether the active adapters are part of the base weight at present."""
        return self._merged is not None

    def merge(self) -> None:
        r"""Put $W + \sum_i w_i\,\Delta W_i$ in the place of W: the active adapters then cost nothing.

        Merging twice is fine. The base is kept aside, untouched. While merged the layer cannot be trained.

        Raises ValueError for an adapter with an activation, ClosedError after `close()`.
        """
        self.require_open()
        if self._merged is None and self.active:
            before = _BeforeMerge(self._stand_in, self._versions(self._stand_in))
            weight, bias = self._merged_arrays()
            self._stand_in, self._merged = self._made_stand_in(weight, bias, trainable=False), before

    def unmerge(self) -> None:
        """Put the original weight back, exactly as it was. Unmerging twice is fine."""
        self.require_open()
        if self._merged is not None:
            self._stand_in, self._merged = self._merged.base, None

    def absorb(self) -> None:
        r"""Add the active adapters to the base for good: $W \leftarrow W + \sum_i w_i\,\Delta W_i$.

        They themselves stay as they are. Raises AdaptError for an adapter on a residual base, one with a bias beside a
        base without, or a base whose weight is not kept as floats.
        """
        self._require_unmerged("the base cannot take them again")
        weight, bias = self._merged_arrays()
        residual = [name for name in self.active if name in self._starts]
        reasons = {
            f"{listed(residual)} lives on a residual base": residual,
            "the base has no bias to add one to": self.bias is None and bias is not None,
            f"a {type(self.original).__name__} keeps no weight of floats": self.weight.op is not PARAMETER,
        }
        if true := [reason for reason, holds in reasons.items() if holds]:
            raise AdaptError(f"the base cannot take the active adapters for good: {true[0]}")
        self.weight.value = weight
        if self.bias is not None and bias is not self.bias:
            self.bias.value = bias

    def delta(self, name: str) -> Any:
        r"""The dense $\Delta W$ that an adapter adds to the weight of the original, whatever its class.

        name: that of the adapter
        Returns an array (in, out).
        """
        adapter, W = self.adapters[name], self.weight.value
        if type(adapter).merged is Adapter.merged:  # a sum of products: W would only round it
            return sum(sign * part.merge_weights() for sign, part in self.own_change(name))
        start = self._starts[name].merge_weights() if name in self._starts else 0
        return adapter.merged(W - start) - W

    def _active(self) -> list[Adapter]:
        return [self.adapters[name] for name in self.active]

    def _merged_arrays(self) -> tuple[Any, Any]:
        """The weight and the bias with what the active adapters add; the bias node itself, if none changes it."""
        W = self._stand_in.weight
        weight = self._with_changes(W.value, [adapter.merged for adapter in self._active()]).astype(W.dtype)
        return weight, self.merged_bias()

    def merged_bias(self) -> Any:
        """The bias with what the active adapters add, an array; the bias node itself, or None, if none changes it.

        Returns an array (out,), a node, or None.

        >>> layer = tl.LoRALinear(tl.Linear(3, 2, seed=0), rank=1)
        >>> layer.merged_bias() is layer.bias
        True
        """
        bias = None if self.bias is None else self.bias.value
        if all(adapter.merged_bias(bias) is bias for adapter in self._active()):
            return self.bias
        start = np.zeros(self.original.output_size, self.weight.dtype) if bias is None else bias
        return self._with_changes(start, [adapter.merged_bias for adapter in self._active()])

    def _with_changes(self, start: Any, changed: list[Any]) -> Any:
        """`start` with the weighted changes of the active adapters; `changed` are functions of it."""
        weights = list(self.active.values())
        if weights == [1.0]:
            return changed[0](start)
        return start + sum(w * (f(start) - start) for w, f in zip(weights, changed, strict=True))

    def _made_stand_in(self, weight: Any, bias: Any, trainable: bool) -> Any:
        """A stand-in with this weight, and this bias: the original's node, or an array."""
        shared = isinstance(bias, ComputationNode)
        array = None if bias is None else np.asarray(bias.value if shared else bias, weight.dtype)
        layer = self.like_original(weight, array)
        layer.weight.name, layer.weight.requires_gradient = self.weight.name, trainable
        if shared:
            layer.bias = bias
        elif bias is not None:
            layer.bias.name, layer.bias.requires_gradient = getattr(self.bias, "name", None), False
        return layer

    def check_changeable(self, name: str) -> None:
        """Refuse new numbers while adapters are merged.

        name: the dotted name of this layer in the model that is changed; "" for the model itself
        Raises MergedError while some are merged.
        """
        if self.merged:
            which = f"the adapter of {name!r}" if name else "the adapter"
            if list(self.active) != ["lora"]:
                which = f"{listed(self.active)} of {name!r}" if name else listed(self.active)
            raise MergedError(f"{which} is merged into the base weight, so it cannot be changed: unmerge() first")

    def get_diagnostics(self) -> dict[str, str]:
        """As for every layer, and what the adapters have to say.

        Returns a dict of texts.
        """
        diagnostics = super().get_diagnostics()
        for name, adapter in self.adapters.items():
            of_adapter = adapter.get_diagnostics().items()
            diagnostics |= {name + k.removeprefix("lora"): v for k, v in of_adapter if k.startswith("lora.")}
        return diagnostics | {"lora.mode": self.mode or "active"}

    def _versions(self, base: Any) -> tuple[int, ...]:
        return tuple(p.created for layer in (base, *self._active()) for p in layer.named_parameters().values())

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if self._merged:  # the parameters of a copy are newer than those that it was made from
            self._merged.versions = self._versions(self._merged.base)
