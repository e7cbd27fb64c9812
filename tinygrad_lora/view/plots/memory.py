"""A plot of the memory of a compiled program: each array as a bar over the steps during which it is alive."""

from __future__ import annotations

from itertools import cycle
from typing import Any

from ...compiler import CompiledFunction
from ...compiler.planned.memory import Array, Memory
from ..diagram.looks import INK
from ..words.sentences import one_line
from .drawing import COLORS, Plot, drawn, new_plot, whole_ticks

MOST_NAMES = 60  # arrays that are named in the picture
MOST_DESCRIBED = 12  # arrays that are named in its description
MOST_OPERATIONS = 32  # steps that are labeled with their operation; if there are more, with numbers
UNITS = ((1e6, "megabytes"), (1e3, "kilobytes"), (1, "bytes"))
LETTER, LINE = 0.014, 0.03  # the width of a letter and the height of a line, as shares of the picture


@drawn
def memory(compiled: CompiledFunction) -> Plot:
    """Where each array of a program is in memory, and when: the width of a bar is its lifetime, the height its size.

    `compiled` is a compiled function or a training step that ran, or was prepared. Arrays that are never alive at the
    same time may share bytes. A bar that continues another in the same color is a result written over its operand.
    Returns a matplotlib Figure. Raises TypeError for anything else, CompileError if no memory is planned.
    """
    if not isinstance(compiled, CompiledFunction):
        raise TypeError(f"this plot shows a compiled function, tl.compile(f), not {type(compiled).__name__}")
    plan = compiled.memory
    name = one_line(compiled.name)
    sizes = f"{plan.size:,} bytes for arrays of {plan.separate:,}"
    figure = new_plot(7.5, 4.2, f"Memory of {name}: {sizes}", f"Memory of {name}. {_in_words(plan)}")
    axes = figure.subplots()
    divisor, unit = next(pair for pair in UNITS if plan.size >= pair[0] or pair[0] == 1)
    last = len(plan.steps) + any(array.end > len(plan.steps) for array in plan.arrays)
    for array, color in _colored(plan):
        _bar(axes, array, color, divisor, last)
    axes.set(xlim=(0, max(last, 1)), ylim=(0, max(plan.size, 1) / divisor), ylabel=unit)
    if len(plan.arrays) <= MOST_NAMES:
        for array in plan.arrays:
            _name(axes, array, divisor, last, tall=array.size >= LINE * plan.size)
    _steps(axes, plan)
    return figure


def _colored(plan: Memory) -> list[tuple[Array, str]]:
    """Each array with a color: that of the operand which it is written over, else a new one."""
    colors: dict[str, str] = {}
    fresh = cycle(COLORS)
    for array in plan.arrays:
        over = array.note.removeprefix("over ")
        colors[array.name] = next(fresh) if over == array.note else colors[over]
    return [(array, colors[array.name]) for array in plan.arrays]


def _bar(axes: Any, array: Array, color: str, divisor: float, last: int) -> None:
    width, height = min(array.end, last) - array.made, array.size / divisor
    axes.broken_barh(
        [(array.made, width)], (array.start / divisor, height),
        facecolor=color, alpha=0.55, edgecolor=INK, linewidth=0.6,
    )  # fmt: skip


def _name(axes: Any, array: Array, divisor: float, last: int, *, tall: bool) -> None:
    """Write the name of an array into its bar, if that is large enough."""
    label = one_line(array.name)
    if tall and (min(array.end, last) - array.made) / max(last, 1) >= LETTER * len(label):
        middle = (array.start + array.size / 2) / divisor
        axes.text((array.made + min(array.end, last)) / 2, middle, label, ha="center", va="center", fontsize=7)


def _steps(axes: Any, plan: Memory) -> None:
    """Label each step with its operation, or some of them with their numbers."""
    if len(plan.steps) <= MOST_OPERATIONS:
        axes.set_xticks([i + 0.5 for i in range(len(plan.steps))], plan.steps, rotation=90)
        axes.tick_params(axis="x", length=0)
    else:
        axes.set_xlabel("step")
        whole_ticks(axes.xaxis, 10)


def _in_words(plan: Memory) -> str:
    """The description of the plot."""
    arrays = [
        f"{one_line(a.name)}, {a.size:,} bytes from byte {a.start:,}, steps {a.made} to {min(a.read, len(plan.steps))}"
        for a in plan.arrays[:MOST_DESCRIBED]
    ]
    rest = len(plan.arrays) - len(arrays)
    more = [f"and {rest} more"] * bool(rest)
    sizes = f"{plan.size:,} bytes, of which {plan.least:,} are in use at once; {plan.separate:,} with a place for"
    steps = f"{len(plan.steps)} step{'s' * (len(plan.steps) != 1)}"
    return f"{steps}. {sizes} each array{': ' * bool(arrays)}{'; '.join([*arrays, *more])}."
