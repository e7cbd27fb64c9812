"""One call of each operation, function and layer: the reference shows its shapes, its picture and its gradients."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import tinygrad_lora as tl
from build_site.mathml import mathml
from build_site.show import as_html
from tinygrad_lora.core.node import Op
from tinygrad_lora.errors import GradientError

# What the names in a call stand for. All are real numbers but the labels and the tokens.
SHAPES = {
    "x": (4, 3), "y": (4, 3), "a": (4, 3), "b": (3,), "A": (4, 3), "B": (3, 2), "w": (3,), "target": (4, 3),
    "logits": (4, 3), "labels": (4,), "tokens": (4, 5), "sound": (1, 2, 6), "image": (1, 2, 4, 4), "k": (3, 2, 2),
    "K": (3, 2, 2, 2),
}  # fmt: skip
WHOLE = ("labels", "tokens")
CALLS = {
    "matmul": "matmul(A, B)",
    "scale": "scale(x, factor=2.0)",
    "power": "power(x, exponent=3)",
    "cast": "cast(x, dtype=np.float32)",
    "take": "take(x, np.array([0, 2]))",
    "where": "where(a > 0.0, a, b)",
    "sum": "sum(x, axis=0)",
    "mean": "mean(x, axis=0)",
    "max": "max(x, axis=0)",
    "reshape": "reshape(x, (2, -1))",
    "broadcast": "broadcast(b, (4, 3))",
    "concatenate": "concatenate([A, x], axis=1)",
    "layer_norm": "layer_norm(x, w, b)",
    "mse": "mse(y, target)",
    "cross_entropy": "cross_entropy(logits, labels)",
    "conv1d": "conv1d(sound, k)",
    "conv2d": "conv2d(image, K)",
    "max_pool": "max_pool(sound, 2)",
    "avg_pool": "avg_pool(image, 2)",
    "Linear": "Linear(3, 2, seed=0)(x)",
    "LayerNorm": "LayerNorm(3)(x)",
    "RMSNorm": "RMSNorm(3)(x)",
    "GroupNorm": "GroupNorm(1, 2)(image)",
    "BatchNorm": "BatchNorm(2)(image)",
    "Embedding": "Embedding(10, 2, seed=0)(tokens)",
    "LoRALayer": "LoRALayer(3, 2, rank=1, seed=0)(x)",
    "LoRALinear": "LoRALinear(Linear(3, 2, seed=0), rank=1, seed=0)(x)",
    "LoRAEmbedding": "LoRAEmbedding(Embedding(10, 2, seed=0), rank=1, seed=0)(tokens)",
    "Sequential": "Sequential(Linear(3, 2, seed=0), relu)(x)",
}
OF_ONE_ARRAY = ("sigmoid", "gelu", "exact_gelu", "silu", "softmax", "log_softmax")
OF_TWO_ARRAYS = ("maximum",)
LAYERS = ("Linear", "LayerNorm", "RMSNorm", "GroupNorm", "BatchNorm", "LoRALayer", "LoRALinear")


@dataclass(frozen=True)
class Example:
    """A call, the operands in it, and the node that it gives."""

    call: str
    operands: dict[str, Any]
    output: Any

    @property
    def shapes(self) -> str:
        """The call with its shapes, in words."""
        given = ", ".join(f"{name} {node.shape}" for name, node in self.operands.items())
        return f"`{self.call}` with {given} gives {self.output.shape}"

    def gradients(self) -> str:
        """The gradients as equations that the engine derives, or nothing where there are none."""
        floats = {name: node for name, node in self.operands.items() if name not in WHOLE}
        head = tl.placeholder(self.output.shape, self.output.dtype, "G") if self.output.shape else None
        try:
            found = {f"dL/d{name}": tl.gradients(self.output, node, seed=head) for name, node in floats.items()}
        except GradientError:
            return ""
        return mathml(tl.formula(found).latex, block=True) if found else ""

    def picture(self) -> str:
        return as_html(tl.draw(self.output, legend=False, title=self.call))


def example(name: str) -> Example | None:
    """The example of a public name, if it has one."""
    thing = getattr(tl, name, None)
    call = CALLS.get(name)
    if call is None and (isinstance(thing, Op) or name in OF_ONE_ARRAY or name in OF_TWO_ARRAYS):
        two = name in OF_TWO_ARRAYS or (isinstance(thing, Op) and len(thing.signature.split(",")) == 2)
        call = f"{name}(a, b)" if two else f"{name}(x)"
    if call is None:
        return None
    leaves = {name: tl.placeholder(shape, int if name in WHOLE else float, name) for name, shape in SHAPES.items()}
    used: dict[str, Any] = {}
    output = _evaluated(call, lambda name: used.setdefault(name, leaves[name]) if name in leaves else getattr(tl, name))
    return Example(f"tl.{call}" if "(" in call else call, used, output)


def _evaluated(call: str, look_up: Callable[[str], Any]) -> Any:
    class Names(dict[str, Any]):
        def __missing__(self, name: str) -> Any:
            return look_up(name)

    return eval(call, Names(np=np, __builtins__={}))  # names of the package, without its prefix, and the leaves above
