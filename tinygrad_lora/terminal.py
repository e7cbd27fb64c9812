"""What a terminal shows: progress bars and short tables. The only module that imports rich."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

Track = Callable[[Iterable[Any], str], Iterable[Any]]


def tracker(quiet: bool) -> Track:
    """`track(steps, description)` yields the steps and draws a bar while they are taken; nothing if `quiet`.

    The bar goes to the error stream, so that what the command prints can be piped.
    """

    def track(steps: Iterable[Any], description: str) -> Iterable[Any]:
        columns = TextColumn(f"{description:<28}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
        with Progress(*columns, console=Console(stderr=True)) as progress:
            yield from progress.track(steps)

    return (lambda steps, description: steps) if quiet else track


def show_table(rows: Sequence[tuple[str, str]], title: str) -> None:
    """Print a title, and names and values in two columns. Nothing is cut: it must be possible to copy a path."""
    console, width = Console(soft_wrap=True, highlight=False, markup=False), max(len(name) for name, _ in rows)
    console.print(title, style="bold")
    for name, value in rows:
        console.print(f"  {name:<{width}}   {value}")


@contextmanager
def counting(total: int, description: str, quiet: bool = False) -> Iterator[Callable[[int, str], None]]:
    """`with counting(200, "Training") as show:` then `show(done, note)` moves the bar and puts a note beside it.

    The bar has the time that is left. It goes to the error stream; nothing is drawn if `quiet`.
    """
    if quiet:
        yield lambda done, note: None
        return
    columns = (
        TextColumn(f"{description:<28}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}"),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("", total=total, note="")
        yield lambda done, note: progress.update(bar, completed=done, note=note)
