"""What all plots share: matplotlib, loaded with the first plot, and colors, marks, figures, axes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from importlib import import_module
from math import ceil, floor, log10
from types import ModuleType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias

from ...errors import RenderError
from ..diagram.looks import BLUE, GREEN, VERMILION

if TYPE_CHECKING:
    from . import figure

Plot: TypeAlias = "figure.Plot"
P = ParamSpec("P")

# Okabe and Ito's colors, the strongest contrasts first; marks and dashes distinguish the same lines and points.
COLORS = (BLUE, VERMILION, GREEN, "#CC79A7", "#E69F00", "#56B4E9", "#7A7A7A", "#1A1A1A")
MARKS = "o^sDvPX*"
# The mantissas of the ticks of a log scale: few, then more and more, until there are enough ticks.
MANTISSAS: tuple[Iterable[float], ...] = (
    (1,),
    (1, 2, 5),
    (1, 1.5, 2, 3, 4, 5, 7),
    *([n / 10 for n in range(10, 100, step)] for step in (2, 1)),
)
DASHES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (2, 1)), (0, (3, 3)))


def library() -> ModuleType:
    """The module `figure`, which imports matplotlib. Raises RenderError if that is not installed."""
    try:
        return import_module(".figure", __package__)
    except ImportError as error:
        raise RenderError(f'a plot needs matplotlib: pip install "tinygrad-lora[notebook]" ({error})') from error


def drawn(plot: Callable[P, Plot]) -> Callable[P, Plot]:
    """Decorate a function that draws a plot: it uses the style of this package, whatever the user's settings are."""

    @wraps(plot)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> Plot:
        with library().styled():
            figure = plot(*args, **kwargs)
            figure.settle()
            return figure

    return wrapper


def new_plot(width: float, height: float, title: str, alternative: str) -> Plot:
    """A figure of this size in inches, with its title and its description in words."""
    figure: Plot = library().Plot(figsize=(width, height), layout="constrained")
    figure.suptitle(title, x=0.01, ha="left")
    figure.alternative = alternative
    return figure


def comparable(sizes: Iterable[float], factor: float) -> bool:
    """Whether one scale suits these sizes: the largest is at most `factor` times the smallest, zeros aside."""
    present = [size for size in sizes if size]
    return not present or max(present) <= factor * min(present)


def log_ticks(low: float, high: float) -> list[float]:
    """At most eight ticks between `low` and `high`: powers of ten, and others between if those are too few."""
    powers = range(floor(log10(low)), ceil(log10(high)) + 1)
    ticks: list[float] = []
    for mantissas in MANTISSAS:
        ticks = [tick for k in powers for m in mantissas if low <= (tick := float(f"{m}e{k}")) <= high]
        if len(ticks) >= 3:
            break
    return ticks[:: ceil(len(ticks) / 8) or 1]


def log_axis(axes: Any, name: str, low: float, high: float) -> None:
    """Make the "x" or "y" axis logarithmic from `low` to `high`, with plain numbers at its ticks: 0.1, 1, 10."""
    ticks = log_ticks(low, high)
    axes.set(**{f"{name}scale": "log", f"{name}lim": (low, high)})
    axes.set(**{f"{name}ticks": ticks, f"{name}ticklabels": [f"{tick:g}" for tick in ticks]})
    axes.minorticks_off()


def percent(share: float, _: Any = None) -> str:
    """The label of a tick that is a share: 2.5%."""
    return f"{100 * share:.3g}%"


def whole_ticks(axis: Any, most: int) -> None:
    """At most so many ticks on `axes.xaxis` or `axes.yaxis`, all at whole numbers."""
    axis.get_major_locator().set_params(integer=True, nbins=most, min_n_ticks=1)
