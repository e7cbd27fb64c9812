"""The words of random programs, each with the Python expression it stands for. What is printed is what runs."""

import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..core.source import function_from_source

PACKAGE = __name__.partition(".")[0]
INDICES = {"indices", "rows", "columns", "labels"}  # names of operands that hold indices


class Word:
    """One word: its operands and parameters ("x, *, axis", as operations have them), and the expression.

    In the expression `np` and `tl` are known, and what the `scope` names.
    """

    def __init__(self, name: str, signature: str, text: str, **scope: Any) -> None:
        self.name, self.signature, self.text, self.scope = name, signature, text, scope
        operands, _, rest = signature.partition("*")
        self.starred = rest.split(",")[0].strip()  # "arrays", where any number of operands may come
        self.operands = [x.strip() for x in operands.split(",") if x.strip()]
        self.selecting = [i for i, operand in enumerate(self.operands) if operand in INDICES]

    @cached_property
    def function(self) -> Any:
        """The expression as a function of nodes or arrays."""
        name = f"word_{self.name}"
        source = f"def {name}({self.signature}):\n    return {self.text}\n"
        return function_from_source(name, source, tl=import_module(PACKAGE), **self.scope)

    def printed(self, operands: Iterable[str], params: Mapping[str, Any]) -> str:
        """The expression with the names of its operands, and its parameters as literals."""
        operands = list(operands)
        words = {name: literal(value) for name, value in params.items()}
        words |= dict(zip(self.operands, operands, strict=False))
        if self.starred:
            words[self.starred] = f"[{', '.join(operands[len(self.operands) :])}]"
        pattern = rf"(?<![\w.])({'|'.join(words)})(?![\w=])"
        return re.sub(pattern, lambda match: words[match[0]], self.text) if words else self.text


def literal(value: Any) -> str:
    """A parameter as Python source."""
    if isinstance(value, tuple):
        return f"({', '.join(map(literal, value))}{',' * (len(value) == 1)})"
    return f"np.{value}" if isinstance(value, float) and not np.isfinite(value) else repr(value)


def array_literal(array: ArrayLike) -> str:
    """An array as Python source."""
    array = np.asarray(array)
    if array.size == 0:
        return f'np.zeros({array.shape}, "{array.dtype}")'
    text = re.sub(r"\b(nan|inf)\b", r"np.\1", repr(array.tolist()))
    return f'np.array({text}, "{array.dtype}")'


_UNARY = "exp log sqrt tanh relu sign sigmoid gelu exact_gelu silu identity stop_gradient"
_TABLE = {
    **{name: ("x", f"tl.{name}(x)") for name in _UNARY.split()},
    "add": ("a, b", "a + b"), "subtract": ("a, b", "a - b"), "multiply": ("a, b", "a * b"),
    "divide": ("a, b", "a / b"), "matmul": ("a, b", "a @ b"), "greater": ("a, b", "tl.greater(a, b)"),
    "maximum": ("a, b", "tl.maximum(a, b)"), "where": ("condition, a, b", "tl.where(condition, a, b)"),
    "scale": ("x, *, factor", "x * factor"), "plus": ("x, *, number", "x + number"),
    "over": ("x, *, number", "number / x"), "power": ("x, *, exponent", "tl.power(x, exponent=exponent)"),
    "transpose": ("x", "x.mT"), "reshape": ("x, *, shape", "tl.reshape(x, shape)"),
    "broadcast": ("x, *, shape", "tl.broadcast(x, shape)"), "cast": ("x, *, dtype", "tl.cast(x, dtype=dtype)"),
    **{name: ("x, *, axis, keepdims", f"tl.{name}(x, axis, keepdims)") for name in ("sum", "mean", "max")},
    "index": ("x, *, key", "x[key]"), "place": ("x, *, key, shape", "tl.ops.place(x, key=key, shape=shape)"),
    "take": ("x, indices", "tl.take(x, indices)"), "take_each": ("x, rows, columns", "tl.take(x, rows, columns)"),
    "scatter_add": ("x, indices, *, shape", "tl.ops.scatter_add(x, indices, shape=shape)"),
    "concatenate": ("*arrays, axis", "tl.concatenate(arrays, axis)"),
    "softmax": ("x, *, axis", "tl.softmax(x, axis)"), "log_softmax": ("x, *, axis", "tl.log_softmax(x, axis)"),
    "layer_norm": ("x, weight, bias", "tl.layer_norm(x, weight, bias)"), "normalized": ("x", "tl.layer_norm(x)"),
    "mse": ("y, target", "tl.mse(y, target)"), "cross_entropy": ("x, labels", "tl.cross_entropy(x, labels)"),
    "gradient": ("y, x", "tl.gradients(tl.sum(y), x)"),
    "gradient_of_square": ("y, x", "tl.gradients(tl.sum(y * y), x)"),
}  # fmt: skip
WORDS = {name: Word(name, *entry) for name, entry in _TABLE.items()}
