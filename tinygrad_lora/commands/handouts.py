"""The command `tinygrad-lora course handouts`: tutorials to print."""

from pathlib import Path

from ..files import write_atomically
from ..learn.handouts.page import PAPERS, Paper, handout
from ..learn.handouts.pdf import browser, printed
from ..learn.release import notebook
from ..learn.release.execute import executed, libraries
from .output import Arguments, Commands, new_command


def add_part(parts: Commands) -> None:
    """Add `handouts` to what `course` can do."""
    parser = new_command(parts, "handouts", run, "write the tutorials as pages to print")
    parser.add_argument("out", type=Path, metavar="DIR", help="where the pages go")
    parser.add_argument("--paper", choices=PAPERS, default="a4", help="the size of the paper (%(default)s)")
    parser.add_argument("--large", action="store_true", help="in large print")
    parser.add_argument("--contrast", action="store_true", help="in black on white, with strong lines")
    parser.add_argument("--tutorials", default="", metavar="04,05", help="which tutorials (all)")
    parser.add_argument("--source", type=Path, metavar="DIR", help="the folder of py:percent sources")
    parser.add_argument("--no-execute", action="store_true", help="leave out what the cells print and draw")
    parser.add_argument("--no-pdf", action="store_true", help="write HTML only")


def run(args: Arguments) -> None:
    """Write the tutorials as pages to print, with their pictures, and with room for answers and predictions. They are
    HTML, and PDF as well where Chromium, Chrome or Edge is installed.
    """
    from .course import cells_of, parts_without, sources

    paths, without = sources(args.source, args.tutorials), parts_without(None, args.source)
    if not args.no_execute:
        libraries()
        print(f"Running {len(paths)} notebook{'s' * (len(paths) != 1)}, some seconds each.", flush=True)
    paper = Paper(args.paper, args.large, args.contrast)
    command = None if args.no_pdf else browser()
    for path in paths:
        text = notebook.student(cells_of(path, without))
        text = text if args.no_execute else executed(text, path.stem)
        page = write_atomically(args.out / f"{path.stem}.html", handout(text, paper))
        print(page, *([printed(command, page)] if command else []), flush=True)
    if not command and not args.no_pdf:
        print("There is no Chromium, Chrome or Edge here, so no PDF was made: open a page in any browser and print it.")
