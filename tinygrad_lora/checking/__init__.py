"""Random programs, and what is checked with them: that a pass changes no number."""

from .generate import Programs
from .programs import Program
from .shrink import shrink
from .writer import Style

__all__ = ["Program", "Programs", "Style", "shrink"]
