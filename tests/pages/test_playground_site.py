"""The playground as a static site: Python in the browser, no other host asked, exercises with the same checks."""

import functools
import json
import re
import shutil
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import pytest
from browser import NEEDS_A_BROWSER, chromium, screenshot

from tinygrad_lora.learn.predictions.prediction import all_predictions
from tinygrad_lora.learn.registry import exercise_ids, load_exercise

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs"))
WAIT = 180_000  # milliseconds, for Python to load on a busy machine
pytestmark = [
    *NEEDS_A_BROWSER,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("npm") is None, reason="npm, which brings Python for browsers, is not installed"),
    pytest.mark.skipif(find_spec("latex2mathml") is None, reason="needs the extra docs"),
]


def code_in_address(code):
    """As the documentation writes it."""
    return "index.html" + pytest.importorskip("build_site.try_it", reason="needs the extra docs").address(code)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("playground") / "site"
    command = [sys.executable, ROOT / "docs" / "build_playground.py", "--out", folder]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if "could not fetch" in done.stderr:
        pytest.skip("npm cannot fetch Pyodide and NumPy")
    assert done.returncode == 0, done.stderr
    return folder


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def address(site):
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=site)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def page(address):
    """One page, so that Python loads once. Nothing is asked of another host."""
    asked = []
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        yield page
    assert not [url for url in asked if not url.startswith((address, "data:", "blob:"))]


def settled(page, run):
    for _ in range(WAIT // 50):
        if int(page.get_attribute("#sheet", "data-run") or 0) >= run:
            return
        page.wait_for_timeout(50)
    pytest.fail(f"nothing came of the run: {page.inner_text('#state')}")


def runs(page):
    return int(page.get_attribute("#sheet", "data-run") or 0)


def written(page, text):
    page.click(".cm-content")
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(text)


def test_the_site_is_small_and_each_exercise_of_the_first_five_tutorials_is_there(site):
    assert sum(path.stat().st_size for path in site.rglob("*")) < 20e6
    exercises = json.loads((site / "exercises.json").read_text(encoding="utf-8"))
    solved, asked = ([id for id in ids if id < "06"] for ids in (exercise_ids(), all_predictions()))
    assert [*exercises] == [*solved, *asked]
    for id in asked:
        assert f"tl.predict({id!r}, ...)" in exercises[id]["code"] and len(exercises[id]["html"]) > 80
    for id in solved:
        exercise = exercises[id]
        assert exercise["code"].endswith(f"tl.check({id!r}, {', '.join(load_exercise(id).names)})\n")
        assert "<details>" in exercise["html"] and not re.search(r"\$|\ue000", exercise["html"])
        assert load_exercise(id).solution.strip() not in exercise["code"]


def test_there_is_something_to_see_before_python_is_there(site):
    text = (site / "index.html").read_text(encoding="utf-8")
    assert "<svg" in text and "∂z/∂x = y" in text


def test_the_page_runs_python_and_follows_a_change(page):
    settled(page, 1)
    written(page, "x = tl.parameter(4.0)\ny = x * x\n")
    page.wait_for_selector("#numbers:has-text('16')", timeout=WAIT)
    page.wait_for_selector("#program:has-text('x * x')", timeout=WAIT)
    screenshot(page, "playground_site")


def test_whoever_presses_the_first_button_of_the_documentation_draws_a_gradient_of_their_own_on_that_page(
    page, address
):
    """One page is opened. test_docs_kinds.py looks at the button, which leads to this address."""
    text = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    code = re.search(r"```playground [^\n]*\n:button:\n(.*?)```", text, re.DOTALL)[1]
    page.goto(address + code_in_address(code))
    page.reload()  # the page before it was the same but for the part that holds the code
    page.wait_for_selector("#numbers:has-text('21')", timeout=WAIT)
    opened = page.url.partition("#")[0]
    written(page, "mine = tl.parameter(2.0)\nresult = tl.sqrt(8.0 * mine)\n")
    page.wait_for_selector("#numbers:has-text('mine')", timeout=WAIT)
    graph = page.text_content("#picture")
    assert "mine" in graph and "gradient" in graph
    assert page.url.partition("#")[0] == opened


def test_an_endless_loop_ends_with_its_worker_and_the_page_lives(page):
    settled(page, 1)
    before = runs(page)
    written(page, "while True: pass\n")
    page.wait_for_selector("#stop:not([disabled])", timeout=WAIT)
    page.click("#stop")
    settled(page, before + 1)
    assert "stopped" in page.inner_text("#state")
    before = runs(page)
    written(page, "x = tl.parameter(7.0)\ny = x + 1.0\n")
    settled(page, before + 1)
    assert "8" in page.inner_text("#numbers")


def test_an_exercise_is_checked_as_in_a_notebook_and_the_answer_is_kept(page, address):
    page.goto(f"{address}?exercise=03-relu")
    page.wait_for_selector("#check:not([hidden])", timeout=WAIT)
    page.click("#check")
    settled(page, 1)
    assert "not started yet" in page.inner_text("#value")
    exercise = load_exercise("03-relu")
    before = runs(page)
    solved = f"{exercise.preamble}\n{exercise.solution}\ntl.check('03-relu', {', '.join(exercise.names)})\n"
    written(page, solved)
    page.click("#check")
    settled(page, before + 1)
    assert f"{exercise.points} of {exercise.points}" in page.inner_text("#value")
    page.goto(f"{address}?exercise=03-relu&embed")
    page.wait_for_selector("#check:not([hidden])", timeout=WAIT)
    assert exercise.solution.splitlines()[0] in page.inner_text(".cm-content")
    page.goto(f"{address}?exercise=01-product&embed")
    page.wait_for_selector("#check:not([hidden])", timeout=WAIT)
    written(page, 'tl.predict("01-product", 3)\n')
    page.click("#check")
    page.wait_for_selector("#value:has-text('Right')", timeout=WAIT)
    page.goto(f"{address}?exercise=99-none")
    page.wait_for_selector("#task:has-text('no exercise 99-none')", timeout=WAIT)
