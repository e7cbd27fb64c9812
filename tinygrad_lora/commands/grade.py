"""The command `tinygrad-lora grade`: a folder of submissions in, scores, feedback and a class report out."""

import json
import secrets
import sys
from concurrent.futures import as_completed
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from ..errors import ExerciseError
from ..files import read_bytes, write_atomically
from ..grading.exports import write_all
from ..grading.gradebook import filled
from ..grading.grading import GradingSettings, chosen, empty, grade_all, self_check, workers_of_this_machine
from ..grading.page import unread
from ..grading.sandbox.bubblewrap import exposing
from ..grading.submissions import submissions
from ..learn.own.course import MARK
from ..learn.settings import require_on
from ..terminal import counting, show_table
from .output import Arguments, Commands, add_open, new_command, opened

LONGEST_SEED = 100  # bytes of its file


def add_command(commands: Commands) -> None:
    """Add `grade` to the commands of a parser."""
    where = (
        "Submissions are files (the student is the file's name), folders with the files of one student, or "
        "nbgrader's submitted/STUDENT/ASSIGNMENT. On Linux each runs in a sandbox made by bubblewrap. Where there is "
        "no sandbox, nothing is graded, unless you say --trusted."
    )
    help = "grade a class: scores, feedback for each student, and a report"
    parser = new_command(commands, "grade", run, help, epilog=where)
    add = parser.add_argument
    add("submissions", type=Path, metavar="SUBMISSIONS", help="folder of the submissions")
    add("--exercises", required=True, metavar="04|04-topo,...", help="tutorials (04,05) or exercises (04-topo,...)")
    add("--out", type=Path, default=Path("grades"), metavar="DIR", help="where the results go (%(default)s)")
    add("-j", "--jobs", type=int, default=workers_of_this_machine(), help="how many to grade at once (%(default)s)")
    add("--scheduler", metavar="ADDRESS", help="a Dask cluster that grades, such as tcp://host:8786")
    add("--seed", type=int, help="draws the cases (drawn once, then the one in DIR/seed.txt)")
    add("--budget", type=int, default=30, help="random cases for each check (%(default)s)")
    add("--cpu", type=int, default=60, metavar="SECONDS", help="CPU seconds for each student's process (%(default)s)")
    add("--memory", type=int, default=2048, metavar="MB", help="memory for each student's process (%(default)s)")
    add("--trusted", action="store_true", help="grade without a sandbox, held by limits and Python's audit hook alone")
    add("--gradebook", type=Path, metavar="FILE.csv", help="a grade book of Canvas or Moodle, to be filled in")
    add("--column", metavar="NAME", help="what the assignment is called there (the exercises)")
    add("--predictions", action="store_true", help="a point for each question answered, whether right or wrong")
    add_open(parser)
    add("--fresh", action="store_true", help="grade everything again")
    add("--json", action="store_true", help="print the results as JSON")
    add("--quiet", action="store_true", help="show no progress bar and no table")


def run(args: Arguments) -> None:
    """Grade notebooks and Python files. Each runs in a process of its own, with limits; the checks run in another. What
    was graded already is not graded again, so a run that was stopped goes on.

    Raises ExerciseError where there is nothing to grade, or the grader fails its own check.
    """
    if args.jobs < 1 or args.budget < 1 or args.cpu < 1 or args.memory < 256 or (args.seed or 0) < 0:
        raise ValueError("--jobs, --budget and --cpu are 1 or more, --memory is 256 or more, and --seed is not below 0")
    ids, handed_in = chosen(args.exercises), submissions(args.submissions, args.out)
    if args.predictions:
        require_on("predictions")
    if args.gradebook:
        nothing = empty(ids, "", args.predictions)  # an hour later would be too late to refuse the book
        filled(args.gradebook, {one.name: nothing for one in handed_in}, args.column or args.exercises)
    seed = seed_of(args.out) if args.seed is None else args.seed
    held = {"trusted": args.trusted, "predictions": args.predictions}
    settings = GradingSettings(seed, args.budget, args.cpu, args.memory << 20, **held)
    own = [*map(Path, settings.course[:1])]
    out_of_sight(*own, *(() if args.trusted else (args.submissions, args.out)))
    if any(course.is_relative_to(args.submissions.resolve()) for course in own):  # whose are these exercises?
        raise ExerciseError(f"{own[0] / MARK} lies among the submissions: grade from the folder of your own course")
    kept = args.out / "cache"
    if args.fresh:
        for path in kept.glob("*.json"):
            path.unlink()
    results: dict[str, Any] = {}
    earlier = 0
    pool, done, make = _executor(args)
    with pool as submit:
        self_check(ids, submit, settings)
        print(settings.held, file=sys.stderr if args.json else sys.stdout, flush=True)
        with counting(len(handed_in), "Grading", args.json or args.quiet) as show:
            for submission, result, before in grade_all(handed_in, ids, settings, kept, submit, done, make):
                results[submission.name] = result
                earlier += before
                show(len(results), submission.name)
    paths = write_all(args.out, results, args.exercises, settings)
    book = filled(args.gradebook, results, args.column or args.exercises) if args.gradebook else None
    if book:
        paths.append(write_atomically(args.out / book.name, book.text))
    opened(args.out / "report.html", args.open)
    if args.json:
        print(json.dumps({name: {**result} for name, result in sorted(results.items())}, indent=1))
    if args.json or args.quiet:
        return
    points = [result["points"] for result in results.values()]
    out_of = next(iter(results.values()))["out_of"]
    rows = [("students", str(len(results))), ("average", f"{sum(points) / len(points):.1f} of {out_of} points")]
    apart = {"not read": [*unread(results)], "read in part": [*unread(results, in_part=True)]}
    apart |= {"not in the book": book.unknown, "two for one line": book.rivals} if book else {}
    rows += [(what, f"{len(names)}: {', '.join(names)}") for what, names in apart.items() if names]
    rows += [("graded before", str(earlier))] if earlier else []
    rows += [("seed", str(seed))]
    show_table(rows, "Graded")
    show_table([(path.name, str(path)) for path in [*paths, args.out / "feedback"]], "\nFiles")


def seed_of(out: Path) -> int:
    """The seed of a folder of results. It is drawn once, so that no student knows it, and kept, so that a later run
    repeats the cases. Raises ExerciseError where something else stands in its file.
    """
    path = out / "seed.txt"
    if not path.exists():
        write_atomically(path, f"{secrets.randbelow(2**31)}\n")
    text = read_bytes(path, LONGEST_SEED, ExerciseError).decode(errors="replace").strip()
    if not (text.isascii() and text.isdigit()):
        raise ExerciseError(f"{path} must hold a number: put the seed back from results.json, or remove the file")
    return int(text)


def out_of_sight(*folders: Path) -> None:
    """Raises ExerciseError if one of the folders lies in Python's own, which every submission can read."""
    for folder in folders:
        if seen := exposing(folder):
            raise ExerciseError(f"move {folder}: it lies in {seen}, which every submission can read")


def _executor(args: Arguments) -> tuple[AbstractContextManager[Any], Any, Any]:
    """Who grades: processes on this machine, or a cluster."""
    if args.scheduler is None:
        from ..grading.grading import job_of, working

        return working(args.jobs), as_completed, job_of
    from ..grading import cluster

    return cluster.working(args.scheduler), cluster.as_completed, cluster.job_of
