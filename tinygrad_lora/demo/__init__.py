"""The whole path on real data: pretrain, see a task that was never learned, adapt with LoRA, look at everything."""

from .experiment import Experiment, run_experiment
from .files import write_files

__all__ = ["Experiment", "run_experiment", "write_files"]
