"""From a Python function to a fast NumPy function: trace, improve by passes, print, run."""

from .compiled import CompiledFunction, compile
from .training import TrainingStep, compile_training_step

__all__ = ["CompiledFunction", "TrainingStep", "compile", "compile_training_step"]
