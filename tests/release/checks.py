"""The checks of a release, in the order in which they run: the quick ones first. Each writes what it did into a log."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from . import texts

ROOT = Path(__file__).resolve().parents[2]
LINTERS = ["check-jsonschema>=0.30", "zizmor>=1"]


@dataclass(frozen=True)
class Plan:
    """What the command line asks for."""

    tag: str | None = None  # of the release, such as v1.2.3; None: it is not there yet
    minutes: float = 10.0  # of fuzzing
    keep: Path | None = None  # a folder for the wheel and the sdist


class Fault(Exception):  # noqa: N818, it is what a check found, and no accident
    """Why a release cannot be made; the message says what to do."""


@dataclass(frozen=True)
class Check:
    """One check. `run` raises Fault, or returns a sentence that says what could not be looked at here, or nothing."""

    name: str
    what: str
    run: Callable[[Plan, TextIO], str | None]


def tree(plan: Plan, log: TextIO) -> None:
    """Everything is committed."""
    changes = _output(["git", "status", "--porcelain"], log)
    if changes.strip():
        raise Fault(f"not committed: {', '.join(line[3:] for line in changes.splitlines()[:5])}")


def version(plan: Plan, log: TextIO) -> None:
    if differences := list(texts.different_versions(ROOT, plan.tag)):
        raise Fault("; ".join(differences) + ": python3 run.py release --set X.Y.Z writes it everywhere")


def changelog(plan: Plan, log: TextIO) -> None:
    if faults := list(texts.faults_of_changelog(ROOT)):
        raise Fault("; ".join(faults) + ": python3 run.py release --set X.Y.Z does so")


def workflows(plan: Plan, log: TextIO) -> str | None:
    """What runs elsewhere is read by linters here."""
    folder = ROOT / ".github" / "workflows"
    files = sorted(map(str, folder.glob("*.yml")))
    with _environment(log) as python:
        _call([python, "-m", "pip", "install", "--quiet", *LINTERS], log)
        scripts = Path(python).parent
        _call([scripts / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", *files], log)
        _call([scripts / "zizmor", "--offline", "--config", folder.parent / "zizmor.yml", folder], log)
    if program := shutil.which("actionlint"):
        _call([program, *files], log)
        return None
    return "actionlint is not installed: only the schema and zizmor looked at them"


def wheel(plan: Plan, log: TextIO) -> None:
    _installed("*.whl", plan, log)


def sdist(plan: Plan, log: TextIO) -> None:
    _installed("*.tar.gz", plan, log)


def lab(plan: Plan, log: TextIO) -> None:
    _call([sys.executable, ROOT / "run.py", "lab", "--check"], log)


def docs(plan: Plan, log: TextIO) -> None:
    _call([sys.executable, ROOT / "run.py", "docs"], log)


def tests(plan: Plan, log: TextIO) -> None:
    _call([sys.executable, ROOT / "run.py", "test", "--all"], log)


def fuzz(plan: Plan, log: TextIO) -> None:
    _call([sys.executable, ROOT / "run.py", "fuzz", "--minutes", plan.minutes], log)


CHECKS = [
    Check("tree", "everything is committed", tree),
    Check("version", "one version in all files", version),
    Check("changelog", "the changelog is that of this version", changelog),
    Check("workflows", "linters of the workflows", workflows),
    Check("wheel", "the wheel in an empty environment", wheel),
    Check("sdist", "the sdist in an empty environment", sdist),
    Check("docs", "the documentation without a warning", docs),
    Check("lab", "every tutorial in the lab", lab),
    Check("tests", "all tests", tests),
    Check("fuzz", "random programs", fuzz),
]


def _installed(pattern: str, plan: Plan, log: TextIO) -> None:
    """Build the package, install one file of it where nothing else is, and use what it brings."""
    with tempfile.TemporaryDirectory() as folder, _environment(log) as python:
        _call([sys.executable, "-m", "build", "--outdir", folder, ROOT], log)
        (file,) = Path(folder).glob(pattern)
        _call([python, "-m", "pip", "install", "--quiet", file], log)
        command = Path(python).with_name("tinygrad-lora")
        said = _output([command, "--version"], log, folder).split()[-1]
        if said != texts.version_of(ROOT):
            raise Fault(f"{file.name} says that it is {said}, and not {texts.version_of(ROOT)}")
        _call([command, "doctor"], log, folder)
        _call([command, "demo", "--quiet", "--epochs", "1", "--out", "pictures"], log, folder)
        if plan.keep is not None:
            plan.keep.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, plan.keep)


@contextmanager
def _environment(log: TextIO) -> Iterator[str]:
    """The Python of an empty environment, which is removed in the end."""
    with tempfile.TemporaryDirectory() as folder:
        _call([sys.executable, "-m", "venv", folder], log)
        yield str(Path(folder, "Scripts" if os.name == "nt" else "bin", "python"))


def _call(command: Sequence[object], log: TextIO, folder: object = ROOT) -> None:
    _output(command, log, folder)


def _output(command: Sequence[object], log: TextIO, folder: object = ROOT) -> str:
    """Run a command and return what it prints. Raises Fault, with its last line, where it fails."""
    words = [str(word) for word in command]
    log.write(f"$ {' '.join(words)}\n")
    log.flush()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    try:
        process = subprocess.Popen(
            words, cwd=str(folder), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            encoding="utf-8", errors="replace",
        )  # fmt: skip
    except FileNotFoundError:
        raise Fault(f"{words[0]} is not installed") from None
    lines, last = [], "it printed nothing"
    with process:
        for line in process.stdout or ():
            lines.append(line)
            log.write(line)
            log.flush()
            last = line.strip() or last
            if sys.stdout.isatty():  # the line that came last, in place of the one before
                print(f"\r\x1b[K     {last[:100]}", end="", flush=True)
    if sys.stdout.isatty():
        print("\r\x1b[K", end="", flush=True)
    if process.returncode:
        raise Fault(f"{Path(words[0]).name} ended with exit code {process.returncode}: {last[:120]}")
    return "".join(lines)
