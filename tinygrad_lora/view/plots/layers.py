"""Plots of what flows through the layers of a model: activations forward, gradients backward."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ...core import Array, ComputationNode
from ...errors import GradientError
from ...nn.layer import Layer
from ..chart import Chart, Panels
from ..diagram.layers import run_layer
from ..diagram.looks import clipped
from ..words.sentences import number
from .checks import comparable, finite

MOST_PANELS = 12
BINS = 40
ROOM = 0.3  # beside the largest norm, for its number, as a share of the axis
COMPARABLE = 10.0  # panels share a scale where their ranges differ by at most this factor


class Activations(NamedTuple):
    """The numbers at one place in a model, such as the output of a layer."""

    name: str
    values: Array

    @property
    def nonzero(self) -> Array:
        return self.values[self.values != 0]

    @property
    def zeros(self) -> float:
        """The share of the numbers that are exactly zero."""
        return 1 - self.nonzero.size / self.values.size

    @property
    def dead(self) -> int:
        """How many units (indices of the last axis) are zero for every sample."""
        return int((self.values.reshape(-1, self.values.shape[-1]) == 0).all(axis=0).sum()) if self.values.ndim else 0

    @property
    def words(self) -> tuple[str, str]:
        """Two texts: the mean and standard deviation, and how many numbers and units are zero."""
        zeros = [f"{self.zeros:.0%} zeros"] * bool(self.zeros)
        zeros += [f"{self.dead} of {self.values.shape[-1]} units always 0"] * bool(self.dead)
        return f"mean {number(self.values.mean())}, std {number(self.values.std())}", ", ".join(zeros)


def activation_histograms(model: Layer, x: ArrayLike) -> Panels:
    """Histograms of the numbers between the layers of a model.

    There is a panel for the output of each layer, one for the input of the next where an activation has changed it, and
    one for the result. They share a scale if their ranges are of similar size. Exact zeros are left out of the bars and
    counted in words, and so are units that are zero for every sample.

    model: a layer
    x: its input, an array with a batch of samples
    Returns panels.
    Raises TypeError for anything but a layer, ShapeError for an input that does not fit, ValueError for numbers that
    are not finite.

    >>> from tinygrad_lora.view import plots
    >>> model = tl.Sequential(tl.Linear(3, 4, seed=0), tl.relu, tl.Linear(4, 2, seed=1))
    >>> len(plots.activation_histograms(model, np.ones((8, 3))).charts)
    4
    """
    if not isinstance(model, Layer):
        raise TypeError(f"activations are those of a layer, not of {type(model).__name__}: pass the model")
    places = _places(model, finite(x, "x"))
    if not places:
        raise ValueError(f"x has shape {np.shape(x)}: there is no sample to show")
    shown = places[:MOST_PANELS]
    more = f", the first {len(shown)} of {len(places)} places" if len(places) > len(shown) else ""
    seen = f"Activations of {type(model).__name__} for {len(np.atleast_1d(x)):,} samples{more}"
    summaries = "; ".join(f"{activations.name}: {', '.join(filter(None, activations.words))}" for activations in shown)
    shared = comparable((float(np.ptp(activations.values)) for activations in shown), COMPARABLE)
    everywhere = np.concatenate([activations.nonzero.ravel() for activations in shown])
    edges = np.histogram_bin_edges(everywhere, BINS)
    limits = (edges[0], edges[-1]) if shared else (None, None)
    charts = []
    for activations in shown:
        values, notes = activations.nonzero, "; ".join(filter(None, activations.words))
        bins = edges if shared else np.histogram_bin_edges(values, BINS)  # as wide in every panel of one scale
        chart = Chart(activations.name, y=notes, percent="y", xlim=limits, ylim=(0, None), size=(195, 80)).rule(x=0)
        charts.append(chart.bars(bins, np.histogram(values, bins)[0] / activations.values.size))
    scale = "one scale for all" if shared else "each on its own scale"
    note = f"share of the numbers by value, {scale}; exact zeros are left out"
    return Panels(charts, 2, seen, note=note, alternative=f"{seen}. {summaries}.")


def _places(model: Layer, x: Array) -> list[Activations]:
    """The output of each layer directly in the model, and its input where that is no other layer's output."""
    with np.errstate(all="ignore"):  # what is not finite is refused below
        start, result, calls = run_layer(model, x)
    nodes: dict[ComputationNode, str] = {start: "the input"}
    for call in calls:
        if call.outer and call.outer.layer is model:  # a layer directly in the model
            name = f"{call.name}: {type(call.layer).__name__}"
            for node in call.inputs:
                nodes.setdefault(node, f"into {name}")
            for node in _nodes(call.output):
                nodes.setdefault(node, name)
    for node in _nodes(result):
        nodes.setdefault(node, "the result")
    values = {name: finite(node.value, f"the array at {name!r}").astype(np.float64) for node, name in nodes.items()}
    return [Activations(clipped(name), array) for name, array in values.items() if array.size]


def _nodes(output: Any) -> list[ComputationNode]:
    return [*output] if isinstance(output, tuple | list) else [output]


def gradient_norms(model: Layer) -> Chart:
    r"""The norm $\lVert \bar\theta \rVert$ of the gradient of each trainable parameter, on a log scale.

    Call `backward()` first. The parameters stand in the order of the layers, the first at the top; frozen ones are left
    out. A gradient that is exactly zero is at the left edge and says so, like that of A in the first step of LoRA, when
    B is zero.

    model: a layer
    Returns a chart.
    Raises GradientError if there is no gradient, ValueError if one is not finite, TypeError for what is no layer.

    >>> from tinygrad_lora.view import plots
    >>> model = tl.Sequential(tl.Linear(2, 1, seed=0))
    >>> tl.sum(model(tl.constant(np.ones((1, 2))))).backward()
    >>> plots.gradient_norms(model).svg()[:4]
    '<svg'
    """
    if not isinstance(model, Layer):
        raise TypeError(f"gradient norms are those of a layer's parameters, not of {type(model).__name__}")
    trainable = {name: p for name, p in model.named_parameters().items() if p.requires_gradient}
    gradients = {name: p.gradient for name, p in trainable.items() if p.gradient is not None}
    if not gradients:
        why = "call backward() first" if trainable else "all its parameters are frozen"
        raise GradientError(f"no parameter of this {type(model).__name__} has a gradient: {why}")
    checked = {name: finite(g, f"the gradient of {name}").astype(np.float64) for name, g in gradients.items()}
    norms = {name: float(np.linalg.norm(g)) for name, g in checked.items()}
    zeros = sum(not norm for norm in norms.values())
    missing = len(trainable) - len(gradients)
    frozen = len(model.named_parameters()) - len(trainable)
    remarks = [f"{zeros} exactly zero"] * bool(zeros)
    remarks += [f"{missing} more without a gradient"] * bool(missing) + [f"{frozen} more frozen"] * bool(frozen)
    seen = f"Gradients of {len(gradients)} parameters{': ' * bool(remarks)}{', '.join(remarks)}"
    each = "; ".join(f"{name} {number(norm)}" for name, norm in norms.items())
    rows, values = np.arange(len(norms)), np.array([*norms.values()])
    present = values > 0
    low, top = (values[present].min() / 3, values[present].max()) if present.any() else (0.1, 1.0)
    chart = Chart(
        seen, x="norm of the gradient, log scale", log="x", grid="xy", ylim=(len(norms) - 0.5, -0.5),
        xlim=(low, top * max(3, (top / low) ** ROOM)), yticks={row: clipped(name) for row, name in enumerate(norms)},
        size=(280, 19 * len(norms)), alternative=f"Norms of the gradients. {seen}. {each}.",
    )  # fmt: skip
    chart.points(values[present], rows[present])
    for row, norm in enumerate(norms.values()):
        text, tone = (number(norm), "muted") if norm else ("exactly 0", "gradient")
        chart.text(norm or low, row, text, anchor="start", shift=(7, 0), tone=tone)
    return chart
