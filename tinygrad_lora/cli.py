"""The command `tinygrad-lora`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from . import __version__
from .bench.command import add_command as add_bench
from .demo import Experiment, run_experiment, write_files
from .learn.learn_command import add_command as add_learn
from .learn.release.command import add_command as add_course
from .terminal import show_table, tracker
from .view.explore_command import add_command as add_explore
from .view.step_command import add_command as add_step


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the result is the exit code. Wrong arguments print one sentence and give 2."""
    parser = argparse.ArgumentParser(prog="tinygrad-lora", description="A minimal autograd engine that teaches.")
    parser.add_argument("--version", action="version", version=f"tinygrad-lora {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    demo = commands.add_parser(
        "demo",
        help="pretrain on digits, adapt to rotated ones with LoRA, and look at everything",
        description="Pretrain a small network on handwritten digits, adapt it to rotated ones with LoRA, and write the "
        "graph, the generated code, the adapter and a page that shows them all.",
    )
    demo.add_argument(
        "--out", type=Path, default=Path("demo-output"), metavar="DIR", help="where the files go (%(default)s)"
    )
    demo.add_argument("--rank", type=int, default=4, help="rank of the adapters, 1 to 10 (%(default)s)")
    demo.add_argument("--seed", type=int, default=0, help="draws weights and batches (%(default)s)")
    demo.add_argument("--epochs", type=int, default=None, help="for both trainings (20 and 100)")
    demo.add_argument("--quiet", action="store_true", help="no progress bars and no table")
    demo.set_defaults(run=lambda given: run_demo(given.out, given.rank, given.seed, given.epochs, given.quiet))
    add_learn(commands)
    add_course(commands)
    add_step(commands)
    add_explore(commands)
    add_bench(commands)
    given = parser.parse_args(arguments)
    try:
        code: int = given.run(given)
        return code
    except (ValueError, OSError) as error:
        print(f"tinygrad-lora {given.command}: {error}", file=sys.stderr)
        return 2


def run_demo(out: Path, rank: int, seed: int, epochs: int | None, quiet: bool) -> int:
    """Run the experiment, write its files, and say what was found and where it is."""
    start = time.perf_counter()
    result = run_experiment(rank, seed, epochs, tracker(quiet))
    paths = write_files(result, out)
    if not quiet:
        show_table(findings(result), f"LoRA on handwritten digits, in {time.perf_counter() - start:.1f} seconds")
        show_table([(path.name, str(path)) for path in paths.values()], "\nFiles")
        print(f"\nOpen {paths['page']} in a browser: it shows all of this.")
    return 0


def findings(result: Experiment) -> list[tuple[str, str]]:
    """The main numbers, each with what it is about."""
    same = "the same logits, bit for bit" if result.switched_off_is_exact else "OTHER LOGITS: this is a bug"
    return [
        ("Pretrained, upright digits", f"{result.upright_accuracy:.1%} of the held-out images are right"),
        ("Pretrained, rotated digits", f"{result.rotated_before:.1%}: it has never seen them"),
        ("Adapted, rotated digits", f"{result.rotated_after:.1%} with LoRA of rank {result.rank}"),
        (
            "Trained for that",
            f"{result.trainable:,} numbers, {result.trainable / result.total:.1%} of {result.total:,}",
        ),
        ("Adapter switched off", f"{same}; {result.switched_off_accuracy:.1%} on upright digits"),
        ("Adapter merged", f"logits differ by at most {result.merged_difference:.1e}"),
        ("One training step, eager", f"{result.eager_seconds * 1e6:,.0f} microseconds"),
        ("One training step, compiled", f"{result.compiled_seconds * 1e6:,.0f} microseconds"),
    ]
