"""Layers, LoRA and optimizers.

Read in this order: layer, linear, lora, adapter, adapted, mergeable, lora_linear, adapt, optim, schedules. The function
`adapters(model)` is not here but in `adapters.model.switching`: its name is that of the package.
"""

from .activations import exact_gelu, silu
from .adapters.model.adapt import adapt
from .adapters.adapter import Adapter
from .calls import LayerCall, layer_calls
from .convolution import avg_pool, conv1d, conv2d, max_pool
from .noise import dropout
from .embedding import Embedding
from .layer import Layer
from .linear import Linear, Sequential
from .adapters.lora import LoRALayer
from .adapters.lora_embedding import LoRAEmbedding, LoRAEmbeddingLayer
from .adapters.lora_linear import LoRALinear
from .norms import BatchNorm, GroupNorm, LayerNorm, RMSNorm
from .optim import SGD, Adam, AdamW, Optimizer
from .adapters.model.extract import ExtractedLayer, Extraction, extract_lora
from .adapters.model.quantize import quantize
from .adapters.model.restart import restart
from .adapters.model.settings import AdapterSettings, adapter_settings
from .adapters.model.switching import (
    activate, adapted_layers, adapter_names, adapter_weights, by_row, delete_adapter, disabled, merge_all,
    merge_and_unload, unmerge_all,
)  # fmt: skip
from .adapters.trained_copy import TrainedCopy
from .adapters.model.weighted import add_weighted_adapter
from .weights import LoadedWeights, WeightsValidation

__all__ = [
    "Layer", "Linear", "Embedding", "BatchNorm", "GroupNorm", "LayerNorm", "RMSNorm", "Sequential", "exact_gelu",
    "silu", "LoRALayer", "LoRALinear", "LoRAEmbeddingLayer", "LoRAEmbedding", "TrainedCopy", "Adapter", "adapt",
    "adapted_layers", "adapter_names", "adapter_settings", "AdapterSettings", "adapter_weights", "activate",
    "add_weighted_adapter", "extract_lora", "Extraction", "ExtractedLayer", "delete_adapter", "by_row", "disabled",
    "merge_all", "unmerge_all", "merge_and_unload",
    "avg_pool", "conv1d", "conv2d", "dropout", "max_pool", "quantize", "restart", "Optimizer", "SGD", "Adam", "AdamW",
    "LayerCall", "layer_calls", "LoadedWeights", "WeightsValidation",
]  # fmt: skip
