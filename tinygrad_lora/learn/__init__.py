"""Exercises that say what is wrong: `check`, `hint`, `solution`, `progress`, and the gradient doctor behind them."""

from .checking.check import check, demand, hint, solution
from .checking.report import CheckResult, Report
from .checking.run import run_checks
from .diagnosis import Diagnosis, Wrong, require, tell
from .doctor import diagnose, diagnose_backward, diagnose_layer, diagnose_step
from .exercise import Exercise
from .predictions.answered import predict
from .progress import progress
from .quiz import quiz
from .registry import all_exercises, exercise_ids, load_exercise, reference
from .using import using
from .zoo import bug, bugs

__all__ = [
    "CheckResult", "Diagnosis", "Exercise", "Report", "Wrong", "all_exercises", "bug", "bugs", "check", "demand",
    "diagnose", "diagnose_backward", "diagnose_layer", "diagnose_step", "exercise_ids", "hint", "load_exercise",
    "predict", "progress", "quiz", "reference", "require", "run_checks", "solution", "tell", "using",
]  # fmt: skip
