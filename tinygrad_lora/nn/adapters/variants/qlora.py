r"""QLoRA: LoRA beside a weight of four bits."""

from __future__ import annotations

from typing import Any, TypeVar

from ....errors import AdaptError
from ...layer import Layer
from ...linear import Linear
from ..adapted import listed
from ..lora import LoRALayer
from ..model.surgery import replace_layers
from ..model.targets import Targets, chosen_layers
from ..quantized import QuantizedLinear

Model = TypeVar("Model", bound=Layer)


class QLoRA(LoRALayer):
    r"""$y = x\,\mathrm{dequantize}(q) + b + s\,(x A) B$: the frozen weight is stored in NF4, the adapter in full.

    Rounding the weight changes what the layer computes, before anything is trained; the adapter adds nothing to that at
    the start. Merging gives a dense weight. Arguments as for `LoRALayer`.
    Source: Dettmers et al. 2023, "QLoRA: Efficient Finetuning of Quantized LLMs" (arXiv:2305.14314).
    """

    @classmethod
    def for_base(cls, base: Any) -> Any:
        """The base with its weight in four bits."""
        if type(base) not in (Linear, QuantizedLinear):
            raise AdaptError(f"only a plain Linear can be quantized, not one of type {type(base).__name__}")
        return QuantizedLinear.from_linear(base) if type(base) is Linear else base


def quantize(model: Model, target_modules: Targets = "all-linear", *, exclude_modules: Targets | None = None) -> Model:
    """Replace linear layers of a model, in place, by ones with a weight of four bits. Layers are chosen as in `adapt`.

    What has an adapter already stays as it is. Returns the model. Raises AdaptError, which lists the names, if nothing
    is chosen, ValueError for a weight that is not finite; then nothing is changed.
    """
    model.before_change()
    chosen = chosen_layers(model, target_modules, exclude_modules)
    plain = {name: x for name, x in chosen.items() if type(x) is Linear and name}
    if not plain:
        raise AdaptError(f"no plain Linear is among {listed(chosen)}; for one layer: QuantizedLinear.from_linear")
    replace_layers(model, {id(x): QuantizedLinear.from_linear(x) for x in plain.values()})
    return model
