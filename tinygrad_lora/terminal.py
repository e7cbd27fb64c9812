"""What a terminal shows: progress bars and short tables. The only module that imports rich."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

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


def show_table(rows: Iterable[tuple[str, str]], title: str) -> None:
    """Print names and values in two columns."""
    table = Table(
        title=title, title_justify="left", title_style="bold", show_header=False, box=None, padding=(0, 3, 0, 2)
    )
    for name, value in rows:
        table.add_row(name, value)
    # A path is never folded: it must be possible to copy it.
    Console(soft_wrap=True, highlight=False).print(table)
