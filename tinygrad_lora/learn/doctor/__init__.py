"""The gradient doctor: not "wrong" but what is wrong, found by testing hypotheses in numbers."""

from .backwards import diagnose_backward
from .layers import diagnose_layer
from .rules import diagnose
from .steps import diagnose_step

__all__ = ["diagnose", "diagnose_backward", "diagnose_layer", "diagnose_step"]
