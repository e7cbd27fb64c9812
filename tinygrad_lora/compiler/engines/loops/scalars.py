"""One element of an elementwise operation as source, and the functions that such source calls.

A loop computes with single numbers, so each number says its dtype: `f32(0.5) * x[i, j]` stays float32.
"""

import re
from collections.abc import Sequence
from math import factorial
from typing import Any

import numpy as np

from ....core import ComputationNode as Node, ops
from ...text.expressions import literal

SHORT = {"float32": "f32", "float64": "f64", "int32": "i32", "int64": "i64", "bool": "np.bool_"}
STAYS = {"float32", "float64", "int64", "uint64"}  # an operation on two of these gives this dtype again
FLOAT = re.compile(r"\b\d+\.\d+\b")

PLUS = '''\
def plus(a, b):
    """A sum that may be added up in any order, as NumPy's are."""
    return a + b
'''
LARGER = '''\
def larger(a, b):
    """The larger number; nan if one of them is."""
    return np.maximum(a, b)
'''
POSITION = '''\
def position(index, n):
    """An index counted from 0, of n."""
    if index < -n or index >= n:
        raise IndexError("an index is out of bounds for its axis")
    return index + n if index < 0 else index
'''

# The exponential in operations that one vector instruction each can do for many elements: libraries do one at a time.
POWERS = '''\
def powers_{f}(x):
    """(q, s) with $e^x = s (1 + q)$: s is a power of two, and q a Taylor series on a short interval around 0."""
    shifted = x * {f}({log2e!r}) + {f}({magic!r})  # so large that its last bit counts whole numbers
    n = shifted - {f}({magic!r})
    # r = x - n ln 2, where ln 2 has more digits than one number holds
    r = (x - n * {f}({high!r})) - n * {f}({low!r})
    {series}
    q = r + r * r * p
    return q, {i}(({f}(shifted).view({i}) + {bias}) << {bits}).view({f})
'''
EXP = '''\
def exp_{f}(x):
    """$e^x$ as the square of $e^{{x/2}}$, which is neither too large nor too small where $e^x$ just is not."""
    half = {f}(0.5) * x
    half = {f}(-{limit}) if half < {f}(-{limit}) else {f}({limit}) if half > {f}({limit}) else half
    q, s = powers_{f}(half)
    y = s + s * q
    return y * y
'''
TANH = '''\
def tanh_{f}(x):
    """$\\\\tanh x = m / (m + 2)$ with $m = e^{{2x}} - 1$."""
    y = {f}(-20.0) if x < {f}(-20.0) else {f}(20.0) if x > {f}(20.0) else x
    q, s = powers_{f}(y + y)
    m = s * q + (s - {f}(1.0))
    return m / (m + {f}(2.0))
'''
# ln 2 in two parts, the first with so few digits that n times it is exact. Source: Cephes (float32), fdlibm (float64).
FORMATS = {
    "f32": {"i": "i32", "bits": 23, "bias": 127, "high": 0.693359375, "low": -2.12194440e-4, "limit": 60.0, "terms": 7},
    "f64": {
        "i": "i64", "bits": 52, "bias": 1023, "high": 6.93147180369123816490e-01, "low": 1.90821492927058770002e-10,
        "limit": 400.0, "terms": 13,
    },
}  # fmt: skip


def reserved() -> list[str]:
    """The names that helpers may define."""
    functions = [f"{function}_{dtype}" for function in ("powers", "exp", "tanh") for dtype in FORMATS]
    return ["f32", "f64", "i32", "i64", "plus", "larger", "position", *functions]


def short(dtype: Any) -> str:
    """A dtype as source."""
    return SHORT.get(dtype.name, f"np.{dtype.name}")


def number(value: Any, dtype: Any) -> str:
    """A number of this dtype as source. Python's own numbers are float64, int64 and bool."""
    text = literal(np.asarray(value, dtype)[()].item()).text
    return text if dtype.name in ("float64", "int64", "bool") else f"{short(dtype)}({text})"


def element(node: Node, operands: Sequence[str]) -> str:
    """The operation's NumPy line for one element: `operands` are names, indexed names, or numbers."""
    compares = node.dtype.kind == "b" and node.op is not ops.cast
    dtype = np.result_type(*(p.dtype for p in node.parents)) if compares else node.dtype
    operands = [f"({text})" if text.startswith("-") else text for text in operands]
    fitting = [p.dtype == dtype or (node.op is ops.where and i == 0) for i, p in enumerate(node.parents)]
    arguments = [x if fits else f"{short(dtype)}({x})" for x, fits in zip(operands, fitting, strict=True)]
    if node.op is ops.cast:
        return arguments[0]
    if node.op is ops.where:
        condition, a, b = arguments
        return f"{a} if {condition} else {b}"
    if node.op in (ops.exp, ops.tanh) and short(dtype) in FORMATS:
        return f"{node.op}_{short(dtype)}({arguments[0]})"
    values = dict(zip(node.op.operands(len(arguments)), arguments, strict=True))
    for key, value in node.params.items():
        whole = isinstance(value, int) and value >= 0 and node.op is ops.power  # a whole power is a product
        values[key] = str(value) if whole else number(value, dtype)
    line = FLOAT.sub(lambda match: number(float(match[0]), dtype), node.op.numpy)
    text = re.sub("|".join(rf"\b{name}\b" for name in values), lambda match: values[match[0]], line)
    return text if node.dtype.name in STAYS or node.op is ops.greater else f"{short(node.dtype)}({text})"


def helpers(lines: Sequence[str]) -> list[str]:
    """The functions that these lines call, and the short names of the dtypes in them."""
    text = "\n".join(lines)
    sources = []
    for name, constants in FORMATS.items():
        used = [form for form, function in ((EXP, "exp"), (TANH, "tanh")) if f"{function}_{name}(" in text]
        if used:
            sources += [form.format(f=name, **_numbers(name), **constants) for form in (POWERS, *used)]
    called = (("plus", PLUS), ("larger", LARGER), ("position", POSITION))
    sources += [helper for name, helper in called if re.search(rf"\b{name}\(", text)]
    text = "\n".join([text, *sources])
    dtypes = [f"{a} = np.{name}" for name, a in SHORT.items() if re.search(rf"\b{a}\b", text) and a[:3] != "np."]
    return ["\n".join(dtypes) + "\n", *sources] if dtypes else sources


def _numbers(name: str) -> dict[str, Any]:
    """The constants of `POWERS` that follow from the number format, and its series: 1/2 + r (1/6 + r (1/24 + ...))."""
    constants: Any = FORMATS[name]
    last, *terms = (f"{name}(1 / {factorial(k)})" for k in range(constants["terms"], 1, -1))
    series = [f"p = {last}", *(f"p = {term} + r * p" for term in terms)]
    magic = 1.5 * 2.0 ** constants["bits"]
    return {"series": "\n    ".join(series), "log2e": float(1 / np.log(2)), "magic": magic}
