"""The command `tinygrad-lora demo`."""

import time
from pathlib import Path

from ..demo.experiment import Experiment, run_experiment
from ..demo.files import write_files
from ..files import check_place
from ..terminal import show_table, tracker
from .output import Arguments, Commands, add_open, new_command, opened


def add_command(commands: Commands) -> None:
    """Add `demo` to the commands of a parser."""
    help = "pretrain on digits, adapt to rotated ones with LoRA, and look at everything"
    parser = new_command(commands, "demo", run, help)
    add = parser.add_argument
    add("--out", type=Path, default=Path("demo-output"), metavar="DIR", help="where the files go (%(default)s)")
    add("--rank", type=int, default=4, help="rank of the adapters, 1 to 10 (%(default)s)")
    add("--seed", type=int, default=0, help="draws weights and batches (%(default)s)")
    add("--epochs", type=int, default=None, help="epochs of both trainings (20 and 100)")
    add_open(parser)
    add("--quiet", action="store_true", help="print nothing, unless something is wrong")


def run(args: Arguments) -> None:
    """Pretrain a small network on handwritten digits, adapt it to rotated ones with LoRA, and write the graph, the
    generated code, the adapter and a page that shows them all.
    """
    start = time.perf_counter()
    try:
        check_place(args.out / "index.html")
    except OSError as error:
        raise type(error)(error.errno, f"{error.strerror}; --out DIR writes elsewhere", error.filename) from None
    result = run_experiment(args.rank, args.seed, args.epochs, tracker(args.quiet))
    paths = write_files(result, args.out)
    opened(paths["page"], args.open)
    if not args.quiet:
        show_table(findings(result), f"LoRA on handwritten digits, in {time.perf_counter() - start:.1f} seconds")
        show_table([(path.name, str(path)) for path in paths.values()], "\nFiles")
        print(f"\nOpen {paths['page']} in a browser: it shows all of this.")


def findings(result: Experiment) -> list[tuple[str, str]]:
    """The main numbers, each with what it is about."""
    share = f"{result.trainable:,} numbers, {result.trainable / result.total:.1%} of {result.total:,}"
    same = "the same logits, bit for bit" if result.switched_off_is_exact else "OTHER LOGITS: this is a bug"
    return [
        ("Pretrained, upright digits", f"{result.upright_accuracy:.1%} of the held-out images are right"),
        ("Pretrained, rotated digits", f"{result.rotated_before:.1%}: it has never seen them"),
        ("Adapted, rotated digits", f"{result.rotated_after:.1%} with LoRA of rank {result.rank}"),
        ("Trained for that", share),
        ("Adapter switched off", f"{same}; {result.switched_off_accuracy:.1%} on upright digits"),
        ("Adapter merged", f"logits differ by at most {result.merged_difference:.1e}"),
        ("One training step, eager", f"{result.eager_seconds * 1e6:,.0f} microseconds"),
        ("One training step, compiled", f"{result.compiled_seconds * 1e6:,.0f} microseconds"),
    ]
