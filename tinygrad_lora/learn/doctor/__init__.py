"""The gradient doctor: it does not say "wrong" but what is wrong, and finds out by testing hypotheses numerically.

Reading order: `rules` (`diagnose`, and the list of hypotheses), `evidence` (trials, what it takes to explain them, and
true gradients by finite differences); then the hypotheses: `values`, `shapes`, `arguments`.
`layers`, `backwards` and `steps` diagnose layers, whole backward passes and training steps.
"""

from .backwards import diagnose_backward
from .layers import diagnose_layer
from .rules import diagnose
from .steps import diagnose_step

__all__ = ["diagnose", "diagnose_backward", "diagnose_layer", "diagnose_step"]
