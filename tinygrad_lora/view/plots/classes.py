"""Plots of a classifier: its decision boundary in the plane, and its confusion matrix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...core import Array, ComputationNode, constant
from ...errors import ShapeError
from ...nn.checks import check_size
from ...nn.layer import Layer
from ..chart import Chart
from ..chart.style import SERIES
from ..diagram.layers import run_layer
from ..words.sentences import one_line
from .checks import class_numbers, finite

MARGIN = 0.12  # of the spread of the points, around them
DARK = 0.8  # the share from which on a cell is so dark that its number is light
MOST_NUMBERED = 20  # classes up to which every cell of a confusion matrix has its number


def decision_boundary(model: Callable[[Any], Any], x: ArrayLike, y: ArrayLike, *, steps: int = 200) -> Chart:
    """The plane in the colors of the classes that the model predicts, and the samples in those of their own classes.

    The model is not changed. Misclassified samples have a ring.

    model: a layer or a function of a node. It gives a logit for each class, of which the largest wins, or a single
        logit, which is above 0 for class 1
    x: an array (samples, 2)
    y: the class numbers (samples,)
    steps: the model is evaluated at so many times so many points
    Returns a chart.
    Raises ShapeError if x or the output does not fit, ValueError for too many classes.

    >>> from tinygrad_lora.view import plots
    >>> x = np.array([[0.0, 0.0], [1.0, 1.0]])
    >>> plots.decision_boundary(tl.Linear(2, 2, seed=0), x, [0, 1], steps=10).svg()[:4]
    '<svg'
    """
    points, labels, steps = finite(x, "x"), class_numbers(y, "y"), check_size(steps, "steps")
    if points.ndim != 2 or points.shape[1] != 2:
        raise ShapeError(f"x has shape {points.shape}: a plane has two axes, so it must be (samples, 2)")
    if len(labels) != len(points):
        raise ShapeError(f"there are {len(points)} points in x and {len(labels)} class numbers in y")
    sample_logits = _logits(model, points)
    classes = sample_logits.shape[1]
    if labels.max() >= classes:
        raise ValueError(f"y holds class {labels.max()}; the model knows {classes} classes, from 0 on")
    if classes > SERIES:
        raise ValueError(f"{classes} classes cannot be told apart by color and mark; the limit is {SERIES}")
    wrong = sample_logits.argmax(axis=1) != labels

    low, high = points.min(axis=0), points.max(axis=0)
    spread = np.where(high > low, high - low, 1.0) * MARGIN
    across, up = (np.linspace(a, b, steps) for a, b in zip(low - spread, high + spread, strict=True))
    plane = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2)
    logits = _logits(model, plane).reshape(steps, steps, classes)

    right = f"{(~wrong).sum():,} of {len(labels):,} samples are on the side of their class"
    counts = ", ".join(f"{(labels == c).sum():,} of class {c}" for c in range(classes))
    description = f"Decision boundary in the plane. {right}. Samples: {counts}."
    chart = Chart(right, x="x[:, 0]", y="x[:, 1]", size=(400, 300), alternative=description)
    ground = logits.argmax(axis=-1)[::-1]  # the first row of an image is the upper one
    chart.image(ground, colors="class", extent=(across[0], across[-1], up[0], up[-1]))
    for c in range(classes - (classes == 2)):  # one line separates two classes
        margin = logits[..., c] - np.delete(logits, c, axis=-1).max(axis=-1)
        chart.contours(across, up, margin, [0.0])
    for c in range(classes):
        mine = points[labels == c]
        chart.points(mine[:, 0], mine[:, 1], f"class {c} ({len(mine):,})", series=c)
    label = f"wrong side ({wrong.sum():,})"
    for c in range(classes):
        if (missed := wrong & (labels == c)).any():  # a ring as large as the mark: neighbors stay apart
            chart.points(points[missed, 0], points[missed, 1], label, ring=True, series=c)
            label = ""
    return chart


def _logits(model: Callable[[Any], Any], x: Array) -> Array:
    """A logit for each sample and class. A single logit z, above 0 for class 1, becomes (0, z)."""
    with np.errstate(all="ignore"):  # what is not finite is refused below
        y = run_layer(model, x)[1] if isinstance(model, Layer) else model(constant(x))
    y = finite(y.value if isinstance(y, ComputationNode) else y, "the output of the model")
    if y.shape == (len(x),):
        y = y[:, None]
    if y.ndim != 2 or len(y) != len(x) or not y.shape[1]:
        wanted = "it must be (samples, classes) or one each"
        raise ShapeError(f"for {len(x)} samples the model gave shape {y.shape}: {wanted}")
    return np.concatenate([np.zeros_like(y), y], axis=1) if y.shape[1] == 1 else y


def confusion_matrix(predictions: ArrayLike, labels: ArrayLike, *, names: Sequence[str] | None = None) -> Chart:
    """How many samples of each class are predicted as which: a row for a true class, a column for a predicted one.

    The color of a cell is its share of the row, the number in it counts the samples.

    predictions: class numbers (samples,), or logits (samples, classes)
    labels: class numbers (samples,)
    names: the names of the classes; None takes their numbers
    Returns a chart.
    Raises ShapeError for different lengths, ValueError for classes without a name.

    >>> from tinygrad_lora.view import plots
    >>> print(plots.confusion_matrix([0, 1, 1], [0, 1, 0], names=["cat", "dog"]).alternative)
    Confusion matrix. 2 of 3 samples are right (66.7%). Most frequent mistakes: cat read as dog: 1 time.
    """
    truth = class_numbers(labels, "labels")
    predicted = finite(predictions, "predictions")
    known = predicted.shape[1] if predicted.ndim == 2 else 0
    predicted = class_numbers(predicted.argmax(axis=1) if known else predicted, "predictions")
    if len(predicted) != len(truth):
        counts = f"{len(predicted)} predictions and {len(truth)} labels"
        raise ShapeError(f"there are {counts}: one of each for every sample")
    classes = max(known, int(predicted.max()) + 1, int(truth.max()) + 1, len(names or ()))
    words = [one_line(str(name)) for name in names or range(classes)]
    if len(words) < classes:
        raise ValueError(f"there are {len(words)} names for {classes} classes")
    table = np.zeros((classes, classes), np.int64)
    np.add.at(table, (truth, predicted), 1)
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)

    right = int(np.trace(table))
    seen = f"{right:,} of {len(truth):,} samples are right ({right / len(truth):.1%})"
    mistakes = sorted((-table[i, j], i, j) for i, j in np.ndindex(table.shape) if i != j and table[i, j])
    frequent = [f"{words[i]} read as {words[j]}: {-n:,} time{'' if n == -1 else 's'}" for n, i, j in mistakes[:3]]
    worst = "; ".join(frequent) or "none"
    numbered = classes <= MOST_NUMBERED
    names_at = dict(enumerate(words)) if numbered else None
    side = min(max(26 * classes, 130), 400)
    chart = Chart(
        seen, x="predicted class", y="true class", xticks=names_at, yticks=names_at, size=(side, side),
        alternative=f"Confusion matrix. {seen}. Most frequent mistakes: {worst}.",
    )  # fmt: skip
    chart.image(shares, colors="share", limit=1, label="share of the true class, 0 to 100%")
    for i, j in np.argwhere(table * numbered).tolist():
        chart.text(j, i, f"{table[i, j]:,}", tone="paper" if shares[i, j] > DARK else "ink")
    return chart
