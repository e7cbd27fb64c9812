"""tinygrad_lora: a minimal autograd engine that teaches, with LoRA and a compiler that prints the NumPy it runs."""

import sys
from importlib import import_module

__version__ = "0.1.0"

# The public names by subject, each with the module that it is loaded from by the first who asks for it: to tell its
# version, or to be interrupted, a command need not wait for NumPy. For editors and type checkers: __init__.pyi.
_PUBLIC = [
    # Leaves, graphs and gradients
    ("core.node", "ComputationNode Op constant parameter placeholder"),
    ("core.graph", "Graph"),
    ("core.trace", "trace"),
    ("core.autodiff", "grad gradients value_and_grad zero_gradients"),
    ("derivatives", "hessian hvp jacobian jvp vjp"),
    ("recomputation", "checkpoint"),
    # Functions of nodes or arrays
    ("core.ops", "add cast divide exp greater identity log matmul multiply power relu scale sign sqrt stop_gradient"),
    ("core.ops", "subtract take tanh transpose where"),
    ("library", "broadcast concatenate cross_entropy gelu layer_norm log_softmax max maximum mean mse reshape sigmoid"),
    ("library", "softmax sum"),
    ("nn", "avg_pool conv1d conv2d dropout exact_gelu max_pool silu"),
    # Layers, adapters and optimizers
    ("nn", "BatchNorm Embedding GroupNorm Layer LayerNorm Linear RMSNorm Sequential activate by_row"),
    ("nn", "Adapter LoRAEmbedding LoRALayer LoRALinear adapt adapter_names adapter_settings adapter_weights"),
    ("nn.adapters.model.switching", "adapters"),
    ("nn", "add_weighted_adapter delete_adapter disabled extract_lora merge_all merge_and_unload unmerge_all"),
    ("nn", "SGD Adam AdamW Optimizer"),
    ("nn.schedules", "cosine linear step_decay"),
    ("batching", "batches"),
    ("serving", "AdapterServer"),
    # The compiler
    ("compiler", "CompiledFunction TrainingStep compile compile_training_step"),
    ("checking", "check_gradients check_pass"),
    ("sweeps", "SweepResult sweep"),
    # Files of other programs
    ("interop.peft", "load_adapter save_adapter"),
    ("interop.safetensors", "load_safetensors save_safetensors"),
    ("interop.onnx", "save_onnx"),
    # Exercises
    ("learn", "bug bugs check diagnose hint predict progress quiz solution using"),
    # Real pretrained networks
    ("models.load", "load_minilm load_smollm2"),
    ("models.sampling", "sample"),
    ("models.text.training", "train_byte_pairs"),
    # Pictures, steps and explanations
    ("view", "draw explain explore failure first_nonfinite fold_tracebacks listing parameter_tree render step_through"),
    ("view.chart", "Chart"),
    ("view.diagram.data", "diagram"),
    ("view.formula.write", "formula"),
]
_HOME = {name: module for module, names in _PUBLIC for name in names.split()}
_ENGINE = ("core", "derivatives", "library", "nn", "recomputation")
_FOLDERS = "checking compiler core data errors interop learn library models nn view"
_PARTS = {part: part for part in _FOLDERS.split()}
_PARTS["ops"] = "core.ops"
_REMOVED = {
    "load_rxnmapper": "RXNMapper was removed; load_minilm() reads sentences, and load_smollm2() answers questions",
}

__all__ = sorted(_HOME)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_PARTS})


def __getattr__(name: str) -> object:
    """Load what `name` needs. The names of the engine come all at once, and stay here."""
    if name in _PARTS:
        return import_module(f".{_PARTS[name]}", __name__)
    if name not in _HOME:
        instead = f": {_REMOVED[name]}" if name in _REMOVED else ""
        raise AttributeError(f"module 'tinygrad_lora' has no attribute {name!r}{instead}")
    if not _HOME[name].startswith(_ENGINE):
        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    for each, module in _HOME.items():
        if module.startswith(_ENGINE):
            globals()[each] = getattr(import_module(f".{module}", __name__), each)
    return globals()[name]


if "ipykernel" in sys.modules or "pyodide_kernel" in sys.modules:  # a notebook, here or in a browser
    import_module(".view", __name__).draw_in_notebooks()
