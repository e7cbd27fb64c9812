"""The file that `tinygrad-lora sweep` reads: what is adapted, and the settings of `tl.sweep`."""

import os
import tomllib
from collections.abc import Mapping
from functools import partial
from inspect import signature
from typing import Any

from ..errors import SweepError
from ..files import read_bytes, reading
from ..nn.optim import SGD, Adam, AdamW
from ..nn.schedules import cosine
from .settings import known
from .side_by_side import sweep

MOST = 1_000_000  # bytes
OPTIMIZERS: dict[str, Any] = {"adamw": AdamW, "adam": Adam, "sgd": SGD}
SCHEDULES: dict[str, Any] = {"constant": None, "cosine": cosine}
TABLES = {"adapt", "optimizer_options"}  # more options of `tl.adapt`, and those of the optimizer
CALLED = {"model", "loss", "data", "folder", "restart", "counting", "cluster", "options"}  # what the command passes
NAMES = {name for name in signature(sweep).parameters if name not in CALLED} | TABLES | {"task"}


def read_config(path: str | os.PathLike[str]) -> tuple[str, dict[str, Any]]:
    """The task by name, and the settings of `tl.sweep`. Raises SweepError for a name or a kind that there is not."""
    with reading(path, SweepError):
        table = tomllib.loads(read_bytes(path, MOST).decode())
        for name in table:
            known(name, NAMES, "setting")
        task = table.pop("task", None)
        if task != "digits" and not (isinstance(task, str) and ":" in task):
            raise SweepError(f'task is {task!r}: say what is adapted, task = "digits" or task = "my_task.py:name"')
        settings = {name: value for name, value in table.items() if name not in TABLES}
        settings |= _table(table, "adapt")
        rule = known(settings.pop("optimizer", "adamw"), OPTIMIZERS, "optimizer")
        options = _table(table, "optimizer_options")
        for name in options:
            known(name, {*signature(OPTIMIZERS[rule]).parameters} - {"parameters", "lr"}, f"option of {rule}")
        settings["optimizer"] = partial(OPTIMIZERS[rule], **options)
        settings["schedule"] = SCHEDULES[known(settings.pop("schedule", "constant"), SCHEDULES, "schedule")]
    return task, settings


def _table(table: Mapping[str, Any], name: str) -> dict[str, Any]:
    if not isinstance(options := table.get(name, {}), dict):
        raise SweepError(f"{name} is a table: write [{name}], and its options below")
    return options
