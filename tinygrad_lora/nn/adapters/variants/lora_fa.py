r"""LoRA-FA: A is frozen, so its input need not be kept for the backward pass."""

from typing import Any

from ..lora import LoRALayer


class LoRAFA(LoRALayer):
    r"""$\delta(x) = s\,(x A) B$ where B alone is trained: $\bar B = s\,(x A)^\top \bar y$ needs $x A$, and not x.

    Half of the numbers or fewer are trained, and of each input the backward pass keeps r numbers instead of all.
    Arguments, results and errors are those of `LoRALayer`.

    Source: Zhang et al. 2023, "LoRA-FA: Memory-efficient Low-rank Adaptation" (arXiv:2308.03303).

    >>> from tinygrad_lora.nn.adapters.variants import LoRAFA
    >>> [p.name for p in LoRAFA(4, 3, 2, seed=0).parameters()]
    ['lora_B']
    """

    def _hold(self, A: Any, B: Any, bias: Any, name: str) -> None:
        super()._hold(A, B, bias, name)
        self.lora_A.requires_gradient = False
