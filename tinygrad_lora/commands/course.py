"""The command `tinygrad-lora course`: exercises of one's own, and notebooks for students and for graders."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ..errors import TutorialError
from ..files import read_bytes, write_atomically
from ..learn.own.begin import new_exercise
from ..learn.own.course import COURSE, EXERCISES, FIRST, LAST, copy_course, course_from, is_own, outdated
from ..learn.own.gates import refuse_faulty
from ..learn.predictions.prediction import predictions_of
from ..learn.registry import load_exercise, own_tutorials, require_distinct
from ..learn.release import graders, notebook
from ..learn.release.execute import executed, libraries, without_outputs
from ..learn.release.source import TutorialCell, read_cells
from ..learn.settings import PARTS, switched_off, write_settings
from . import handouts, verify
from .output import Arguments, Commands, new_command

Maker = Callable[[Sequence[TutorialCell]], str]
# What a format makes of a tutorial, and where it goes.
FORMATS: dict[str, tuple[Maker, str]] = {
    "student": (notebook.student, "{stem}.ipynb"),
    "lab": (notebook.lab, "{stem}.ipynb"),
    "instructor": (notebook.instructor, "{stem}.ipynb"),
    "nbgrader": (graders.for_nbgrader, "source/{stem}/{stem}.ipynb"),
    "otter": (graders.for_otter, "{stem}/{stem}.ipynb"),
}
EXECUTED = "instructor"  # the format whose notebooks have outputs
LARGEST = 256 * 2**20  # bytes of a notebook with outputs
NEXT = {
    "nbgrader": "Next, in that folder: nbgrader generate_assignment NAME, and later autograde and generate_feedback.",
    "otter": "Next, for each notebook: otter assign NAME/NAME.ipynb NAME/dist; then otter run grades a submission.",
}


def add_command(commands: Commands) -> None:
    """Add `course` to the commands of a parser."""
    parser = commands.add_parser(
        "course",
        help="make the notebooks of a course, and write exercises of your own",
        description="Make the notebooks of a course, for students, for instructors and for other graders; write "
        "exercises of your own.",
    )
    parts = parser.add_subparsers(dest="part", required=True, metavar="PART")
    release = new_command(parts, "release", run, "write the notebooks into a folder")
    release.add_argument("out", type=Path, metavar="DIR", help="where the notebooks go")
    formats = f"one of {', '.join(FORMATS)} (%(default)s)"
    release.add_argument("--format", choices=FORMATS, default="student", metavar="FORMAT", help=formats)
    release.add_argument("--tutorials", default="", metavar="04,05", help="which tutorials (all)")
    release.add_argument("--source", type=Path, metavar="DIR", help="the folder of py:percent sources")
    parts_off = f"what is switched off for this class: {' or '.join(PARTS)}, or both (what course.toml says)"
    release.add_argument("--without", metavar="PART,...", help=parts_off)
    release.add_argument("--no-execute", action="store_true", help="leave instructors' notebooks without outputs")
    release.add_argument("--force", action="store_true", help="replace notebooks that were changed after their release")
    release.add_argument("--check", action="store_true", help="write nothing; fail if a file is not up to date")
    begin = new_command(parts, "new-exercise", run_new_exercise, "begin an exercise of your own")
    begin.add_argument("name", metavar="NAME", help="what it is called, such as square")
    begin.add_argument("--tutorial", type=int, metavar="NN", help=f"its number, {FIRST} to {LAST} (the last one)")
    verify.add_part(parts)
    handouts.add_part(parts)


def run_new_exercise(args: Arguments) -> None:
    """Write an exercise that works, to be changed into yours, and its place in a tutorial. The folder becomes a course:
    course.toml marks it, and commands and notebooks in it find its exercises.

    Raises ExerciseError.
    """
    switched_off()
    exercise, *others = new_exercise(args.name, args.tutorial)
    id = f"{exercise.parent.name[1:]}-{exercise.stem.replace('_', '-')}"
    works = f"It works as it is: tinygrad-lora check {id} shows it. Change it into yours."
    then = f"Then tinygrad-lora course verify {id} says what its checks do not see."
    print("\n".join([*(os.path.relpath(path) for path in [exercise, *others]), works, then]))


def run(args: Arguments) -> int:
    """Write the notebooks of the tutorials: for students, with solutions and outputs for instructors, or as the source
    of an nbgrader or Otter assignment.
    """
    if args.no_execute and args.format != EXECUTED:
        raise TutorialError(f"--no-execute is for --format {EXECUTED}: no other notebooks are run")
    paths, without = sources(args.source, args.tutorials), parts_without(args.without, args.source)
    switched_off(args.out)
    texts, own = made(args.format, paths, without), prove_own(paths)
    if args.check:
        stale = [name for name, text in texts.items() if not _same(args.out / name, text, args.format == EXECUTED)]
        stale += outdated(args.out, own)
        print("\n".join(f"not up to date: {args.out / name}" for name in stale) or f"{len(texts)} are up to date")
        return 1 if stale else 0
    for other in (one for one, (_, name) in FORMATS.items() if name == FORMATS[args.format][1]):
        for name, text in made(other, paths, without).items():
            if text != texts[name] and _same(args.out / name, text, whatever_it_printed=True):
                remedy = "choose another folder"  # solutions must not get among tasks
                raise TutorialError(f"{args.out / name} is a notebook of the format {other}: {remedy}")
    kept = [] if args.force else [name for name, text in texts.items() if _is_changed(args.out / name, text)]
    texts = {name: text for name, text in texts.items() if name not in kept}
    runs = args.format == EXECUTED and not args.no_execute
    if runs:
        libraries()
        several = "s" * (len(texts) != 1)
        print(f"Running {len(texts)} notebook{several}, up to a minute each; --no-execute leaves that out.", flush=True)
    for number, (name, text) in enumerate(texts.items(), start=1):
        path, start = args.out / name, time.perf_counter()
        write_atomically(path, executed(text, name) if runs else text)
        seconds = f"   {number} of {len(texts)}, {time.perf_counter() - start:.0f} s" if runs else ""
        print(f"{path}{seconds}", flush=True)
    copy_course(args.out, own)
    write_settings(args.out, without)
    for name in kept:
        print(f"kept: {args.out / name} is not as it was released; --force replaces it")
    if advice := NEXT.get(args.format):
        print(advice)
    return 1 if kept else 0


def prove_own(paths: Sequence[Path]) -> set[str]:
    """The numbers of one's own tutorials and exercises here. All exercises of the course are tried.

    Raises ExerciseError for one that does not pass itself, and for two of one notebook that ask for the same name.
    """
    asked = [[cell.exercise for cell in read_cells(path) if cell.exercise] for path in paths]
    own = own_tutorials()
    for ids in (*own.values(), *asked):
        require_distinct(ids)
    for number, ids in own.items():
        predictions_of(number)
        for id in ids:
            refuse_faulty(load_exercise(id))
    numbers = [*(id[:2] for ids in asked for id in ids), *(path.name[:2] for path in paths)]
    return {number for number in numbers if is_own(number)}


def parts_without(text: str | None, source: Path | None) -> tuple[str, ...]:
    """What is switched off, from the command line; without an option, in the course of the sources.

    Raises TutorialError.
    """
    if text is None:
        folder = course_from(source.resolve()) if source else COURSE
        if folder and folder != COURSE and (folder / EXERCISES).is_dir():
            raise TutorialError(f"{source} belongs to a course of its own: run this in {folder}, as for its exercises")
        return switched_off(folder) if folder else ()
    parts = tuple(part.strip() for part in text.split(",") if part.strip())
    if unknown := [part for part in parts if part not in PARTS]:
        raise TutorialError(f"{unknown[0]} cannot be switched off; {' and '.join(PARTS)} can")
    return parts


def made(format: str, paths: Sequence[Path], without: Sequence[str] = ()) -> dict[str, str]:
    """The text of each notebook, by its name in the folder. `without` is what is switched off."""
    make, name = FORMATS[format]
    return {name.format(stem=path.stem): make(cells_of(path, without)) for path in paths}


def cells_of(path: Path, without: Sequence[str]) -> list[TutorialCell]:
    """The cells of a source, without predictions where those are switched off."""
    return [cell for cell in read_cells(path) if not (cell.prediction and "predictions" in without)]


def sources(folder: Path | None, numbers: str = "") -> list[Path]:
    """The sources of the tutorials, those with these numbers. Raises TutorialError where there are none."""
    from ..learn.exercises import TUTORIALS

    paths = [path for place in ([folder] if folder else TUTORIALS) for path in sorted(place.glob("[0-9][0-9]_*.py"))]
    paths += sorted(COURSE.glob("[5-9][0-9]_*.py")) if COURSE and not folder else []
    wanted = [number.strip().zfill(2) for number in numbers.split(",") if number.strip()]
    known = {path.name[:2]: path for path in paths}
    if missing := [number for number in wanted if number not in known]:
        raise TutorialError(f"there is no tutorial {', '.join(missing)}; there are {', '.join(known) or 'none'}")
    if twice := [path for path in paths if known[path.name[:2]].name != path.name]:
        raise TutorialError(f"{twice[0]} and {known[twice[0].name[:2]]} have one number: give one of them another")
    if not paths:
        raise TutorialError("there are no sources of tutorials here; give their folder: --source DIR")
    return [path for number, path in known.items() if not wanted or number in wanted]


def _is_changed(path: Path, text: str) -> bool:
    """Whether a file there holds somebody's work: it is neither this notebook nor one as it was released."""
    return path.is_file() and not _same(path, text, True) and notebook.is_changed(_read(path))


def _same(path: Path, text: str, whatever_it_printed: bool) -> bool:
    if not path.is_file():
        return False
    before = _read(path)
    return without_outputs(before) == without_outputs(text) if whatever_it_printed else before == text


def _read(path: Path) -> str:
    return read_bytes(path, LARGEST, TutorialError).decode(errors="replace")
