"""tinygrad_lora: a minimal autograd engine that teaches, with LoRA and a compiler that prints the NumPy it runs."""

from .compiler import CompiledFunction, compile, compile_training_step
from .core.autodiff import grad, gradients, value_and_grad, zero_gradients
from .core.graph import Graph
from .core.node import ComputationNode, Op, constant, parameter, placeholder
from .core.ops import (
    add, cast, divide, exp, greater, identity, log, matmul, multiply, power, relu, scale, sign, sqrt, stop_gradient,
    subtract, tanh, transpose, where,
)  # fmt: skip
from .core.trace import trace
from .indexing import take
from .library import (
    broadcast, check_gradients, concatenate, cross_entropy, gelu, layer_norm, log_softmax, max, maximum, mean, mse,
    reshape, sigmoid, softmax, sum,
)  # fmt: skip

__version__ = "0.1.0"
__all__ = [
    "CompiledFunction", "ComputationNode", "Graph", "Op", "add", "broadcast", "cast", "check_gradients", "compile", "compile_training_step", "concatenate", "constant",
    "cross_entropy", "divide", "exp", "gelu", "grad", "gradients", "greater", "identity", "layer_norm", "log",
    "log_softmax", "matmul", "max", "maximum", "mean", "mse", "multiply", "parameter", "placeholder", "power", "relu",
    "reshape", "scale", "sigmoid", "sign", "softmax", "sqrt", "stop_gradient", "subtract", "sum", "take", "tanh",
    "trace", "transpose", "value_and_grad", "where", "zero_gradients",
]  # fmt: skip
