"""Activations that pretrained networks use, beside those of the library."""

from __future__ import annotations  # refusals read them as they are written

from collections.abc import Callable, Mapping
from typing import Any

from ..boundary.arrays import real_array
from ..core.ops import relu, tanh
from ..errors import DtypeError
from ..library import gelu, in_float32, sigmoid

# Polynomials in c = 50 / (25 + x^2) - 1 for u(x) / x, where tanh u(x) = erf(x / sqrt 2): fitted so that the largest
# error of gelu is least. The short one is off by 3e-8, less than float32 can tell; the long one by 5e-15.
SHORT = (1.50684718, -1.08841068, 0.659034029, -0.497947593, 0.281790299, -0.06342789)
LONG = (
    1.5064998104643677, -1.0867529066941253, 0.6657436855793853, -0.5660064178796883, 0.4969723772860079,
    -0.43197745150375233, 0.40940729837937334, -0.3668086056935943, 0.3248915464405473, -0.2544910971485979,
    0.11933891359380845, 0.03463761481744548, -0.13710985357699024, 0.14396047816262955, -0.08267294662268361,
    0.025592002062117702, -0.0033398868630412316,
)  # fmt: skip


@in_float32
def exact_gelu(x: Any) -> Any:
    r"""$y = x\,\Phi(x) = \frac x2 (1 + \mathrm{erf}(x / \sqrt 2))$, where $\Phi$ is the normal distribution's.

    NumPy has no error function. `tl.gelu` replaces it by a tanh of $0.798\,x + 0.0357\,x^3$, which is off by up to
    4.8e-4. Here the tanh is of $x\,P(c)$, with a polynomial P in $c = 50 / (25 + x^2) - 1$, a number between -1 and 1:
    no error that float32 could show, and below 5e-15 in float64.

    x: a node, an array or a number of any shape
    Returns y, of the shape of x.
    Raises DtypeError for an array of whole numbers.
    Source: Hendrycks and Gimpel 2016 (arXiv:1606.08415).

    >>> tl.exact_gelu(np.array([-2.0, 0.0, 2.0])).round(4)
    array([-0.0455,  0.    ,  1.9545])
    """
    x = x if hasattr(x, "dtype") else real_array(x, "exact_gelu: x").astype(float)
    if x.dtype.kind != "f":
        raise DtypeError(f"exact_gelu takes floats, not {x.dtype}: convert them with .astype(float)")
    c = 50.0 / (x * x + 25.0) - 1.0
    first, second, *rest = reversed(SHORT if x.dtype.itemsize <= 4 else LONG)
    p = first * c + second
    for k in rest:
        p = p * c + k
    return x * (0.5 * (tanh(x * p) + 1.0))


@in_float32
def silu(x: Any) -> Any:
    r"""$y = x\,\sigma(x) = x / (1 + e^{-x})$.

    x: a node, an array or a number of any shape
    Returns y, of the shape of x.
    Source: Elfwing et al. 2017 (arXiv:1702.03118).

    >>> tl.silu(np.array([-2.0, 0.0, 2.0])).round(4)
    array([-0.2384,  0.    ,  1.7616])
    """
    return x * sigmoid(x)


# By the names that the configurations of Hugging Face have for them.
ACTIVATIONS: Mapping[str, Callable[[Any], Any]] = {
    "gelu": exact_gelu, "gelu_new": gelu, "gelu_pytorch_tanh": gelu, "relu": relu, "silu": silu, "swish": silu,
    "tanh": tanh,
}  # fmt: skip
