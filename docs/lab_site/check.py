"""Run the tutorials of a lab in Chromium, with every other host out of reach, and measure their cells.

`python docs/build_lab.py --check` runs all of them, each in a Python of its own; tests run some of them in one.
"""

import functools
import json
import shutil
import statistics
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tinygrad_lora.errors.install import from_checkout
from tinygrad_lora.learn.registry import load_exercise

FIRST, CELL, TRAINING = 25.0, 3.0, 30.0  # seconds: until the first cell is done, for any other, and for one that trains
# How to wait: 300 seconds on a busy machine, and not with each frame, which costs a core.
WAIT = {"timeout": 300_000, "polling": 250}
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
WINDOW = {"width": 1000, "height": 700}
SOLVED = "solved"  # the folder of the notebooks with answers

# Puts a notebook in the place of the one that is open, with the same Python, which forgets all names.
NEXT = """async (address) => {
  const panel = window.jupyterapp.shell.currentWidget;
  panel.context.model.fromJSON(await (await fetch(address)).json());
  const { content } = await panel.sessionContext.session.kernel.requestExecute({ code: "%reset -f" }).done;
  if (content.status !== "ok") throw new Error(content.evalue);
}"""
# Runs all cells, and notes for each request when it began and ended, in seconds since the page was asked for.
RUN = """async () => {
  const panel = window.jupyterapp.shell.currentWidget;
  await panel.context.ready;
  await panel.sessionContext.ready;
  const times = window.cellTimes = [];
  let began = 0;
  const note = (_, message) => {
    if (message.header.msg_type === "execute_input") began = performance.now() / 1000;
    const ended = message.header.msg_type === "status" && message.content.execution_state === "idle";
    if (ended && began) {
      times.push([began, performance.now() / 1000]);
      began = 0;
    }
  };
  panel.sessionContext.iopubMessage.connect(note);
  window.allRan = false;
  window.jupyterapp.commands.execute("notebook:run-all-cells").then(() => {
    panel.sessionContext.iopubMessage.disconnect(note);
    window.allRan = true;
  });
}"""
CELLS = """() => [...window.jupyterapp.shell.currentWidget.content.model.cells].map((cell) => cell.toJSON())
  .filter((cell) => cell.cell_type === "code")"""
PROGRESS = (
    """async () => (await window.jupyterapp.serviceManager.contents.get("progress.jsonl", { content: true })).content"""
)


@dataclass
class TutorialRun:
    """One tutorial, from the first cell to the last."""

    file: str
    times: list[tuple[float, float]] = field(default_factory=list)  # of each cell of code: begin and end
    cells: list[dict[str, Any]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def first(self) -> float:
        """Seconds from opening the page until the first cell is done."""
        return self.times[0][1] if self.times else float("nan")

    @property
    def slowest(self) -> tuple[float, str]:
        """The longest that a later cell took, and how it begins."""
        later = [(end - begin, index) for index, (begin, end) in enumerate(self.times)][1:]
        seconds, index = max(later, default=(0.0, 0))
        lines = [
            line for line in source_of(self.cells[index]).splitlines() if not line.startswith(("import", "from", "#"))
        ]
        return seconds, next(filter(None, lines), "")

    @property
    def total(self) -> float:
        return self.times[-1][1] if self.times else float("nan")


def source_of(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def check(numbers: str) -> int:
    """Build a lab with solved notebooks, run the tutorials with these numbers, or all, and print a table."""
    from tempfile import TemporaryDirectory

    from build_lab import build

    from .notebooks import solved

    try:
        import playwright  # noqa: F401, only whether it is there
    except ImportError:
        sys.exit(f"The check drives a browser: {from_checkout('browser')}, then run this again.")
    if chromium_path() is None:
        sys.exit("The check needs Chromium, and none is on the PATH: install it, then run this again.")
    texts = solved(numbers)
    failed = False
    with TemporaryDirectory() as folder:
        site = Path(folder) / "lab"
        build(site, {f"{SOLVED}/{name}": content for name, content in texts.items()})
        print(f"{'':34}first cell   median  slowest cell   all   (seconds)", flush=True)
        with served(site) as address, offline_browser() as browser:
            for name in texts:
                page = browser.new_page(viewport=WINDOW)
                (run,) = run_tutorials(page, address, [name])
                page.close()
                median = statistics.median(end - begin for begin, end in run.times) if run.times else float("nan")
                seconds, line = run.slowest
                print(f"{name:34}{run.first:10.1f} {median:8.2f} {seconds:13.1f} {run.total:5.0f}   {line[:50]}")
                late = run.first > FIRST or seconds > TRAINING
                for fault in [*run.faults, *(["too slow"] if late else [])]:
                    failed = True
                    print(f"    {fault}", flush=True)
    return int(failed)


def run_tutorials(page: Any, address: str, names: list[str]) -> list[TutorialRun]:
    """Run these notebooks one after the other on this page, in one Python, which forgets all names in between.

    To start a page and its Python costs as much as to run a short tutorial: 17 seconds of a core.
    """
    runs: list[TutorialRun] = []
    asked: list[str] = []
    page.context.on("request", lambda request: asked.append(request.url))
    for name in names:
        if runs:
            page.evaluate(NEXT, f"{address}files/{SOLVED}/{name}")
        else:
            open_notebook(page, f"{address}notebooks/index.html?path={SOLVED}/{name}")
        page.evaluate(RUN)
        page.wait_for_function("() => window.allRan", **WAIT)
        run = TutorialRun(name, page.evaluate("() => window.cellTimes"), page.evaluate(CELLS))
        run.faults = [*faults_of(run.cells), *missed(run.cells, page.evaluate(PROGRESS))]
        run.faults += sorted({f"asks {url}" for url in asked if not url.startswith((address, "data:", "blob:"))})
        runs.append(run)
    return runs


def open_notebook(page: Any, address: str) -> None:
    """Open the page of a notebook, and wait until its cells are there."""
    page.goto(address)
    page.wait_for_function("() => window.jupyterapp?.shell?.currentWidget?.content?.model?.cells?.length > 1", **WAIT)


def faults_of(cells: list[dict[str, Any]]) -> list[str]:
    """What went wrong in the cells: not run, an error, or a warning."""
    found = [f"not run: {source_of(cell)[:80]!r}" for cell in cells if cell["execution_count"] is None]
    for cell in cells:
        for output in cell["outputs"]:
            if output["output_type"] == "error":
                found.append(f"{output['ename']}: {output['evalue'][:300]}, in {source_of(cell)[:80]!r}")
            elif output.get("name") == "stderr":
                found.append(f"stderr: {''.join(output['text'])[:300]}")
    return found


def missed(cells: list[dict[str, Any]], progress: str) -> list[str]:
    """The exercises of these cells that are not full of points in the file of progress."""
    marks = [cell["metadata"].get("tinygrad_lora", {}) for cell in cells]
    records = [json.loads(line) for line in progress.splitlines()]
    passed = {(record["exercise"], record.get("test")) for record in records if record.get("passed") is True}
    exercises = [load_exercise(mark["exercise"]) for mark in marks if mark.get("role") == "check"]
    return [
        f"no points: {one.id}" for one in exercises if any((one.id, check.name) not in passed for check in one.checks)
    ]


# --- The server and the browser ---


class Quiet(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # one connection for many files

    def log_message(self, *_: object) -> None:
        """Print nothing for each request."""


class Refusing(BaseHTTPRequestHandler):
    """The way to every other host: there is none."""

    def log_message(self, *_: object) -> None:
        """Print nothing for each request."""

    def do_CONNECT(self) -> None:
        self.send_error(403)

    do_GET = do_HEAD = do_POST = do_CONNECT  # noqa: N815, as the server calls them


@contextmanager
def serving(handler: Any) -> Iterator[int]:
    """The port of a server on this machine, until the end of the block."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def served(site: Path) -> Iterator[str]:
    """The address of the site."""
    with serving(functools.partial(Quiet, directory=site)) as port:
        yield f"http://127.0.0.1:{port}/"


def chromium_path() -> str | None:
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextmanager
def offline_browser() -> Iterator[Any]:
    """Chromium, which reaches 127.0.0.1 and no other host."""
    from playwright.sync_api import sync_playwright

    with serving(Refusing) as port, sync_playwright() as playwright:
        proxy = [f"--proxy-server=http://127.0.0.1:{port}", "--proxy-bypass-list=127.0.0.1"]
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=[*FLAGS, *proxy])
        try:
            yield browser
        finally:
            browser.close()
