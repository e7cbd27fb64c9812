r"""LoRA: instead of a whole new weight, learn a change of low rank, $W + s A B$ with A (in, r) and B (r, out).

Source: Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models" (arXiv:2106.09685). The paper writes B A,
for column vectors; here vectors are rows.
"""

from collections.abc import Callable
from math import isfinite, sqrt
from numbers import Real
from typing import Any, Self

import numpy as np

from ...core.node import ComputationNode, parameter
from ...core.ops import identity, scale
from ...errors import ShapeError
from ..checks import check_size
from ..linear import Seed, check_width, on_rows
from .adapter import SizedAdapter

Activation = Callable[[Any], Any] | None


class LoRALayer(SizedAdapter):
    r"""$y = \sigma(s\,(x A) B)$ with $s = \alpha / r$: a linear map of rank r, and an activation if one is given.

    x is (..., input_size), A is (input_size, rank), B is (rank, output_size). B starts at zero, and so does the layer.
    It has no base: `LoRALinear` puts one beside a linear layer.

    input_size: numbers in a row of x
    output_size: numbers in a row of y
    rank: r, from 1 to min(input_size, output_size)
    alpha: $\alpha$, a positive number; -1 or None stands for the rank, so s = 1
    activation: $\sigma$, a function of a node, such as `tl.relu`; None for none
    seed: a whole number or a Generator that draws A; None draws new numbers every time
    dtype: that of the parameters
    name: goes before the names of the parameters in listings
    init: "gaussian" draws A with standard deviation $1/\sqrt r$ (PEFT's "gaussian" $1/r$), "kaiming_uniform" from
        $\pm 1/\sqrt{\text{input\_size}}$, which is PEFT's default
    rslora: True scales by $\alpha / \sqrt r$ (Kalajdzievski 2023, arXiv:2312.03732)
    lora_bias: True gives B a bias c, zero at the start: $s\,(x A B + c)$
    any_rank: True allows a rank above min(input_size, output_size), which can do no more than that one
    Returns y, (..., output_size), when it is called on a node.
    Raises ValueError for sizes, ranks and alphas that are not positive or too high, and for another init; TypeError for
    what is not a number, ShapeError for an input of another width.
    Source: Hu et al. 2021, section 4.1 (arXiv:2106.09685).

    >>> layer = tl.LoRALayer(3, 2, rank=1, alpha=4.0, seed=0)
    >>> layer.parameter_count, layer.scaling, layer.is_linear
    (5, 4.0, True)
    >>> layer.forward(np.ones((5, 3))).tolist()[0]
    [0.0, 0.0]
    >>> layer.get_matrix_a().shape, layer.get_matrix_b().shape, [f.shape for f in layer.factors()]
    ((3, 1), (1, 2), [(3, 1), (1, 2)])
    >>> layer.merged_bias(None) is None, layer.get_diagnostics()["lora.delta_norm"]
    (True, '0')
    >>> tl.LoRALayer(3, 2, rank=3)
    Traceback (most recent call last):
        ...
    ValueError: Rank (3) cannot exceed min(input_size, output_size) = 2
    """

    def __init__(
        self, input_size: int, output_size: int, rank: int, alpha: float | None = -1, activation: Activation = None, *,
        seed: Seed = None, dtype: Any = np.float64, name: str = "lora", init: str = "gaussian",
        rslora: bool = False, lora_bias: bool = False, any_rank: bool = False,
    ) -> None:  # fmt: skip
        self.input_size = check_size(input_size, "Input size")
        self.output_size = check_size(output_size, "Output size")
        self.rank = check_size(rank, "Rank")
        if self.rank > (largest := min(self.input_size, self.output_size)) and not any_rank:
            raise ValueError(f"Rank ({rank}) cannot exceed min(input_size, output_size) = {largest}")
        self.alpha = checked_alpha(alpha, self.rank)
        if activation is not None and (isinstance(activation, type) or not callable(activation)):
            raise TypeError(f"the activation must be a function of a node, such as tl.relu, not {activation!r}")
        self.activation = activation
        self.rslora = self.rslora or rslora
        self.input_shape = (self.input_size,)
        A = _factor(np.random.default_rng(seed), self.input_size, self.rank, init)
        B, c = np.zeros((self.rank, self.output_size), dtype), np.zeros(self.output_size, dtype)
        self._hold(A.astype(dtype), B, c if lora_bias else None, name)

    @classmethod
    def from_arrays(
        cls, A: Any, B: Any, alpha: float | None = -1, *, bias: Any = None, rslora: bool = False, name: str = "lora"
    ) -> Self:
        r"""The layer with these arrays: nothing is drawn, and the rank may be any size.

        A: (in, r)
        B: (r, out)
        alpha: $\alpha$, a positive number; -1 or None stands for r
        bias: c, (out,), or None for none
        rslora: True scales by $\alpha / \sqrt r$
        name: goes before the names of the parameters in listings
        Returns a layer.
        Raises ShapeError where they do not fit together.

        >>> tl.LoRALayer.from_arrays([[1.0], [2.0]], [[10.0]], alpha=0.5).forward([3.0, 4.0])
        array([55.])
        """
        fit = np.ndim(A) == np.ndim(B) == 2 and np.shape(A)[1] == np.shape(B)[0]
        if not fit or (bias is not None and np.shape(bias) != np.shape(B)[1:]):
            raise ShapeError(f"A is (in, r) and B (r, out), a bias (out,): not {np.shape(A)} and {np.shape(B)}")
        layer = cls.__new__(cls)
        (layer.input_size, layer.rank), layer.output_size = np.shape(A), np.shape(B)[1]
        layer.alpha, layer.rslora = checked_alpha(alpha, layer.rank), layer.rslora or rslora
        layer.activation, layer.input_shape = None, (layer.input_size,)
        layer._hold(A, B, bias, name)
        return layer

    def _hold(self, A: Any, B: Any, bias: Any, name: str) -> None:
        self.lora_A, self.lora_B = parameter(A, f"{name}_A"), parameter(B, f"{name}_B")
        self.lora_B_bias = None if bias is None else parameter(bias, f"{name}_B_bias")

    def __call__(self, x: ComputationNode) -> ComputationNode:
        check_width(x, self.input_size)
        y = on_rows(self._low_rank, x)
        return y if self.activation is None else self.activation(y)

    def _low_rank(self, rows: ComputationNode) -> ComputationNode:
        y = self._narrow(rows) @ self.lora_B
        return scale(y if self.lora_B_bias is None else y + self.lora_B_bias, factor=self.scaling)

    def _narrow(self, rows: ComputationNode) -> ComputationNode:
        """x A, (n, r)."""
        return rows @ self.lora_A

    @property
    def is_linear(self) -> bool:
        """Whether the layer is a linear map: it has no activation, or one that changes nothing."""
        return self.activation in (None, identity)

    def get_matrix_a(self) -> Any:
        """A copy of A, (input_size, rank).

        Returns an array.
        Raises ClosedError after `close()`.
        """
        self.require_open()
        return np.array(self.lora_A.value)

    def get_matrix_b(self) -> Any:
        """A copy of B, (rank, output_size).

        Returns an array.
        Raises ClosedError after `close()`.
        """
        self.require_open()
        return np.array(self.lora_B.value)

    def merge_weights(self) -> Any:
        r"""The dense weight that this adapter adds, $\Delta W = s\,A B$.

        Returns an array of shape (input_size, output_size) in the layer's dtype. Add it to the base weight and the
        adapter costs nothing at inference.
        Raises ValueError when the layer has an activation: then it is not a linear map.
        Source: Hu et al. 2021, section 4.1 (arXiv:2106.09685).

        >>> layer = tl.LoRALayer.from_arrays([[1.0], [2.0]], [[10.0]])
        >>> layer.merge_weights()
        array([[10.],
               [20.]])
        """
        self.require_open()
        if not self.is_linear:
            problem = f"a layer with the activation {_name(self.activation)} is not a linear map, so it has no weight"
            raise ValueError(f"{problem}: build the layer without one, and apply it after the sum with the base")
        A, B = self.factors()
        return self.scaling * (A @ B)

    def factors(self) -> tuple[Any, Any]:
        """The two arrays whose product is the change, but for its scale: A (in, r) and B (r, out).

        Returns a pair of arrays, read-only.
        """
        return self.lora_A.value, self.lora_B.value

    def merged_bias(self, bias: Any) -> Any:
        r"""$b + s\,c$ with the bias c of B.

        bias: b, an array (out,), or None for none
        Returns an array (out,), or None.
        """
        if self.lora_B_bias is None:
            return bias
        own = self.scaling * self.lora_B_bias.value
        return own if bias is None else bias + own

    def get_diagnostics(self) -> dict[str, str]:
        """As for every layer, and the rank, alpha, scaling and the sizes of A, B and of the change that they make.

        Returns a dict of texts, such as {"lora.rank": "4"}.
        """
        A, B = self.lora_A.value, self.lora_B.value
        singular = self.scaling * singular_values_of(*self.factors())
        diagnostics = super().get_diagnostics()
        diagnostics |= {"layer.activation": _name(self.activation), "lora.rank": str(self.rank)}
        numbers = {
            "alpha": self.alpha, "scaling": self.scaling, "a_norm": np.linalg.norm(A), "b_norm": np.linalg.norm(B),
            "delta_norm": np.linalg.norm(singular), "delta_effective_rank": effective_rank(singular),
        }  # fmt: skip
        return diagnostics | {f"lora.{name}": f"{number:.6g}" for name, number in numbers.items()}


def checked_alpha(alpha: float | None, rank: int) -> float:
    """alpha as a positive number; None and -1 stand for the rank."""
    if alpha is None:
        return float(rank)
    if isinstance(alpha, bool | np.bool_) or not isinstance(alpha, Real):
        raise TypeError(f"alpha must be a number, not {type(alpha).__name__}")
    number = float(alpha)
    if number == -1:
        return float(rank)
    if not (isfinite(number) and number > 0):
        raise ValueError(f"alpha must be positive and finite, not {alpha}: pass -1 or None to take the rank")
    return number


def _factor(rng: np.random.Generator, input_size: int, rank: int, init: str) -> Any:
    """Random numbers for A."""
    if init == "gaussian":
        return rng.normal(0, 1 / sqrt(rank), (input_size, rank))
    if init == "kaiming_uniform":
        return rng.uniform(-1 / sqrt(input_size), 1 / sqrt(input_size), (input_size, rank))
    raise ValueError(f"init must be 'gaussian' or 'kaiming_uniform', not {init!r}")


def singular_values_of(A: Any, B: Any) -> Any:
    """Those of A B, by way of two matrices of the rank's size."""
    small_a, small_b = (np.linalg.qr(np.asarray(M, np.float64)).R for M in (A, B.T))
    product = small_a @ small_b.T
    finite = bool(np.isfinite(product).all())
    return np.linalg.svd(product, compute_uv=False) if finite else np.full(len(product), np.nan)


def effective_rank(singular: Any) -> float:
    r"""$e^H$, H the entropy of the singular values as shares of their sum (Roy and Vetterli 2007); 0 for no change."""
    total = singular.sum()
    if not total > 0:
        return float(total)  # zero, or not a number
    share = singular[singular > 0] / total
    return float(np.exp(-(share * np.log(share)).sum()))


def _name(activation: Any) -> str:
    """What a reader calls this function."""
    if activation is None:
        return "identity"
    return str(getattr(activation, "name", None) or getattr(activation, "__name__", None) or activation)
