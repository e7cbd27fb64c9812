"""Which parameter of a model each array of an adapter file is: names, shapes, and which way round a matrix lies.

A name in the file is "base_model.model.", the path of a layer, and what it is of that layer's adapter. PyTorch keeps
the matrix of a linear layer as (out, in), here it is (in, out): every matrix of an adapter is transposed.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core.node import ComputationNode, placeholder
from ...nn import Embedding, Layer, TrainedCopy
from ...nn.adapters.adapted import AdaptedLayer
from ...nn.adapters.mergeable import MergeableLayer
from ...nn.adapters.model.plan import AdapterPlan, base_of
from ...nn.adapters.model.targets import outer_layers
from ..safetensors import linear_weights

PREFIX = "base_model.model."

# The parameters of an adapter: what they are called here and in the file, and the file's shape.
PARTS = {
    "lora_A": ("lora_A.weight", "rank in"),
    "lora_B": ("lora_B.weight", "out rank"),
    "lora_B_bias": ("lora_B.bias", "out"),
    "lora_magnitude_vector": ("lora_magnitude_vector", "out"),
    "lora_embedding_A": ("lora_embedding_A", "rank in"),
    "lora_embedding_B": ("lora_embedding_B", "out rank"),
}


@dataclass(frozen=True)
class StoredParameter:
    """A parameter, and whether the file has it transposed."""

    node: ComputationNode
    transposed: bool

    @property
    def array(self) -> Any:
        """The numbers as the file has them."""
        return self.node.value.T if self.transposed else self.node.value

    def fill(self, array: Any) -> None:
        """Take the numbers from the file's array."""
        self.node.value = array.T if self.transposed else array


def stored_parameters(model: Layer, name: str, bias: str) -> dict[str, StoredParameter]:
    """The parameters of an adapter by their names in the file. `bias` says which biases belong to it."""
    stored: dict[str, StoredParameter] = {}
    adapted = layers_with(model, name)
    for path, layer in adapted.items():
        adapter = layer.adapters[name]
        if isinstance(layer, TrainedCopy):
            stored |= module_parameters(path, adapter)
            continue
        for own, (theirs, _) in PARTS.items():
            if (node := getattr(adapter, own, None)) is not None:
                stored[f"{PREFIX}{path}.{theirs}"] = StoredParameter(node, transposed=True)
    matrices = [path for path, layer in adapted.items() if isinstance(layer, MergeableLayer)]
    return stored | dict(bias_parameters(model, bias, matrices))


def starts_beside(model: Layer, name: str) -> dict[str, Any]:
    """For an adapter on a residual base, its matrices with those that it started at: [A, A_0] and [B; -B_0]."""
    arrays: dict[str, Any] = {}
    for path, layer in layers_with(model, name).items():
        parts: list[tuple[int, Any]] = [*layer.own_change(name)] if isinstance(layer, MergeableLayer) else []
        if len(parts) > 1:
            A = np.concatenate([adapter.lora_A.value for _, adapter in parts], axis=1)
            B = np.concatenate([sign * adapter.lora_B.value for sign, adapter in parts], axis=0)
            arrays |= {f"{PREFIX}{path}.lora_A.weight": A.T, f"{PREFIX}{path}.lora_B.weight": B.T}
    return arrays


def layers_with(model: Layer, name: str) -> dict[str, AdaptedLayer]:
    """The layers that have an adapter, or a copy, of this name."""
    layers = outer_layers(model).items()
    return {path: layer for path, layer in layers if isinstance(layer, AdaptedLayer) and name in layer.adapters}


def wanted(model: Layer, plan: AdapterPlan) -> dict[str, Any]:
    """What `stored_parameters` will give once the plan is carried out, by shape and dtype: no rank takes memory."""
    arrays: dict[str, Any] = {}
    for path, planned in plan.layers.items():
        n, m, table = sizes(planned.layer)
        lengths = {"in": n, "out": m, "rank": planned.rank}
        parts = ["lora_embedding_A", "lora_embedding_B"] if table else ["lora_A", "lora_B"]
        parts += ["lora_B_bias"] * plan.settings.lora_bias
        parts += ["lora_magnitude_vector"] * (plan.settings.variant == "dora")
        for theirs, shape in (PARTS[part] for part in parts):
            axes = tuple(lengths[word] for word in shape.split())
            arrays[f"{PREFIX}{path}.{theirs}"] = placeholder(axes, planned.layer.weight.dtype)
    for path, module in plan.modules.items():
        base = module.base if isinstance(module, TrainedCopy) else module
        arrays |= {key: parameter.array for key, parameter in module_parameters(path, base).items()}
    return arrays | {key: parameter.array for key, parameter in bias_parameters(model, plan.settings.bias, plan.layers)}


def sizes(layer: Any) -> tuple[int, int, bool]:
    """The shape of a layer's weight, here, and whether it is a table of tokens."""
    base = base_of(layer)
    if isinstance(base, Embedding):
        return base.num_embeddings, base.embedding_dim, True
    return base.input_size, base.output_size, False


def module_parameters(path: str, module: Layer) -> dict[str, StoredParameter]:
    """The parameters of a whole layer, under their plain names."""
    transposed = linear_weights(module)
    parameters = module.named_parameters().items()
    return {f"{PREFIX}{path}.{name}": StoredParameter(p, name in transposed) for name, p in parameters}


def bias_parameters(model: Layer, bias: str, adapted: Collection[str]) -> Iterator[tuple[str, StoredParameter]]:
    """The biases of the base that an adapter of these layers trains: none, theirs, or all."""
    for path, layer in outer_layers(model).items() if bias != "none" else ():
        node = None if isinstance(layer, TrainedCopy) else getattr(layer, "bias", None)
        if isinstance(node, ComputationNode) and (bias == "all" or path in adapted):
            inside = "base_layer" if path in adapted else ""
            yield PREFIX + ".".join(filter(None, (path, inside, "bias"))), StoredParameter(node, transposed=False)


def base_parameters(plan: AdapterPlan) -> dict[str, StoredParameter]:
    """The weights that adapters are beside. Of an embedding that has one, PEFT writes the whole table too."""
    layers = {f"{PREFIX}{path}.base_layer.weight": planned.layer for path, planned in plan.layers.items()}
    return {name: StoredParameter(layer.weight, not sizes(layer)[2]) for name, layer in layers.items()}


def written_twice(name: str, bias: str, saved: Collection[str]) -> bool:
    """Whether PEFT writes this beside what it stands for: with `bias="all"`, the biases of modules that are saved."""
    kinds = ("modules_to_save", "original_module")
    return bias == "all" and any(name.startswith(f"{PREFIX}{path}.{kind}.") for path in saved for kind in kinds)
