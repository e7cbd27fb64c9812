r"""rsLoRA: a scale that high ranks need."""

from ..lora import LoRALayer


class RsLoRA(LoRALayer):
    r"""$\delta(x) = \frac{\alpha}{\sqrt r}\,(x A) B$.

    With $\alpha / r$ the change and its gradient shrink as the rank grows, so that a high rank learns no more than a
    low one; with $\alpha / \sqrt r$ their size does not depend on the rank. Arguments, results and errors are those of
    `LoRALayer`, where `rslora` is always True.

    Source: Kalajdzievski 2023, "A Rank Stabilization Scaling Factor for Fine-Tuning with LoRA" (arXiv:2312.03732).

    >>> from tinygrad_lora.nn.adapters.variants import RsLoRA
    >>> RsLoRA(16, 16, rank=4, alpha=8.0).scaling, tl.LoRALayer(16, 16, rank=4, alpha=8.0).scaling
    (4.0, 2.0)
    """

    rslora = True
