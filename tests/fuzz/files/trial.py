"""One damaged file: it is read right, or refused in a sentence that names it, soon, and nothing has changed."""

from __future__ import annotations

import re
import resource
import signal
import time
import traceback
import warnings
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from .kinds import KINDS, REFUSALS, Kind, equal
from .mutations import choice, replace_file

SECONDS, BYTES = 2.0, 512 * 2**20
PATIENCE = 20  # seconds until a reader counts as one that hangs
PLACE = "/dev/shm" if Path("/dev/shm").is_dir() else None  # files in memory are faster
PART_REPLACED = 0.06  # of the files are no regular files, or are none


class Hangs(BaseException):
    """A reader that does not come back."""


@cache
def originals(number: int) -> dict[str, bytes]:
    """The good files of a kind."""
    with TemporaryDirectory() as name:
        KINDS[number].make(Path(name))
        return {path.name: path.read_bytes() for path in Path(name).iterdir()}


def trial(seed: int, number: int) -> tuple[str, str | None, str]:
    """The kind of a trial, what is wrong with its outcome, and the outcome in a word."""
    kind = KINDS[number % len(KINDS)]
    rng = np.random.default_rng([seed, number])
    with TemporaryDirectory(prefix="damaged-", dir=PLACE) as name:
        folder = Path(name)
        for file, data in originals(number % len(KINDS)).items():
            (folder / file).write_bytes(data)
        spoilt = choice(rng, list(kind.files))
        if rng.random() < PART_REPLACED:
            what = replace_file(folder / spoilt, rng)
        else:
            data = (folder / spoilt).read_bytes()
            names = []
            for _ in range(1 if rng.random() < 0.8 else 2):
                change = choice(rng, kind.files[spoilt])
                try:
                    data = change(data, rng) if data else data
                    names.append(change.__name__)
                except Exception:  # what was changed before is no JSON, no archive any more
                    names.append(f"not {change.__name__}")
            (folder / spoilt).write_bytes(data)
            what = " and ".join(names)
        told, outcome = judged(kind, folder)
        return kind.name, told and f"{kind.name}, {spoilt}, {what}: {told}", outcome


def judged(kind: Kind, folder: Path) -> tuple[str | None, str]:
    """What is wrong with how a reader takes the files in a folder, and what it did."""
    start = kind.start()
    before, files = kind.state(start), contents(folder)
    high, clock = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    error: BaseException | None = None
    given: Any = None
    handler = signal.signal(signal.SIGALRM, hang)
    signal.alarm(PATIENCE)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            given = kind.read(folder, start)
    except (Exception, Hangs) as problem:
        error = problem
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, handler)
    seconds = time.process_time() - clock
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - high) * 1024
    outcome = "right" if error is None else "refused"
    if seconds > SECONDS:
        return f"it took {seconds:.1f} seconds", outcome
    if grown > BYTES:
        return f"it took {grown >> 20} MB", outcome
    if contents(folder) != files and not (kind.makes and error is None):
        return f"the files are others: {sorted(contents(folder))}", outcome
    if error is None:
        return wrong(kind, folder, given, start), outcome
    if not equal(kind.state(start), before):
        return f"something changed before it was refused: {error}", outcome
    return misfit(kind, folder, error), outcome


def extreme(number: int, file: str, make: Any) -> tuple[str, str | None, str]:
    """The same for one large file that is made to take time and memory."""
    kind = KINDS[number]
    with TemporaryDirectory(prefix="damaged-", dir=PLACE) as name:
        folder = Path(name)
        for other, data in originals(number).items():
            (folder / other).write_bytes(data)
        (folder / file).write_bytes(make())
        return (kind.name, *judged(kind, folder))


def contents(folder: Path) -> dict[str, Any]:
    status = {path.name: path.lstat() for path in folder.iterdir()}
    return {name: (one.st_mode, one.st_size, one.st_mtime_ns) for name, one in status.items()}


def hang(*_: Any) -> None:
    raise Hangs


def wrong(kind: Kind, folder: Path, given: Any, start: Any) -> str | None:
    """How what was read differs from what a plain reader gives."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = kind.expected(folder, start)
        same = (kind.same or equal)(given, expected)
    except Exception as problem:
        return f"it is accepted, and a plain reader says {type(problem).__name__}: {str(problem)[:200]}"
    if same:
        return None
    return f"it is accepted, and other than a plain reader has it: {str(given)[:300]} / {str(expected)[:300]}"


def misfit(kind: Kind, folder: Path, error: BaseException) -> str | None:
    """What a refusal lacks."""
    text = str(error)
    where = traceback.extract_tb(error.__traceback__)[-1]
    told = f"{type(error).__name__}: {text[:300]} in {Path(where.filename).name}, {where.name}"
    system = isinstance(error, OSError) and error.errno is not None
    if kind.silent or not (isinstance(error, REFUSALS) or system):
        return told
    if not any(str(folder / file) in text for file in kind.files):
        return f"it does not say which file: {told}"
    if len(text) > 4000 or re.search(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]", text):
        return f"it is no sentence of {len(text)} characters: {told}"
    cause = error.__cause__
    if isinstance(cause, MemoryError | RecursionError | AttributeError | NameError | AssertionError):
        return f"it is refused by accident: {type(cause).__name__}: {told}"
    return None
