"""What this machine has of what the package can use: the command `tinygrad-lora doctor`."""

import json
import os
import platform
import shutil
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from ..blas import blas
from ..models.files.cache import cache_folder, is_installed
from ..models.files.catalog import CATALOG
from ..terminal import show_table
from ..view.graphviz.engines import engine_in_use
from .output import Arguments, Commands, new_command

# The optional libraries, by the extra that installs them: what they are for.
EXTRAS = {
    "notebook": (("jupyterlab", "jupytext"), "tutorials"),
    "interop": (("safetensors", "onnx"), "adapter files of PEFT, ONNX export"),
    "speed": (("numba", "scipy"), "a faster engine of the compiler"),
    "grade": (("distributed", "jupytext", "nbgrader", "otter-grader"), "grading on a cluster, and by other graders"),
    "completion": (("shtab",), "completing commands in a shell"),
}


def optional_parts() -> dict[str, dict[str, Any]]:
    """What each extra is for, which of its libraries are here, and the command that installs the rest."""
    parts = {}
    for extra, (libraries, purpose) in EXTRAS.items():
        installed = {name: version for name in libraries if (version := version_of(name))}
        missing = [name for name in libraries if name not in installed]
        install = f'{pip()} install "tinygrad-lora[{extra}]"'
        parts[extra] = {"for": purpose, "installed": installed, "missing": missing, "install": install}
    return parts


def in_words(part: dict[str, Any]) -> str:
    """What is here; what is missing and what for, and on a line of its own the command that installs it."""
    here = ", ".join(f"{name} {version}" for name, version in part["installed"].items())
    if not part["missing"]:
        return here
    missing = f"missing {', '.join(part['missing'])}: {part['for']}"
    return "\n".join([*filter(None, [here]), missing, part["install"]])


def version_of(name: str) -> str:
    """The version of an installed distribution, "" if there is none."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def pip() -> str:
    """The command pip, if it is the one of this environment; else the one of this Python."""
    path = shutil.which("pip")
    here = path is not None and Path(path).parent == Path(sys.executable).parent
    python = f'"{sys.executable}"' if " " in sys.executable else sys.executable
    return "pip" if here else f"{python} -m pip"


def command() -> str:
    """Where `tinygrad-lora` is, or what does the same."""
    if path := shutil.which("tinygrad-lora"):
        return path
    beside = shutil.which("tinygrad-lora", path=str(Path(sys.executable).parent))
    return f"{beside or 'not installed'}, not on the PATH; python -m tinygrad_lora does the same"


def fetched() -> str:
    """The real networks and data that are on this machine, and where."""
    here = ", ".join(filter(is_installed, CATALOG))
    return f"{here} in {cache_folder()}" if here else "nothing; `tinygrad-lora models list` tells what there is"


def graphviz_engine() -> str:
    """Who draws the pictures, and why not the ones that come before it."""
    name, reasons = engine_in_use()
    tried = f" ({'; '.join(reasons)})" if reasons else ""
    return f"{name} {version_of(name)}".strip() + tried if name else f"the built-in layout, without Graphviz{tried}"


def products() -> str:
    """Which library multiplies matrices, and what the environment tells it."""
    names = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OPENBLAS_NUM_THREADS")
    words = [blas(), *(f"{name}={os.environ[name]}" for name in names if name in os.environ)]
    if any(name in os.environ for name in names[:2]):
        words.append("these override what the library would choose, and can make it slow")
    return ", ".join(words)


def facts() -> dict[str, str]:
    """Versions and engines, by what they are."""
    return {
        "tinygrad_lora": f"{version_of('tinygrad-lora') or 'not installed, imported from a folder'}",
        "Python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "interpreter": sys.executable,
        "command": command(),
        "NumPy": np.__version__,
        "matrix products": products(),
        "pictures": graphviz_engine(),
        "fetched": fetched(),
    }


def add_command(commands: Commands) -> None:
    """Add `doctor` to the commands of a parser."""
    parser = new_command(commands, "doctor", run, "show versions, engines, and which optional parts are missing")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")


def run(args: Arguments) -> None:
    """Show versions, which Graphviz draws, which library multiplies matrices, and which optional parts are missing,
    with the command that installs each.

    A missing optional part is no error.
    """
    if args.json:
        print(json.dumps({"facts": facts(), "extras": optional_parts()}, indent=2))
        return
    show_table(list(facts().items()), "This installation")
    show_table([(extra, in_words(part)) for extra, part in optional_parts().items()], "\nOptional parts")
