"""What the README and the pages in docs/ show is what happens."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def run(arguments, folder):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=folder, env=environment)


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/*.md")), ids=lambda p: p.name)
def test_every_example_in_the_docs_gives_what_it_shows(page, tmp_path):
    # In a process of its own: the examples add operations.
    found = run(["-W", "error", "-m", "doctest", str(page)], tmp_path)
    assert found.returncode == 0, found.stdout


def test_the_readme_example_prints_what_the_readme_shows(tmp_path):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    code, *outputs = re.search(r"```python\n(.*?)```.*?```text\n(.*?)```.*?```text\n(.*?)```", text, re.DOTALL).groups()
    for compiled, output in zip(("", "print(tl.compile(step).prepare(x, target).source)\n"), outputs, strict=True):
        code = code if not compiled else code.partition("readable =")[0] + compiled
        (tmp_path / "example.py").write_text(code, encoding="utf-8")
        found = run(["-W", "error", "example.py"], tmp_path)
        assert found.returncode == 0, found.stderr
        assert found.stdout.strip().endswith(output.strip())


def test_the_readme_names_files_that_exist():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert (ROOT / target).exists(), target
