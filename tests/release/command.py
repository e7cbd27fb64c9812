"""Check that this checkout can be released, or give it a new version.

python3 run.py release --check               all checks: some twenty minutes, ten of them random programs
python3 run.py release --check --only docs   one of them; may be given several times
python3 run.py release --set 1.2.3           the version and today's date, in all files that have them
"""

import argparse
import datetime
import re
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from .checks import CHECKS, ROOT, Check, Fault, Plan
from .texts import set_version

INTERRUPTED = 130


def main(words: Sequence[str]) -> int:
    """0 where all checks pass, 1 where one does not, 2 for a command line that says nothing."""
    asked = parser().parse_args(words)
    if asked.set:
        changed = set_version(ROOT, asked.set, datetime.date.today().isoformat())
        print(f"{asked.set} is written into", ", ".join(str(path.relative_to(ROOT)) for path in changed))
        return 0
    if not asked.check:
        parser().print_help(sys.stderr)
        return 2
    chosen = [check for check in CHECKS if check.name in asked.only or not asked.only]
    return run(chosen, Plan(asked.tag, asked.minutes, asked.keep and asked.keep.resolve()), ROOT / "build" / "release")


def parser() -> argparse.ArgumentParser:
    names = [check.name for check in CHECKS]
    words = argparse.ArgumentParser(
        "run.py release", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    words.add_argument("--check", action="store_true", help="run the checks")
    words.add_argument("--only", action="append", default=[], choices=names, metavar="NAME", help=", ".join(names))
    words.add_argument("--set", type=_version, metavar="X.Y.Z", help="write this version and today's date")
    words.add_argument("--tag", help="what the version must be, as in v1.2.3")
    words.add_argument("--minutes", type=float, default=10.0, help="of random programs (default: 10)")
    words.add_argument("--keep", type=Path, metavar="DIR", help="a folder for the wheel and the sdist that were tried")
    return words


def run(checks: Iterable[Check], plan: Plan, logs: Path) -> int:
    """Run the checks one after another, and print a table of what they found."""
    checks, rows, failed = list(checks), [], 0
    logs.mkdir(parents=True, exist_ok=True)
    for i, check in enumerate(checks, start=1):
        print(f"{i}/{len(checks)}  {check.name}: {check.what} ...", flush=True)
        start, log = time.monotonic(), logs / f"{check.name}.log"
        try:
            with log.open("w", encoding="utf-8") as file:
                note = check.run(plan, file)
            result, words = "passed", note or ""
        except Fault as fault:
            result, words, failed = "FAILED", f"{fault}; {log.name} in {logs} has all of it", failed + 1
        except KeyboardInterrupt:
            rows.append((check.name, "stopped", time.monotonic() - start, ""))
            print(table(rows))
            return INTERRUPTED
        rows.append((check.name, result, time.monotonic() - start, words))
    print(f"\n{table(rows)}\n")
    print(f"{failed} of {len(checks)} checks failed." if failed else f"All {len(checks)} checks passed.")
    return 1 if failed else 0


def table(rows: Iterable[tuple[str, str, float, str]]) -> str:
    """A line for each check: its name, what came of it, the time, and words."""
    return "\n".join(
        f"{name:<10} {result:<7} {seconds:>6.0f} s  {words}".rstrip() for name, result, seconds, words in rows
    )


def _version(text: str) -> str:
    if not re.fullmatch(r"\d+\.\d+\.\d+", text):
        raise argparse.ArgumentTypeError(f"a version is three numbers, as in 1.2.3, not {text!r}")
    return text
