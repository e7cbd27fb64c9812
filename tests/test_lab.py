"""The lab that runs in a browser: the site, and the package where there are no processes, threads or Graphviz."""

import functools
import json
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import pytest
from browser import NEEDS_A_BROWSER, chromium, screenshot

ROOT = Path(__file__).resolve().parent.parent

# As in Pyodide: nothing can be started, and packages with compiled code of their own are not there.
AS_IN_A_BROWSER = """
import subprocess, sys, threading

def unavailable(*_, **__):
    raise OSError("this platform starts no processes and no threads")

subprocess.Popen.__init__ = threading.Thread.start = unavailable
for name in ("numba", "scipy", "IPython", "pygraphviz"):
    sys.modules[name] = None
import importlib.metadata as metadata
files = metadata.files
metadata.files = lambda name: [] if name == "graphviz-pure" else files(name)
"""


def run_as_in_a_browser(code, folder, **variables):
    import os

    environment = os.environ | {"MPLBACKEND": "agg", "PATH": "", "TINYGRAD_LORA_PROGRESS": str(folder / "p.jsonl")}
    done = subprocess.run(
        [sys.executable, "-c", AS_IN_A_BROWSER + code], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_package_draws_steps_and_compiles_without_processes_and_threads(tmp_path):
    code = """
import numpy as np, tinygrad_lora as tl
x, w = tl.parameter(np.ones((2, 3)), "x"), tl.parameter(np.ones((3, 2)), "w")
loss = tl.sum(tl.tanh(x @ w))
loss.backward()
print(tl.draw(loss).svg()[:4], len(tl.step_through(loss)) > 0, tl.compile(lambda x: tl.sum(x @ w))(np.ones((2, 3))))
"""
    assert run_as_in_a_browser(code, tmp_path).split() == ["<svg", "True", "12.0"]


@pytest.mark.parametrize("number", ["04"])
def test_a_tutorial_runs_with_its_pictures(number, tmp_path):
    (source,) = (ROOT / "tutorials").glob(f"{number}_*.py")
    run_as_in_a_browser(source.read_text(encoding="utf-8"), tmp_path)


# --- The site ---

NEEDS_JUPYTERLITE = pytest.mark.skipif(
    find_spec("jupyterlite_core") is None or find_spec("jupyterlite_pyodide_kernel") is None,
    reason='building the lab needs JupyterLite: pip install "tinygrad-lora[lab]"',
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab") / "site"
    build = [sys.executable, str(ROOT / "docs" / "build_lab.py"), "--out", str(folder)]
    done = subprocess.run(build, capture_output=True, text=True)
    if done.returncode and "No matching distribution" in done.stdout + done.stderr:
        pytest.skip("pip cannot reach a package index")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@NEEDS_JUPYTERLITE
@pytest.mark.slow
def test_the_site_holds_every_tutorial_and_the_package(site):
    files = {path.name for path in (site / "files").iterdir()}
    assert {path.stem + ".ipynb" for path in (ROOT / "tutorials").glob("[0-9]*.py")} <= files
    index = json.loads(next(site.rglob("pypi/all.json")).read_text())
    assert {"tinygrad-lora", "graphviz", "rich"} <= set(index)


@pytest.fixture(scope="module")
def address(site):
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@NEEDS_JUPYTERLITE
@pytest.mark.slow
@pytest.mark.parametrize("_", [pytest.param(None, marks=NEEDS_A_BROWSER, id="chromium")])
def test_the_lab_starts_and_opens_a_tutorial(_, address):
    """Python itself comes from another address, which a test does not ask: the notebook shows, and does not run."""
    with chromium() as browser:
        page = browser.new_context(viewport={"width": 1400, "height": 1000}).new_page()
        page.route("**/*", lambda route: route.continue_() if route.request.url.startswith(address) else route.abort())
        page.goto(f"{address}/lab/index.html?path=01_a_single_node.ipynb")
        page.get_by_role("heading", name="01 · A single node").first.wait_for(timeout=60_000)
        screenshot(page, "lab")
        assert page.get_by_text("02_running_a_graph_forward.ipynb").first.is_visible()
