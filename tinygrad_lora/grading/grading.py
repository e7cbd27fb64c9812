"""Grading a whole class: jobs for workers, results kept as they come, nothing graded twice."""

import contextlib
import hashlib
import inspect
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..errors import ExerciseError
from ..learn.checking.report import CheckResult
from ..learn.diagnosis import Diagnosis
from ..learn.exercise import Exercise
from ..learn.own.course import identity
from ..learn.registry import exercise_ids, load_exercise, own_tutorials, require_distinct
from .judge import data_of
from .kept import read_kept, write_kept
from .predictions import results as asked
from .process.zygote import command, environment
from .submissions import Submission

GRADER = 10  # raise it when the same submission may get another result
SANDBOXED = "Each submission runs in a sandbox of the operating system (bubblewrap)."
TRUSTED = "Submissions are trusted: they run without a sandbox, held by Python alone."


@dataclass(frozen=True)
class GradingSettings:
    """How to grade. `seed` and `budget` draw the random cases; `cpu` and `memory` limit each student's process.

    Without `trusted`, nothing is graded where there is no sandbox. With `predictions`, a question that is answered is a
    point. `course` is the folder of one's own exercises, and a hash of them.
    """

    seed: int = 1
    budget: int = 30
    cpu: int = 60
    memory: int = 2 << 30
    wall: float = 300.0
    trusted: bool = False
    predictions: bool = False
    course: tuple[str, ...] = field(default_factory=identity)

    @property
    def held(self) -> str:
        """How submissions are held, in one sentence."""
        return TRUSTED if self.trusted else SANDBOXED


Job = dict[str, Any]
Result = dict[str, Any]


def chosen(text: str) -> list[str]:
    """The ids that a text names: "04" is all of a tutorial, "04-topo,05-unbroadcast" are two. Raises ExerciseError."""
    ids: list[str] = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        if part.isdigit():
            own = [id for id in exercise_ids() if id.startswith(f"{part.zfill(2)}-")]
        else:
            own = [load_exercise(part).id]
            if part not in exercise_ids():  # a capstone
                raise ExerciseError(f"{part} is not graded: `tinygrad-lora check {part} FILE`, and let people judge it")
        if not own:
            raise ExerciseError(f"tutorial {part.zfill(2)} has no exercises")
        ids += own
    if not ids:
        raise ExerciseError("name the exercises: --exercises 04, or --exercises 04-topo,05-unbroadcast")
    for own in own_tutorials().values():
        require_distinct(own if {*own} & {*ids} else ())
    return list(dict.fromkeys(ids))


def job_of(submission: Submission, ids: Sequence[str], settings: GradingSettings) -> Job:
    """What a worker needs to grade a submission, as plain data."""
    return {"paths": [str(path.absolute()) for path in submission.paths], "exercises": list(ids), **asdict(settings)}


def key(submission: Submission, ids: Sequence[str], settings: GradingSettings) -> str:
    """The name of a kept result: a hash of the submission, the exercises, the settings and the versions."""
    modules = [inspect.getsource(sys.modules[load_exercise(id).checks[0].function.__module__]) for id in ids]
    parts = [GRADER, __version__, sys.version, np.__version__, submission.digest, list(ids), modules, asdict(settings)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


class GradingWorker:
    """A process that judges, one job after another. It is started again if it ends."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._stopped = False
        self._course: list[str] = []

    def judge(self, job: Job) -> Result:
        """The result of a job. If the worker ends, the result says so."""
        if (course := [*job.get("course", ())]) != self._course:
            self.close()
            self._course = course
        if course and not Path(course[0]).is_dir():
            return {"failed": f"{course[0]}, the folder of your exercises, is not on the machine that grades"}
        for _ in range(2):
            if self._stopped:
                break
            try:
                process = self._process = self._process or self._started()
                if self._stopped:  # while it was started
                    self.stop()
                assert process.stdin and process.stdout
                process.stdin.write(json.dumps(job) + "\n")
                process.stdin.flush()
                if line := process.stdout.readline():
                    return dict(json.loads(line))
            except (OSError, ValueError):
                pass
            self.close()
        return {"failed": "the worker ended"}

    def _started(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command("worker"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            encoding="utf-8", env=environment(),
            cwd=self._course[0] if self._course else tempfile.gettempdir(),  # there it finds one's own exercises
            start_new_session=True,  # Ctrl-C is for the command; it then stops its workers
        )  # fmt: skip

    def stop(self) -> None:
        """End the process at once, in the middle of a job. The processes that it started notice, and end too."""
        self._stopped, process = True, self._process
        if process is not None:
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL) if hasattr(os, "killpg") else process.kill()

    def close(self) -> None:
        """End the process when it is done with its job, or after five seconds."""
        if self._process is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()  # type: ignore[union-attr]
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
            self._process.wait()
            self._process.stdout.close()  # type: ignore[union-attr]
            self._process = None


Submit = Callable[[Job], Any]  # what has a job done, and gives a future of its result


@contextlib.contextmanager
def working(count: int) -> Iterator[Submit]:
    """A function that has one of several workers judge a job, as soon as one is free."""
    workers, free = [GradingWorker() for _ in range(max(1, count))], queue.SimpleQueue[GradingWorker]()
    for worker in workers:
        free.put(worker)

    def judged(job: Job) -> Result:
        worker = free.get()
        try:
            return worker.judge(job)
        finally:
            free.put(worker)

    threads = ThreadPoolExecutor(len(workers))
    try:
        yield lambda job: threads.submit(judged, job)
    except BaseException:
        for worker in workers:
            worker.stop()
        raise
    finally:
        threads.shutdown(cancel_futures=True)
        for worker in workers:
            worker.close()


def self_check(ids: Sequence[str], submit: Submit, settings: GradingSettings) -> None:
    """Raises ExerciseError, with a list, unless every reference has full marks and every template 0."""
    exercises = [load_exercise(id) for id in ids]
    asked = [(exercise, kind, submit(_own(exercise, kind, settings))) for exercise in exercises for kind in _KINDS]
    wrong = []
    for exercise, kind, future in asked:
        result = _protected(future.result())
        expected = exercise.points if kind == "solution" else 0
        if result.get("points") != expected:
            first = next((one["sentence"] for one in result.get("results", ()) if one["sentence"]), "")
            got = result.get("failed") or f"{result['points']} of {exercise.points} points"
            wrong.append(f"  {exercise.id}: the {_KINDS[kind]} gets {got}, not {expected}. {first}".rstrip())
    if wrong:
        lines = "\n".join(wrong)
        raise ExerciseError(f"nothing was graded, because the grader does not agree with its own answers:\n{lines}")


def _protected(result: Result) -> Result:
    """The result. Raises ExerciseError if there was none because a machine has no sandbox."""
    if "unprotected" in result:
        raise ExerciseError(f"nothing was graded, because there is no sandbox: {result['failed']}")
    return result


_KINDS = {"solution": "reference", "stub": "template"}


def _own(exercise: Exercise, kind: str, settings: GradingSettings) -> Job:
    source = f"{exercise.preamble}\n\n{getattr(exercise, kind)}"
    return {"cells": [[kind, source]], "exercises": [exercise.id], **asdict(settings)}


def grade_all(
    submitted: Sequence[Submission], ids: Sequence[str], settings: GradingSettings, kept: Path, submit: Submit,
    done: Callable[[Iterable[Any]], Iterable[Any]] = as_completed, make: Callable[..., Job] = job_of,
) -> Iterator[tuple[Submission, Result, bool]]:  # fmt: skip
    """Each submission with its result, as it comes; True beside it if it was kept from an earlier run.

    Results are written to the folder `kept` at once: a run that was killed goes on where it was.
    """
    waiting: dict[Any, tuple[Submission, Path]] = {}
    blank = empty(ids, "", settings.predictions)
    for submission in submitted:
        path = kept / f"{key(submission, ids, settings)}.json"
        if (result := read_kept(path, blank)) is not None:
            yield submission, result, True
            continue
        waiting[submit(make(submission, ids, settings))] = submission, path
    for future in done(list(waiting)):
        submission, path = waiting[future]
        result = _protected(future.result())
        if "failed" in result:  # not kept: it may come to something the next time
            result = empty(ids, result["failed"], settings.predictions)
        else:
            write_kept(path, result)
        yield submission, result, False


def empty(ids: Sequence[str], why: str, predictions: bool = False) -> Result:
    """A result without points, which says why."""
    ungraded = Diagnosis("not-graded", why)
    checks = [(id, check) for id in ids for check in load_exercise(id).checks]
    rows = [CheckResult(id, check.name, False, ungraded, 0.0, 0, check.points) for id, check in checks]
    results = [data_of(row) for row in (*rows, *(asked(ids, set()) if predictions else ()))]
    total = sum(one["out_of"] for one in results)
    lists: dict[str, list[str]] = {"notes": [why], "refused": [], "unreadable": [], "hints": []}
    return {"results": results, **lists, "seconds": 0.0, "points": 0, "out_of": total}


def workers_of_this_machine() -> int:
    """How many to start if nobody says: one for each processor."""
    mine = getattr(os, "sched_getaffinity", None)
    return len(mine(0)) if mine else os.cpu_count() or 1
