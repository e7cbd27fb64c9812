"""The ways to run the benchmark: beside others, technique by technique, against the project's goals, and compiling.

A mode says what to measure, and how to summarize it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from tinygrad_lora.compiler.techniques import TECHNIQUES

from .bars import BARS, COMPILING, Bar, bar_table, judged, plans_for, shown
from .compiling import CASES, phase_line, phase_table
from .measure import Plan, Row
from .peers import PEERS, WITHOUT
from .report import left_out, lines, ratio_table, technique_table
from .results import Result, results
from .workloads import ONE, SIZES, WORKLOADS, cases

COMPILED_TORCH = ("torch.compile", "torch.func")  # each workload takes seconds to compile
EVERYTHING = Plan(cases(list(WORKLOADS), list(SIZES)), list(PEERS))
QUICK = Plan(
    cases([w for w in WORKLOADS if w not in ("W7", "W8")], ["S"]), [p for p in PEERS if p not in COMPILED_TORCH],
    rounds=5, launches=1,
)  # fmt: skip
ABLATION = Plan(cases(["W1", "W3", "W3ce", "W4", "W5"], list(SIZES)), ["ours", *(WITHOUT + t for t in TECHNIQUES)])


class Summary(NamedTuple):
    """What was found: titles with lines of two columns for a terminal, a table in Markdown, and plain data."""

    parts: list[tuple[str, list[tuple[str, str]]]]
    table: str
    data: list[dict[str, Any]]


class Mode(NamedTuple):
    """What to measure, and `summarize`, which makes of the rows what there is to say.

    `place` names the files, and the place on the page of the docs.
    """

    place: str
    plans: list[Plan]
    summarize: Callable[[list[Row]], Summary]
    bars: Sequence[Bar] = ()


def mode(args: argparse.Namespace) -> Mode:
    """The mode that the options ask for. Raises ValueError for a name or a number that makes no sense."""
    for what in ("threads", "rounds", "launches"):
        number = getattr(args, what)
        if number is not None and number < 1:
            raise ValueError(f"{what} must be at least 1, not {number}")
    if args.seed < 0:
        raise ValueError(f"seed must be 0 or more, not {args.seed}")
    for what, table in (("workload", WORKLOADS), ("size", SIZES), ("peer", PEERS)):
        for name in getattr(args, f"{what}s") or []:
            if name not in table:
                raise ValueError(f"there is no {what} called {name!r}; there are {', '.join(table)}")
    if args.peers and (args.bars or args.ablation):
        raise ValueError("--peers goes with neither --bars nor --ablation, which name the peers that they need")
    if args.compile and any((args.peers, args.workloads, args.sizes, args.threads, args.rounds, args.launches)):
        raise ValueError("--compile has cases of its own: of the options before, it takes --seed and --out alone")
    if args.compile:
        return Mode("compile", [], _summarize_compiling, COMPILING)
    if args.bars:
        return _goals(args)
    if args.ablation:
        return Mode("ablation", [_with_options(_fewer_cases(ABLATION, args), args)], _summarize_techniques)
    plan = _fewer_cases(QUICK if args.quick else EVERYTHING, args)
    if args.peers:
        plan = plan._replace(peers=list(dict.fromkeys(["ours", *args.peers])))
    return Mode("ratios", [_with_options(plan, args)], _summarize_ratios)


def _goals(args: argparse.Namespace) -> Mode:
    """Of the goals that are about a workload or a size, those that were asked for; and all others."""
    workloads, sizes = [*(args.workloads or WORKLOADS), "", *CASES], [*(args.sizes or SIZES), ONE]
    bars = [b for b in BARS if all(w in workloads and (s in sizes or w not in WORKLOADS) for w, s in b.cells)]

    def summarize(rows: list[Row]) -> Summary:
        verdicts = judged(bars, results(rows), rows)
        return Summary([_goal_lines(verdicts), ("Not timed", left_out(results(rows)))], bar_table(verdicts), verdicts)

    return Mode("bars", [_with_options(plan, args) for plan in plans_for(bars)], summarize, bars)


def _goal_lines(verdicts: list[dict[str, Any]]) -> tuple[str, list[tuple[str, str]]]:
    return "Goals", [
        (t["bar"], f"{shown(t['value']) + t['unit']:>9}   at most {t['gate']:g}{t['unit']:3}   {t['verdict']}")
        for t in verdicts
    ]


def _summarize_compiling(rows: list[Row]) -> Summary:
    """A table of the phases, and the goals."""
    cases, verdicts = [row for row in rows if row["kind"] == "probe"], judged(COMPILING, [], rows)
    table = f"{phase_table(cases)}\n\n{bar_table(verdicts)}"
    lines = [(f"{row['workload']}, {row['nodes']:,} nodes", phase_line(row)) for row in cases]
    return Summary([("Compiling, microseconds of the processor a node", lines), _goal_lines(verdicts)], table, cases)


def _fewer_cases(plan: Plan, args: argparse.Namespace) -> Plan:
    """The plan with the workloads and sizes that were asked for."""
    workloads = args.workloads or list(dict.fromkeys(w for w, _ in plan.cases))
    sizes = args.sizes or list(dict.fromkeys(s for _, s in plan.cases))
    return plan._replace(cases=cases(workloads, sizes))


def _with_options(plan: Plan, args: argparse.Namespace) -> Plan:
    """The plan with the numbers that were asked for."""
    asked = {what: getattr(args, what) for what in ("threads", "rounds", "launches", "seed")}
    return plan._replace(**{what: number for what, number in asked.items() if number is not None})


def _summarize_ratios(rows: list[Row]) -> Summary:
    timed = results(rows)
    return Summary(_parts("Time of a step, and ours / theirs", timed), ratio_table(timed), _data(timed))


def _summarize_techniques(rows: list[Row]) -> Summary:
    timed = [r._replace(peer=r.peer.removeprefix(WITHOUT)) for r in results(rows)]
    parts = _parts("Time of a step without a technique, and with / without", timed)
    return Summary(parts, technique_table(timed, TECHNIQUES), _data(timed))


def _parts(title: str, measured: list[Result]) -> list[tuple[str, list[tuple[str, str]]]]:
    timed = lines([r for r in measured if not r.reason])
    return [(f"{title} [quartiles of the rounds]", timed), ("Not timed", left_out(measured))]


def _data(measured: list[Result]) -> list[dict[str, Any]]:
    return [{**r._asdict(), "ratio": r.ratio} for r in measured]
