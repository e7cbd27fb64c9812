"""The lab that runs in a browser: the package where there are no processes, threads or Graphviz, and what is built.

test_lab_site.py looks at the site itself.
"""

import importlib
import os
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# What this package finds in Pyodide 314 and its kernel: no processes, threads or alarms, modules that are empty, and
# none of the packages with compiled code of their own.
AS_IN_A_BROWSER = """
import importlib.metadata, signal, subprocess, sys, threading, types

def no_process(*_, **__):
    raise OSError(138, "emscripten does not support processes.")

def no_thread(*_, **__):
    raise RuntimeError("can't start new thread")

def files(name, found=importlib.metadata.files):
    if name == "graphviz-pure":
        raise importlib.metadata.PackageNotFoundError(name)
    return found(name)

subprocess.Popen.__init__, threading.Thread.start, importlib.metadata.files = no_process, no_thread, files
if hasattr(signal, "setitimer"):
    del signal.setitimer
for name in ("fcntl", "resource", "termios", "pyodide_kernel"):
    sys.modules[name] = types.ModuleType(name)
for name in ("numba", "scipy", "pygraphviz"):
    sys.modules[name] = None
"""


def run_as_in_a_browser(code, folder, **variables):
    environment = os.environ | {"PATH": "", "TINYGRAD_LORA_PROGRESS": str(folder / "p.jsonl")}
    done = subprocess.run(
        [sys.executable, "-c", AS_IN_A_BROWSER + code], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_package_draws_steps_and_compiles_without_processes_and_threads(tmp_path):
    code = """
import numpy as np, tinygrad_lora as tl
x, w = tl.parameter(np.ones((2, 3)), "x"), tl.parameter(np.ones((3, 2)), "w")
loss = tl.sum(tl.tanh(x @ w))
loss.backward()
print(tl.draw(loss).svg()[:4], len(tl.step_through(loss)) > 0, tl.compile(lambda x: tl.sum(x @ w))(np.ones((2, 3))))
"""
    assert run_as_in_a_browser(code, tmp_path).split() == ["<svg", "True", "12.0"]


def test_a_notebook_in_a_browser_is_a_notebook(tmp_path):
    """Its graphs draw themselves, and what is compiled says in which cell a line stands."""
    code = """
import numpy as np, tinygrad_lora as tl
cell = "f = tl.compile(lambda x: tl.sum(x))\\nf(np.ones(3))"
exec(compile(cell, "<ipython-input-3-2ba1d0c9>", "exec"))
print(hasattr(tl.Graph, "_repr_mimebundle_"), "cell:1" in f.source, "ipython" in f.source)
"""
    assert run_as_in_a_browser(code, tmp_path).split() == ["True", "True", "False"]


def test_code_that_nothing_stops_is_told_of_only_when_it_takes_too_long(tmp_path):
    code = """
import time
from tinygrad_lora.learn.checking.guard import guarded
print(guarded(lambda: None, 1.0).notes, guarded(lambda: time.sleep(0.02), 0.01).notes)
"""
    assert run_as_in_a_browser(code, tmp_path).startswith("[] ['this took ")


@pytest.mark.slow
@pytest.mark.parametrize("number", ["04"])
def test_a_tutorial_runs_with_its_pictures(number, tmp_path):
    (source,) = (ROOT / "tutorials").glob(f"{number}_*.py")
    run_as_in_a_browser(source.read_text(encoding="utf-8"), tmp_path)


def test_progress_is_kept_where_it_outlives_the_page(tmp_path, monkeypatch):
    module = importlib.import_module("tinygrad_lora.learn.progress")
    monkeypatch.delenv(module.VARIABLE, raising=False)
    monkeypatch.setattr(sys, "platform", "emscripten")
    monkeypatch.setattr(module, "DRIVE", tmp_path)
    assert module.progress_file() == tmp_path / "progress.jsonl"
    monkeypatch.setattr(module, "DRIVE", tmp_path / "none")  # where the page was not served securely
    assert Path.home() in module.progress_file().parents


# --- What is built ---


@pytest.fixture(scope="module")
def build_lab():
    spec = spec_from_file_location("build_lab", ROOT / "docs" / "build_lab.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_folder_with_something_else_in_it_is_not_replaced(build_lab, tmp_path):
    (tmp_path / "thesis.tex").write_text("Years of work.")
    assert "would be replaced" in build_lab.complaint(tmp_path, None, None)
    assert build_lab.complaint(tmp_path / "new", None, None) is None
    (tmp_path / "jupyter-lite.json").write_text("{}")
    assert build_lab.complaint(tmp_path, None, None) is None


@pytest.mark.parametrize(
    "pyodide, words",
    [
        ("pyodide-314.0.6.tar.bz2", "There is no file"),
        ("https://example.org/pyodide-314.0.6.tar.gz", "only .tar.bz2"),
        ("https://example.org/pyodide-314.0.6.tar.bz2", None),
        (str(Path(__file__)), None),
    ],
)
def test_what_cannot_be_a_release_of_pyodide_is_told_first(build_lab, tmp_path, pyodide, words):
    told = build_lab.complaint(tmp_path, None, pyodide)
    assert told is None if words is None else words in told


def test_an_archive_without_pyodide_and_one_without_numpy_are_told(build_lab, tmp_path, capsys):
    with pytest.raises(SystemExit, match="is no release of Pyodide"):
        build_lab.examine(tmp_path, "a.tar.bz2")
    (tmp_path / "pyodide.mjs").touch()
    (tmp_path / "pyodide-lock.json").write_text('{"packages": {"micropip": {"file_name": "m.whl"}}}')
    (tmp_path / "m.whl").touch()
    build_lab.examine(tmp_path, "a.tar.bz2")
    assert "a.tar.bz2 lacks ipython, jedi, numpy" in capsys.readouterr().out
