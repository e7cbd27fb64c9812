"""Python for the lab: Pyodide with NumPy, IPython, this package and what it needs, all of it the site's own.

The kernel loads every package at once, by the list in `pyodide-lock.json`. The same list is the index from which
`%pip install` takes what it is asked for.
"""

import json
import zipfile
from pathlib import Path

from in_browser import downloads, pyodide

import tinygrad_lora

from .wheels import Wheel, copy_wheel, write_wheel

APP, EXTENSION = "jupyterlite-core", "jupyterlite-pyodide-kernel"
OF_THE_EXTENSION = ("piplite", "pyodide_kernel", "ipykernel")  # wheels that it brings along
UNUSED = ("tinygrad_lora/grading/", "tinygrad_lora/play/")  # a browser has no processes, and no server
NEEDS = ("numpy>=2", "graphviz>=0.20", "rich>=13")
STAND_INS = Path(__file__).with_name("sqlite3_stand_in.py")


def write_python(folder: Path, wheels: dict[str, Path]) -> list[str]:
    """Pyodide and every package, in this folder. Returns the names of the packages, as the kernel asks for them."""
    pyodide.write_core(folder)
    lock = json.loads((folder / "pyodide-lock.json").read_text(encoding="utf-8"))
    platform = f"cp311-cp311-{lock['info']['platform']}_{lock['info']['arch']}"
    own = [(path, content) for path, content in pyodide.package_files() if not path.startswith(UNUSED)]
    made = [
        (Wheel("numpy", pyodide.NUMPY_VERSION, platform), list(pyodide.numpy_files()), ()),
        (Wheel("tinygrad-lora", tinygrad_lora.__version__), own, NEEDS),
        (Wheel("sqlite3", "1.0"), [("sqlite3.py", STAND_INS.read_bytes())], ()),
        (Wheel("ssl", "1.0"), [], ()),  # the browser speaks TLS itself
    ]
    packages = [(wheel, write_wheel(folder, wheel, files, needs)) for wheel, files, needs in made]
    packages += [copy_wheel(folder, path) for name, path in wheels.items() if name not in (APP, EXTENSION)]
    with zipfile.ZipFile(wheels[EXTENSION]) as extension:
        for entry in extension.infolist():
            name = entry.filename.rpartition("/")[2]
            if name.startswith(OF_THE_EXTENSION) and name.endswith(".whl"):
                (folder / name).write_bytes(extension.read(entry))
                packages.append(copy_wheel(folder, folder / name))
    lock["packages"] = {wheel.name: _entry(wheel, path) for wheel, path in packages}
    (folder / "pyodide-lock.json").write_text(json.dumps(lock, indent=1, sort_keys=True), encoding="utf-8")
    return sorted({*lock["packages"], "pyodide_kernel"} - {"pyodide-kernel"})


def _entry(wheel: Wheel, path: Path) -> dict[str, object]:
    """What Pyodide must know of a package before it loads it."""
    with zipfile.ZipFile(path) as archive:
        tops = {name.partition("/")[0].removesuffix(".py") for name in archive.namelist()}
    return {
        "name": wheel.name,
        "version": wheel.version,
        "file_name": path.name,
        "sha256": downloads.digest(path),
        "imports": sorted(top for top in tops if top.isidentifier() and top != "__pycache__"),
        "depends": [],  # all are loaded
        "install_dir": "site",
        "package_type": "package",
        "shared_library": False,
        "unvendored_tests": False,
    }
