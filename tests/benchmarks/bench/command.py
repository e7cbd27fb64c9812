"""`python3 run.py bench`: its options, what it prints, and the files that it writes."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NoReturn

from feedback.command import add_command as add_feedback

from tinygrad_lora.commands.main import exit_code
from tinygrad_lora.files import write_atomically
from tinygrad_lora.terminal import show_table, tracker

from .bars import probing
from .environment import machine_line
from .finetune import add_command as add_finetune
from .grading import add_command as add_grading
from .measure import Row, measure
from .microgpt.command import add_command as add_microgpt
from .modes import mode
from .peers import PEERS
from .plot import plot
from .report import detail_table, left_out, page_with
from .results import results
from .serving import add_command as add_serving
from .study import add_command as add_study
from .sweep import add_command as add_sweep
from .variants import add_command as add_variants
from .workloads import SIZES, WORKLOADS


class Parser(argparse.ArgumentParser):
    """A parser whose refusals are errors. So are those of its commands."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message}; `{self.prog} --help` says what can be given")


def main(arguments: Sequence[str]) -> int:
    """Run the command line; the result is the exit code, as that of `tinygrad-lora`."""

    def command() -> int:
        args = bench_parser().parse_args(arguments)
        code: int = args.run(args)
        return code

    return exit_code("run.py bench", command)


def bench_parser() -> Parser:
    """The options of `bench`, and its commands with theirs."""
    parser = Parser(
        prog="python3 run.py bench",
        description="Time this package beside others on the same workloads. Every implementation must first agree with "
        "a float64 reference. Times are ratios, ours / theirs: below 1, ours is faster.",
        epilog="Workloads: " + "; ".join(f"{name}: {w.title}" for name, w in WORKLOADS.items()) + ". "
        "Implementations: " + "; ".join(f"{name}: {p.title}" for name, p in PEERS.items()) + ".",
    )  # fmt: skip
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--quick", action="store_true", help="size S, five rounds, one launch, without torch.compile")
    kind.add_argument("--ablation", action="store_true", help="measure what each technique of the compiler is worth")
    kind.add_argument("--bars", action="store_true", help="measure each goal of the project: met or missed")
    kind.add_argument("--compile", action="store_true", help="measure where compiling spends its time, node by node")
    parser.add_argument("--workloads", nargs="+", metavar="WORKLOAD", help=f"which of {' '.join(WORKLOADS)} (all)")
    parser.add_argument(
        "--sizes", nargs="+", metavar="SIZE", help=f"which of {' '.join(SIZES)} (all); W6, W7 and W8 have one"
    )
    parser.add_argument(
        "--peers", nargs="+", metavar="PEER", help=f"which of {' '.join(PEERS)} (all); ours is always there"
    )
    parser.add_argument("--threads", type=int, help="threads of each implementation (1)")
    parser.add_argument("--rounds", type=int, help="rounds of about 20 milliseconds in each launch (15)")
    parser.add_argument("--launches", type=int, help="launches of all processes; the result is their median (3)")
    parser.add_argument("--seed", type=int, default=0, help="draws the arrays and the order of rounds (%(default)s)")
    parser.add_argument(
        "--out", type=Path, default=Path("bench-output"), metavar="DIR", help="where the files go (%(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.add_argument("--quiet", action="store_true", help="print nothing, unless something is wrong")
    parser.add_argument("--update-docs", type=Path, metavar="FILE", help="put the table into this page of the docs")
    parser.set_defaults(run=run)
    others = parser.add_subparsers(action=NothingBefore, metavar="COMMAND")
    adding = (add_variants, add_finetune, add_microgpt, add_serving, add_sweep, add_study, add_grading, add_feedback)
    for add_command in adding:
        add_command(others)
    return parser


class NothingBefore(argparse._SubParsersAction):  # type: ignore[type-arg]
    """Commands with options of their own. What stands before them would be dropped in silence, so it is refused."""

    def __call__(
        self, parser: Any, namespace: argparse.Namespace, values: Any, option_string: str | None = None
    ) -> None:
        options = [action for action in parser._actions if action.option_strings and action.dest in namespace]
        if misplaced := [o.option_strings[0] for o in options if getattr(namespace, o.dest) != o.default]:
            after = f"must come after {values[0]}; `{parser.prog} {values[0]} --help` says what can be given"
            raise ValueError(f"{', '.join(misplaced)} {after}")
        super().__call__(parser, namespace, values, option_string)


def run(args: argparse.Namespace) -> int:
    """Measure what was asked for, print it, and write the files. Raises ValueError for what does not exist."""
    chosen = mode(args)
    if args.update_docs:
        page_with(args.update_docs, chosen.place, "")  # a wrong page is told now, not after an hour
    track = tracker(args.json or args.quiet)
    measured = chain(*(measure(plan, track) for plan in chosen.plans), probing(chosen.bars, args.seed, track))
    raw = args.out / f"{chosen.place}.jsonl"
    rows = recorded(measured, raw)
    machine = machine_line(next(row for row in rows if row["kind"] == "environment"))
    summary = chosen.summarize(rows)
    reasons = "\n".join(f"- {peer}: {reason}" for peer, reason in left_out(results(rows)))
    tables = [machine, summary.table, detail_table(results(rows)), f"Not timed:\n\n{reasons}" if reasons else ""]
    paths = [raw, write_atomically(args.out / f"{chosen.place}.md", "\n\n".join(filter(None, tables)) + "\n")]
    if chosen.place == "ratios" and (picture := plot(results(rows), args.out / "ratios.svg")):
        paths.append(picture)
    if args.update_docs:
        write_atomically(args.update_docs, page_with(args.update_docs, chosen.place, f"{machine}\n\n{summary.table}"))
        paths.append(args.update_docs)
    if args.json:
        print(json.dumps(summary.data, indent=1))
    if args.json or args.quiet:
        return 0
    for title, listed in summary.parts:
        if listed:
            show_table(listed, f"\n{title}")
    show_table([(path.name, str(path)) for path in paths], "\nFiles")
    print(f"\n{machine}")
    return 0


def recorded(rows: Iterable[Row], path: Path) -> list[Row]:
    """The rows as a list, each written as a line of JSON when it comes: a run that is stopped leaves what it found."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = []
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            print(json.dumps(row), file=file, flush=True)
            kept.append(row)
    return kept
