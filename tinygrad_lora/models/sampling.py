r"""One choice among many, drawn with a probability proportional to $e^{\text{score} / \text{temperature}}$."""

from typing import Any

import numpy as np

from ..boundary.arrays import real_array
from ..errors import ShapeError
from ..nn.checks import check_number, check_size


def sample(
    scores: Any, temperature: float = 1.0, *, top_k: int | None = None, top_p: float | None = None,
    seed: int | np.random.Generator | None = None,
) -> int:  # fmt: skip
    r"""The index i of a score, with probability $p_i \propto e^{\text{score}_i / \text{temperature}}$.

    Ties go to the earlier index.

    scores: an array (choices,), such as the logits of a language model
    temperature: a number from 0 on; 0 takes the highest score, higher ones draw more evenly
    top_k: leaves only so many of the highest to choose from; None leaves all
    top_p: leaves only the most probable ones that together reach this probability, above 0 and at most 1; None leaves
        all
    seed: a Generator goes on from call to call, a whole number begins anew, and None draws new numbers
    Returns a whole number from 0 to choices - 1.
    Raises ShapeError unless scores are a vector, ValueError for a number out of range or scores that are NaN.
    Source: Fan et al. 2018 (arXiv:1805.04833) for `top_k`, Holtzman et al. 2019 (arXiv:1904.09751) for `top_p`.

    >>> tl.sample([0.0, 3.0, 1.0], temperature=0)
    1
    >>> rng = np.random.default_rng(0)
    >>> [tl.sample([0.0, 3.0, 1.0], top_k=2, seed=rng) for _ in range(8)]
    [1, 1, 1, 1, 1, 2, 1, 1]
    """
    scores, heat = real_array(scores, "scores").astype(np.float64), check_number(temperature, "the temperature", 0)
    if scores.ndim != 1 or not scores.size:
        raise ShapeError(f"scores are one vector, with a number for each choice, not an array of shape {scores.shape}")
    if not scores.max() > -np.inf:
        raise ValueError("scores are NaN, or all of them are minus infinity: nothing can be drawn")
    if top_k is not None:
        check_size(top_k, "top_k")
    if top_p is not None and not 0 < check_number(top_p, "top_p", 0) <= 1:
        raise ValueError(f"top_p must be above 0 and at most 1, not {top_p}")
    if not heat:
        return int(scores.argmax())
    with np.errstate(over="ignore", invalid="ignore"):  # near temperature 0, and of infinite scores: the highest count
        likely = np.exp(np.where(scores == scores.max(), 0.0, scores - scores.max()) / heat)
    if top_k is not None or top_p is not None:
        order = np.argsort(-likely, kind="stable")
        before = np.cumsum(likely[order]) - likely[order]  # how probable all earlier ones are together
        kept = before < (1 if top_p is None else top_p) * likely[order[:top_k]].sum()
        kept[0] = True
        likely[order[~kept]] = 0
        likely[order[len(order) if top_k is None else top_k :]] = 0
    ends = np.cumsum(likely)
    return int(np.searchsorted(ends, np.random.default_rng(seed).random() * ends[-1], side="right"))
