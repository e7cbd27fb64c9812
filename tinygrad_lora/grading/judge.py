"""The judge's process: holds the checks, asks the student's process for values, and believes nothing but data."""

import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..learn.checking.counterfactual import KeptState
from ..learn.checking.guard import TookTooLongError, guarded
from ..learn.checking.report import CheckResult, shown
from ..learn.checking.run import run_checks
from ..learn.diagnosis import NOT_STARTED, Diagnosis
from ..learn.exercise import Check, Exercise
from ..learn.registry import load_exercise
from . import predictions
from .process.peer import Peer, Unwritten
from .process.student import CELLS, NO_PYTHON, PATIENCE, SERVICE
from .process.wire import Channel, Gone, Misbehaved
from .process.zygote import Nursery
from .submissions import File, files_of, hints_asked

ANSWER = 5.0  # seconds to hand over names
LONGEST_NAME = 60  # characters of a name in a diagnosis
MARGIN = 0.3  # seconds that the student's process stops before the judge would


class Judge(Peer):
    """The judge's end of the conversation. `broken` is the error after which it cannot go on."""

    def __init__(self, channel: Channel) -> None:
        super().__init__(channel, 2, lambda function, seconds: function(), lambda error: "")
        self.broken: BaseException | None = None

    def call(self, target: int, method: str, args: Any = (), kwargs: Any = None) -> Any:
        try:
            return super().call(target, method, args, kwargs)
        except (Gone, Misbehaved, TookTooLongError) as error:
            if not hasattr(error, "students_line"):  # else it is the student's limit, and the other side has answered
                self.broken = error
            raise

    def taken(self, names: list[str], exercise: list[str]) -> Any:
        """The student's objects with these names. Both sides forget those of earlier checks."""
        self.begin()
        return self.service("take", names, exercise)

    def service(self, method: str, *args: Any) -> Any:
        """Call a method of the `Service` in the student's process."""
        if SERVICE not in self.things:
            self.things[SERVICE] = "the student's process"
        return self.call(SERVICE, method, args)


class DistantMemory(KeptState):
    """The memory of the student's process, which is asked only when a check has failed, before it is run again.

    What it answers can change a diagnosis, and no verdict. `seconds` is what each further run may take.
    """

    def __init__(self, peer: Judge, seconds: float) -> None:
        self._peer, self._seconds, self.asked = peer, seconds, False

    def _answer(self, method: str, kind: type) -> Any:
        """What the student's process says, if it is of this kind; else nothing. From here on its time runs anew."""
        if self._peer.broken:  # that is what was wrong: nobody is there to be asked
            return kind()
        self.asked, self._peer.deadline = True, time.monotonic() + self._seconds
        answer = guarded(lambda: self._peer.service("ask_memory", method), ANSWER).value
        return answer if type(answer) is kind else kind()

    def changed(self) -> str:
        name: str = self._answer("changed", str)
        return name if name.replace(".", "_").isidentifier() and len(name) <= LONGEST_NAME else ""

    def put_back(self) -> None:
        guarded(lambda: self._peer.service("ask_memory", "put_back"), ANSWER)

    def looks_at_names(self) -> bool:
        return bool(self._answer("looks_at_names", bool))


class Hearing:
    """One submission before the judge. A process that ends is replaced for the next check."""

    def __init__(self, cells: list[list[str]], nursery: Nursery) -> None:
        self.cells, self._nursery, self.patience = cells, nursery, PATIENCE
        self.notes: list[str] = []
        self._peer: Judge | None = None
        self._dead = ""  # why no process can be had: the cells themselves end it

    def take(self, names: tuple[str, ...], exercise: tuple[str, ...]) -> dict[str, Any]:
        """The student's objects, as proxies; `...` for what is not written yet."""
        if self._peer is None and not self._dead:
            self._start()
        if (peer := self._peer) is None:
            return {}
        peer.deadline = 0.0
        outcome = guarded(lambda: peer.taken(list(names), list(exercise)), ANSWER)
        if outcome.error is not None or type(outcome.value) is not dict:
            if peer.broken:
                self._peer, self._dead = None, "it did not answer"
            return {}
        return {name: ... if isinstance(value, Unwritten) else value for name, value in outcome.value.items()}

    def _start(self) -> None:
        peer = Judge(self._nursery.start())
        ran = guarded(lambda: peer.service("run", self.cells), CELLS + 5)
        if ran.error is None and type(ran.value) is list:
            self.notes = [str(line)[:400] for line in ran.value[:50]]
            self._peer = peer
            return
        ending = self._nursery.end()
        self._dead = ending or "it did not answer"
        self.notes = [f"running the cells ended the process: {self._dead}"]

    def run(self, exercise: Exercise, check: Check, seed: int, budget: int) -> CheckResult:
        """One check. Whatever a student's process does, there is a result."""
        values = self.take(check.needs, exercise.names)
        limit = max(1.0, self.patience * exercise.limit)
        only = replace(exercise, checks=[check])
        memory = None
        if self._peer is not None:
            memory = DistantMemory(self._peer, limit - MARGIN)
            self._peer.deadline = time.monotonic() + limit - MARGIN
        report = run_checks(only, values, seed=seed, budget=budget, memory=memory, limit=limit)
        result = report.results[0]
        if self._dead and result.diagnosis is not None and result.diagnosis.code == NOT_STARTED:
            return _failed(result, "process-ended", f"running your code ended its process: {self._dead}")
        if self._peer is not None and self._peer.broken:
            reason, self._peer = self._peer.broken, None
            ending = self._nursery.end()
            if memory is not None and memory.asked:  # it had failed before
                return result
            if isinstance(reason, Gone):
                return _failed(result, "process-ended", f"your code ended its process: {ending or 'it closed its end'}")
            if isinstance(reason, TookTooLongError):
                sentence = f"stopped after {exercise.limit:g} s: is there a loop that never ends?"
                return _failed(result, "too-slow", sentence)
            return _failed(result, "wrong-type", "what your code gave cannot be read as data")
        return result

    def close(self) -> list[str]:
        """End the process. Returns what the hook refused."""
        refused: list[str] = []
        if (peer := self._peer) is not None:
            peer.deadline = 0.0
            answer = guarded(lambda: peer.service("refused"), 2.0).value
            refused = [str(what)[:300] for what in answer][:20] if type(answer) is list else []
            peer.channel.close()
        self._nursery.end()
        return list(dict.fromkeys(refused))


def _failed(result: CheckResult, code: str, sentence: str) -> CheckResult:
    return replace(result, passed=False, points=0, diagnosis=Diagnosis(code, sentence))


def judge(job: dict[str, Any], nursery: Nursery) -> dict[str, Any]:
    """The result of one submission, as data. `job` has `paths`, `files` or `cells`; `exercises`, `seed`, `budget`."""
    start, unreadable = time.perf_counter(), list(job.get("notes", ()))
    files = [{"cells": job["cells"], "answers": []}] if "cells" in job else job.get("files")
    if files is None:
        files, unreadable = files_of([Path(path) for path in job["paths"]])
    notes = list(unreadable)
    results: dict[str, list[dict[str, Any]]] = {}
    refused: list[str] = []
    for ids, cells in apart(files, job["exercises"]):
        hearing = Hearing(cells, nursery)
        hearing.patience = float(job.get("patience", PATIENCE))
        try:
            for exercise in map(load_exercise, ids):
                heard = [hearing.run(exercise, check, job["seed"], job["budget"]) for check in exercise.checks]
                results[exercise.id] = [data_of(one) for one in heard]
        finally:
            refused += hearing.close()
        notes += hearing.notes
    ordered = [one for id in job["exercises"] for one in results[id]]
    if job.get("predictions"):
        known = {name for file in files for _, text in file["cells"] for name in defined(text)}
        ordered += map(data_of, predictions.results(job["exercises"], predictions.answered(files, known)))
    points, out_of = (sum(one[what] for one in ordered) for what in ("points", "out_of"))
    asked = hints_asked(files)
    hints = [id for id in job["exercises"] if id in asked]
    if points < out_of:
        unreadable += [note for note in notes if NO_PYTHON in note]
    return {
        "results": ordered, "notes": list(dict.fromkeys(notes)), "refused": list(dict.fromkeys(refused)),
        "unreadable": list(dict.fromkeys(unreadable)), "hints": hints, "points": points, "out_of": out_of,
        "seconds": round(time.perf_counter() - start, 4),
    }  # fmt: skip


def apart(files: list[File], ids: list[str]) -> Iterator[tuple[list[str], list[list[str]]]]:
    """Exercises, and the cells to run for them: of the notebooks that have their answers, else of the files that
    define their names, else of all files.

    Each file is a program of its own: two of them may use one name for different things.
    """
    groups: dict[tuple[int, ...], list[str]] = {}
    for id in ids:
        own = [i for i, file in enumerate(files) if id in file["answers"]] or defining(files, load_exercise(id).names)
        groups.setdefault(tuple(own or range(len(files))), []).append(id)
    for chosen, own_ids in groups.items():
        cells = [cell for i in chosen for cell in files[i]["cells"]]
        for id in own_ids:
            cells = without_fresh_copies(cells, load_exercise(id))
        preambles = dict.fromkeys(load_exercise(id).preamble for id in own_ids)
        yield own_ids, [*([f"preamble {i}", text] for i, text in enumerate(preambles, start=1)), *cells]


def defining(files: list[File], names: Iterable[str]) -> list[int]:
    """The files that define some of the names, without those that define fewer of them than another file does.

    Two exercises may share a name.
    """
    by_file = [{name for _, text in file["cells"] for name in defined(text)} & {*names} for file in files]
    return [i for i, own in enumerate(by_file) if own and not any(own < others for others in by_file)]


@lru_cache(1_000)
def defined(text: str) -> frozenset[str]:
    """The names that a text defines or fills, as far as its lines show it. The text is not run, and not even parsed."""
    names: set[str] = set()
    for line in text.splitlines():
        if begins := re.match(r"\s*(?:async\s+)?(def|class|from|import)\s(.*)", line):
            words = re.findall(r"\w+", begins[2])
            names.update(words[:1] if begins[1] in ("def", "class") else words)
        elif "=" in line and "(" not in (head := line.partition("=")[0]):
            names.update(re.findall(r"(?<![\w.])\w+", head))
    return frozenset(names)


def without_fresh_copies(cells: list[list[str]], exercise: Exercise) -> list[list[str]]:
    """The cells without templates that come after an answer: a second copy of a notebook must not undo the first."""
    kept, begun, stub = [], False, stub_of(exercise.id)
    for name, text in cells:
        untouched = text.replace("\r\n", "\n").strip().endswith(stub)
        if not (untouched and begun and exercise.expected_of_stub is None):
            kept.append([name, text])
        begun = begun or (not untouched and not defined(text).isdisjoint(exercise.names))
    return kept


@lru_cache
def stub_of(id: str) -> str:
    """The template of an exercise. A worker asks once, for all its jobs: it is cut out of source text."""
    return load_exercise(id).stub.strip()


def data_of(result: CheckResult) -> dict[str, Any]:
    """A result with its sentence and its example, as plain data."""
    diagnosis = result.diagnosis if result.started else None
    lines = shown(diagnosis) if diagnosis else []
    return {
        **result.record, "claim": result.claim, "sentence": diagnosis.sentence[:2000] if diagnosis else "",
        "example": [line[:500] for line in lines[:40]], "notes": [note[:500] for note in result.notes],
    }  # fmt: skip
