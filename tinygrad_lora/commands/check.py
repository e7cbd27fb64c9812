"""The commands `tinygrad-lora check`, `hint`, `solution` and `progress`: the course in a terminal."""

import json
import re
import runpy
from pathlib import Path
from textwrap import TextWrapper
from typing import Any

from ..learn.checking.check import hint, solution
from ..learn.checking.guard import TookTooLongError, guarded
from ..learn.checking.report import Report
from ..learn.checking.run import run_checks
from ..learn.checking.solutions import unmarked
from ..learn.exercise import Exercise
from ..learn.progress import Progress, forget, progress, save
from ..learn.registry import load_exercise
from .output import Arguments, Commands, new_command

LIMIT = 10.0  # seconds that a file may take before the checks begin


def add_command(commands: Commands) -> None:
    """Add `check`, `hint`, `solution` and `progress` to the commands of a parser."""
    parser = new_command(commands, "check", run_check, "show an exercise, or check your file")
    parser.add_argument("id", metavar="EXERCISE", help="its id, such as 04-topo; `tinygrad-lora progress` lists all")
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE.py", help="your file")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    for parser in (
        new_command(commands, "hint", run_hint, "show the next hint for an exercise"),
        new_command(commands, "solution", run_solution, "show two solutions of an exercise that you have solved"),
    ):
        parser.add_argument("id", metavar="EXERCISE", help="its id, such as 04-topo")
    parser = new_command(commands, "progress", run_progress, "list all exercises and how far you are")
    parser.add_argument("--json", action="store_true", help="print the list as JSON")
    parser.add_argument("--delete", action="store_true", help="delete that file, and all that is known about you")


def run_check(args: Arguments) -> int:
    """Without a file: the exercise, and what to begin with. With one: run it, and check what it defines. The exit code
    is 0 if everything passes, else 1.

    Raises ExerciseError and OSError.
    """
    exercise = load_exercise(args.id)
    if args.file is None:
        print(as_json(exercise) if args.json else task(exercise))
        return 0
    report = run_checks(exercise, defined_in(args.file, exercise))
    save(report)
    print(report_as_json(report) if args.json else as_text(report))
    return 0 if report.passed else 1


def defined_in(path: Path, exercise: Exercise) -> dict[str, Any]:
    """What a file defines of the names that the exercise asks for. Raises ValueError if it does not run to its end."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    if path.suffix != ".py":
        raise ValueError(f"{path} is not a Python file: in a notebook, call check({exercise.id!r}, ...) in a cell")
    outcome = guarded(lambda: runpy.run_path(str(path), run_name="student"), LIMIT)
    if isinstance(outcome.error, TookTooLongError):
        where = f" in {outcome.line}" if outcome.line else ""
        why = "is there a loop that never ends? The file need only define what the exercise asks for"
        raise ValueError(f"{path} was stopped after {LIMIT:g} seconds{where}: {why}")
    if outcome.error is not None:
        where = f", {outcome.line}" if outcome.line else ""
        raise ValueError(f"{path} stops{where}: {type(outcome.error).__name__}: {outcome.error}")
    return {name: outcome.value[name] for name in exercise.names if name in outcome.value}


def task(exercise: Exercise) -> str:
    """The exercise as text: title, task, and what the student starts with."""
    heading = f"{exercise.id}  {exercise.plain_title}  ({exercise.points} points)"
    start = f"{exercise.preamble}\n\n{exercise.stub}".rstrip()
    how = f"Put this into a file, complete it, and run: tinygrad-lora check {exercise.id} FILE.py"
    return "\n\n".join([heading, wrapped(exercise.prompt), how, start])


def wrapped(text: str) -> str:
    """The text at most 80 wide. Paragraphs and lists are wrapped; code, tables and formulas stay as they are."""
    blocks = []
    for block in text.split("\n\n"):
        if not block.startswith((" ", "|", "$$")):
            wrap = TextWrapper(80, subsequent_indent="  " * block.startswith("* "), break_on_hyphens=False)
            block = "\n".join(wrap.fill(" ".join(item.split())) for item in re.split(r"\n(?=\* )", block))
        blocks.append(block)
    return "\n\n".join(blocks)


def as_text(report: Report) -> str:
    """The results in words. Where a notebook would call `hint`, a terminal has a command."""
    return re.sub(r'\b(hint|solution)\("(.+?)"\)', r"tinygrad-lora \1 \2", str(report))


def as_json(exercise: Exercise) -> str:
    """The exercise as data."""
    fields = ("id", "title", "kind", "points", "prompt", "preamble", "stub")
    return json.dumps({name: getattr(exercise, name) for name in fields}, indent=2)


def report_as_json(report: Report) -> str:
    """The results as data, with the sentences."""
    results = [
        {**result.record, "sentence": result.diagnosis.sentence if result.diagnosis else "", "notes": result.notes}
        for result in report.results
    ]
    whole = {
        "exercise": report.exercise.id, "passed": report.passed, "points": report.points, "out_of": report.out_of,
        "results": results,
    }  # fmt: skip
    if report.passed:
        one = report.exercise
        solved = unmarked(one.solution)
        whole |= {"about": one.about, "solution": solved, "another_way": one.another_way, "next": one.next_step}
    return json.dumps(whole, indent=2)


def progress_as_json(state: Progress) -> str:
    """The table as data."""
    exercises = [
        {"id": line.id, "title": line.title, "state": line.word, "points": line.points, "out_of": line.out_of}
        for line in state.lines
    ]
    whole = {"points": state.points, "out_of": state.out_of, "exercises": exercises, "predictions": state.predictions}
    return json.dumps(whole, indent=2)


def run_hint(args: Arguments) -> None:
    """There are three hints for each exercise, and each tells more. After the third they begin again."""
    print(wrapped(str(hint(args.id))))


def run_solution(args: Arguments) -> None:
    """What the exercise was about, two solutions, and what to try next: as soon as all its checks have passed.

    Raises ExerciseError before the exercise is solved.
    """
    print(wrapped(solution(args.id)))


def run_progress(args: Arguments) -> None:
    """Every exercise with the points of your best run. They are kept in a file on this machine:
    $TINYGRAD_LORA_PROGRESS, or one in your folder for application data.
    """
    if args.delete:
        path = forget()
        print(f"Deleted: {path}" if path else "There is nothing to delete.")
        return
    print(progress_as_json(progress()) if args.json else progress())
