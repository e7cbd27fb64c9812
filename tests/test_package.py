"""The package as it is installed: what the files hold, and that an empty environment needs nothing else."""

import importlib.util
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

pytest.importorskip("build", reason="building the package needs build and hatchling")
pytest.importorskip("hatchling", reason="building the package needs build and hatchling")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The sdist, and the wheel made from it."""
    out = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (wheel,), (sdist,) = out.glob("*.whl"), out.glob("*.tar.gz")
    return wheel, sdist


def test_the_wheel_is_for_every_machine_and_holds_what_it_needs(built):
    wheel, _ = built
    assert wheel.name.endswith("-py3-none-any.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for needed in (
        "tinygrad_lora/py.typed",
        "tinygrad_lora/__init__.pyi",
        "tinygrad_lora/assets/digits.npz",
        "tinygrad_lora/learn/exercises/t01/build.py",
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
    names = re.findall(r"^ {4}(\w+)", help_text, flags=re.MULTILINE)
    assert {"demo", "learn", "check", "progress", "step", "explore", "draw", "bench", "doctor"} <= set(names)
    for name in names:
        shown = run(command, name, "--help")
        assert shown.returncode == 0 and shown.stdout.startswith(f"usage: tinygrad-lora {name}"), shown.stderr
    assert run(scripts / "python", "-m", "tinygrad_lora", "--help").stdout == help_text
    (tmp_path / "typed.py").write_text(TYPED, encoding="utf-8")
    mypy = [sys.executable, "-m", "mypy", "--strict", "--python-executable", scripts / "python", "typed.py"]
    if importlib.util.find_spec("mypy"):
        told = run(*mypy).stdout
        assert 'typed.py:6: error: Argument "rank" to "adapt"' in told and "Found 1 error" in told, told
    demo = run(command, "demo", "--out", "pictures", "--epochs", "1")
    assert demo.returncode == 0, demo.stderr
    assert (tmp_path / "pictures" / "index.html").is_file()
    assert "tinygrad_lora" in run(command, "doctor").stdout
