"""The table: a line for each tutorial, and one for all."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

from tinygrad_lora.learn.checking.report import shown
from tinygrad_lora.learn.registry import load_exercise

from .judging import ACCEPTED, BARE, EXAMPLE, MISLEADING, NAMED, PLAIN, REJECTED, Verdict

COLUMNS = (ACCEPTED, NAMED, EXAMPLE, PLAIN, BARE, MISLEADING)
HEAD = (
    "", "answers", "wrong accepted", "mistake named", "example given", "generic", "bare exception", "misleading",
    "median",
)  # fmt: skip
KINDS = {
    "wrong": "Wrong answers, written by hand", "known": "The mistakes that the exercises know",
    "mutant": "Solutions with one change, made by machine",
}  # fmt: skip


def tables(verdicts: Sequence[Verdict]) -> str:
    """A table for each kind of wrong answer, in Markdown, and a line about the right ones."""
    parts = []
    for kind, title in KINDS.items():
        own = [verdict for verdict in verdicts if verdict.answer.kind == kind]
        if own:
            parts.append(f"{title}:\n\n{table(own)}")
    right = [verdict for verdict in verdicts if verdict.answer.kind == "right"]
    if right:
        rejected = sum(verdict.word == REJECTED for verdict in right)
        parts.append(f"Right answers in other styles: {len(right)}; rejected: {rejected}.")
    return "\n\n".join(parts) + "\n"


def table(verdicts: Sequence[Verdict]) -> str:
    """The rows of one kind."""
    tutorials = sorted({verdict.answer.exercise[:2] for verdict in verdicts})
    rows = [row(name, [v for v in verdicts if v.answer.exercise.startswith(name)]) for name in tutorials]
    rows = [[*HEAD], ["---", *["---:"] * (len(HEAD) - 1)], *rows, row("all", verdicts)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def row(name: str, verdicts: Sequence[Verdict]) -> list[str]:
    """Counts in a line; where there are many, shares as well."""
    n = len(verdicts)
    counts = [sum(verdict.word == word for verdict in verdicts) for word in COLUMNS]
    median = statistics.median(verdict.seconds for verdict in verdicts)
    shown = [f"{count} ({count / n:.1%})" if name == "all" and count else str(count) for count in counts]
    return [name, str(n), *shown, f"{median * 1e3:.0f} ms"]


def listed(verdicts: Iterable[Verdict], word: str) -> str:
    """The answers of one column, with their messages."""
    return "\n".join(str(verdict) for verdict in verdicts if verdict.word == word)


def to_read(verdicts: Iterable[Verdict]) -> str:
    """Each answer as somebody needs it who judges its message: the exercise, what was written, what was said."""
    parts, last = [], ""
    for i, verdict in enumerate(verdicts, 1):
        exercise, answer = load_exercise(verdict.answer.exercise), verdict.answer
        if exercise.id != last:
            parts.append(f"{'=' * 100}\n{exercise.id}  {exercise.text}\n\n{exercise.solution}")
        last = exercise.id
        change = f"a change of the solution: {answer.title}" if answer.kind == "mutant" else f"\n{answer.text}"
        message = [verdict.diagnosis.sentence, *shown(verdict.diagnosis)] if verdict.diagnosis else ["all points"]
        parts.append(f"--- {i}  {exercise.id}  {change}\n>>> " + "\n    ".join(message))
    return "\n\n".join(parts)
