"""Random programs, and what is checked with them: that a pass changes no number. And gradients, beside differences."""

from .check_pass import PassCheck, check_pass
from .generate import Programs
from .gradients import check_gradients
from .programs import RandomProgram
from .shrink import shrink
from .writer import Style

__all__ = ["PassCheck", "Programs", "RandomProgram", "Style", "check_gradients", "check_pass", "shrink"]
