"""The lab that runs in a browser: the package where there are no processes, threads or Graphviz, and what is built.

test_lab_site.py looks at the site itself.
"""

import hashlib
import importlib
import importlib.metadata
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import build_lab
import pytest
from in_browser import bytecode, downloads
from lab_site import wheels

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


def test_progress_is_kept_where_it_outlives_the_page(tmp_path, monkeypatch):
    module = importlib.import_module("tinygrad_lora.learn.progress")
    monkeypatch.delenv(module.VARIABLE, raising=False)
    monkeypatch.setattr(sys, "platform", "emscripten")
    monkeypatch.setattr(module, "DRIVE", tmp_path)
    assert module.progress_file() == tmp_path / "progress.jsonl"
    monkeypatch.setattr(module, "DRIVE", tmp_path / "none")  # where the page was not served securely
    assert Path.home() in module.progress_file().parents


# --- What is built ---


def test_a_folder_with_something_else_in_it_is_not_replaced(tmp_path):
    (tmp_path / "thesis.tex").write_text("Years of work.")
    assert "would be replaced" in build_lab.objection(tmp_path, None)
    assert build_lab.objection(tmp_path / "new", None) is None
    (tmp_path / "jupyter-lite.json").write_text("{}")
    assert build_lab.objection(tmp_path, None) is None
    assert "There is no folder" in build_lab.objection(tmp_path, tmp_path / "sheets")


@pytest.fixture
def one(monkeypatch, tmp_path):
    """A file of npm that is not here yet, and what it holds; nothing is fetched from a real index."""
    content = b"what the index has"
    monkeypatch.setattr(downloads, "KEPT", tmp_path / "kept")
    monkeypatch.setattr(downloads.shutil, "which", lambda name: name)
    fetches = []

    def npm(command, cwd, **_):
        fetches.append(command)
        (cwd / "one-1.0.tgz").write_bytes(npm.content)
        return subprocess.CompletedProcess(command, npm.code, "", "no such host")

    npm.content, npm.code, npm.fetches = content, 0, fetches
    monkeypatch.setattr(downloads.subprocess, "run", npm)
    return downloads.Download("@scope/one@1.0", hashlib.sha256(content).hexdigest()), npm


def test_a_file_is_fetched_once_and_again_when_it_was_damaged(one, capsys):
    download, npm = one
    downloads.of_npm(download)
    assert "Fetching 1 of 1 packages from npm" in capsys.readouterr().out
    downloads.of_npm(download)
    assert len(npm.fetches) == 1 and capsys.readouterr().out == ""
    download.path.write_bytes(b"half of it")
    downloads.of_npm(download)
    assert len(npm.fetches) == 2 and download.is_here


def test_a_file_that_is_not_the_one_that_was_meant_is_not_kept(one):
    download, npm = one
    npm.content = b"something else"
    with pytest.raises(SystemExit, match="sha256 differs"):
        downloads.of_npm(download)
    assert not download.path.exists()


def test_without_a_network_or_npm_a_sentence_says_what_to_do(one, monkeypatch):
    download, npm = one
    npm.code = 1
    with pytest.raises(SystemExit, match="Connect to the network, then run this again"):
        downloads.of_npm(download)
    monkeypatch.setattr(downloads.shutil, "which", lambda name: None)
    with pytest.raises(SystemExit, match="install Node, then run this again"):
        downloads.of_npm(download)


def test_every_wheel_of_the_lab_is_held_to_a_digest():
    lines = [line for line in downloads.WHEELS.read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9.]+ --hash=sha256:[0-9a-f]{64}", line) for line in lines)
    names = {line.partition("==")[0] for line in lines}
    assert {"jupyterlite-core", "jupyterlite-pyodide-kernel", "ipython", "graphviz", "rich"} <= names


def test_a_wheel_is_the_same_whenever_it_is_made_and_imports_without_its_source(tmp_path, monkeypatch):
    files = [
        ("one/__init__.py", b"from .two import answer"),
        ("one/two.py", b"answer = 42"),
        ("one/three.py", b"{{no}} :"),
    ]
    first = wheels.write_wheel(tmp_path, wheels.Wheel("one", "1.0"), files).read_bytes()
    path = wheels.write_wheel(tmp_path, wheels.Wheel("one", "1.0"), files, needs=())
    assert path.name == "one-1.0-py3-none-any.whl" and path.read_bytes() == first
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path)
    if bytecode.COMPILES:
        (tmp_path / "one" / "two.py").write_text("answer = 43")  # what was compiled is taken as it is
    monkeypatch.syspath_prepend(tmp_path)
    assert importlib.import_module("one").answer == 42
    assert importlib.metadata.version("one") == "1.0"
