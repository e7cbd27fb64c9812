"""Where it was measured: processor, versions, the BLAS library with its kernels, and the load."""

from __future__ import annotations

import importlib.util
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

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
        "versions": {name: found for name in LIBRARIES if (found := _version(name))},
    }


def cpu() -> str:
    """The processor's name, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(": ")[1] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown"


def blas() -> str:
    """The library that multiplies NumPy's matrices; with threadpoolctl also the kernels that it chose for this CPU."""
    if importlib.util.find_spec("threadpoolctl"):
        from threadpoolctl import threadpool_info

        for pool in threadpool_info():
            if pool["user_api"] == "blas":
                kernels = f", {pool['architecture']} kernels" if "architecture" in pool else ""
                return f"{pool['internal_api']} {pool['version']}{kernels}"
    found = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return f"{found['name']} {found['version']}"


def machine_line(told: dict[str, Any]) -> str:
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
    'Z80, 1 cores, 1 thread; Python 3.11.0, openblas 0.3; load 0.1; numpy 2.4.0, torch 2.13.0'
    """
    threads = f"{told['threads']} thread{'s' if told['threads'] > 1 else ''}"
    versions = ", ".join(f"{name} {number}" for name, number in told["versions"].items())
    return (
        f"{told['cpu']}, {told['cores']} cores, {threads}; Python {told['python']}, {told['blas']}; "
        f"load {told['load']}; {versions}"
    )


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
