"""Layers, LoRA and optimizers. Read in this order: layer, linear, lora, adapt, optim, schedules."""

from .adapt import adapt, adapter_weights, adapters, disabled, merge_all, unmerge_all
from .calls import LayerCall, layer_calls
from .layer import Layer
from .linear import Linear, Sequential
from .lora import LoRALayer, LoRALinear
from .optim import SGD, Adam, AdamW, Optimizer
from .weights import LoadedWeights, WeightsValidation

__all__ = [
    "Layer", "Linear", "Sequential", "LoRALayer", "LoRALinear", "adapt", "adapters", "adapter_weights", "merge_all",
    "unmerge_all", "disabled", "Optimizer", "SGD", "Adam", "AdamW", "LayerCall", "layer_calls", "LoadedWeights",
    "WeightsValidation",
]  # fmt: skip
