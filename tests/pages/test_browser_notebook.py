"""Pictures, stepper, explorer, reports and explanations in notebooks: exported, and in JupyterLab, trusted or not.

The notebook is made and executed here. Needs Chromium, playwright, nbclient, nbconvert, ipykernel and jupyterlab;
without them these tests are skipped.
"""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from browser import NEEDS_A_BROWSER, WAIT, chromium, is_trouble, jupyter_environment, jupyterlab, screenshot
from test_browser_stepper import assert_shows

from tinygrad_lora.view.explorer.explore import explore
from tinygrad_lora.view.stepper.page import step_through

MISSING = [name for name in ("nbclient", "nbconvert", "ipykernel", "jupyterlab") if find_spec(name) is None]
pytestmark = [
    pytest.mark.slow,
    *NEEDS_A_BROWSER,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: pip install {' '.join(MISSING)}"),
]

SETUP = """
import numpy as np
import tinygrad_lora as tl
from tinygrad_lora.view.explorer.explore import explore
from tinygrad_lora.view.stepper.page import step_through
from tinygrad_lora.learn import load_exercise, run_checks

x, y = tl.parameter(3.0, "x"), tl.parameter(4.0, "y")
loss = x * y + y
w, a, b = (tl.parameter(np.ones(shape), name) for name, shape in (("W", (4, 3)), ("A", (4, 1)), ("B", (1, 3))))
compiled = tl.compile(lambda x: tl.mean((x @ w + 2.0 * (x @ (a @ b))) * 6.0)).prepare(np.ones((2, 4)))
"""
REPORTED = 'run_checks(load_exercise("01-count-nodes"), {"count_nodes": lambda output: 1})'
EXPLAINED = "tl.explain(y, loss)"
CELLS = [SETUP, "tl.draw(loss)", "step_through(loss)", "explore(compiled)", REPORTED, EXPLAINED]
PICTURE, STEPPER, EXPLORER, REPORT, EXPLANATION = 1, 2, 3, 4, 5  # cells

# Runs where the warnings of other packages are not ours: python -c EXECUTE folder cell cell...
EXECUTE = """
import sys
from pathlib import Path
import nbclient, nbconvert, nbformat
folder, *cells = sys.argv[1:]
book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell.strip()) for cell in cells])
nbclient.NotebookClient(book, kernel_name="python3", timeout=60).execute()
nbformat.write(book, Path(folder, "steps.ipynb"))
page, _ = nbconvert.HTMLExporter(template_name="lab").from_notebook_node(book)
Path(folder, "steps.html").write_text(page, encoding="utf-8")
"""
# What nbconvert's own template asks for.
LIBRARIES = ("https://cdnjs.cloudflare.com/ajax/libs/mathjax/", "https://cdnjs.cloudflare.com/ajax/libs/require.js/")


@pytest.fixture(scope="module")
def names():
    """What the notebook's first cell makes."""
    made = {"__name__": "__main__"}
    exec(SETUP, made)
    return made


@pytest.fixture(scope="module")
def steps(names):
    """What the notebook's stepper must tell."""
    return step_through(names["loss"])


@pytest.fixture(scope="module")
def passes(names):
    """The steps of the notebook's explorer."""
    return explore(names["compiled"]).steps


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory):
    """A folder with the executed notebook and its export, and the environment in which it was executed."""
    folder = tmp_path_factory.mktemp("jupyter")
    environment = jupyter_environment(folder, Path(__file__).parents[2])
    book = folder / "book"
    book.mkdir()
    run(environment, "-c", EXECUTE, str(book), *CELLS)
    return book, environment


@pytest.fixture(scope="module")
def browser(jupyter):
    with chromium() as started:
        yield started


@pytest.fixture
def new_page(browser):
    """`new_page(*allowed)`: a page that asks for what begins so, and for nothing else. At the end: no trouble."""
    contexts, troubles = [], []

    def opened(*allowed, **options):
        context = browser.new_context(viewport={"width": 1400, "height": 1400}, **options)
        contexts.append(context)
        page = context.new_page()

        def judge(route):
            if route.request.url.startswith(allowed):
                return route.continue_()
            if not route.request.url.startswith(LIBRARIES):
                troubles.append(route.request.url)
            return route.fulfill(body="", content_type="text/javascript")

        page.route("**/*", judge)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("dialog", lambda dialog: troubles.append(dialog.message))
        page.on("console", lambda message: troubles.append(message.text) if is_trouble(message) else None)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not troubles


def run(environment, *arguments):
    done = subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def lab(jupyter):
    """The address of the notebook in a JupyterLab, which runs on this machine until the test ends."""
    book, environment = jupyter
    with jupyterlab(book, environment) as (address, token):
        yield f"{address}lab/tree/steps.ipynb?reset&token={token}"


def image_is_there(image):
    return image.evaluate("e => e.decode().then(() => e.naturalWidth > 100 && e.naturalHeight > 100)")


def assert_stepper_works(page, root, steps):
    """Buttons and keys go where Python's events say."""
    assert_shows(root, steps, 1)
    root.get_by_role("button", name="Next").click()
    assert_shows(root, steps, 2)
    for number in range(3, len(steps) + 1):
        page.keyboard.press("ArrowRight")
        assert_shows(root, steps, number)
    page.keyboard.press("Home")
    assert_shows(root, steps, 1)  # though the button that had the focus was disabled at the end
    page.keyboard.press("ArrowDown")
    assert_shows(root, steps, 2)


# What a figure is stands before it; rows of a table are aligned and plain.
BESIDE = "all => all.every(e => e.getBoundingClientRect().right <= e.nextSibling.getBoundingClientRect().left + 1)"
PLAIN = """all => all.every(e => getComputedStyle(e).textAlign === "left"
  && getComputedStyle(e.parentElement).backgroundColor === "rgba(0, 0, 0, 0)")"""


def assert_explorer_works(page, root, passes):
    """It goes to the next pass by button and by key, and one step is shown."""
    following = root.get_by_role("button", name="Next").click
    for number, go in enumerate([lambda: None, following, lambda: page.keyboard.press("ArrowRight")], 1):
        go()
        assert root.locator(".count").text_content().startswith(f"step {number} of {len(passes)}: ")
        assert root.locator(".step:visible").count() == 1 and root.locator(".step svg:visible").count() == 1
        assert root.locator("img:visible").count() == 0  # that is for where the drawings are taken away
        assert root.locator(".head dt").evaluate_all(BESIDE) and root.locator(".card th").evaluate_all(PLAIN)


def assert_report_and_explanation_can_be_read(cells):
    """Sentences begin at the left, and below the formula are the paths in words."""
    report = cells.nth(REPORT).locator(".jp-OutputArea-output table").first
    assert "0 of 2" in report.inner_text() and image_is_there(report.locator("img").first)
    assert set(report.locator("td").evaluate_all(LEFT)) == {"left top"}
    outputs = cells.nth(EXPLANATION).locator(".jp-OutputArea-output")
    assert outputs.count() == 2
    assert "the sum over 2 paths from y" in outputs.nth(1).inner_text()


LEFT = "all => all.map(e => getComputedStyle(e).textAlign + ' ' + getComputedStyle(e).verticalAlign)"


def test_an_exported_notebook_works_from_disk(jupyter, new_page, steps, passes):
    book, _ = jupyter
    address = (book / "steps.html").as_uri()
    page = new_page(address, "data:")
    page.goto(address)
    outputs = page.locator(".jp-Cell")
    picture = outputs.nth(PICTURE).locator(".jp-OutputArea img, .jp-OutputArea svg")
    assert picture.count() == 1 and picture.bounding_box()["width"] > 100
    assert_stepper_works(page, page.locator(".tl-stepper"), steps)
    screenshot(page, "notebook_exported")
    assert_explorer_works(page, page.locator(".tl-explorer"), passes)
    screenshot(page, "notebook_exported_explorer")
    assert_report_and_explanation_can_be_read(outputs)
    outputs.nth(EXPLANATION).scroll_into_view_if_needed()
    screenshot(page, "notebook_exported_report")


def open_in_lab(page, address):
    page.goto(address)
    page.locator(".jp-Notebook .jp-Cell").nth(EXPLORER).locator(".jp-OutputArea-output").wait_for(timeout=1000 * WAIT)
    page.locator(".jp-NotebookPanel-toolbar").wait_for()
    return page.locator(".jp-Notebook .jp-Cell")


SELECTED = "() => [...document.querySelectorAll('.jp-Notebook .jp-Cell')].map(c => c.matches('.jp-mod-active'))"


def test_in_jupyterlab_pictures_show_and_what_is_trusted_runs(jupyter, lab, new_page, steps, passes):
    page = new_page(lab.partition("lab/tree")[0], "data:", "blob:")
    cells = open_in_lab(page, lab)

    # Untrusted: the pictures and all that is written, and none of our scripts.
    assert image_is_there(cells.nth(PICTURE).locator("img"))
    stepper = cells.nth(STEPPER).locator(".jp-OutputArea")
    assert image_is_there(stepper.locator("img"))
    assert stepper.locator("ol li").count() == len(steps) and stepper.locator("ol li").first.is_visible()
    for event, item in zip(steps, stepper.locator("ol li").all_inner_texts(), strict=True):
        assert f"{event.phase}: {event.kind} {event.place}" in item and event.numbers in item
    assert page.locator("[data-live], .jp-OutputArea button, .jp-OutputArea script").count() == 0
    screenshot(page, "notebook_untrusted")
    explorer = cells.nth(EXPLORER).locator(".jp-OutputArea")
    assert all(step.name in explorer.inner_text() for step in passes[1:-1])
    assert image_is_there(explorer.locator("img")) and explorer.locator("img").is_visible()
    assert not re.search(r"−|[+~]{2}|= matmul\(", explorer.inner_text().partition("Your source")[2])
    explorer.scroll_into_view_if_needed()
    screenshot(page, "notebook_untrusted_explorer")
    cells.nth(EXPLANATION).locator("mjx-container").wait_for()
    assert_report_and_explanation_can_be_read(cells)
    cells.nth(EXPLANATION).scroll_into_view_if_needed()
    screenshot(page, "notebook_untrusted_report")

    book, environment = jupyter
    run(environment, "-m", "jupyter", "trust", str(book / "steps.ipynb"))
    page = new_page(lab.partition("lab/tree")[0], "data:", "blob:")
    cells = open_in_lab(page, lab)
    root = page.locator(".tl-stepper[data-live]")
    root.wait_for()
    assert image_is_there(cells.nth(PICTURE).locator("img"))
    assert_stepper_works(page, root, steps)
    screenshot(page, "notebook_trusted")

    # No key of the stepper is one of the notebook, until the notebook has the focus again.
    selected = page.evaluate(SELECTED)
    assert selected == [i == STEPPER for i in range(len(CELLS))]
    for key in ("ArrowDown", "ArrowUp", "ArrowLeft", "b", "d", "d", "End"):
        page.keyboard.press(key)
    assert_shows(root, steps, len(steps))
    assert page.evaluate(SELECTED) == selected
    assert cells.count() == len(CELLS)
    cells.nth(STEPPER).locator(".jp-InputArea-editor").click()
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowUp")
    page.wait_for_function(f"i => ({SELECTED})()[i]", arg=PICTURE)
    assert_shows(root, steps, len(steps))

    explorer = page.locator(".tl-explorer[data-live]")
    explorer.scroll_into_view_if_needed()
    assert_explorer_works(page, explorer, passes)
    screenshot(page, "notebook_trusted_explorer")
