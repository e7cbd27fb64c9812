"""What is swept over: the settings of one run, and the grid of all of them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import product
from math import isfinite, prod
from typing import Any

import numpy as np

from ..errors import SweepError
from ..nn.adapters.lora import checked_alpha
from ..nn.adapters.model.plan import base_of
from ..nn.adapters.model.targets import chosen_layers
from ..nn.adapters.variants import VARIANTS
from ..nn.layer import Layer

Targets = str | tuple[str, ...]
SCALED = {"lora": "lora", "rslora": "lora", "lora_plus": "lora", "lora_fa": "lora_fa"}  # to what is stacked with it
OWN_LOOP = {"adalora": "prunes its ranks while it trains", "relora": "merges and restarts while it trains"}
NAMES = ["lora", *(name for name in VARIANTS if name not in OWN_LOOP)]


@dataclass(frozen=True)
class RunSettings:
    """What tells one run of a sweep from the others."""

    rank: int
    alpha: float
    lr: float
    variant: str = "lora"
    seed: int = 0
    target_modules: Targets = "all-linear"

    @property
    def kind(self) -> tuple[Any, ...]:
        """Equal for runs that are the same computation with other numbers, and so can be trained in one step.

        Plain LoRA of any rank and scale is one kind: a lower rank is a higher one with zeros, and a scale is a number.
        """
        if self.variant in SCALED:
            return SCALED[self.variant], self.target_modules
        return self.variant, self.target_modules, self.rank, self.alpha

    @property
    def targets(self) -> str:
        """The adapted layers, in words."""
        return self.target_modules if isinstance(self.target_modules, str) else " ".join(self.target_modules)

    def __str__(self) -> str:
        where = "" if self.targets == "all-linear" else f" of {self.targets}"
        return f"{self.variant}{where}, rank {self.rank}, alpha {self.alpha:g}, lr {self.lr:g}, seed {self.seed}"


def grid(limit: int, **choices: Any) -> list[RunSettings]:
    """Every combination of the choices, each a value or a list of values. Raises SweepError for those that cannot be.

    `target_modules` is a list of choices if it holds a list or "all-linear"; else it is one, as `adapt` takes it.
    """
    values = {name: [_checked(name, value) for value in _listed(name, given)] for name, given in choices.items()}
    if empty := [name for name, each in values.items() if not each]:
        raise SweepError(f"{empty[0]} has no value: give one, or a list of them")
    if (count := prod(map(len, values.values()))) > limit:
        sizes = " x ".join(f"{len(each)} {name}" for name, each in values.items() if len(each) > 1)
        raise SweepError(f"a grid of {sizes} = {count} runs is above the limit of {limit}: shorten it, or set limit=")
    runs = [dict(zip(values, combination, strict=True)) for combination in product(*values.values())]
    return [RunSettings(**run | {"alpha": checked_alpha(run["alpha"], run["rank"])}) for run in runs]


def _listed(name: str, given: Any) -> list[Any]:
    one = isinstance(given, str | Mapping) or not isinstance(given, Collection)
    if name == "target_modules":
        one = one or all(isinstance(part, str) and part != "all-linear" for part in given)
    return [given] if one else list(given)


def _checked(name: str, value: Any) -> Any:
    if name == "target_modules":
        return value if isinstance(value, str) else tuple(value)
    if name == "variant":
        if value in OWN_LOOP:
            raise SweepError(f"{value} {OWN_LOOP[value]}, which no step of a sweep does: train it alone")
        known(value, NAMES, "variant")
    elif name in ("rank", "seed"):
        value = int(value) if isinstance(value, np.integer) else value
        check_whole(name, value, int(name == "rank"))
    elif name != "alpha" or value not in (None, -1):
        value = float(value) if isinstance(value, np.number | int) and not isinstance(value, bool) else value
        if not isinstance(value, float) or not isfinite(value):
            raise SweepError(f"{name} must be a finite number, not {value!r}")
        if value <= 0:
            raise SweepError(f"{name} must be positive, not {value!r}")
    return value


def check_whole(name: str, value: Any, least: int) -> None:
    """Raise SweepError unless this is a whole number, and not below the least."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise SweepError(f"{name} must be a whole number of at least {least}, not {value!r}")


def known(name: Any, names: Collection[str], what: str) -> str:
    """The name, if it is one of these. Raises SweepError, which says the nearest one."""
    if name in names:
        return str(name)
    meant = get_close_matches(str(name), names, n=1)
    hint = f" Did you mean {meant[0]!r}?" if meant else ""
    raise SweepError(f"no {what} is called {name!r}.{hint} There are {', '.join(names)}")


def check_ranks(model: Layer, runs: Collection[RunSettings], exclude: Any = None) -> None:
    """Raise SweepError for a rank that a layer does not have, AdaptError where nothing can be adapted."""
    for targets in dict.fromkeys(run.target_modules for run in runs):
        layers = chosen_layers(model, targets, exclude)
        path, most = min(((path, min(base_of(x).weight.shape)) for path, x in layers.items()), key=lambda pair: pair[1])
        ranks = [run.rank for run in runs if run.target_modules == targets and run.variant in SCALED]
        if ranks and max(ranks) > most:
            raise SweepError(f"rank {max(ranks)} is above {most}, the most that layer {path!r} can have: leave it out")
