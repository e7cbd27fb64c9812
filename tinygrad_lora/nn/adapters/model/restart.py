r"""ReLoRA: many changes of low rank, one after another, make a change of high rank."""

import numpy as np

from ....errors import AdaptError
from ...layer import Layer
from ...linear import Linear, Seed
from ...optim import Adam, Optimizer
from ..adapter import Adapter
from ..lora import LoRALayer
from .switching import adapters, merge_untied


def restart(model: Layer, optimizer: Optimizer | None = None, *, seed: Seed = None, init: str = "gaussian") -> None:
    r"""$W \leftarrow W + s A B$, then a new A, and $B = 0$: the model gives what it gave, and a new change begins.

    The parameters stay the same objects: a compiled training step goes on. The rate should start low again after each
    restart; see `tl.cosine`.

    model: a layer with LoRA adapters
    optimizer: the one that trains it, or None; what it remembers is about the old factors, so it is reset
    seed: a whole number or a Generator that draws the new A; None draws new numbers every time
    init: how A begins, as in `LoRALayer`
    Raises AdaptError for a model without adapters, with adapters other than LoRA, with an activation, with quantized
    weights, or with a weight that is tied to another place; ValueError for an optimizer whose start is not known. Then
    nothing is changed.
    Source: Lialin et al. 2023, "ReLoRA: High-Rank Training Through Low-Rank Updates" (arXiv:2307.05695).

    >>> model = tl.adapt(tl.Sequential(tl.Linear(3, 2, seed=0)), rank=1, seed=0)
    >>> model.set_parameters(np.ones(5))
    >>> y = model.forward(np.ones(3))
    >>> tl.nn.restart(model, seed=1)
    >>> bool(np.allclose(model.forward(np.ones(3)), y)), model[0].lora.get_matrix_b().tolist()
    (True, [[0.0, 0.0]])
    """
    layers = adapters(model)
    plain = [x for x in layers.values() if type(x.base) is Linear and _can_be_absorbed(x.lora)]
    if not plain or len(plain) < len(layers):
        share = f"{len(plain)} of {len(layers)} layers are so"
        raise AdaptError(f"a restart needs LoRA, without activation, beside weights in full precision: {share}")
    if optimizer and optimizer.numbers and not isinstance(optimizer, Adam):
        raise ValueError(f"what {type(optimizer).__name__} starts with is not known: restart without it, then reset it")
    model.before_change()
    for layer in merge_untied(model):  # else another place that shares a weight would change with it
        layer.unmerge()
    pairs = zip(plain, np.random.default_rng(seed).spawn(len(plain)), strict=True)
    new = [LoRALayer.for_layer(x.base, x.lora.rank, seed=s, init=init, any_rank=True) for x, s in pairs]
    for layer, fresh in zip(plain, new, strict=True):
        layer.absorb()
        layer.lora.lora_A.value, layer.lora.lora_B.value = fresh.lora_A.value, fresh.lora_B.value
    for slot in optimizer.slots if optimizer else []:
        for p in slot:
            p.value = np.zeros(p.shape, p.dtype)
    for number in optimizer.numbers if optimizer else []:
        number.value = np.ones((), number.dtype)


def _can_be_absorbed(adapter: Adapter) -> bool:
    return type(adapter) is LoRALayer and adapter.is_linear and adapter.lora_B_bias is None
