"""The lab as a site: what is in it, the course's page, what it says when something is missing, and its tutorials.

They run in Chromium, from the first cell to the last, while no other host can be reached.

`python3 run.py lab --check` runs all tutorials and measures their cells.
"""

import hashlib
import json
import shutil
import zipfile
from contextlib import closing
from pathlib import Path

import pytest
from browser import NEEDS_A_BROWSER, screenshot
from build_lab import build
from lab_site.check import SOLVED, WAIT, WINDOW, offline_browser, open_notebook, run_tutorials, served
from lab_site.notebooks import solved

from tinygrad_lora.learn.registry import exercise_ids, load_exercise

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("npm") is None, reason="npm, which brings Python for browsers, is not installed"),
]
NAMES = [f"{path.stem}.ipynb" for path in sorted((ROOT / "tutorials").glob("[0-9]*.py"))]
IN_CI = ["01", "12"]  # the others take some minutes more: `-m long`


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("jupytext", reason="reading the sources of tutorials needs Jupytext")
    folder = tmp_path_factory.mktemp("lab") / "site"
    try:
        build(folder, {f"{SOLVED}/{name}": content for name, content in solved().items()})
    except SystemExit as refusal:
        if "Connect to the network" not in str(refusal):
            raise
        pytest.skip(str(refusal))
    return folder


@pytest.fixture(scope="module")
def lab(site):
    """The browser and the address."""
    with served(site) as address, offline_browser() as browser:
        yield browser, address


def test_the_site_holds_every_tutorial_and_all_that_python_asks_for(site):
    listed = json.loads((site / "api" / "contents" / "all.json").read_text())["content"]
    assert {*NAMES, SOLVED} == {entry["path"] for entry in listed}
    for name in NAMES:
        notebook = json.loads((site / "files" / name).read_text())
        assert notebook["metadata"]["kernelspec"]["name"] == "python"  # else a dialog asks for a kernel
    packages = json.loads((site / "pyodide" / "pyodide-lock.json").read_text())["packages"]
    for package in packages.values():
        content = (site / "pyodide" / package["file_name"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == package["sha256"]
    settings = json.loads((site / "jupyter-lite.json").read_text())["jupyter-config-data"]["litePluginSettings"]
    (kernel,) = settings.values()
    assert {name.replace("_", "-") for name in kernel["loadPyodideOptions"]["packages"]} == set(packages)
    assert sum(path.stat().st_size for path in site.rglob("*")) < 50e6


def test_answers_are_in_no_notebook_of_a_student(site):
    texts = "".join(path.read_text() for path in (site / "files").glob("*.ipynb"))
    for id in exercise_ids():
        assert json.dumps(load_exercise(id).solution.strip())[1:-1] not in texts


@pytest.mark.parametrize("_", [pytest.param(None, marks=NEEDS_A_BROWSER, id="chromium")])
def test_the_course_page_shows_progress_and_gives_it_out_as_a_download(_, lab, tmp_path):
    browser, address = lab
    page = browser.new_page(viewport={"width": 1200, "height": 1000})
    page.goto(address)
    assert page.locator("li").count() == len(NAMES)
    assert page.locator("li", has_text="01 · A single node").get_by_text("minutes").is_visible()
    exercise = load_exercise("01-build")
    records = [{"exercise": exercise.id, "test": check.name, "passed": True} for check in exercise.checks]
    progress = tmp_path / "progress.jsonl"
    progress.write_text("".join(json.dumps(record) + "\n" for record in records))
    page.set_input_files("#upload", progress)
    page.locator("li.here", has_text=f"{exercise.points} of").wait_for()
    assert page.locator("#total").inner_text().startswith(f"{exercise.points} of ")
    assert page.locator("#continue").inner_text() == "Continue with 01"
    screenshot(page, "lab_course")
    with page.expect_download() as download:
        page.click("#download")
    archive = tmp_path / "work.zip"
    download.value.save_as(archive)
    with zipfile.ZipFile(archive) as content:
        assert content.testzip() is None and content.read("progress.jsonl") == progress.read_bytes()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as content:  # as another program packs it
        content.writestr("progress.jsonl", '{"exercise": "other", "test": "x", "passed": true}\n')
        content.writestr("sheet.ipynb", '{"cells": []}')
    page.set_input_files("#upload", archive)
    page.get_by_text("2 files are here now").wait_for()
    assert page.locator("#total").inner_text().startswith(f"{exercise.points} of "), "points were lost"
    page.set_input_files("#upload", files=[{"name": "photo.zip", "mimeType": "image/png", "buffer": b"no archive"}])
    page.get_by_text("That failed: it is no zip archive").wait_for()
    page.context.close()


@pytest.mark.parametrize("_", [pytest.param(None, marks=NEEDS_A_BROWSER, id="chromium")])
def test_what_is_missing_is_named_and_what_does_not_start_is_said(_, lab):
    browser, address = lab
    page = browser.new_page(viewport={"width": 1200, "height": 800})
    page.clock.install()
    page.context.route("**/pyodide/numpy-*.whl", lambda route: route.fulfill(status=404))
    page.context.route(
        "**/pyodide.asm.wasm", lambda route: None if route.request.method == "GET" else route.continue_()
    )
    page.goto(f"{address}notebooks/index.html?path=01_a_single_node.ipynb")
    alert = page.locator("#lab-trouble")
    alert.get_by_text("does not give out numpy").wait_for()
    screenshot(page, "lab_missing")
    page.context.unroute("**/pyodide/numpy-*.whl")
    page.reload()
    page.wait_for_function("() => window.jupyterapp")
    assert not alert.is_visible()
    page.clock.fast_forward("01:01")
    alert.get_by_text("Python has not started in 60 seconds").wait_for()
    page.context.close()


@pytest.fixture(scope="module")
def page(lab):
    """A page on which tests run notebooks one after the other, on a system in dark mode."""
    browser, _ = lab
    with closing(browser.new_page(viewport=WINDOW, color_scheme="dark")) as opened:
        yield opened


@pytest.mark.parametrize("_", [pytest.param(None, marks=NEEDS_A_BROWSER, id="chromium")])
def test_tutorials_run_with_all_points_and_ask_no_other_host(_, lab, page):
    names = [name for name in NAMES if name[:2] in IN_CI]
    runs = run_tutorials(page, lab[1], names)
    assert [run.file for run in runs] == names and {run.file: run.faults for run in runs if run.faults} == {}
    assert page.evaluate("() => document.body.dataset.jpThemeLight") == "false"


# The kernel of the page, what it answers to code, and its state after the page has looked for its session.
KERNEL = "window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel"
ANSWER = f"""async (code) => {{
  const running = {KERNEL}.requestExecute({{ code }});
  let said = "";
  running.onIOPub = ({{ content }}) => {{ said += content.text ?? content.ename ?? ""; }};
  await running.done;
  return said;
}}"""
STATUS = f"async () => {{ await window.jupyterapp.serviceManager.sessions.refreshRunning(); return {KERNEL}.status; }}"


@pytest.mark.parametrize("_", [pytest.param(None, marks=NEEDS_A_BROWSER, id="chromium")])
def test_python_comes_back_after_a_restart_that_ends_an_endless_loop(_, lab, page):
    if page.url == "about:blank":
        open_notebook(page, f"{lab[1]}notebooks/index.html?path={NAMES[0]}")
        page.wait_for_function(f"() => {KERNEL}?.status === 'idle'", **WAIT)
    assert page.evaluate(ANSWER, "name = 3; print(name)").strip() == "3"
    page.evaluate(f"() => {{ {KERNEL}.requestExecute({{ code: 'while True: pass' }}); }}")
    page.wait_for_function(f"() => {KERNEL}?.status === 'busy'", **WAIT)
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:restart-kernel'); }")
    page.get_by_role("button", name="Confirm Kernel Restart").click()
    page.wait_for_function(f"() => {KERNEL}?.status === 'idle'", **WAIT)
    assert page.evaluate(ANSWER, "print('name' in globals())").strip() == "False"
    assert page.evaluate(STATUS) == "idle", "the session was removed with the kernel that was restarted"
    page.locator("#lab-trouble").wait_for(state="hidden")


@pytest.mark.long
@pytest.mark.parametrize("name", [pytest.param(name, marks=NEEDS_A_BROWSER, id=name[:2]) for name in NAMES])
def test_every_tutorial_runs(name, lab):
    browser, address = lab
    with closing(browser.new_page(viewport=WINDOW)) as page:
        (run,) = run_tutorials(page, address, [name])
    assert not run.faults
