"""The command `tinygrad-lora sweep`."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..compiler import compile_training_step
from ..data import digits
from ..demo.experiment import PRETRAINING_EPOCHS, PRETRAINING_RATE, network, train
from ..errors import SweepError
from ..files import check_place, write_atomically
from ..interop.safetensors import require_safetensors
from ..library import cross_entropy
from ..named_object import named_object
from ..nn import Adam
from ..sweeps.config import read_config
from ..sweeps.side_by_side import sweep
from ..terminal import counting, show_table
from .output import Arguments, Commands, add_open, new_command, opened

TASK = "a function that gives a model, a loss, a pair of inputs and targets, and if there is one a pair for the test"


def add_command(commands: Commands) -> None:
    """Add `sweep` to the commands of a parser."""
    file = (
        'The file: task = "digits" (or "my_task.py:name", a function that gives a model, a loss and data), and '
        "settings of tl.sweep, such as rank = [2, 4, 8], lr = [1e-3, 1e-2], steps = 200, halving = 2; [adapt] holds "
        "more options of tl.adapt. docs/sweeps.md has an example."
    )
    help = "train adapters of many settings at once, and choose the best"
    parser = new_command(commands, "sweep", run, help, epilog=file)
    parser.add_argument("config", type=Path, metavar="FILE", help="the settings, in TOML")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the files go (sweep-output/NAME OF FILE)")
    parser.add_argument("--cluster", metavar="ADDRESS", help='a Dask cluster that trains; "local": one of this machine')
    parser.add_argument("--restart", action="store_true", help="begin anew, whatever the folder has")
    add_open(parser)
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.add_argument("--quiet", action="store_true", help="print nothing, unless something is wrong")


def run(args: Arguments) -> None:
    """Train an adapter for every combination of settings in a file, side by side over one base. One part of the data
    chooses the best, another one says how good it is. The folder gets the adapters as PEFT keeps them, a table and a
    plot. A sweep that was stopped goes on when it is started again.
    """
    task, settings = read_config(args.config)
    folder = args.out or Path("sweep-output") / args.config.stem
    check_place(folder / "sweep.json")
    require_safetensors()  # what adapters are written with: better missed now than after the training
    model, loss, data, *test = _rotated_digits() if task == "digits" else _task(task)
    if test:
        settings.setdefault("test", test[0])
    show = partial(counting, quiet=args.json or args.quiet)
    how = {"folder": folder / "state", "restart": args.restart, "counting": show, "cluster": args.cluster}
    result = sweep(model, loss, data, **settings, **how)
    result.save(folder)
    paths = [folder / "sweep.json", write_atomically(folder / "table.txt", f"{result}\n")]
    if result.best is not None:
        paths.append(opened(result.chart().save(folder / "loss-over-rate.svg"), args.open))
        paths.append(folder / f"run-{result.best:03}")
    if args.json:
        print(json.dumps(result.record(), indent=1))
    elif not args.quiet:
        print(f"{result}\n")
        show_table([(path.name, str(path)) for path in paths], "Files")


def _task(name: str) -> Any:
    """What the user's function gives."""
    task = named_object(name, TASK)
    if not isinstance(task, tuple) or len(task) not in (3, 4):
        raise SweepError(f"{name} must be {TASK}: a tuple of 3 or 4, not {type(task).__name__}")
    return task


def _rotated_digits() -> Any:
    """The network of the demo, trained on upright digits; its loss; rotated digits, and others for the test."""
    weights, order = np.random.default_rng(0).spawn(2)
    model, upright, rotated = network(weights), digits(), digits(rotated=1)
    step = compile_training_step(model, cross_entropy, Adam(model.parameters(), PRETRAINING_RATE))
    train(step, upright, PRETRAINING_EPOCHS, PRETRAINING_RATE, order, lambda steps, description: steps, "")
    return model, cross_entropy, (rotated.x_train, rotated.y_train), (rotated.x_test, rotated.y_test)
