"""Random programs, and what is checked with them: that a pass changes no number."""

from .check_pass import PassCheck, check_pass
from .generate import Programs
from .programs import RandomProgram
from .shrink import shrink
from .writer import Style

__all__ = ["PassCheck", "Programs", "RandomProgram", "Style", "check_pass", "shrink"]
