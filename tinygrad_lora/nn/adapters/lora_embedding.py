r"""An embedding with adapters beside it, $y_i = W_{t_i} + s\,A_{t_i} B$: the change of a table, of low rank."""

from math import prod
from typing import Any, Self

import numpy as np

from ...core.node import ComputationNode, parameter
from ...core.ops import scale, take
from ...errors import AdaptError, ShapeError
from ...library import reshape
from ..checks import check_size
from ..embedding import Embedding, as_node
from ..linear import Seed
from .adapter import Adapter, SizedAdapter
from .lora import checked_alpha
from .mergeable import MergeableLayer, Through


class LoRAEmbeddingLayer(SizedAdapter):
    r"""$y_i = s\,A_{t_i} B$ with $s = \alpha / r$: what LoRA adds to the row of a table for each token.

    Tokens are whole numbers, in any shape (...); A is (num_embeddings, rank), B is (rank, embedding_dim). A starts at
    zero, B is drawn from the normal distribution: the other way around than for a matrix, as in PEFT.

    num_embeddings: rows of the table
    embedding_dim: numbers in a row
    rank: r, from 1 to min(num_embeddings, embedding_dim)
    alpha: $\alpha$, a positive number; -1 or None stands for the rank
    seed: a whole number or a Generator that draws B; None draws new numbers every time
    dtype: that of the parameters
    name: goes before the names of the parameters in listings
    rslora: True scales by $\alpha / \sqrt r$
    any_rank: True allows a higher rank, which can do no more than that one
    Returns y, (..., embedding_dim), when it is called on tokens.
    Raises ValueError for sizes and ranks that are not positive or too high.

    >>> layer = tl.nn.LoRAEmbeddingLayer(10, 4, rank=2, seed=0)
    >>> layer.forward([1, 2, 3]).shape, [f.shape for f in layer.factors()], layer.merge_weights().shape
    ((3, 4), [(10, 2), (2, 4)], (10, 4))
    """

    takes_indices = True

    def __init__(
        self, num_embeddings: int, embedding_dim: int, rank: int, alpha: float | None = -1, *,
        seed: Seed = None, dtype: Any = np.float64, name: str = "lora", rslora: bool = False, any_rank: bool = False,
    ) -> None:  # fmt: skip
        n, m = check_size(num_embeddings, "num_embeddings"), check_size(embedding_dim, "embedding_dim")
        self.rank = check_size(rank, "Rank")
        if self.rank > (largest := min(n, m)) and not any_rank:
            raise ValueError(f"Rank ({rank}) cannot exceed min(num_embeddings, embedding_dim) = {largest}")
        B = np.random.default_rng(seed).normal(size=(self.rank, m)).astype(dtype)
        self._hold(np.zeros((n, self.rank), dtype), B, checked_alpha(alpha, self.rank), rslora, name)

    @classmethod
    def from_arrays(cls, A: Any, B: Any, alpha: float | None = -1, *, rslora: bool = False, name: str = "lora") -> Self:
        r"""The layer with these arrays: nothing is drawn.

        A: (num_embeddings, r)
        B: (r, embedding_dim)
        alpha: $\alpha$, a positive number; -1 or None stands for r
        rslora: True scales by $\alpha / \sqrt r$
        name: goes before the names of the parameters in listings
        Returns a layer.
        Raises ShapeError where they do not fit together.

        >>> tl.nn.LoRAEmbeddingLayer.from_arrays([[1.0], [2.0]], [[10.0, 20.0]]).forward([1])
        array([[20., 40.]])
        """
        if np.ndim(A) != 2 or np.ndim(B) != 2 or np.shape(A)[1] != np.shape(B)[0]:
            raise ShapeError(f"A is (num_embeddings, r) and B (r, embedding_dim), not {np.shape(A)} and {np.shape(B)}")
        layer = cls.__new__(cls)
        layer.rank = np.shape(A)[1]
        layer._hold(A, B, checked_alpha(alpha, layer.rank), rslora, name)
        return layer

    def _hold(self, A: Any, B: Any, alpha: float, rslora: bool, name: str) -> None:
        self.alpha, self.rslora = alpha, rslora
        self.lora_embedding_A = parameter(A, f"{name}_embedding_A")
        self.lora_embedding_B = parameter(B, f"{name}_embedding_B")

    def __call__(self, tokens: ComputationNode) -> ComputationNode:
        return scale(take(self.lora_embedding_A, tokens) @ self.lora_embedding_B, factor=self.scaling)

    def factors(self) -> tuple[Any, Any]:
        """The arrays A (num_embeddings, r) and B (r, embedding_dim).

        Returns a pair of arrays, read-only.
        """
        return self.lora_embedding_A.value, self.lora_embedding_B.value

    def merge_weights(self) -> Any:
        r"""What this adapter adds to the table, $\Delta W = s\,A B$: (num_embeddings, embedding_dim).

        Returns an array.
        """
        A, B = self.factors()
        return self.scaling * (A @ B)


class LoRAEmbedding(MergeableLayer):
    r"""$y_i = W_{t_i} + s\,A_{t_i} B$: an embedding and an adapter that is trained in its place.

    The adapter, a `LoRAEmbeddingLayer`, is found under `.lora`. Adapters are managed as in a `LoRALinear`.

    base: an `Embedding`, W (num_embeddings, embedding_dim)
    rank: r, from 1 to min(num_embeddings, embedding_dim)
    alpha: $\alpha$ in $s = \alpha / r$, a positive number; -1 or None stands for the rank
    seed: a whole number or a Generator that draws B; None draws new numbers every time
    trainable_base: False freezes the base; True leaves its table as it is
    name: goes before the names of the adapter's parameters in listings
    **options: `dtype`, by default the base's, and `rslora`
    Returns y, (..., embedding_dim), when it is called on tokens.
    Raises TypeError if the base is not an Embedding, or one whose class computes more than a row of the table,
    ValueError for a rank that is too high.
    Source: Hu et al. 2021 (arXiv:2106.09685); for embeddings, the PEFT library.

    >>> layer = tl.LoRAEmbedding(tl.Embedding(10, 4, seed=0), rank=2, seed=1)
    >>> layer.forward([1, 2, 3]).shape, layer.parameter_count, layer.base.parameter_count
    ((3, 4), 28, 0)
    >>> layer.like_original(np.ones((10, 4)), None)
    Embedding(40 parameters, 40 trainable)
    >>> layer.attach("french", tl.nn.LoRAEmbeddingLayer(10, 4, rank=1))
    """

    takes = Embedding
    takes_indices = True

    def __init__(
        self, base: Embedding, rank: int, alpha: float | None = -1, *,
        seed: Seed = None, trainable_base: bool = False, name: str = "lora", **options: Any,
    ) -> None:  # fmt: skip
        self._begin(base, LoRAEmbeddingLayer, rank, alpha, trainable_base, seed=seed, name=name, **options)

    def __call__(self, tokens: Any) -> ComputationNode:
        tokens = as_node(tokens)
        if self.is_base_alone:
            return self._base_alone(tokens)
        rows = self._beside_base(tokens, prod(tokens.shape[1:]))
        if len(tokens.shape) == 1:
            return rows(tokens)
        y = rows(reshape(tokens, (tokens.size,)))
        return reshape(y, (*tokens.shape, y.shape[-1]))

    def _through_base(self, rows: ComputationNode) -> Through:
        y = self.base(rows)
        return y, y, self.base.weight

    def attach(self, name: str, adapter: Adapter) -> None:
        """Take one more adapter, which is not active yet.

        name: a word that names it, such as "french"
        adapter: a `LoRAEmbeddingLayer` for a table of this size
        Raises AdaptError for a name that is in use or invalid, and for an adapter of matrices.
        """
        if not adapter.takes_indices:
            raise AdaptError(f"{type(adapter).__name__} is for matrices: an embedding takes a LoRAEmbeddingLayer")
        super().attach(name, adapter)

    def like_original(self, weight: Any, bias: Any) -> Embedding:
        """An embedding with this table.

        weight: an array (num_embeddings, embedding_dim)
        bias: None, since an embedding has none
        Returns an `Embedding`.
        """
        return Embedding.from_arrays(weight)
