r"""Plots of what an adapter has learned: $\Delta W = s\,A B$ as pictures of its matrices, and its singular values."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...core.node import Array
from ...errors import ShapeError
from ...nn.adapters.lora import effective_rank, singular_values_of
from ...nn.layer import Layer
from ..diagram.looks import BLUE, FAINT, MUTED, VERMILION
from ..words.sentences import number
from .checks import factors, finite, the_adapter
from .drawing import Plot, comparable, drawn, library, new_plot, percent, whole_ticks

COMPARABLE = 4.0  # the matrices share one scale where the largest numbers in them differ by at most this factor
NARROWEST = 0.16  # of the picture: how narrow a factor of small rank may become
MOST_BARS = 64  # singular values that are drawn; the text covers all of them
NEARLY_ALL = 0.9  # the share of the change that a line marks


@drawn
def heatmaps(adapter: Layer) -> Plot:
    r"""$\Delta W = s\,A B$ as heat maps: A on the left, B on top, and their product, times s, where they meet.

    `adapter` is a LoRALayer, a LoRALinear or a model that has one. Zero is white, positive numbers are vermilion,
    negative ones blue. The three share a scale if their numbers are of similar size; else each has its own, beside it.
    Returns a matplotlib Figure. Raises AdaptError for a model without adapters or with several, ValueError for numbers
    that are not finite.
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
    figure = new_plot(
        7.5, 5, f"{size}: ΔW = s A B, {rank}, {s}", f"Heat maps of an adapter, {rank}, {s}. {size}. {ranges}."
    )

    (n, m), r = change.shape, layer.rank
    wide, high = max(r / (m + r), NARROWEST), max(r / (n + r), NARROWEST)
    ratios = {"width_ratios": [0.03, wide, 1 - wide, 0.03], "height_ratios": [high, 1 - high]}
    grid = figure.add_gridspec(2, 4, **ratios)
    places = {"A": grid[1, 1], "B": grid[0, 2], "ΔW": grid[1, 2]}
    axes = {name: figure.add_subplot(place) for name, place in places.items()}
    shared = comparable(limits.values(), COMPARABLE)
    if shared:
        limits = dict.fromkeys(limits, max(limits.values()))
    images = {name: _matrix(axes[name], name, named[name], limits[name]) for name in named}
    axes["A"].set(xlabel="rank", ylabel="input")
    axes["B"].set(ylabel="rank", xticklabels=[])
    axes["ΔW"].set(xlabel="output", yticklabels=[])
    if shared:
        _scale(figure, images["ΔW"], grid[:, 3])
    else:
        _scale(figure, images["ΔW"], grid[1, 3])
        _scale(figure, images["B"], grid[0, 3])
        _scale(figure, images["A"], grid[1, 0]).yaxis.set_ticks_position("left")
    return figure


def _matrix(axes: Any, name: str, M: Array, limit: float) -> Any:
    """One heat map, with zero in the middle of its scale."""
    limit = limit or 1.0  # where all numbers are zero
    zero = ", all 0" if not M.any() else ""
    image = axes.imshow(M, cmap=library().DIVERGING, vmin=-limit, vmax=limit, aspect="auto")
    axes.set_title(f"{name} {M.shape}{zero}")
    axes.spines[:].set_visible(True)
    whole_ticks(axes.xaxis, 6 if name != "A" else 3)
    whole_ticks(axes.yaxis, 6 if name != "B" else 3)
    return image


def _scale(figure: Plot, image: Any, place: Any) -> Any:
    bar = figure.colorbar(image, cax=figure.add_subplot(place))
    bar.outline.set_edgecolor(FAINT)
    bar.ax.yaxis.get_major_locator().set_params(nbins=4)
    return bar.ax


def _range(M: Array) -> str:
    return f"from {number(M.min())} to {number(M.max())}" if M.any() else "all 0"


@drawn
def singular_values(change: Layer | ArrayLike) -> Plot:
    r"""The singular values $\sigma_1 \ge \sigma_2 \ge \dots$ of a change of weights, and the share of the first k.

    `change` is an adapter as for `heatmaps`, or any matrix, such as the difference of two weights. The left panel shows
    the values as bars; the right one $\sum_{i \le k} \sigma_i^2 / \sum_i \sigma_i^2$, what the best change of rank k
    keeps (Eckart and Young 1936). The effective rank is $e^H$, where H is the entropy of $\sigma_i / \sum_j \sigma_j$
    (Roy and Vetterli 2007). Returns a matplotlib Figure. Raises ShapeError for anything but a matrix, AdaptError and
    ValueError as `heatmaps` does.
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
    figure = new_plot(7.5, 3, seen, f"Singular values. {seen}. They are {listed}.")
    left, right = figure.subplots(1, 2)
    k = np.arange(1, min(len(values), MOST_BARS) + 1)
    left.bar(k, values[: len(k)], color=BLUE, width=0.75 if len(k) < MOST_BARS else 1.0)
    first = f", the first {len(k)} of {len(values)}" if len(k) < len(values) else ""
    left.set(title=f"singular values{first}", xlabel="k", ylabel="σ")
    if values.any():
        right.plot(k, shares[: len(k)], color=BLUE, marker="o", markersize=4 if len(k) < 20 else 0, clip_on=False)
    else:
        left.set_ylim(0, 1)
    right.axhline(NEARLY_ALL, color=VERMILION, linewidth=1, linestyle="--")
    right.annotate(f"{NEARLY_ALL:.0%}", (1, NEARLY_ALL), (3, 0), xycoords=("axes fraction", "data"),
                   textcoords="offset points", va="center", fontsize=8, color=MUTED)  # fmt: skip
    right.set(title="share of the squared sum in the first k", xlabel="k", ylabel="share", ylim=(0, 1.02))
    right.yaxis.set_major_formatter(percent)
    for axes in (left, right):
        axes.set_xlim(0.4, len(k) + 0.6)
        axes.grid(axis="y")
        whole_ticks(axes.xaxis, 8)
    return figure


def _spectrum(change: Layer | ArrayLike) -> tuple[str, Array]:
    """A name for the change, and its singular values, the largest first; an adapter has as many as its rank."""
    if isinstance(change, Layer):
        layer = the_adapter(change)
        return "ΔW = s A B", finite(layer.scaling * singular_values_of(*factors(layer)), "the spectrum of s A B")
    W = finite(change, "the change of weights")
    if W.ndim != 2 or not W.size:
        raise ShapeError(f"singular values are those of a matrix; this has shape {W.shape}: pass one weight's change")
    return "The change", np.linalg.svd(W.astype(np.float64), compute_uv=False)
