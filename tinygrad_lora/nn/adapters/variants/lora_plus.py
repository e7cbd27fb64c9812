r"""LoRA+: the same adapter; B learns faster than A."""

from collections.abc import Sequence
from typing import Any

from ...checks import check_positive
from ...layer import Layer
from ...optim import AdamW, Lists, Rate


class LoRAPlus(AdamW):
    r"""$\eta_B = \lambda\,\eta_A$: AdamW for the adapters of a model, with a higher rate for B.

    A is of size 1 and B starts at zero, so B has farther to go: with one rate for both, a wide layer learns slowly.

    model: a layer with LoRA adapters, whose trainable parameters are trained
    lr: $\eta_A$, the rate of all that is not a `lora_B`: a positive number, or a function of the number of steps done
    ratio: $\lambda$, a positive number
    **options: those of `tl.AdamW`
    Raises ValueError for a number out of range, and if the model has no trainable `lora_B`.
    Source: Hayou et al. 2024, "LoRA+: Efficient Low Rank Adaptation of Large Models" (arXiv:2402.12354).

    >>> from tinygrad_lora.nn.adapters.variants import LoRAPlus
    >>> model = tl.adapt(tl.Sequential(tl.Linear(4, 3, seed=0)), rank=2, seed=0)
    >>> optimizer = LoRAPlus(model, lr=1e-4, ratio=16.0)
    >>> optimizer.fast
    (False, True)
    """

    def __init__(self, model: Layer, lr: Rate = 1e-3, ratio: float = 16.0, **options: Any) -> None:
        super().__init__(model.parameters(), lr, **options)
        named = [(name, p) for name, p in model.named_parameters().items() if p.requires_gradient]
        self.fast = tuple(name.rpartition(".")[2].startswith("lora_B") for name, _ in named)
        self.ratio = check_positive(ratio, "ratio")
        if not any(self.fast):
            raise ValueError("the model has no trainable lora_B: adapt(model, rank) gives it some")

    def update(self, parameters: Sequence[Any], gradients: Sequence[Any], state: Sequence[Any], rate: Any) -> Lists:
        new, state = super().update(parameters, gradients, state, rate)
        # A step is proportional to the rate: `ratio` times the rate is `ratio` times the way.
        pairs = zip(parameters, new, self.fast, strict=True)
        return [p + self.ratio * (q - p) if fast else q for p, q, fast in pairs], state
