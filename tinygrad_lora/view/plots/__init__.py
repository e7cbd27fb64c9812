"""Plots of layers, training and compiled programs, each a `Chart` or `Panels` of several.

The title of a plot says what it shows, and its `alternative` says it in full, for those who do not see it. The same
arguments give the same file: `plot.save("plot.svg")` writes it.
"""

from .adapters import heatmaps, singular_values
from .classes import confusion_matrix, decision_boundary
from .layers import activation_histograms, gradient_norms
from .memory import memory, memory_in_use
from .sweeps import loss_over_rate
from .training import loss_curves

__all__ = [
    "activation_histograms", "confusion_matrix", "decision_boundary", "gradient_norms", "heatmaps", "loss_curves",
    "loss_over_rate", "memory", "memory_in_use", "singular_values",
]  # fmt: skip
