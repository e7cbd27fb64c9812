"""What was measured as text: lines for a terminal, tables in Markdown, and the marked parts of a page of the docs."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from .results import BASE, Result
from .workloads import ONE

NOTHING = "-"


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add the options of every command that prints one table."""
    parser.add_argument("--out", type=Path, default=None, metavar="FILE", help="write the table to this file too")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.add_argument("--quiet", action="store_true", help="print nothing, unless something is wrong")


def short(seconds: float) -> str:
    """A time with three digits; of more than 999 seconds, with all of them.

    >>> short(12.3456e-6), short(1.5e-3)
    ('12.3 us', '1.50 ms')
    """
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if _rounded(seconds / size) >= 1:
            return f"{_three_digits(seconds / size)} {unit}"
    return f"{_three_digits(seconds / 1e-9)} ns"


def _rounded(number: float) -> float:
    """To three digits: 999.99 is 1000, so that 999.99 us are 1.00 ms."""
    return float(f"{number:.3g}")


def _three_digits(number: float) -> str:
    size = _rounded(number)
    return f"{number:.2f}" if size < 10 else f"{number:.1f}" if size < 100 else f"{number:,.0f}"


def ratio_text(ratio: float | None) -> str:
    """A ratio with two digits after the point; with two that count where it is small, and one where it is large.

    >>> ratio_text(0.0123), ratio_text(0.5), ratio_text(12.34)
    ('0.012', '0.50', '12.3')
    """
    if ratio is None:
        return NOTHING
    return f"{ratio:.2g}" if ratio < 0.1 else f"{ratio:.2f}" if ratio < 10 else f"{ratio:,.1f}"


def case_name(result: Result) -> str:
    """The workload, and its size if it has several."""
    return result.workload if result.size == ONE else f"{result.workload} {result.size}"


def lines(measured: Sequence[Result]) -> list[tuple[str, str]]:
    """For a terminal: a name and what was found, one line for each implementation of each case."""
    width = max((len(r.peer) for r in measured), default=0)
    rows = []
    for r in measured:
        if r.reason or r.seconds is None:
            rows.append((f"{case_name(r):7} {r.peer:{width}}", r.reason or NOTHING))
            continue
        ratio = "" if r.ratio is None or r.peer == BASE else f"   {ratio_text(r.ratio):>5}{_spread(r)}"
        rows.append((f"{case_name(r):7} {r.peer:{width}}", f"{short(r.seconds):>9}{ratio}"))
    return rows


def _spread(r: Result) -> str:
    several = f"   launches {' '.join(map(ratio_text, r.launches))}" if len(r.launches) > 1 else ""
    return f" [{ratio_text(r.low)} {ratio_text(r.high)}]{several}"


def ratio_table(measured: Sequence[Result]) -> str:
    """Markdown: a row for each case, the time of ours, and ours / theirs for each peer that was timed at all."""
    peers = [p for p in dict.fromkeys(r.peer for r in measured) if p != BASE]
    peers = [p for p in peers if any(r.peer == p and r.seconds is not None for r in measured)]
    cells = {(case_name(r), r.peer): r for r in measured}
    rows = [["", f"{BASE}, time", *peers]]
    for name in dict.fromkeys(map(case_name, measured)):
        base = cells.get((name, BASE))
        row = [name, short(base.seconds) if base and base.seconds else NOTHING]
        rows.append(row + [ratio_text(cells[name, p].ratio if (name, p) in cells else None) for p in peers])
    return markdown(rows)


def technique_table(measured: Sequence[Result], meanings: Mapping[str, str]) -> str:
    """Markdown: a row for each technique that was left out, with / without for each case, and what it does."""
    names = list(dict.fromkeys(map(case_name, measured)))
    ratios = {(r.peer, case_name(r)): r.ratio for r in measured}
    rows = [["without", *names, "what it does"]]
    for technique, meaning in meanings.items():
        rows.append([technique, *(ratio_text(ratios.get((technique, name))) for name in names), meaning])
    return markdown(rows)


def detail_table(measured: Sequence[Result]) -> str:
    """Markdown: every implementation that was timed, with the quartiles of the rounds and the launches."""
    rows = [["case", "implementation", "first step", "time a step", "ours / theirs", "quartiles", "launches"]]
    for r in measured:
        if r.seconds is None or r.first is None:
            continue
        spread = "" if r.low is None else f"{ratio_text(r.low)} to {ratio_text(r.high)}"
        launches = " ".join(map(ratio_text, r.launches))
        rows.append([case_name(r), r.peer, short(r.first), short(r.seconds), ratio_text(r.ratio), spread, launches])
    return markdown(rows)


def left_out(measured: Iterable[Result]) -> list[tuple[str, str]]:
    """Every reason why something was not timed, with whom it concerns and where."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for r in measured:
        if r.reason:
            reasons.setdefault((r.peer, r.reason), []).append(case_name(r))
    return [(peer, f"{reason} ({', '.join(cases)})") for (peer, reason), cases in reasons.items()]


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table; the first row is the headings. Columns are aligned, so that the text reads well too.

    A bar in a cell is escaped.

    >>> print(markdown([["", "time"], ["W1", "2 us"]]))
    |    | time |
    |----|------|
    | W1 | 2 us |
    """
    rows = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    text = ["| " + " | ".join(f"{c:{w}}" for c, w in zip(row, widths, strict=True)) + " |" for row in rows]
    rule = "|" + "|".join("-" * (w + 2) for w in widths) + "|"
    return "\n".join([text[0], rule, *text[1:]])


def page_with(path: Path, name: str, text: str) -> str:
    """The page with this text between its lines `<!-- bench: NAME -->` and `<!-- bench: end -->`.

    Raises ValueError if the page has no such lines.
    """
    page = path.read_text(encoding="utf-8")
    place = re.compile(rf"(<!-- bench: {re.escape(name)} -->\n).*?(<!-- bench: end -->)", re.DOTALL)
    if not place.search(page):
        raise ValueError(f"{path} has no place for the {name}: it needs the lines <!-- bench: {name} --> and "
                         "<!-- bench: end -->")  # fmt: skip
    return place.sub(lambda measured: f"{measured[1]}\n{text}\n\n{measured[2]}", page)
