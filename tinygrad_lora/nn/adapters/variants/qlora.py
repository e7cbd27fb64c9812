r"""QLoRA: LoRA beside a weight of four bits."""

from typing import Any

from ....errors import AdaptError
from ...linear import Linear
from ..lora import LoRALayer
from ..quantized import QuantizedLinear


class QLoRA(LoRALayer):
    r"""$y = x\,\mathrm{dequantize}(q) + b + s\,(x A) B$: the frozen weight is stored in NF4, the adapter in full.

    Rounding the weight changes what the layer computes, before anything is trained; the adapter adds nothing to that at
    the start. Merging gives a dense weight. Arguments, results and errors are those of `LoRALayer`.

    Source: Dettmers et al. 2023, "QLoRA: Efficient Finetuning of Quantized LLMs" (arXiv:2305.14314).

    >>> from tinygrad_lora.nn.adapters.variants import QLoRA
    >>> QLoRA.for_base(tl.Linear(64, 64, seed=0))
    QuantizedLinear(64 x 64 weights in 2120 bytes)
    >>> model = tl.adapt(tl.Sequential(tl.Linear(64, 64, seed=0)), rank=2, variant="qlora", seed=0)
    >>> model[0].base
    QuantizedLinear(64 x 64 weights in 2120 bytes)
    """

    @classmethod
    def for_base(cls, base: Any) -> Any:
        """The base with its weight in four bits.

        base: a `Linear`, or one with four bits already, which stays as it is
        Returns a layer.
        Raises AdaptError for another class of layer.
        """
        if type(base) not in (Linear, QuantizedLinear):
            raise AdaptError(f"only a plain Linear can be quantized, not one of type {type(base).__name__}")
        return QuantizedLinear.from_linear(base) if type(base) is Linear else base
