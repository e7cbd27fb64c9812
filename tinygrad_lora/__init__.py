"""tinygrad_lora: a minimal autograd engine that teaches, with LoRA and a compiler that prints the NumPy it runs."""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .core.autodiff import grad, gradients, value_and_grad, zero_gradients
from .core.graph import Graph
from .core.node import ComputationNode, Op, constant, parameter, placeholder
from .core.trace import trace
from .library import (
    broadcast, check_gradients, concatenate, cross_entropy, gelu, layer_norm, log_softmax, max, maximum, mean, mse,
    reshape, sigmoid, softmax, sum,
)  # fmt: skip
from .nn import (
    SGD, Adam, AdamW, Adapter, Embedding, Layer, LayerNorm, Linear, LoRAEmbedding, LoRALayer, LoRALinear, Optimizer,
    RMSNorm, Sequential, activate, adapt, adapter_names, adapter_settings, adapter_weights, adapters,
    add_weighted_adapter, by_row, delete_adapter, disabled, exact_gelu, merge_all, merge_and_unload, silu, unmerge_all,
)  # fmt: skip
from .nn.schedules import cosine, linear, step_decay
from .ops import (
    add, cast, divide, exp, greater, identity, log, matmul, multiply, power, relu, scale, sign, sqrt, stop_gradient,
    subtract, take, tanh, transpose, where,
)  # fmt: skip

if TYPE_CHECKING:  # loaded when they are first used, see below
    from .compiler import CompiledFunction, TrainingStep, compile, compile_training_step
    from .interop.onnx import save_onnx
    from .interop.peft import load_adapter, save_adapter
    from .interop.safetensors import load_safetensors, save_safetensors
    from .models.load import load_minilm, load_rxnmapper, load_smollm2

__version__ = "0.1.0"
__all__ = [
    # Leaves, graphs and gradients
    "ComputationNode", "Graph", "Op", "check_gradients", "constant", "grad", "gradients", "parameter", "placeholder",
    "trace", "value_and_grad", "zero_gradients",
    # Functions of nodes or arrays
    "add", "broadcast", "cast", "concatenate", "cross_entropy", "divide", "exact_gelu", "exp", "gelu", "greater",
    "identity", "layer_norm", "log", "log_softmax", "matmul", "max", "maximum", "mean", "mse", "multiply", "power",
    "relu", "reshape", "scale", "sigmoid", "sign", "silu", "softmax", "sqrt", "stop_gradient", "subtract", "sum",
    "take", "tanh", "transpose", "where",
    # Layers, adapters and optimizers
    "Adam", "AdamW", "Adapter", "Embedding", "Layer", "LayerNorm", "Linear", "LoRAEmbedding", "LoRALayer", "LoRALinear",
    "Optimizer", "RMSNorm", "SGD", "Sequential", "activate", "adapt", "adapter_names", "adapter_settings",
    "adapter_weights", "adapters", "add_weighted_adapter", "by_row", "cosine", "delete_adapter", "disabled", "linear",
    "merge_all", "merge_and_unload", "step_decay", "unmerge_all",
    # The compiler
    "CompiledFunction", "TrainingStep", "compile", "compile_training_step",
    # Files of other programs
    "load_adapter", "load_safetensors", "save_adapter", "save_onnx", "save_safetensors",
    # Exercises
    "bug", "bugs", "check", "diagnose", "hint", "progress", "quiz", "using",
    # Real pretrained networks
    "load_minilm", "load_rxnmapper", "load_smollm2",
    # Pictures, steps and explanations
    "diagram", "draw", "explain", "explore", "failure", "first_nonfinite", "formula", "listing", "parameter_tree",
    "render", "step_through",
]  # fmt: skip

# Loaded when they are first used: the compiler, files of other programs, and what needs Graphviz's Python package.
_COMPILER = ("CompiledFunction", "TrainingStep", "compile", "compile_training_step")
_FILES = {  # by their module in interop
    "load_adapter": "peft", "save_adapter": "peft", "load_safetensors": "safetensors",
    "save_safetensors": "safetensors", "save_onnx": "onnx",
}  # fmt: skip
_EXERCISES = ("bug", "bugs", "check", "diagnose", "hint", "progress", "quiz", "using")
_MODELS = ("load_minilm", "load_rxnmapper", "load_smollm2")
_PICTURES = __all__[__all__.index("diagram") :]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    """What is not needed by everyone is loaded by the first who asks for it."""
    if name in _COMPILER:
        from . import compiler

        globals()[name] = found = getattr(compiler, name)
        return found
    if name in _FILES:
        return getattr(import_module(f".interop.{_FILES[name]}", __name__), name)
    if name in (*_EXERCISES, "learn"):
        learn = import_module(".learn", __name__)
        return learn if name == "learn" else getattr(learn, name)
    if name in _MODELS:
        return getattr(import_module(".models.load", __name__), name)
    if name in (*_PICTURES, "draw_in_notebooks"):
        from . import view

        return getattr(view, name)
    raise AttributeError(f"module 'tinygrad_lora' has no attribute {name!r}")


if "ipykernel" in sys.modules:  # a notebook
    __getattr__("draw_in_notebooks")()
