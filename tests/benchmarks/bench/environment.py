"""Where it was measured: processor, versions, the BLAS library with its kernels, and the load."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tinygrad_lora.blas import blas
from tinygrad_lora.view.words.grammar import counted

LIBRARIES = ("numpy", "numba", "torch", "jax", "jaxlib", "autograd", "mygrad", "micrograd", "tinygrad")


def environment() -> dict[str, Any]:
    """What there is to know about this process's machine, as plain data."""
    return {
        "cpu": cpu(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "blas": blas(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "versions": {name: number for name in LIBRARIES if (number := _version(name))},
    }


def cpu() -> str:
    """The processor's name, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(": ")[1] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown"


def machine_line(facts: dict[str, Any]) -> str:
    """One line for a report.

    >>> machine_line(
    ...     {
    ...         "cpu": "Z80",
    ...         "cores": 1,
    ...         "python": "3.11.0",
    ...         "versions": {"numpy": "2.4.0", "torch": "2.13.0"},
    ...         "blas": "openblas 0.3",
    ...         "load": 0.1,
    ...         "threads": 1,
    ...     }
    ... )
    'Z80, 1 core, 1 thread; Python 3.11.0, openblas 0.3; load 0.1; numpy 2.4.0, torch 2.13.0'
    """
    cores, threads = (counted(facts[f"{word}s"], word) for word in ("core", "thread"))
    versions = ", ".join(f"{name} {number}" for name, number in facts["versions"].items())
    python, blas_here = f"Python {facts['python']}", facts["blas"]
    return f"{facts['cpu']}, {cores}, {threads}; {python}, {blas_here}; load {facts['load']}; {versions}"


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
