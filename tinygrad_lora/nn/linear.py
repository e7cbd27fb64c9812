"""Linear layers, and layers one after the other."""

from collections.abc import Callable, Iterable, Iterator
from math import prod, sqrt
from typing import Any, Self

import numpy as np

from ..boundary.arrays import real_array
from ..core.node import ComputationNode, parameter
from ..errors import ShapeError
from ..library import reshape
from .checks import check_size
from .layer import Layer

Seed = int | np.random.Generator | None
Rows = Callable[[ComputationNode], ComputationNode]


def on_rows(f: Rows, x: ComputationNode) -> ComputationNode:
    """`f` of x as a matrix: all axes but the last become one, and come back after. One product instead of many."""
    if len(x.shape) == 2:
        return f(x)
    y = f(reshape(x, (prod(x.shape[:-1]), x.shape[-1])))
    return reshape(y, x.shape[:-1] + y.shape[1:])


def check_width(x: ComputationNode, input_size: int) -> None:
    """Raise ShapeError unless the last axis of x has this length."""
    if not x.shape:
        raise ShapeError(f"a layer takes vectors of {input_size} numbers, not one number: reshape the input")
    if x.shape[-1] != input_size:
        raise ShapeError(f"Input size {x.shape[-1]} does not match expected input size {input_size}")


def computes(layer: Any, kind: type[Layer]) -> bool:
    """Whether a layer of this kind computes what the kind does, and nothing that its own class adds."""
    return all(getattr(type(layer), name, None) is getattr(kind, name, None) for name in ("__call__", "transform"))


class Linear(Layer):
    r"""$y = x W + b$.

    x is (..., input_size), W is (input_size, output_size), b is (output_size,). All are drawn uniformly from
    $\pm 1 / \sqrt{\text{input\_size}}$, as in PyTorch.

    input_size: numbers in a row of x, a positive whole number
    output_size: numbers in a row of y
    bias: False leaves out b
    seed: a whole number or a Generator that draws the numbers; None draws new ones every time
    dtype: that of the parameters, such as np.float32
    name: goes before the names of the parameters in listings
    Returns y, (..., output_size), when it is called on a node.
    Raises ValueError for sizes that are not positive, TypeError for what is no whole number, ShapeError for an input of
    another width.

    >>> layer = tl.Linear(3, 2, seed=0)
    >>> layer.forward(np.zeros((4, 3))).shape, layer.weight.shape, layer.parameter_count
    ((4, 2), (3, 2), 8)
    >>> layer.forward(np.zeros((4, 5)))
    Traceback (most recent call last):
        ...
    tinygrad_lora.errors.ShapeError: Input size 5 does not match expected input size 3
    """

    def __init__(
        self, input_size: int, output_size: int, bias: bool = True, *,
        seed: Seed = None, dtype: Any = np.float64, name: str | None = None,
    ) -> None:  # fmt: skip
        n, m = check_size(input_size, "Input size"), check_size(output_size, "Output size")
        if not isinstance(bias, bool):
            raise TypeError(f"bias must be True or False, not {bias!r}: sizes come first, the seed is seed=...")
        rng, bound = np.random.default_rng(seed), 1 / sqrt(n)
        weight = rng.uniform(-bound, bound, (n, m)).astype(dtype)
        self._hold(weight, rng.uniform(-bound, bound, m).astype(dtype) if bias else None, name)

    @classmethod
    def from_arrays(cls, weight: Any, bias: Any = None, *, name: str | None = None) -> Self:
        """The layer with these arrays: nothing is drawn.

        weight: W, (input_size, output_size)
        bias: b, (output_size,), or None for none
        name: goes before the names of the parameters in listings
        Returns a layer.
        Raises ShapeError where they do not fit together.

        >>> tl.Linear.from_arrays([[1.0], [2.0]], [10.0]).forward([3.0, 4.0])
        array([21.])
        """
        weight, bias = real_array(weight, "a weight"), bias if bias is None else real_array(bias, "a bias")
        if weight.ndim != 2 or (bias is not None and bias.shape != weight.shape[1:]):
            shapes = f"{weight.shape}" + ("" if bias is None else f" and {bias.shape}")
            raise ShapeError(f"a weight is (input_size, output_size) and a bias (output_size,), not {shapes}")
        layer = cls.__new__(cls)
        layer._hold(weight, bias, name)
        return layer

    def _hold(self, weight: Any, bias: Any, name: str | None) -> None:
        prefix = f"{name}." if name else ""
        self.input_size, self.output_size = map(int, weight.shape)
        self.input_shape = (self.input_size,)
        self.weight = parameter(weight, f"{prefix}weight")
        self.bias = None if bias is None else parameter(bias, f"{prefix}bias")

    def __call__(self, x: ComputationNode) -> ComputationNode:
        return self.transform(x, self.weight)

    def transform(self, x: ComputationNode, weight: ComputationNode) -> ComputationNode:
        """The layer with another weight in place of its own.

        x: a node, (..., input_size)
        weight: a node, (input_size, output_size)
        Returns a node, (..., output_size).
        Raises ShapeError for an x of another width.

        >>> layer = tl.Linear.from_arrays([[1.0], [2.0]])
        >>> layer.transform(tl.constant([3.0, 4.0]), 2.0 * layer.weight).value
        array([22.])
        """
        check_width(x, self.input_size)
        bias = self.bias
        return on_rows(lambda rows: rows @ weight if bias is None else rows @ weight + bias, x)


class Sequential(Layer):
    r"""$y = f_n(\dots f_2(f_1(x)))$: layers and functions, one after another.

    A layer in it is named by its position, so parameters are "0.weight", "0.bias", "2.weight" and so on. `model[0]` is
    a member, `model[:2]` a shorter sequence of the same members. Without members it is the identity.

    *members: layers, or functions of a node such as `tl.relu`
    Returns what the last member gives, when it is called on a node.
    Raises TypeError for a member that is neither.

    >>> model = tl.Sequential(tl.Linear(3, 4, seed=0), tl.relu, tl.Linear(4, 2, seed=1))
    >>> model.input_shape, model.output_shape, model.takes_indices, len(model[:2])
    ((3,), (2,), False, 2)
    >>> list(model.named_parameters())
    ['0.weight', '0.bias', '2.weight', '2.bias']
    >>> tl.Sequential(tl.Linear(3, 4), "relu")
    Traceback (most recent call last):
        ...
    TypeError: member 1 is of type str: pass layers and functions, as in Sequential(Linear(4, 2), tl.relu)
    """

    def __init__(self, *members: Any) -> None:
        for i, member in enumerate(members):
            if isinstance(member, type) or not callable(member):
                shown = member.__name__ if isinstance(member, type) else f"of type {type(member).__name__}"
                remedy = "pass layers and functions, as in Sequential(Linear(4, 2), tl.relu)"
                raise TypeError(f"member {i} is {shown}: {remedy}")
            if isinstance(getattr(member, "__wrapped__", None), Layer):
                remedy = "write a layer that calls tl.checkpoint(self.block)(x), so that its parameters are found"
                raise TypeError(f"member {i} is a function that hides a layer: {remedy}")
        self.members = list(members)

    def _parts(self) -> Iterable[tuple[str, Any]]:
        others = [item for item in vars(self).items() if item[0] != "members"]
        return [*((str(i), member) for i, member in enumerate(self.members)), *others]

    @property
    def _first(self) -> Any:
        return self.members[0] if self.members and isinstance(self.members[0], Layer) else Layer

    @property
    def input_shape(self) -> Any:  # type: ignore[override]
        """That of the first member, if it is a layer."""
        return self._first.input_shape

    @property
    def takes_indices(self) -> bool:  # type: ignore[override]
        """Whether the first member does."""
        return bool(self._first.takes_indices)

    def __call__(self, x: ComputationNode) -> ComputationNode:
        for member in self.members:
            x = member(x)
        return x

    def __len__(self) -> int:
        return len(self.members)

    def __getitem__(self, i: int | slice) -> Any:
        return Sequential(*self.members[i]) if isinstance(i, slice) else self.members[i]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.members)
