"""The package as it is installed: what the files hold, and that an empty environment needs nothing else.

And what stands around it: run.py, the changelog, the citation and the checks before a commit.
"""

import importlib.util
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from itertools import pairwise
from pathlib import Path

import pytest

import tinygrad_lora
from tinygrad_lora.commands.main import COMMANDS

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The sdist, and the wheel made from it."""
    for needed in ("build", "hatchling"):
        pytest.importorskip(needed, reason="building the package needs build and hatchling")
    out = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (wheel,), (sdist,) = out.glob("*.whl"), out.glob("*.tar.gz")
    return wheel, sdist


@pytest.mark.slow
def test_the_wheel_is_for_every_machine_and_holds_what_it_needs(built):
    wheel, _ = built
    assert wheel.name.endswith("-py3-none-any.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for needed in (
        "tinygrad_lora/py.typed",
        "tinygrad_lora/__init__.pyi",
        "tinygrad_lora/assets/digits.npz",
        "tinygrad_lora/tutorials/exercises/t01/build.py",
    ):
        assert needed in names
    assert any(re.search(r"dist-info/.*LICENSE", name) for name in names)
    assert sum(name.startswith("tinygrad_lora/tutorials/") and name.endswith(".ipynb") for name in names) == len(
        list((ROOT / "tutorials").glob("*.ipynb"))
    )
    assert not [name for name in names if name.startswith(("tests/", "docs/")) or "__pycache__" in name]
    kinds = {Path(name).suffix for name in names if name.startswith("tinygrad_lora/")}
    assert kinds <= {
        ".py",
        ".pyi",
        ".typed",
        ".npz",
        ".ipynb",
        ".js",
        ".css",
        ".html",
        ".svg",
        ".md",
        ".txt",
        ".json",
        ".jsonl",
    }


@pytest.mark.slow
def test_the_source_distribution_builds_the_same(built):
    _, sdist = built
    with tarfile.open(sdist) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    for needed in ("pyproject.toml", "LICENSE", "README.md", "tinygrad_lora/core/node.py"):
        assert needed in names
    assert not [name for name in names if name.startswith((".venv", "build/", "docs/_build", ".github"))]


TYPED = """
import numpy as np
import tinygrad_lora as tl
model: tl.Sequential = tl.Sequential(tl.Linear(2, 3), tl.relu, tl.Linear(3, 1))
loss: tl.ComputationNode = tl.mse(model(tl.constant(np.ones((4, 2)))), np.zeros((4, 1)))
tl.adapt(model, rank="four")
"""


@pytest.mark.slow
def test_in_an_empty_environment_every_command_explains_itself(built, tmp_path):
    wheel, _ = built
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "empty")], check=True)
    scripts = tmp_path / "empty" / ("Scripts" if os.name == "nt" else "bin")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}

    def run(*command):
        return subprocess.run(
            [str(part) for part in command], cwd=tmp_path, env=environment, capture_output=True, text=True
        )

    installed = run(scripts / "python", "-m", "pip", "install", "--quiet", wheel)
    if installed.returncode and "No matching distribution" in installed.stderr:
        pytest.skip("pip cannot reach a package index")
    assert installed.returncode == 0, installed.stderr
    command = scripts / "tinygrad-lora"
    help_text = run(command, "--help").stdout
    names = re.findall(r"^ {2}(\w+)", help_text, flags=re.MULTILINE)
    assert sorted(names) == sorted(COMMANDS)
    for name in [*names, "models get", "course release"]:
        shown = run(command, *name.split(), "--help")
        assert shown.returncode == 0 and shown.stdout.startswith(f"usage: tinygrad-lora {name}"), shown.stderr
    assert run(scripts / "python", "-m", "tinygrad_lora", "--help").stdout == help_text
    (tmp_path / "typed.py").write_text(TYPED, encoding="utf-8")
    mypy = [sys.executable, "-m", "mypy", "--strict", "--python-executable", scripts / "python", "typed.py"]
    if importlib.util.find_spec("mypy"):
        printed = run(*mypy).stdout
        assert 'typed.py:6: error: Argument "rank" to "adapt"' in printed and "Found 1 error" in printed, printed
    demo = run(command, "demo", "--out", "pictures", "--epochs", "1")
    assert demo.returncode == 0, demo.stderr
    assert (tmp_path / "pictures" / "index.html").is_file()
    assert "tinygrad_lora" in run(command, "doctor").stdout
    assert "Open one: tinygrad-lora learn 01" in run(command, "learn").stdout
    bench = run(command, "bench", "--quick")
    assert bench.returncode == 2 and "run `python3 run.py bench`" in bench.stderr
    # The ten lines of the README, which another test compares with what it says that they print.
    example = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)[1]
    (tmp_path / "example.py").write_text(example, encoding="utf-8")
    assert "def step(" in run(scripts / "python", "example.py").stdout


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_version_is_the_same_everywhere():
    project = tomllib.loads(text_of("pyproject.toml"))["project"]
    assert project["version"] == tinygrad_lora.__version__
    newest, date = re.findall(r"^## \[(\d.*)\] - (\S+)$", text_of("CHANGELOG.md"), flags=re.MULTILINE)[0]
    assert newest == project["version"]
    cited = dict(line.split(": ", 1) for line in text_of("CITATION.cff").splitlines() if ": " in line)
    assert (cited["version"], cited["date-released"], cited["license"]) == (newest, date, project["license"])


def test_the_changelog_keeps_to_its_format():
    headings = re.findall(r"^## (.+)$", text_of("CHANGELOG.md"), flags=re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    released = [re.fullmatch(r"\[(\d+)\.(\d+)\.(\d+)\] - \d{4}-\d\d-\d\d", one) for one in headings[1:]]
    assert all(released) and all(a > b for a, b in pairwise(tuple(map(int, one.groups())) for one in released))
    groups = set(re.findall(r"^### (.+)$", text_of("CHANGELOG.md"), flags=re.MULTILINE))
    assert groups <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_before_a_commit_the_linters_run_that_the_tests_run():
    steps = runpy.run_path(str(ROOT / "run.py"))["STEPS"]
    for name in steps.keys() - {"pytest"}:
        assert re.search(rf"entry: \.venv/bin/.*{name}", text_of(".pre-commit-config.yaml")), name


# In the place of the environment's Python: it has pip, and whatever else it is asked for takes long.
SLOW = """#!/bin/sh
[ "$1" = -c ] || [ "$2" = pip ] || { echo ready; exec sleep 60; }
"""

# What a shell starts in the background ignores a Ctrl-C: here it is heard. On a busy machine a process may learn late
# that the one that it started is there.
RUN = """import runpy, signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
class Popen(subprocess.Popen):
    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        time.sleep({seconds})
subprocess.Popen = Popen
sys.argv = ["run.py", "{command}"]
runpy.run_path("run.py", run_name="__main__")
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="in Windows a process cannot be sent a Ctrl-C like this")
@pytest.mark.parametrize("seconds", [0, 0.5])
@pytest.mark.parametrize(
    ("command", "message"), [("demo", ""), ("docs", "run.py: interrupted\n"), ("test", "run.py: interrupted\n")]
)
def test_ctrl_c_in_run_py_is_one_line(command, message, seconds, tmp_path):
    shutil.copy(ROOT / "run.py", tmp_path)
    python, page = tmp_path / ".venv" / "bin" / "python", tmp_path / "build" / "docs" / ".buildinfo"
    for path, text in ((python, SLOW), (page, "of an earlier build"), (tmp_path / "pyproject.toml", "")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    python.chmod(0o755)
    code = RUN.format(command=command, seconds=seconds)
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, start_new_session=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as running:  # fmt: skip
        while running.stdout.readline() not in ("ready\n", ""):
            pass
        os.killpg(running.pid, signal.SIGINT)
        assert running.communicate(timeout=60)[1] == message
    assert running.returncode == 130
    assert page.exists() == (command != "docs")  # the next build writes all pages anew
