r"""One adapter out of several: side by side, from their sum, or by voting, number for number as PEFT does it.

Sources: TIES, Yadav et al. 2023 (arXiv:2306.01708). DARE, Yu et al. 2023 (arXiv:2311.03099).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

Arrays = Sequence[Any]
PRUNED = ("ties", "dare_linear", "dare_ties", "magnitude_prune")
COMBINATIONS = ("cat", "svd", "linear", *PRUNED, *(f"{name}_svd" for name in PRUNED))


def side_by_side(factors: Sequence[tuple[Any, Any]], weights: Sequence[float]) -> tuple[Any, Any]:
    r"""$\sum_i w_i\,A_i B_i = [w_1 A_1 \,|\, w_2 A_2 \,|\, \dots]\,[B_1; B_2; \dots]$: exact, and the ranks add up."""
    A = np.concatenate([w * A for (A, _), w in zip(factors, weights, strict=True)], axis=1)
    return A, np.concatenate([B for _, B in factors], axis=0)


def low_rank(delta: Any, rank: int, clamp: float | None = None) -> tuple[Any, Any]:
    r"""$A B \approx \Delta W$ with A (in, r) and B (r, out): the best of this rank, by its singular values.

    `clamp` 0.99 cuts the numbers of A and B off at the size that 99 % of them are below.
    """
    V, S, Uh = np.linalg.svd(delta, full_matrices=False)
    A, B = V[:, :rank], S[:rank, None] * Uh[:rank]
    if clamp is not None:
        largest = np.quantile(np.concatenate([A.ravel(), B.ravel()]), clamp)
        A, B = np.clip(A, -largest, largest), np.clip(B, -largest, largest)
    return A, B


def factor_by_factor(
    factors: Sequence[tuple[Any, Any]], weights: Sequence[float], combination: str, **options: Any
) -> tuple[Any, Any]:
    r"""$\left(\sum_i \pm\sqrt{|w_i|}\,A_i\right) \left(\sum_i \sqrt{|w_i|}\,B_i\right)$: A and B are combined apart.

    The product has cross terms $A_i B_j$, so this is no sum of adapters: cheap, and rough.
    """
    roots = np.sqrt(np.abs(weights))
    signs = np.where(np.asarray(weights) >= 0, 1.0, -1.0)
    A = combined([A for A, _ in factors], signs * roots, combination, **options)
    return A, combined([B for _, B in factors], roots, combination, **options)


def combined(
    arrays: Arrays, weights: Any, combination: str, *, density: float | None, majority: str, rng: np.random.Generator
) -> Any:
    """A weighted sum of arrays of one shape, pruned before by size or by chance, and for TIES elected by sign.

    `linear` sums. `magnitude_prune` keeps of each array the share `density` of its largest numbers. `dare_linear` keeps
    a random share, and divides by the share. `ties` and `dare_ties` then drop what does not have the sign of the
    majority, and take the mean of the rest.
    """
    if combination.startswith("dare"):
        arrays = [drop_at_random(x, density, rng) for x in arrays]
    elif combination in ("ties", "magnitude_prune"):
        arrays = [keep_largest(x, density) for x in arrays]
    stack = np.stack(arrays)
    weighted = stack * np.reshape(weights, (-1, *[1] * (stack.ndim - 1)))
    if not combination.endswith("ties"):
        return weighted.sum(axis=0)
    elected = agreeing(stack, majority)
    return (weighted * elected).sum(axis=0) / np.maximum(elected.sum(axis=0), 1)


def keep_largest(x: Any, density: Any) -> Any:
    """x with zeros but for the share `density` of its numbers that are largest in size."""
    if density == 1:
        return x
    kept = np.zeros(x.size, bool)
    kept[np.argsort(-np.abs(x).ravel(), kind="stable")[: int(density * x.size)]] = True
    return x * kept.reshape(x.shape)


def drop_at_random(x: Any, density: Any, rng: np.random.Generator) -> Any:
    """x with zeros but for a random share `density` of its numbers, which are divided by it: the mean stays."""
    return x if density == 1 else x * (rng.random(x.shape) < density) / density


def agreeing(stack: Any, majority: str) -> Any:
    """Where each array has the sign that most have: by the sum of the numbers ("total"), or of signs ("frequency")."""
    signs = np.sign(stack)
    ballot = stack if majority == "total" else signs
    return signs == np.where(ballot.sum(axis=0) >= 0, 1, -1)
