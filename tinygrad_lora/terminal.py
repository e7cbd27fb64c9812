"""What a terminal shows: progress bars and short tables. The only module that imports rich."""

import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich import progress as bars
from rich.console import Console


class Output(Console):
    """A console that leaves a broken pipe to the command line, instead of ending the process."""

    def on_broken_pipe(self) -> None:
        raise  # the BrokenPipeError that is being handled


Track = Callable[[Iterable[Any], str], Iterable[Any]]


def tracker(quiet: bool) -> Track:
    """`track(steps, description)` yields the steps and draws a bar while they are taken.

    The bar goes to the error stream, so that what the command prints can be piped. Nothing is drawn if `quiet`, or if
    that stream is no terminal.
    """

    def track(steps: Iterable[Any], description: str) -> Iterable[Any]:
        with _bars(description, bars.TaskProgressColumn()) as progress:
            yield from progress.track(steps)

    return (lambda steps, description: steps) if quiet or not _shown() else track


def show_table(rows: Sequence[tuple[str, str]], title: str) -> None:
    """Print a title, then names and values in two columns. Nothing is cut, so that paths can be copied.

    In a terminal, long values go on below where they begin.
    """
    console, width = Output(soft_wrap=True, highlight=False, markup=False), max(len(name) for name, _ in rows)
    console.print(title, style="bold")
    room = max(20, console.width - width - 5) if console.is_terminal else None
    for name, value in rows:
        lines = [part for line in value.split("\n") for part in (_wrapped(line, room) if room else [line])]
        console.print(f"  {name:<{width}}   " + ("\n" + " " * (width + 5)).join(lines))


def _wrapped(line: str, width: int) -> list[str]:
    return textwrap.wrap(line, width, break_long_words=False, break_on_hyphens=False) or [""]


@contextmanager
def counting(total: int, description: str, quiet: bool = False) -> Iterator[Callable[[int, str], None]]:
    """`with counting(200, "Training") as show:` then `show(done, note)` moves the bar and puts a note beside it.

    The bar shows the time that is left. Like that of `tracker`, it is drawn only if the error stream is a terminal.
    """
    if quiet or not _shown():
        yield lambda done, note: None
        return
    with _bars(description, bars.MofNCompleteColumn(), bars.TextColumn("{task.fields[note]}")) as progress:
        bar = progress.add_task("", total=total, note="")
        yield lambda done, note: progress.update(bar, completed=done, note=note)


def _shown() -> bool:
    return Console(stderr=True).is_interactive  # whether the terminal can redraw a line


@contextmanager
def _bars(description: str, *columns: bars.ProgressColumn) -> Iterator[bars.Progress]:
    """A bar with its description on the left, and these columns and the remaining time on the right."""
    every = bars.TextColumn(f"{description:<28}"), bars.BarColumn(), *columns, bars.TimeRemainingColumn()
    progress = bars.Progress(*every, console=Console(stderr=True))
    try:  # `with progress` would leave the cursor hidden when a Ctrl-C comes while it starts
        progress.start()
        yield progress
    finally:
        progress.stop()
