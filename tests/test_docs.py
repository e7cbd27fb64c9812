"""What the README and the pages in docs/ show is what happens."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tinygrad_lora.errors.install import from_checkout, with_extra
from tinygrad_lora.grading.sandbox.bubblewrap import CONTAINER

ROOT = Path(__file__).resolve().parents[1]


def run(arguments, folder):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=folder, env=environment)


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=[pytest.mark.slow] if page.stem == "adding_a_pass" else [])
        for page in sorted([*ROOT.glob("docs/*.md"), *ROOT.glob("docs/cookbook/*.md")])
    ],
    ids=lambda p: p.relative_to(ROOT / "docs").as_posix(),
)
def test_every_example_in_the_docs_gives_what_it_shows(page, tmp_path):
    # In a process of its own: the examples add operations.
    process = run(["-W", "error", "-m", "doctest", str(page)], tmp_path)
    assert process.returncode == 0, process.stdout


def example_and_output():
    """The README's ten lines, and what it says they print."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    match = re.search(r"```python\n(.*?)```.*?```text\n(.*?)```", text, re.DOTALL)
    return match[1], match[2]


def printed_by(code, folder):
    (folder / "example.py").write_text(code, encoding="utf-8")
    process = run(["-W", "error", "example.py"], folder)
    assert process.returncode == 0, process.stderr
    return process.stdout.strip()


def test_the_readme_example_prints_what_the_readme_shows(tmp_path):
    code, output = example_and_output()
    assert printed_by(code, tmp_path) == output.strip()


def test_the_first_look_shows_the_readme_example_and_what_else_comes_of_it(tmp_path):
    code, output = example_and_output()
    page = (ROOT / "docs" / "first_look.md").read_text(encoding="utf-8")
    after = page.partition(f"```python\n{code}```")[2]
    program, report, default = re.findall(r"```text\n(.*?)```", after, re.DOTALL)[:3]
    assert program == output
    lines = code.partition("program =")[0]
    reported = "print(tl.compile(step, buffers=False).prepare(x, target).report)\n"
    assert printed_by(lines + reported, tmp_path) == report.strip()
    assert printed_by(lines + "print(tl.compile(step).prepare(x, target).source)\n", tmp_path).endswith(default.strip())


def test_the_page_about_installing_lists_the_extras():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    text = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", " ".join(rows))) == set(project["optional-dependencies"])


# What stands on pages between `<!-- install: NAME -->` and the end; `pytest --update-golden` writes it there.
INSTALL = {
    "short": [f"{from_checkout('notebook')}     # in the folder of the checkout; with Jupyter, for the tutorials"],
    "all": [
        f"{from_checkout('notebook')}                # in the folder of the checkout; with Jupyter, for the tutorials",
        f"{from_checkout('')}                            # or without: the engine, LoRA, the compiler and pictures",
        f"{with_extra('notebook')}    # where it is installed: adds an extra; pip knows the package by its name then",
    ],
    "offline": [
        f"{from_checkout('notebook').replace('install', 'wheel')} --wheel-dir wheels   # in a checkout, with a network",
        with_extra("notebook").replace("install", "install --no-index --find-links wheels"),
    ],
    "commands": [
        f"{from_checkout('test').replace('install', 'wheel')} hatchling editables --wheel-dir wheels",
        "PIP_NO_INDEX=1 PIP_FIND_LINKS=$PWD/wheels python3 run.py test",
    ],
    "container": [CONTAINER],
}


def test_how_to_install_is_said_once(request):
    """Code and pages take the line from one module, so nothing is said that is not true today."""
    ours = re.compile(r"""pip (?:install|wheel) .*?(?:["' ]\.|/source|tinygrad-lora)[\["' ]""")
    block = re.compile(r"<!-- install: (\w+) -->\n(.*?)<!-- install: end -->", re.DOTALL)
    pages = [path for path in [*ROOT.glob("docs/**/*.md"), *ROOT.glob("*.md")] if "generated" not in path.parts]
    for path in [*pages, ROOT / "tests" / "benchmarks" / "README.md"]:
        text = path.read_text(encoding="utf-8")
        written = block.sub(
            lambda found: "\n".join(
                [f"<!-- install: {found[1]} -->", "```sh", *INSTALL[found[1]], "```", "<!-- install: end -->"]
            ),
            text,
        )
        if request.config.getoption("--update-golden"):
            path.write_text(written, encoding="utf-8", newline="\n")
        else:
            assert text == written, f"{path.name}: `pytest --update-golden {__file__}` writes what is true"
        assert not ours.search(block.sub("", text)), f"{path.name}: {ours.search(block.sub('', text))[0]}"
    code = [path for folder in ("tinygrad_lora", "docs") for path in (ROOT / folder).glob("**/*.py")]
    by_hand = [path.name for path in [*code, ROOT / "run.py"] if ours.search(path.read_text(encoding="utf-8"))]
    assert by_hand == ["install.py"], "code asks it"


def test_the_readme_says_how_fast_it_is_with_the_numbers_of_the_bench():
    def rows(page, place):
        after = (ROOT / page).read_text(encoding="utf-8").partition(f"<!-- bench: {place} -->")[2]
        table = re.search(r"(?:^\|.*\n)+", after, re.MULTILINE)[0]
        return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]

    measured = {row[0]: row for row in rows("docs/performance.md", "ratios")}
    columns = [measured[""].index(name) for name in ("naive", "torch", "torch.compile", "jax")]
    shown = rows("README.md", "readme")[2:6]
    for row, name in zip(shown, ("W3 S", "W3 M", "W4 S", "W4 M"), strict=True):
        assert row[1:] == [measured[name][i] for i in columns], name


def test_the_readme_names_files_that_exist():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert (ROOT / target).exists(), target


def test_the_numbers_on_the_first_page_are_those_that_other_pages_show():
    first = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    charts = re.findall(r"\.bars\(\[0, 1\], \[([\d._]+), ([\d._]+)\]\)", first)
    (written, run_), (before, after), (small, large) = charts
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"{int(written):,} floating-point operations as written, {int(run_):,} as run" in text
    look = (ROOT / "docs" / "first_look.md").read_text(encoding="utf-8")
    assert f"rotated digits    {float(before):.1%}" in look and f"rotated digits       {float(after):.1%}" in look
    assert re.search(rf"64 wide \| [\d.]+ \| {small} \|", text) and re.search(
        rf"768 wide \| [\d.]+ \| {large} \|", text
    )
