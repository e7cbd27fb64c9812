r"""Plots of what an adapter has learned: $\Delta W = s\,A B$ as pictures of its matrices, and its singular values."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...core import Array
from ...errors import ShapeError
from ...nn.adapters.lora import effective_rank, singular_values_of
from ...nn.layer import Layer
from ..chart import Chart, Panels
from ..words.sentences import number
from .checks import comparable, factors, finite, the_adapter

COMPARABLE = 4.0  # the matrices share one scale where the largest numbers in them differ by at most this factor
WIDTH, HEIGHT = 350.0, 250.0  # of the heat maps together, in pixels
NARROWEST = 0.16  # of them: how narrow a factor of small rank may become
MOST_BARS = 64  # singular values that are drawn; the text covers all of them
NEARLY_ALL = 0.9  # the share of the change that a line marks


def heatmaps(adapter: Layer) -> Panels:
    r"""$\Delta W = s\,A B$ as heat maps: A on the left, B on top, and their product, times s, where they meet.

    Zero is white, positive numbers are vermilion, negative ones blue. The three share a scale if their numbers are of
    similar size; else each has its own.

    adapter: a LoRALayer, a LoRALinear or a model that has one
    Returns panels.
    Raises AdaptError for a model without adapters or with several, ValueError for numbers that are not finite.

    >>> from tinygrad_lora.view import plots
    >>> layer = tl.LoRALayer.from_arrays(np.ones((4, 1)), np.ones((1, 3)))
    >>> plots.heatmaps(layer).svg()[:4]
    '<svg'
    """
    layer = the_adapter(adapter)
    A, B = factors(layer)
    with np.errstate(over="ignore", invalid="ignore"):  # the error says so
        change = finite(layer.scaling * (A @ B), "the product s A B")
    named = {"A": A, "B": B, "ΔW": change}
    limits = {name: float(np.abs(M).max()) for name, M in named.items()}
    ranges = "; ".join(f"{name} {M.shape}, {_range(M)}" for name, M in named.items())
    size = f"{change.size:,} changes of weights from {A.size + B.size:,} numbers"
    rank, s = f"rank {layer.rank}", f"s = {number(layer.scaling)}"
    shared = comparable(limits.values(), COMPARABLE)
    if shared:
        limits = dict.fromkeys(limits, max(limits.values()))
    (n, m), r = change.shape, layer.rank
    wide, high = WIDTH * max(r / (m + r), NARROWEST), HEIGHT * max(r / (n + r), NARROWEST)
    sizes = {"A": (wide, HEIGHT - high), "B": (WIDTH - wide, high), "ΔW": (WIDTH - wide, HEIGHT - high)}
    axes = {"A": ("rank", "input"), "B": ("", "rank"), "ΔW": ("output", "")}
    charts = {}
    for name, M in named.items():
        (x, y), limit = axes[name], limits[name]
        scale = f"{number(-limit)} to {number(limit)}{', in all three' * shared}"
        zero = ", all 0" if not M.any() else ""
        chart = Chart(f"{name} {M.shape}{zero}", x=x, y=y, size=sizes[name])
        charts[name] = chart.image(M, limit=limit, label=scale if limit and (name == "ΔW" or not shared) else "")
    words = f"Heat maps of an adapter, {rank}, {s}. {size}. {ranges}."
    placed = [None, charts["B"], charts["A"], charts["ΔW"]]
    return Panels(placed, 2, f"{size}: ΔW = s A B, {rank}, {s}", alternative=words)


def _range(M: Array) -> str:
    return f"from {number(M.min())} to {number(M.max())}" if M.any() else "all 0"


def singular_values(change: Layer | ArrayLike) -> Panels:
    r"""The singular values $\sigma_1 \ge \sigma_2 \ge \dots$ of a change of weights, and the share of the first k.

    The left panel shows the values as bars; the right one $\sum_{i \le k} \sigma_i^2 / \sum_i \sigma_i^2$, what the
    best change of rank k keeps (Eckart and Young 1936). The effective rank is $e^H$, where H is the entropy of
    $\sigma_i / \sum_j \sigma_j$ (Roy and Vetterli 2007).

    change: an adapter as for `heatmaps`, or any matrix, such as the difference of two weights
    Returns panels.
    Raises ShapeError for anything but a matrix, AdaptError and ValueError as `heatmaps` does.

    >>> from tinygrad_lora.view import plots
    >>> plots.singular_values(np.diag([3.0, 1.0])).svg()[:4]
    '<svg'
    """
    what, values = _spectrum(change)
    squares = (values / (values.max() or 1.0)) ** 2  # of the largest, so that no square is too small or too large
    shares = np.cumsum(squares) / (squares.sum() or 1.0)
    if not values.any():
        seen = f"{what} is zero: nothing is changed yet"
    else:
        rank, enough = effective_rank(values), int(np.searchsorted(shares, NEARLY_ALL)) + 1
        held = f"the first {enough} hold at least {NEARLY_ALL:.0%}"
        seen = f"{what} has effective rank {number(rank)} of {len(values)}; {held}"
    listed = ", ".join(map(number, values[:8])) + (", ..." if len(values) > 8 else "")
    k = np.arange(1, min(len(values), MOST_BARS) + 1)
    first = f", the first {len(k)} of {len(values)}" if len(k) < len(values) else ""
    frame: dict[str, Any] = {"x": "k", "xlim": (0.4, len(k) + 0.6), "size": (200, 160)}
    left = Chart(f"singular values{first}", y="σ", ylim=(0, None if values.any() else 1), **frame)
    right = Chart("share of the squared sum in the first k", percent="y", ylim=(0, 1.02), **frame)
    left.bars(k, values[: len(k)])
    right.rule(y=NEARLY_ALL, label=f"{NEARLY_ALL:.0%}", series=1)
    if values.any():
        right.line(k, shares[: len(k)], points=len(k) < 20)
    return Panels([left, right], 2, seen, alternative=f"Singular values. {seen}. They are {listed}.")


def _spectrum(change: Layer | ArrayLike) -> tuple[str, Array]:
    """A name for the change, and its singular values, the largest first; an adapter has as many as its rank."""
    if isinstance(change, Layer):
        layer = the_adapter(change)
        return "ΔW = s A B", finite(layer.scaling * singular_values_of(*factors(layer)), "the spectrum of s A B")
    W = finite(change, "the change of weights")
    if W.ndim != 2 or not W.size:
        raise ShapeError(f"singular values are those of a matrix; this has shape {W.shape}: pass one weight's change")
    return "The change", np.linalg.svd(W.astype(np.float64), compute_uv=False)
