"""Many adapters over one base, trained side by side in one compiled step."""

from .result import SweepResult
from .settings import RunSettings
from .side_by_side import sweep
from .training import Run

__all__ = ["Run", "RunSettings", "SweepResult", "sweep"]
