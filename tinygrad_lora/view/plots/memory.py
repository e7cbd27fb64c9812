"""A plot of the memory of a compiled program: each array as a bar over the steps during which it is alive."""

from collections.abc import Mapping
from itertools import cycle

from ...compiler import CompiledFunction
from ...compiler.planned.memory import Array, Memory
from ..chart import Chart
from ..chart.style import SERIES
from ..words.sentences import one_line

MOST_NAMES = 60  # arrays that are named in the picture
MOST_DESCRIBED = 12  # arrays that are named in its description
MOST_OPERATIONS = 32  # steps that are labeled with their operation; if there are more, with numbers
UNITS = ((1e6, "megabytes"), (1e3, "kilobytes"), (1, "bytes"))
LETTER, LINE = 0.014, 0.05  # the width of a letter and the height of a line, as shares of the picture


def memory(compiled: CompiledFunction) -> Chart:
    """Where each array of a program is in memory, and when: the width of a bar is its lifetime, the height its size.

    Arrays that are never alive at the same time may share bytes. A bar that continues another in the same color is a
    result written over its operand.

    compiled: a compiled function or a training step that ran, or was prepared
    Returns a chart, in bytes.
    Raises TypeError for anything else, CompileError if no memory is planned.

    >>> from tinygrad_lora.view import plots
    >>> step = tl.compile(lambda x: tl.exp(x) @ tl.exp(x)).prepare(np.ones((4, 4)))
    >>> plots.memory(step).svg()[:4]
    '<svg'
    """
    plan = _plan(compiled)
    name = one_line(compiled.name)
    sizes = f"{plan.size:,} bytes for arrays of {plan.separate:,}"
    divisor, unit = _unit(plan.size)
    last = len(plan.steps) + any(array.end > len(plan.steps) for array in plan.arrays)
    few = len(plan.steps) <= MOST_OPERATIONS
    chart = Chart(
        f"Memory of {name}: {sizes}", x="" if few else "step", y=unit, xlim=(0, max(last, 1)),
        ylim=(0, max(plan.size, 1) / divisor), size=(430, 260), alternative=f"Memory of {name}. {_in_words(plan)}",
        xticks={i + 0.5: one_line(step) for i, step in enumerate(plan.steps)} if few else None,
    )  # fmt: skip
    for array, series in _colored(plan):
        end, bottom, top = min(array.end, last), array.start / divisor, (array.start + array.size) / divisor
        chart.boxes(array.made, end, bottom, top, series=series)
        label, width = one_line(array.name), (end - array.made) / max(last, 1)
        if len(plan.arrays) <= MOST_NAMES and array.size >= LINE * plan.size and width >= LETTER * len(label):
            chart.text((array.made + end) / 2, (bottom + top) / 2, label, tone="ink")
    return chart


def memory_in_use(compiled: CompiledFunction | Mapping[str, CompiledFunction]) -> Chart:
    """How many bytes a program needs at each of its steps. A step is a line of the program that computes something.

    As text: `print(compiled.memory.profile())`.

    compiled: a compiled function or a training step that ran, or was prepared; a dict gives several by name, one line
        each
    Returns a chart, in bytes.
    Raises TypeError for anything else, CompileError if no memory is planned.

    >>> from tinygrad_lora.view import plots
    >>> step = tl.compile(lambda x: tl.exp(x) @ tl.exp(x)).prepare(np.ones((4, 4)))
    >>> plots.memory_in_use({"step": step}).svg()[:4]
    '<svg'
    """
    plans = {name: _plan(f) for name, f in (compiled if isinstance(compiled, Mapping) else {"": compiled}).items()}
    divisor, unit = _unit(max(plan.size for plan in plans.values()))
    peaks = {name: _peak(plan) for name, plan in plans.items()}
    several = "; ".join(f"{one_line(name)}: {peak}" if name else peak for name, peak in peaks.items())
    chart = Chart(
        f"Memory in use: {several if len(plans) == 1 else 'the bytes of each step'}", x="step", y=unit, ylim=(0, None),
        alternative=f"Memory in use at each step. {several}.",
    )  # fmt: skip
    for name, plan in plans.items():
        label = f"{one_line(name)}, at most {max(plan.in_use, default=0):,}" if name else ""
        chart.line(range(len(plan.steps)), [n / divisor for n in plan.in_use], label)
    return chart


def _plan(compiled: CompiledFunction) -> Memory:
    if not isinstance(compiled, CompiledFunction):
        raise TypeError(f"this plot shows a compiled function, tl.compile(f), not {type(compiled).__name__}")
    return compiled.memory


def _unit(size: int) -> tuple[float, str]:
    return next(pair for pair in UNITS if size >= pair[0] or pair[0] == 1)


def _peak(plan: Memory) -> str:
    """How many bytes are in use at most, and where."""
    most = max(plan.in_use, default=0)
    return f"at most {most:,} bytes, in step {plan.in_use.index(most)} of {len(plan.steps)}" if most else "no bytes"


def _colored(plan: Memory) -> list[tuple[Array, int]]:
    """Each array with a series: that of the operand which it is written over, else a new one."""
    colors: dict[str, int] = {}
    fresh = cycle(range(SERIES))
    for array in plan.arrays:
        over = array.note.removeprefix("over ")
        colors[array.name] = next(fresh) if over == array.note else colors[over]
    return [(array, colors[array.name]) for array in plan.arrays]


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
