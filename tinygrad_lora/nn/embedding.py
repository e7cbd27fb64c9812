"""A table of vectors, one for each token."""

from typing import Any, Self

import numpy as np

from ..boundary.arrays import real_array
from ..core.node import ComputationNode, constant, parameter
from ..core.ops import take
from ..errors import DtypeError, ShapeError
from .checks import check_size
from .layer import Layer
from .linear import Seed


class Embedding(Layer):
    """$y_i = W_{t_i}$: the row of W for each token.

    Tokens are whole numbers from 0, in any shape (...). W is drawn from the normal distribution, as in PyTorch. A
    gradient reaches only the rows that were used.

    num_embeddings: rows of W: how many tokens there are
    embedding_dim: numbers in a row of W
    seed: a whole number or a Generator that draws the numbers; None draws new ones every time
    dtype: that of W
    name: goes before the name of W in listings
    Returns y, (..., embedding_dim), when it is called on tokens, a node or an array.
    Raises ValueError for sizes that are not positive and for a token that has no row, DtypeError for tokens that are
    not whole numbers.

    >>> table = tl.Embedding.from_arrays([[1.0, 2.0], [3.0, 4.0]])
    >>> table([1, 1, 0]).value
    array([[3., 4.],
           [3., 4.],
           [1., 2.]])
    >>> table.check_tokens(tl.constant([2]))
    Traceback (most recent call last):
        ...
    ValueError: token 2 has no row: the table has 2, counted from 0
    """

    takes_indices = True

    def __init__(
        self, num_embeddings: int, embedding_dim: int, *,
        seed: Seed = None, dtype: Any = np.float64, name: str | None = None,
    ) -> None:  # fmt: skip
        shape = check_size(num_embeddings, "num_embeddings"), check_size(embedding_dim, "embedding_dim")
        self._hold(np.random.default_rng(seed).normal(size=shape).astype(dtype), name)

    @classmethod
    def from_arrays(cls, weight: Any, *, name: str | None = None) -> Self:
        """The layer with this table: nothing is drawn.

        weight: W, (num_embeddings, embedding_dim)
        name: goes before the name of W in listings
        Returns a layer.
        Raises ShapeError unless it is a matrix.
        """
        weight = real_array(weight, "a table")
        if weight.ndim != 2:
            raise ShapeError(f"the table must be (num_embeddings, embedding_dim), not {weight.shape}")
        layer = cls.__new__(cls)
        layer._hold(weight, name)
        return layer

    def _hold(self, weight: Any, name: str | None) -> None:
        self.num_embeddings, self.embedding_dim = map(int, weight.shape)
        self.weight = parameter(weight, f"{name}.weight" if name else "weight")

    def __call__(self, tokens: Any) -> ComputationNode:
        tokens = as_node(tokens)
        self.check_tokens(tokens)
        return take(self.weight, tokens)

    def check_tokens(self, tokens: ComputationNode) -> None:
        """Refuse what are no tokens of this table. While symbolic only the dtype is known.

        tokens: a node of whole numbers
        Raises DtypeError for a dtype of no whole numbers, ValueError for a token that has no row.
        """
        if tokens.dtype.kind not in "iu":
            raise DtypeError(f"tokens must be whole numbers, not {tokens.dtype}: convert them with .astype(int)")
        if tokens.known and tokens.size and not 0 <= tokens.value.min() <= tokens.value.max() < self.num_embeddings:
            wrong = next(t for t in tokens.value.flat if not 0 <= t < self.num_embeddings)
            raise ValueError(f"token {wrong} has no row: the table has {self.num_embeddings}, counted from 0")


def as_node(array: Any) -> ComputationNode:
    """A node as it is, an array as a constant."""
    return array if isinstance(array, ComputationNode) else constant(array)
