"""What a message is worth to whoever gets it."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, replace

from tinygrad_lora.learn.checking.run import run_checks
from tinygrad_lora.learn.diagnosis import Diagnosis
from tinygrad_lora.learn.own.survivors import GENERIC
from tinygrad_lora.learn.registry import load_exercise

from .answers import Answer

LIMIT = 1.0  # seconds for each check of a wrong answer: some never end
PATIENCE = 60.0  # for a right one
TOO_SLOW, PATIENT_LIMIT = "too-slow", 5.0  # on a busy machine
SAYS_BOTH = {"wrong-type", "wrong-shape", "wrong-name", "count", "missed"}  # "it is a list; an array is needed"
NUMBER = re.compile(r"-?\d[\d.,e+-]*|\([\d, ]*\)|NaN|infin|None|\ba \w+|of type \w+")
COMPARING = re.compile(r"\b(should|must|not|yours|your|you|needed|is right|would do|and f gives|can be reached)\b")

ACCEPTED, NAMED, EXAMPLE, PLAIN, BARE, MISLEADING = "accepted", "named", "example", "generic", "bare", "misleading"
REJECTED, PASSED = "rejected", "passed"  # of right answers


@dataclass(frozen=True)
class Verdict:
    """What became of an answer: one of the words above, the first diagnosis, and the seconds of this process."""

    answer: Answer
    word: str
    diagnosis: Diagnosis | None
    seconds: float

    def __str__(self) -> str:
        code = f"[{self.diagnosis.code}] {self.diagnosis.sentence}" if self.diagnosis else "all points"
        return f"{self.answer.exercise}  {self.answer.title}\n    {code}"


def judged(answer: Answer) -> Verdict:
    """Run the checks on an answer, and say what its message is worth."""
    exercise, diagnosis, start = load_exercise(answer.exercise), None, time.process_time()
    right = answer.kind == "right"
    exercise = replace(exercise, limit=PATIENCE if right else max(LIMIT, exercise.limit * exercise.slow))
    try:
        values = answer.values(exercise)
    except Exception as error:  # as a notebook shows it: there is nothing to check
        diagnosis = Diagnosis("does-not-run", f"{type(error).__name__}: {error}")
        return Verdict(answer, REJECTED if right else BARE, diagnosis, 0.0)
    for check in exercise.checks:
        diagnosis = run_checks(replace(exercise, checks=[check]), values).diagnosis
        if diagnosis and diagnosis.code == TOO_SLOW and TOO_SLOW not in answer.codes:  # it may be the machine that is
            patient = replace(exercise, checks=[check], limit=max(PATIENT_LIMIT, exercise.limit))
            diagnosis = run_checks(patient, answer.values(exercise)).diagnosis
        if diagnosis is not None:
            break
        values = answer.values(exercise)  # anew: what it remembers of this check is no matter of the next
    seconds = time.process_time() - start
    return Verdict(answer, word_for(answer, diagnosis), diagnosis, seconds)


def word_for(answer: Answer, diagnosis: Diagnosis | None) -> str:
    """The column of the table in which an answer counts."""
    if answer.kind == "right":
        return PASSED if diagnosis is None else REJECTED
    if diagnosis is None:
        return ACCEPTED
    if diagnosis.code in answer.codes:
        return NAMED
    if diagnosis.code == "exception":
        return BARE
    if diagnosis.code in GENERIC:
        return EXAMPLE if has_example(diagnosis) else PLAIN
    return MISLEADING if answer.codes else NAMED


def has_example(diagnosis: Diagnosis) -> bool:
    """Whether the message says what came and what should have come."""
    if diagnosis.code in SAYS_BOTH or "should be" in {what for what, _ in diagnosis.example}:
        return True
    return len(set(NUMBER.findall(diagnosis.sentence))) >= 2 and bool(COMPARING.search(diagnosis.sentence))
