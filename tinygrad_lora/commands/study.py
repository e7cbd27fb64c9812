"""The command `tinygrad-lora study`: twelve questions before and after a course, and a table without names."""

from pathlib import Path

from ..errors import ExerciseError
from ..files import csv_text, read_bytes, write_atomically
from ..learn.study.export import COLUMNS, collected, summary
from ..learn.study.sitting import CONSENT, FORMS, LARGEST, sit
from ..terminal import show_table
from .check import wrapped
from .output import Arguments, Commands, new_command


def add_command(commands: Commands) -> None:
    """Add `study` to the commands of a parser."""
    add = new_command(commands, "study", run, "measure what a course does: a test before and after").add_argument
    add("part", choices=(*FORMS, "consent", "export"), metavar="PART", help="pre, post, consent or export")
    add("folder", nargs="?", type=Path, default=Path(), metavar="DIR", help="where the files are (here)")
    add("--code", metavar="CODE", help="your code, the same both times: letters and digits that nobody else has")
    add("--consent", type=Path, metavar="FILE", help="another text to agree to")
    add("--out", type=Path, default=Path("study.csv"), metavar="FILE", help="the table (%(default)s)")


def run(args: Arguments) -> None:
    """For students: twelve questions before a course (pre) and after it (post), for which they give consent. For
    teachers: a table, without names and answers (export), and the text of the consent (consent).

    Raises ExerciseError for a code of another form, and where there is nothing to collect.
    """
    consent = read_bytes(args.consent or CONSENT, LARGEST, ExerciseError).decode()
    if args.part == "consent":
        print(consent)
        return
    if args.part == "export":
        rows, others, unread = collected(args.folder)
        print(write_atomically(args.out, csv_text(COLUMNS, rows)))
        title = f"{len({row['participant'] for row in rows})} took part. Right, of those who answered both times:"
        show_table([(id, f"of {n:<3} {old:>3} before {new:>3} after") for id, n, old, new in summary(rows)], title)
        if others:
            print(f"{others} lines were left out: their code had answered already, or the answer is none.")
        for path, count in unread.items():
            print(f"{path}: {count or 'all'} lines were left out, since they are no answers of this study.")
        print("What these numbers can and cannot say is in the documentation, under Measuring a course.")
        return
    if args.code is None:
        raise ExerciseError(f"choose a code, and use it both times: tinygrad-lora study {args.part} --code CODE")
    try:
        path = sit(args.part, args.code, args.folder, consent=consent, show=lambda text: print(wrapped(text)))
    except EOFError:
        print("\nStopped. The same command goes on with the questions that are left.")
        return
    print(f"\nThank you. Hand in this file: {path}" if path else "Nothing was recorded.")
