"""A layer that is trained as a whole, in copies by name: PEFT's `modules_to_save`."""

import copy
from typing import Any

from ...core import ComputationNode
from ..layer import Layer
from .adapted import AdaptedLayer
from .rows import RowNames, joined, part_of, row_groups


class TrainedCopy(AdaptedLayer):
    r"""$y = f(x) + \sum_i w_i\,(f_i(x) - f(x))$: the active copy $f_i$ instead of f, or a mixture of several.

    Each adapter is a copy of the base, and is trained as a whole: PEFT's `modules_to_save`. What the layer does not
    have itself, such as a weight that another layer shares, is that of the layer in use.

    base: f, any layer
    Returns y when it is called as the base is.

    >>> layer = tl.nn.TrainedCopy(tl.Linear(3, 2, seed=0))
    >>> layer.attach("french", layer.copy_of_base())
    >>> layer.activate("french")
    >>> layer.in_use is layer.adapters["french"], layer.parameter_count
    (True, 16)
    """

    def __init__(self, base: Layer) -> None:
        self.original = base
        self.input_shape, self.takes_indices = base.input_shape, base.takes_indices
        self.adapters, self.active = {}, {}

    def __getattr__(self, name: str) -> Any:
        if name[0] == "_" or not {"original", "adapters", "active"} <= vars(self).keys():  # a copy that is being made
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self.in_use, name)

    @property
    def in_use(self) -> Any:
        """The one layer that a call goes through; the base, if several are mixed."""
        single = self._enabled and self._rows is None and list(self.active.values()) == [1.0]
        return self.adapters[next(iter(self.active))] if single else self.base

    def copy_of_base(self) -> Any:
        """A new copy, for `attach`: it starts at what the base is.

        Returns a layer.
        """
        return copy.deepcopy(self.base)

    def __call__(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        if self._enabled and self._rows is not None:
            return self._by_row(self._rows, x, *args, **kwargs)
        if not self._enabled or not self.active or self.in_use is not self.base:
            return self.in_use(x, *args, **kwargs)
        y = total = self.base(x, *args, **kwargs)
        for name, w in self.active.items():
            total = total + w * (self.adapters[name](x, *args, **kwargs) - y)
        return total

    def _by_row(self, names: RowNames, x: ComputationNode, *args: Any, **kwargs: Any) -> Any:
        parts = []
        for name, own in row_groups(names, self.adapters, x).items():
            layer = self.base if name is None else self.adapters[name]
            parts.append((own, layer(part_of(x, own), *args, **kwargs)))
        return joined(parts) if parts else self.base(x, *args, **kwargs)

    def _train(self, adapter: Any, trainable: bool) -> None:
        adapter._set_trainable(trainable)
