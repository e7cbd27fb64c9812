"""The exercises of the course stand beside its tutorials: `tutorials/exercises/t04/topo.py` is "04-topo".

They are what a course is about, and no part of the engine. To Python they are modules of this package all the same:
`tinygrad_lora.learn.exercises.t04.topo`. So are those of a course of one's own, see `own.course`.
"""

from pathlib import Path

from .own.course import COURSE, EXERCISES

PACKAGE = Path(__file__).resolve().parent.parent
TUTORIALS = PACKAGE / "tutorials", PACKAGE.parent / "tutorials"  # of an installed package, and of a checkout

__path__ = [str(folder / EXERCISES) for folder in TUTORIALS if (folder / EXERCISES).is_dir()][:1]
__path__ += [str(COURSE / EXERCISES)] if COURSE else []
