"""The gradient doctor: not "wrong" but what is wrong, found by testing hypotheses in numbers."""

from .layers import diagnose_layer
from .rules import diagnose
from .steps import diagnose_step

__all__ = ["diagnose", "diagnose_layer", "diagnose_step"]
