"""What this machine has of what the package can use: the command `tinygrad-lora doctor`."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
from dataclasses import dataclass
from importlib import import_module, metadata
from typing import Any

import numpy as np

from .terminal import show_table
from .view.engines import engine_in_use

# The optional libraries, by the extra that installs them: what they are for.
EXTRAS = {
    "notebook": (("jupyterlab", "jupytext", "matplotlib", "scikit-learn"), "tutorials and plots"),
    "interop": (("safetensors", "onnx"), "adapter files of PEFT, ONNX export"),
    "speed": (("numba", "scipy"), "faster engines of the compiler"),
    "grade": (("distributed", "nbgrader", "otter-grader"), "grading on a cluster, and by other graders"),
    "completion": (("shtab",), "completing commands in a shell"),
}


@dataclass(frozen=True)
class Part:
    """One extra: which of its libraries are here, and the command that installs the rest."""

    extra: str
    purpose: str
    versions: dict[str, str]
    missing: tuple[str, ...]

    @property
    def words(self) -> str:
        """What is here; what is missing and what for, and on a line of its own the command that installs it."""
        here = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        if not self.missing:
            return here
        missing = f"missing {', '.join(self.missing)}: {self.purpose}"
        return "\n".join([*filter(None, [here]), missing, f'pip install "tinygrad-lora[{self.extra}]"'])


def parts() -> list[Part]:
    """The extras, in their order."""
    found = []
    for extra, (libraries, purpose) in EXTRAS.items():
        versions = {name: version for name in libraries if (version := version_of(name))}
        found.append(Part(extra, purpose, versions, tuple(name for name in libraries if name not in versions)))
    return found


def version_of(name: str) -> str:
    """The version of an installed distribution, "" if there is none."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def graphviz_engine() -> str:
    """Who draws the pictures, and why not the ones that come before it."""
    name, reasons = engine_in_use()
    tried = f" ({'; '.join(reasons)})" if reasons else ""
    return f"{name or 'the built-in layout, without Graphviz'}{tried}"


def blas() -> str:
    """Which library multiplies matrices, with the kernel that it chose for this processor where that can be known."""
    config: Any = np.show_config(mode="dicts")
    built = config.get("Build Dependencies", {}).get("blas", {})
    kernel = [one["architecture"] for one in _pools() if one.get("user_api") == "blas" and one.get("architecture")]
    words = [f"{built.get('name', 'unknown')} {built.get('version', '')}".strip(), *(f"kernel {k}" for k in kernel[:1])]
    for variable in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OPENBLAS_NUM_THREADS"):
        if variable in os.environ:
            words.append(f"{variable}={os.environ[variable]}")
    if "OPENBLAS_CORETYPE" in os.environ or "OPENBLAS_L2_SIZE" in os.environ:
        words.append("these override what the library would choose, and can make it slow")
    return ", ".join(words)


def _pools() -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = import_module("threadpoolctl").threadpool_info()
    except ImportError:
        return []
    return found


def facts() -> dict[str, str]:
    """Versions and engines, by what they are."""
    here = shutil.which("tinygrad-lora")
    return {
        "tinygrad_lora": f"{version_of('tinygrad-lora') or 'not installed, imported from a folder'}",
        "Python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "interpreter": sys.executable,
        "command": here or "not on the PATH; python -m tinygrad_lora is the same",
        "NumPy": np.__version__,
        "matrix products": blas(),
        "pictures": graphviz_engine(),
    }


def add_command(commands: Any) -> None:
    """Add `doctor` to the commands of a parser."""
    parser = commands.add_parser(
        "doctor",
        help="show versions, engines, and which optional parts are missing",
        description="Show versions, which Graphviz draws, which library multiplies matrices, and which optional parts "
        "are missing, with the command that installs each.",
    )
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Print what there is. A missing optional part is no error."""
    if given.json:
        optional = {part.extra: {"installed": part.versions, "missing": list(part.missing)} for part in parts()}
        print(json.dumps({"facts": facts(), "extras": optional}, indent=2))
        return 0
    show_table(list(facts().items()), "This installation")
    show_table([(part.extra, part.words) for part in parts()], "\nOptional parts")
    return 0
