"""How a program is compiled and called: what a trial draws besides the program itself."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import cache
from inspect import signature
from typing import Any

import tinygrad_lora as tl
from tinygrad_lora.compiler.pipeline import DEFAULT
from tinygrad_lora.compiler.techniques import TECHNIQUES

from .harness import LAYOUTS

# Sizes at which the compiler changes its mind, and small ones that random programs reach.
THRESHOLDS: dict[str, tuple[int, ...]] = {
    "LARGE": (1, 2, 4, 12), "BLOCK_BYTES": (1, 16, 32, 64, 200), "MOST_FOR_DOT": (0, 4), "SMALL_KERNEL": (1, 8, 30),
    "THIN": (1, 2, 3), "FEWEST_ROWS": (1, 2), "MOST_TO_REPEAT": (0, 4, 12), "LARGEST_TRANSPOSE": (0, 32),
    "SHORTEST_ROW": (1, 2), "MOST_TERMS": (1, 2), "LARGEST_COMPARED": (0, 2), "LONGEST_LINE": (20, 40),
    "LONGEST_CHAIN": (2, 3), "MOST_CHOICES": (0, 1), "DEEPEST": (0, 1), "LONGEST_LITERAL": (0, 3),
    "MOST_ROUNDS": (1, 2), "FEW_ROWS": (1, 1, 2),
}  # fmt: skip
PASSES = [p.__name__ for row in DEFAULT for p in row]
Rows = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Circumstances:
    """What is not said is as a user has it: default passes, planned memory, NumPy, one call on plain arrays.

    `passes` are names in rows, None the default. `layouts` say how the arrays of each call lie in memory.
    """

    passes: Rows | None = None
    without: tuple[str, ...] = ()
    buffers: bool = True
    engine: str = "numpy"
    check: bool = False
    thresholds: tuple[tuple[str, int], ...] = ()
    layouts: tuple[tuple[str, ...], ...] = ((),)
    new_parameters: bool = False
    poison: bool = False
    disturb: bool = False

    @property
    def options(self) -> str:
        """The options of `tl.compile` as source."""
        words = {"passes": f"named({self.passes!r})"} if self.passes is not None else {}
        words |= {name: repr(getattr(self, name)) for name in ("buffers", "without", "engine") if self._said(name)}
        if "check" in signature(tl.compile).parameters:
            words["check"] = "True" if self.check else "False"
        return ", ".join(f"{name}={text}" for name, text in words.items())

    @property
    def demands(self) -> str:
        """The options of `harness.fault_of` as source."""
        return "".join(f", {name}=True" for name in ("poison", "disturb") if getattr(self, name))

    def _said(self, name: str) -> bool:
        return bool(getattr(self, name) != getattr(NOTHING, name))

    @property
    def kinds(self) -> list[str]:
        """Words for the counts."""
        return [
            self.engine if self.engine != "numpy" else "planned" if self.buffers else "expressions",
            "default passes" if self.passes is None else "no passes" if not self.passes else "some passes",
            *(["tiny thresholds"] if self.thresholds else []),
            *(["techniques left out"] if self.without else []),
        ]

    def simpler(self) -> Iterator[Circumstances]:
        """The same with less of it, the largest steps first."""
        for field in fields(self):
            if field.name != "layouts" and self._said(field.name):
                yield replace(self, **{field.name: getattr(NOTHING, field.name)})
        yield replace(self, layouts=tuple(("plain",) * len(call) for call in self.layouts))
        for n in range(1, len(self.layouts)):
            yield replace(self, layouts=self.layouts[:n])
        for call, layouts in enumerate(self.layouts):
            for i in range(len(layouts)):
                fewer = (*layouts[:i], "plain", *layouts[i + 1 :])
                yield replace(self, layouts=(*self.layouts[:call], fewer, *self.layouts[call + 1 :]))
        if self.passes is not None:
            for i in range(len(self.passes)):
                yield replace(self, passes=self.passes[:i] + self.passes[i + 1 :])
                yield replace(
                    self,
                    passes=tuple(row for row in (*self.passes[:i], self.passes[i][1:], *self.passes[i + 1 :]) if row),
                )
        for name in ("thresholds", "without"):
            for i in range(len(values := getattr(self, name))):
                yield replace(self, **{name: values[:i] + values[i + 1 :]})


NOTHING = Circumstances()


def draw(rng: Any, inputs: int) -> Circumstances:
    """Random circumstances for a program with so many inputs."""

    def chance(p: float) -> bool:
        return bool(rng.random() < p)

    def some(things: Any, p: float) -> list[Any]:
        return [x for x in things if chance(p)]

    engine = "numba" if chance(1 / 1000) else "numpy"
    thresholds = [(name, int(rng.choice(values))) for name, values in THRESHOLDS.items() if chance(0.6)]
    calls = 1 if engine == "numba" else int(rng.choice((1, 2, 2, 3)))
    kinds, plain = list(LAYOUTS), chance(0.6)
    layouts = tuple(
        tuple("plain" if plain else kinds[rng.integers(len(kinds))] for _ in range(inputs)) for _ in range(calls)
    )
    return Circumstances(
        passes=_passes(rng, chance), without=tuple(some(TECHNIQUES, rng.choice((0.1, 0.5)))) if chance(0.25) else (),
        buffers=chance(0.8), engine=engine, check=chance(0.1), thresholds=tuple(thresholds) if chance(0.45) else (),
        layouts=layouts, new_parameters=calls > 1 and chance(0.6), poison=chance(0.5), disturb=chance(0.6),
    )  # fmt: skip


def _passes(rng: Any, chance: Any) -> Rows | None:
    if chance(0.5):
        return None
    if chance(0.15):
        return ()
    rows = [tuple(p.__name__ for p in row) for row in DEFAULT]
    share = rng.choice((0.2, 0.5, 0.8, 1.0))
    if chance(0.4):  # some rows, in their order
        return tuple(row for row in rows if chance(share))
    names = [name for name in PASSES if chance(share)]
    rng.shuffle(names)
    return tuple((name,) for name in names)


@contextmanager
def thresholds_set(thresholds: Mapping[str, int] | tuple[tuple[str, int], ...]) -> Iterator[None]:
    """The sizes set in the modules that have them, and put back afterwards."""
    places = [(vars(module), name, value) for name, value in dict(thresholds).items() for module in modules_with(name)]
    before = [where[name] for where, name, _ in places]
    try:
        for where, name, value in places:
            where[name] = value
        yield
    finally:
        for (where, name, _), value in zip(places, before, strict=True):
            where[name] = value


@cache
def modules_with(name: str) -> list[Any]:
    """The compiler's modules that have this constant."""
    modules = [m for path, m in list(sys.modules.items()) if path.startswith("tinygrad_lora.compiler.")]
    return [module for module in modules if name in vars(module)]
