# The public names for editors and type checkers, which do not run __init__.py. A test holds the two together.

from . import checking, compiler, core, data, errors, interop, learn, library, models, nn, view
from .core import ops
from .batching import batches
from .checking import check_gradients, check_pass
from .compiler import CompiledFunction, TrainingStep, compile, compile_training_step
from .core.autodiff import grad, gradients, value_and_grad, zero_gradients
from .core.graph import Graph
from .core.node import ComputationNode, Op, constant, parameter, placeholder
from .core.trace import trace
from .derivatives import hessian, hvp, jacobian, jvp, vjp
from .interop.onnx import save_onnx
from .interop.peft import load_adapter, save_adapter
from .interop.safetensors import load_safetensors, save_safetensors
from .learn import bug, bugs, check, diagnose, hint, predict, progress, quiz, solution, using
from .library import (
    broadcast,
    concatenate,
    cross_entropy,
    gelu,
    layer_norm,
    log_softmax,
    max,
    maximum,
    mean,
    mse,
    reshape,
    sigmoid,
    softmax,
    sum,
)
from .recomputation import checkpoint
from .serving import AdapterServer
from .sweeps import SweepResult, sweep
from .models.load import load_minilm, load_smollm2
from .models.sampling import sample
from .models.text.training import train_byte_pairs
from .nn import (
    SGD,
    Adam,
    AdamW,
    Adapter,
    BatchNorm,
    Embedding,
    GroupNorm,
    Layer,
    LayerNorm,
    Linear,
    LoRAEmbedding,
    LoRALayer,
    LoRALinear,
    Optimizer,
    RMSNorm,
    Sequential,
    activate,
    adapt,
    adapter_names,
    adapter_settings,
    adapter_weights,
    add_weighted_adapter,
    avg_pool,
    by_row,
    conv1d,
    conv2d,
    delete_adapter,
    disabled,
    dropout,
    exact_gelu,
    extract_lora,
    max_pool,
    merge_all,
    merge_and_unload,
    silu,
    unmerge_all,
)
from .nn.adapters.model.switching import adapters
from .nn.schedules import cosine, linear, step_decay
from .core.ops import (
    add,
    cast,
    divide,
    exp,
    greater,
    identity,
    log,
    matmul,
    multiply,
    power,
    relu,
    scale,
    sign,
    sqrt,
    stop_gradient,
    subtract,
    take,
    tanh,
    transpose,
    where,
)
from .view.chart import Chart
from .view.diagram.data import diagram
from .view.formula.write import formula
from .view import (
    draw,
    explain,
    explore,
    failure,
    first_nonfinite,
    fold_tracebacks,
    listing,
    parameter_tree,
    render,
    step_through,
)

__version__: str
__all__ = [
    "ComputationNode", "Graph", "Op", "check_gradients", "checkpoint", "constant", "grad", "gradients", "hessian",
    "hvp", "jacobian", "jvp", "parameter", "placeholder", "trace", "value_and_grad", "vjp", "zero_gradients",
    "add", "avg_pool", "broadcast", "cast", "concatenate", "conv1d", "conv2d", "cross_entropy", "divide", "dropout",
    "exact_gelu", "exp", "gelu", "greater", "identity", "layer_norm", "log", "log_softmax", "matmul",
    "max", "max_pool", "maximum", "mean", "mse", "multiply", "power",
    "relu", "reshape", "scale", "sigmoid", "sign", "silu", "softmax", "sqrt", "stop_gradient", "subtract", "sum",
    "take", "tanh", "transpose", "where",
    "Adam", "AdamW", "Adapter", "BatchNorm", "Embedding", "GroupNorm", "Layer", "LayerNorm", "Linear", "LoRAEmbedding",
    "LoRALayer", "LoRALinear",
    "Optimizer", "RMSNorm", "SGD", "Sequential", "activate", "batches", "adapt", "adapter_names", "adapter_settings",
    "adapter_weights", "adapters", "add_weighted_adapter", "by_row", "cosine", "AdapterServer", "delete_adapter",
    "disabled", "extract_lora", "linear", "merge_all", "merge_and_unload", "step_decay", "unmerge_all",
    "SweepResult", "sweep", "CompiledFunction", "TrainingStep", "compile", "compile_training_step", "check_pass",
    "load_adapter", "load_safetensors", "save_adapter", "save_onnx", "save_safetensors",
    "bug", "bugs", "check", "diagnose", "hint", "predict", "progress", "quiz", "solution", "using",
    "load_minilm", "load_smollm2", "sample", "train_byte_pairs",
    "Chart", "diagram", "draw", "explain", "explore", "failure", "first_nonfinite", "fold_tracebacks", "formula",
    "listing", "parameter_tree", "render", "step_through",
    "checking", "compiler", "core", "data", "errors", "interop", "learn", "library", "models", "nn", "ops", "view",
]  # fmt: skip
