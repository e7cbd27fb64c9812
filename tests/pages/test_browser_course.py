"""The course as a new student meets it: install the wheel, copy tutorial 01, run it in JupyterLab, solve an exercise.

Needs Chromium, playwright, jupyterlab, ipykernel, build and hatchling; without them the test is skipped.
"""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from browser import NEEDS_A_BROWSER, WAIT, chromium, is_trouble, jupyter_environment, jupyterlab, screenshot
from wrong_answers import mutants_of

from tinygrad_lora.learn import load_exercise
from tinygrad_lora.learn.checking.solutions import source_of

ROOT = Path(__file__).resolve().parents[2]
MISSING = [name for name in ("jupyterlab", "ipykernel", "build", "hatchling") if find_spec(name) is None]
pytestmark = [
    pytest.mark.slow,
    *NEEDS_A_BROWSER,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: pip install {' '.join(MISSING)}"),
    pytest.mark.skipif(
        not [*(ROOT / "tutorials").glob("01_*.ipynb")],
        reason="no notebooks: tinygrad-lora course release tutorials --source tutorials",
    ),
]
EXERCISE = "01-build"


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    """`student("learn", ...)` runs the installed command in the student's folder; `.folder`, `.environment`."""
    home = tmp_path_factory.mktemp("student")
    run(sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", home / "dist", ROOT)
    (wheel,) = (home / "dist").glob("*.whl")
    # Into a folder of its own, which Python searches first: not the checkout. What the package needs is here already.
    run(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", home / "site", wheel)
    folder = home / "work"
    folder.mkdir()
    environment = jupyter_environment(home, home / "site")
    environment["TINYGRAD_LORA_PROGRESS"] = str(home / "progress.jsonl")

    def command(*arguments):
        return run(sys.executable, "-m", "tinygrad_lora", *arguments, cwd=folder, env=environment)

    command.folder, command.environment = folder, environment
    where = run(sys.executable, "-c", "import tinygrad_lora as t; print(t.__file__)", cwd=folder, env=environment)
    assert Path(where.strip()).is_relative_to(home / "site")
    return command


def run(*command, **options):
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=120, **options)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


# Every cell of code has run, and the kernel waits.
ALL_RAN = r"""() =>
  [...document.querySelectorAll(".jp-CodeCell .jp-InputPrompt")].every(e => /\[\d+\]/.test(e.innerText))
  && document.querySelector(".jp-Notebook-ExecutionIndicator[data-status=idle]")"""
IMAGES = """all => Promise.all(all.map(e => e.decode().then(() => e.naturalWidth > 20 && e.naturalHeight > 20)))"""
FAULTS = [f'.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.{kind}"]' for kind in ("error", "stderr")]


class Notebook:
    """A notebook that is open in a browser. Its cells are found by their ids."""

    def __init__(self, page, path):
        self.page = page
        self.ids = [cell["id"] for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]]
        self.cells = page.locator(".jp-Notebook .jp-Cell")

    def cell(self, id):
        return self.cells.nth(self.ids.index(id))

    def run_all(self):
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        self.page.wait_for_function(ALL_RAN, timeout=1000 * WAIT)
        assert [self.page.locator(fault).count() for fault in FAULTS] == [0, 0]

    def answer(self, code, result):
        """Write this where the answer belongs and run it; what the check below shows when it has this result."""
        text = self.cell(f"{EXERCISE}-answer").locator(".cm-content")
        text.click()
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.insert_text(code)
        self.page.keyboard.press("Shift+Enter")
        self.page.keyboard.press("Shift+Enter")
        shown = self.cell(f"{EXERCISE}-check").locator(".jp-OutputArea-output").filter(has_text=result)
        shown.wait_for(timeout=1000 * WAIT)
        shown.scroll_into_view_if_needed()
        return shown.inner_text()


def test_a_new_student_installs_opens_solves_and_sees_the_points(student):
    assert "01_a_single_node.ipynb" in student("learn", "01", "--copy-only")
    (copy,) = student.folder.glob("tutorials-mine/*.ipynb")
    exercise = load_exercise(EXERCISE)
    wrong = next(mutant for mutant in mutants_of(exercise) if mutant.code == "square-of-product")
    ((name, function),) = wrong.values.items()

    with jupyterlab(copy.parent, student.environment) as (address, token), chromium() as browser:
        page = browser.new_page(viewport={"width": 1200, "height": 1000})
        troubles = []
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("console", lambda message: troubles.append(message.text) if is_trouble(message) else None)
        page.goto(f"{address}lab/tree/{copy.name}?reset&token={token}")
        page.locator("#jp-main-statusbar").get_by_text("| Idle").wait_for(timeout=1000 * WAIT)
        notebook = Notebook(page, copy)
        assert notebook.cells.count() == len(notebook.ids)
        screenshot(page, "course_opened")

        notebook.run_all()
        pictures = page.locator(".jp-OutputArea-output img")
        assert pictures.count() > 4 and all(pictures.evaluate_all(IMAGES))
        assert "not started yet" in notebook.cell(f"{EXERCISE}-check").inner_text()
        screenshot(page, "course_run")

        shown = notebook.answer(source_of(function, name), "0 of 4 points")
        assert "squares 3x" in shown and "wrong" in shown
        screenshot(page, "course_wrong")

        shown = notebook.answer(source_of(exercise.references[name]), "4 of 4 points")
        assert shown.count("passed") == len(exercise.checks) and "wrong" not in shown
        screenshot(page, "course_right")
        assert not troubles

    (line,) = (line for line in student("progress").splitlines() if line.startswith(EXERCISE))
    assert line.split()[1] == "done" and "4 of 4" in line
    assert "4 of 12 points" in student("learn")
