"""The regular expressions in an adapter's options. They come from a file, and a short one can take years to match.

Python's matcher cannot be stopped from within, so those that are not plainly harmless are tried in a process of its
own: this file, run as a program. What it does there in time takes no longer afterwards.
"""

import json
import re
import subprocess
import sys
import warnings
from collections.abc import Iterable
from typing import NamedTuple

SECONDS = 1.0  # for all names and patterns: ordinary ones take milliseconds
HARMLESS_LENGTH, HARMLESS_REPEATS = 1_000, 2  # without brackets, so few repeats mean no more work than length squared


class OptionPattern(NamedTuple):
    """A pattern, the option that it is in, and how it is used: alone for a full name, or as a part of a longer one."""

    option: str
    pattern: str
    template: str = ""

    @property
    def text(self) -> str:
        return self.template.replace("{}", self.pattern) or self.pattern

    @property
    def harmless(self) -> bool:
        repeats = sum(map(self.pattern.count, "*+?{"))
        return len(self.pattern) <= HARMLESS_LENGTH and repeats <= HARMLESS_REPEATS and "(" not in self.pattern


def pattern_problems(patterns: Iterable[OptionPattern], names: Iterable[str]) -> list[str]:
    """What is wrong with these patterns: those that are none, and that the names would take too long to match."""
    patterns, names = list(patterns), list(names)
    risky = [] if sys.platform == "emscripten" else [p for p in patterns if not p.harmless]  # no processes there
    problems = _tried([p for p in patterns if p not in risky], names)
    return problems + _tried_apart(risky, names) if risky else problems


def _tried_apart(patterns: list[OptionPattern], names: list[str]) -> list[str]:
    command = [sys.executable, "-I", "-S", "-W", "ignore", __file__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            process.stdout.readline()  # it has begun: on a busy machine that takes its time
            answer, _ = process.communicate(json.dumps([patterns, names]), SECONDS)
        except subprocess.TimeoutExpired:
            options = ", ".join(dict.fromkeys(p.option for p in patterns))
            return [f"{options}: to match this takes more than {SECONDS:g} second: name the layers in a list"]
        finally:
            process.kill()
    return json.loads(answer)


def _tried(patterns: Iterable[OptionPattern], names: list[str]) -> list[str]:
    """Match all; what is wrong with those that cannot be."""
    problems = []
    for option, pattern, template in patterns:
        try:
            with warnings.catch_warnings(action="ignore"):
                compiled = re.compile(OptionPattern(option, pattern, template).text)
            for name in names:
                (compiled.match if template else compiled.fullmatch)(name)
        except (re.error, RecursionError, OverflowError, MemoryError) as error:
            problems.append(f"{option}: {pattern!r} is not a regular expression: {error}")
    return problems


if __name__ == "__main__":
    print(flush=True)
    asked, all_names = json.load(sys.stdin)
    print(json.dumps(_tried((OptionPattern(*row) for row in asked), all_names)))
