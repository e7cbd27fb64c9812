"""Plots of layers, training and compiled programs, each a matplotlib Figure: `pip install "tinygrad-lora[notebook]"`.

A plot says in its title what is seen, and in its `alternative` the same in words, for those who do not see it. It
touches no global state of pyplot, and the same arguments give the same file. `plot.savefig("plot.svg")` writes one.
"""

from .adapters import heatmaps, singular_values
from .classes import confusion_matrix, decision_boundary
from .layers import activation_histograms, gradient_norms
from .memory import memory
from .training import loss_curves

__all__ = [
    "activation_histograms", "confusion_matrix", "decision_boundary", "gradient_norms", "heatmaps", "loss_curves",
    "memory", "singular_values",
]  # fmt: skip
