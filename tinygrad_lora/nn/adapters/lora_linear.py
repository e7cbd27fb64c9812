r"""A linear layer with adapters beside it, $y = x W + b + \sum_i w_i\,\delta_i(x)$."""

from math import prod
from typing import Any

from ...core import ComputationNode
from ..linear import Linear, Seed, check_width, on_rows
from .adapter import Adapter
from .lora import LoRALayer
from .mergeable import MergeableLayer, Through


class LoRALinear(MergeableLayer):
    r"""$y = x W + b + s\,(x A) B$: a linear layer and an adapter that is trained in its place.

    The adapter is found under `.lora`. `attach`, `activate` and `delete` manage more of them; the first is called
    "lora". `tl.adapt` puts such layers into a whole model.

    base: a `Linear`, W (in, out) and b (out,)
    rank: r, from 1 to min(in, out)
    alpha: $\alpha$ in $s = \alpha / r$, a positive number; -1 or None stands for the rank
    init: how A begins, as in `LoRALayer`
    seed: a whole number or a Generator that draws A; None draws new numbers every time
    dtype: that of the adapter; None takes the base's
    trainable_base: False freezes the base; True leaves its parameters as they are
    name: goes before the names of the adapter's parameters in listings
    kind: the class of the adapter, such as one of `tinygrad_lora.nn.adapters.variants`
    **options: those of this class
    Returns y, (..., out), when it is called on a node.
    Raises TypeError if the base is not a Linear, or one whose class computes more than $x W + b$, ValueError as
    `LoRALayer` does.
    Source: Hu et al. 2021, section 4 (arXiv:2106.09685).

    >>> layer = tl.LoRALinear(tl.Linear(3, 2, seed=0), rank=1, seed=1)
    >>> layer.parameter_count, layer.base.parameter_count, layer.lora
    (5, 0, LoRALayer(5 parameters, 5 trainable))
    >>> x = np.ones((4, 3))
    >>> layer.lora.set_parameters(np.arange(5.0))
    >>> y = layer.forward(x)
    >>> layer.merge()
    >>> layer.merged, layer.mode, bool(np.allclose(layer.forward(x), y))
    (True, 'merged', True)
    >>> layer.unmerge()
    >>> with layer.disabled():
    ...     print(layer.mode, (layer.forward(x) == layer.original.forward(x)).all())
    disabled True
    >>> layer.attach("french", tl.LoRALayer(3, 2, rank=1, seed=2))
    >>> layer.activate({"lora": 0.5, "french": 1.0})
    >>> layer.states()
    {'lora': '0.5', 'french': ''}
    >>> layer.delete("french")
    >>> layer.delta("lora").shape, layer.weight.shape, layer.bias.shape
    ((3, 2), (3, 2), (2,))
    >>> layer.activate("lora")
    >>> layer.absorb()  # for good: W is W + s A B from here on
    >>> layer.get_diagnostics()["lora.mode"]
    'active'
    >>> layer.like_original(np.ones((3, 2)), None)
    Linear(6 parameters, 6 trainable)
    >>> tl.LoRALinear(tl.relu, rank=1)
    Traceback (most recent call last):
        ...
    TypeError: the base must be a Linear, not Relu: adapt() finds those of a model
    """

    takes = Linear

    def __init__(
        self, base: Linear, rank: int, alpha: float | None = -1, *,
        init: str = "gaussian", seed: Seed = None, dtype: Any = None, trainable_base: bool = False, name: str = "lora",
        kind: type[Adapter] = LoRALayer, **options: Any,
    ) -> None:  # fmt: skip
        options |= {"init": init} if init != "gaussian" else {}
        options |= {"dtype": dtype} if dtype is not None else {}
        self._begin(base, kind, rank, alpha, trainable_base, seed=seed, name=name, **options)

    def __call__(self, x: ComputationNode) -> ComputationNode:
        if self.is_base_alone:
            return self._base_alone(x)
        check_width(x, self.original.input_size)
        return on_rows(self._beside_base(x, prod(x.shape[1:-1])), x)

    def _through_base(self, rows: ComputationNode) -> Through:
        base = self.base
        y = base(rows)
        product = y.parents[0] if base.bias is not None else y
        return y, product, product.parents[1]

    def like_original(self, weight: Any, bias: Any) -> Linear:
        """A linear layer with these arrays.

        weight: an array (in, out)
        bias: an array (out,), or None for none
        Returns a `Linear`.
        """
        return Linear.from_arrays(weight, bias)
