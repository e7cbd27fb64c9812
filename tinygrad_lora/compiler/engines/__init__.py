"""Another engine for the same graph writes its own source, and runs it with a library that is imported on use."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

from ...core.node import ComputationNode as Node
from ...errors import CompileError


class Built(NamedTuple):
    """A program: its source, the variable in it that holds each node's value, and the function that runs it."""

    source: str
    variables: dict[Node, str]
    run: Callable[..., Any]


def library(engine: str, module: str) -> Any:
    """The outside library of an engine. Raises CompileError that says how to get it where it is not installed."""
    try:
        return import_module(module)
    except ImportError:
        reason = f'engine="{engine}" needs the library {module.partition(".")[0]}, which is not installed'
        raise CompileError(f'{reason}: pip install "tinygrad-lora[speed]", or use engine="numpy"') from None
