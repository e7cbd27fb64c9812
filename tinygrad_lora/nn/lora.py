r"""LoRA: instead of a whole new weight, learn a change of low rank, $W + s A B$ with A (in, r) and B (r, out).

Source: Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models" (arXiv:2106.09685). The paper writes B A,
for column vectors; here vectors are rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import isfinite, sqrt
from numbers import Real
from typing import Any

import numpy as np

from ..core.node import ComputationNode, parameter
from ..errors import MergedError
from ..ops import identity, scale
from .checks import check_size
from .layer import Layer
from .linear import Linear, Seed, check_width, on_rows

Activation = Callable[[Any], Any] | None


class LoRALayer(Layer):
    r"""$y = \sigma(s\,(x A) B)$ with $s = \alpha / r$: a linear map of rank r, and an activation if one is given.

    x is (..., input_size), A is (input_size, rank), B is (rank, output_size). `alpha` -1 or None means rank, so s = 1.
    B starts at zero, and so does the layer. A is drawn from `seed` (a whole number or a Generator; None draws new
    numbers every time): `init="gaussian"` gives it standard deviation $1/\sqrt r$, `init="kaiming_uniform"` the range
    $\pm 1/\sqrt{\text{input\_size}}$ of the PEFT library. `activation` is a function of a node, such as `tl.relu`.

    Raises ValueError for sizes, ranks and alphas that are not positive and for a rank above
    min(input_size, output_size), TypeError for what is not a number, ShapeError for an input of another width.
    Source: Hu et al. 2021, section 4.1 (arXiv:2106.09685).
    """

    def __init__(
        self, input_size: int, output_size: int, rank: int, alpha: float | None = -1, activation: Activation = None, *,
        seed: Seed = None, dtype: Any = np.float64, name: str = "lora", init: str = "gaussian",
    ) -> None:  # fmt: skip
        self.input_size = check_size(input_size, "Input size")
        self.output_size = check_size(output_size, "Output size")
        self.rank = check_size(rank, "Rank")
        if self.rank > (largest := min(self.input_size, self.output_size)):
            raise ValueError(f"Rank ({rank}) cannot exceed min(input_size, output_size) = {largest}")
        self.alpha = _alpha(alpha, self.rank)
        if activation is not None and (isinstance(activation, type) or not callable(activation)):
            raise TypeError(f"the activation must be a function of a node, such as tl.relu, not {activation!r}")
        self.activation = activation
        self.input_shape = (self.input_size,)
        A = _factor(np.random.default_rng(seed), self.input_size, self.rank, init)
        self.lora_A = parameter(A.astype(dtype), f"{name}_A")
        self.lora_B = parameter(np.zeros((self.rank, self.output_size), dtype), f"{name}_B")

    def __call__(self, x: ComputationNode) -> ComputationNode:
        check_width(x, self.input_size)
        y = on_rows(lambda rows: scale((rows @ self.lora_A) @ self.lora_B, factor=self.scaling), x)
        return y if self.activation is None else self.activation(y)

    @property
    def scaling(self) -> float:
        r"""$s = \alpha / r$."""
        return self.alpha / self.rank

    def get_matrix_a(self) -> Any:
        """A copy of A, (input_size, rank)."""
        self.require_open()
        return np.array(self.lora_A.value)

    def get_matrix_b(self) -> Any:
        """A copy of B, (rank, output_size)."""
        self.require_open()
        return np.array(self.lora_B.value)

    def merge_weights(self) -> Any:
        r"""The dense weight that this adapter adds, $\Delta W = s\,A B$.

        Returns an array of shape (input_size, output_size) in the layer's dtype. Add it to the base weight and the
        adapter costs nothing at inference.

        Raises ValueError when the layer has an activation: then it is not a linear map.
        Source: Hu et al. 2021, section 4.1 (arXiv:2106.09685).
        """
        self.require_open()
        if self.activation not in (None, identity):
            raise ValueError(
                f"a layer with the activation {_name(self.activation)} is not a linear map, so it has no weight: "
                "build the layer without one, and apply it after the sum with the base"
            )
        return self.scaling * (self.lora_A.value @ self.lora_B.value)

    def get_diagnostics(self) -> dict[str, str]:
        """As for every layer, and the rank, alpha, scaling and the sizes of A, B and of the change that they make."""
        A, B = self.lora_A.value, self.lora_B.value
        singular = self.scaling * singular_values_of(A, B)
        told = super().get_diagnostics()
        told |= {"layer.activation": _name(self.activation), "lora.rank": str(self.rank)}
        numbers = {
            "alpha": self.alpha, "scaling": self.scaling, "a_norm": np.linalg.norm(A), "b_norm": np.linalg.norm(B),
            "delta_norm": np.linalg.norm(singular), "delta_effective_rank": effective_rank(singular),
        }  # fmt: skip
        return told | {f"lora.{name}": f"{number:.6g}" for name, number in numbers.items()}


@dataclass(eq=False)
class _Merged:
    """The base weight as it was, and when the parameters that went into the sum got their values."""

    weight: ComputationNode
    versions: tuple[int, ...]


class LoRALinear(Layer):
    r"""$y = x W + b + s\,(x A) B$: a linear layer and an adapter that is trained in its place.

    `base` is a `Linear`, which is frozen unless `trainable_base` (then its parameters stay as they are). `rank`,
    `alpha`, `init` and `seed` are those of the `LoRALayer` made for it, found under `.lora`; its dtype is the base's.

    Raises TypeError if the base is not a Linear, ValueError as `LoRALayer` does.
    Source: Hu et al. 2021, section 4 (arXiv:2106.09685).
    """

    _enabled = True
    _merged: _Merged | None = None
    _transient = (*Layer._transient, "_enabled")

    def __init__(
        self, base: Linear, rank: int, alpha: float | None = -1, *,
        init: str = "gaussian", seed: Seed = None, dtype: Any = None, trainable_base: bool = False, name: str = "lora",
    ) -> None:  # fmt: skip
        if not isinstance(base, Linear):
            remedy = "it has an adapter already" if isinstance(base, LoRALinear) else "adapt() finds those of a model"
            raise TypeError(f"the base must be a Linear, not {type(base).__name__}: {remedy}")
        dtype = base.weight.dtype if dtype is None else dtype
        lora = LoRALayer(
            base.input_size, base.output_size, rank, alpha, seed=seed, dtype=dtype, name=name, init=init
        )  # the checks: if one fails, the base is left alone
        self.base = base if trainable_base else base.freeze()
        self.lora = lora
        self.input_shape = base.input_shape

    def __call__(self, x: ComputationNode) -> ComputationNode:
        merged = self._merged
        if not self._enabled:
            return self.base.transform(x, merged.weight) if merged else self.base(x)
        if merged:
            if merged.versions != self._versions(merged.weight):
                raise MergedError("the factors got new values while they are merged: unmerge(), then merge() again")
            return self.base(x)
        check_width(x, self.lora.input_size)
        return on_rows(lambda rows: self.base(rows) + self.lora(rows), x)

    @property
    def merged(self) -> bool:
        """Whether the adapter is part of the base weight at present."""
        return self._merged is not None

    @property
    def mode(self) -> str:
        """Which graph a call gives: "" (base and adapter), "merged", or "disabled" (base alone)."""
        return ("merged" if self.merged else "") if self._enabled else "disabled"

    def merge(self) -> None:
        r"""Put $W + s A B$ in the place of W: the adapter then costs nothing. Merging twice is fine.

        The original weight is kept aside, untouched. While merged the layer cannot be trained.
        """
        self.require_open()
        if self._merged is None:
            weight = self.base.weight
            total = (weight.value + self.lora.merge_weights()).astype(weight.dtype)
            self._merged = _Merged(weight, self._versions(weight))
            self.base.weight = parameter(total, weight.name, trainable=False)

    def unmerge(self) -> None:
        """Put the original weight back, exactly as it was. Unmerging twice is fine."""
        self.require_open()
        if self._merged is not None:
            self.base.weight, self._merged = self._merged.weight, None

    @contextmanager
    def disabled(self) -> Iterator[None]:
        """`with layer.disabled():` the layer gives exactly what the base gives, merged or not. May be nested."""
        before, self._enabled = self._enabled, False
        try:
            yield
        finally:
            self._enabled = before

    def check_changeable(self, name: str) -> None:
        """Refuse while merged."""
        if self.merged:
            which = f"the adapter of {name!r}" if name else "the adapter"
            raise MergedError(f"{which} is merged into the base weight, so it cannot be changed: unmerge() first")

    def get_diagnostics(self) -> dict[str, str]:
        """As for every layer, and what the adapter has to say."""
        of_adapter = {k: v for k, v in self.lora.get_diagnostics().items() if k.startswith("lora.")}
        return super().get_diagnostics() | of_adapter | {"lora.mode": self.mode or "active"}

    def _versions(self, weight: ComputationNode) -> tuple[int, ...]:
        return weight.created, self.lora.lora_A.created, self.lora.lora_B.created

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if self._merged:  # the parameters of a copy are newer than those that it was made from
            self._merged.versions = self._versions(self._merged.weight)


def _alpha(alpha: float | None, rank: int) -> float:
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
