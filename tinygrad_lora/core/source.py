"""From text to function. This is the only place in the package that executes source."""

from __future__ import annotations

import hashlib
import linecache
from collections.abc import Callable
from typing import Any

import numpy as np


def function_from_source(name: str, source: str, **namespace: Any) -> Callable[..., Any]:
    """The function called `name` that `source` defines; `np` is in scope.

    The text is registered with `linecache`, so tracebacks and debuggers show its lines. The made-up file name contains a
    hash of the text: the same source has the same name in every run.
    """
    filename = f"<tinygrad_lora {name} {hashlib.sha256(source.encode()).hexdigest()[:8]}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    namespace["np"] = np
    exec(compile(source, filename, "exec"), namespace)
    function: Callable[..., Any] = namespace[name]
    return function
