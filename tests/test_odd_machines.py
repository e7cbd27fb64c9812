"""Machines unlike one's own: odd paths, a home that cannot be written, a Python without some of its modules."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ODD = "a folder of Zoë's – π"
# Python itself without some modules: as when it was built where their libraries were missing.
HOOK = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {absent!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
"""


@pytest.fixture
def machine(tmp_path):
    """`machine(*command, without=..., **variables)`: run Python in an odd folder, without these modules."""
    if sys.getfilesystemencoding() == "ascii":
        pytest.skip("this Python knows files with ASCII names alone")
    folder = tmp_path / ODD
    folder.mkdir()

    def run(*command, without=(), **variables):
        (tmp_path / "sitecustomize.py").write_text(HOOK.format(absent=set(without)), encoding="utf-8")
        path = os.pathsep.join([str(tmp_path), str(ROOT)])
        return subprocess.run(
            [sys.executable, *command], cwd=folder, capture_output=True, encoding="utf-8",
            env=os.environ | {"PYTHONPATH": path, "PYTHONUTF8": "1"} | variables,
        )  # fmt: skip

    run.folder = folder
    return run


@pytest.fixture
def checkout(machine):
    """What the README's commands need of a checkout, until they install it."""
    for name in ("run.py", "pyproject.toml"):
        shutil.copy(ROOT / name, machine.folder)
    return machine


def test_a_python_without_venv_says_what_to_install(checkout):
    done = checkout("run.py", "demo", without=["venv"])
    assert done.returncode == 1 and "sudo apt-get install python3-venv" in done.stderr, done.stderr
    assert not (checkout.folder / ".venv").exists()


def test_an_environment_that_cannot_be_made_says_why_and_what_the_folder_must_be(checkout):
    (checkout.folder / ".venv").write_text("where a folder must be", encoding="utf-8")
    done = checkout("run.py", "demo")
    assert done.returncode == 1 and str(checkout.folder / ".venv") in done.stderr, done.stderr
    assert "able to write there" in done.stderr and "apt-get" not in done.stderr


def test_a_path_with_letters_that_the_terminal_lacks_is_printed_all_the_same(checkout):
    done = checkout("run.py", "demo", without=["venv"], PYTHONIOENCODING="ascii")
    assert done.stdout.startswith("Making a virtual environment in ") and "apt-get" in done.stderr, done.stderr


@pytest.mark.skipif(os.name == "nt", reason="the old environment is made of a shell script")
def test_an_environment_whose_pip_is_old_is_made_anew(checkout):
    python = checkout.folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")  # which it says of a pip of 2020
    python.chmod(0o755)
    assert "Making a virtual environment" in checkout("run.py", "demo", without=["venv"]).stdout


def test_the_pip_of_a_new_environment_is_not_too_old():
    import runpy

    exec(runpy.run_path(str(ROOT / "run.py"))["NEW_ENOUGH"])


@pytest.mark.skipif(os.name == "nt", reason="pip is a shell script here")
def test_an_install_that_fails_says_what_to_do_offline_and_behind_a_proxy(checkout):
    python = checkout.folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\n[ "$1" = -c ]\n', encoding="utf-8")  # it has pip, and that can do nothing
    python.chmod(0o755)
    done = checkout("run.py", "demo")
    assert done.returncode == 1 and "HTTPS_PROXY" in done.stderr and "Offline" in done.stderr
    assert "## Offline" in (ROOT / "docs" / "install.md").read_text(encoding="utf-8")


USE = """
import numpy as np
import tinygrad_lora as tl

for name in tl.__all__:
    getattr(tl, name)
x = tl.parameter(np.ones(3), name="x")
y = tl.sum(x * x)
y.backward()
assert tl.compile(lambda x: tl.exp(x))(np.zeros(2)).tolist() == [1.0, 1.0]
print(tl.render(y, "picture.svg").read_text(encoding="utf-8").count("<svg"), x.gradient)
"""


def test_the_package_needs_none_of_the_modules_that_a_python_may_lack(machine):
    absent = ["lzma", "_lzma", "sqlite3", "_sqlite3", "bz2", "_bz2", "curses", "readline", "tkinter"]
    done = machine("-W", "error", "-c", USE, without=absent)
    assert done.returncode == 0 and done.stdout == "1 [2. 2. 2.]\n", done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="there, other variables say where a home is")
def test_a_home_that_cannot_be_written_stops_nothing_but_what_is_kept_there(machine, tmp_path):
    (tmp_path / "file").write_text("no folder can be in it", encoding="utf-8")
    names = ("TINYGRAD_LORA_PROGRESS", "TINYGRAD_LORA_CACHE", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")
    home = dict.fromkeys(names, "") | {"HOME": str(tmp_path / "file" / "home")}
    checked = 'import tinygrad_lora as tl; print(tl.check("04-topo", lambda output: [output]))'
    done = machine("-c", checked, **home)
    assert done.returncode == 0 and "0 of 5 points" in done.stdout, done.stderr
    done = machine("-m", "tinygrad_lora", "models", "get", "minilm", **home)
    assert done.returncode == 2 and "TINYGRAD_LORA_CACHE" in done.stderr, done.stderr
