"""The lab as a site: what is in it, how it opens in a browser, and Python in a kernel of it."""

import contextlib
import functools
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import in_pyodide
import pytest
from browser import NEEDS_A_BROWSER, chromium, screenshot
from npm import fetched

import tinygrad_lora
from tinygrad_lora.learn.release.notebook import NotebookCell, as_json

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        find_spec("jupyterlite_core") is None or find_spec("jupyterlite_pyodide_kernel") is None,
        reason='building the lab needs JupyterLite: pip install "tinygrad-lora[lab]"',
    ),
]

# As a student's first cell, but without NumPy: that is in Pyodide's release, and in none of the indexes that a test can
# ask. From the release comes rich, from the site graphviz.
CELL = """\
import piplite

await piplite.install(["rich", "graphviz"])
await piplite.install("tinygrad-lora", deps=False)
import in_pyodide

print(in_pyodide.report())"""


@pytest.fixture(scope="module")
def pyodide(tmp_path_factory):
    """A release of Pyodide, as far as package indexes have it; or why there is none.

    Its core is on npm. Of its packages the kernel's are pure Python, so the index's wheels do as well.
    """
    from jupyterlite_pyodide_kernel.constants import PYODIDE_VERSION

    folder = tmp_path_factory.mktemp("pyodide")
    if not fetched(folder, f"pyodide@{PYODIDE_VERSION}"):
        return "npm cannot fetch Pyodide"
    subprocess.run([sys.executable, "-m", "tarfile", "-e", *folder.glob("*.tgz")], cwd=folder, check=True)
    release = (folder / "package").rename(folder / "pyodide")
    lock = json.loads((release / "pyodide-lock.json").read_text(encoding="utf-8"))
    kernels = those_needed(lock["packages"], ["micropip", "ipython", "jedi", "rich"])
    python = lock["info"]["python"].rpartition(".")[0]
    fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    wheels = [f"{package['name']}=={package['version']}" for package in kernels]
    subprocess.run([*fetch, "--python-version", python, "--dest", release, *wheels], capture_output=True)
    if not all((release / package["file_name"]).is_file() for package in kernels):
        return "pip cannot fetch the packages of the kernel"
    for package in kernels:  # built by others, so their bytes differ
        package["sha256"] = hashlib.sha256((release / package["file_name"]).read_bytes()).hexdigest()
    (release / "pyodide-lock.json").write_text(json.dumps(lock), encoding="utf-8")
    archive = folder / f"pyodide-{PYODIDE_VERSION}.tar.gz"  # the real one is a .tar.bz2, which takes longer to make
    with tarfile.open(archive, "w:gz", compresslevel=1) as file:
        file.add(release, "pyodide")
    return archive


def those_needed(packages, names):
    """The entries of these packages and of all they depend on."""
    found, waiting = {}, list(names)
    while waiting:
        name = re.sub("[-_.]+", "-", waiting.pop()).lower()
        if name not in found:
            found[name] = packages[name]
            waiting += packages[name]["depends"]
    return list(found.values())


@pytest.fixture(scope="module")
def site(tmp_path_factory, pyodide):
    folder = tmp_path_factory.mktemp("lab")
    more = folder / "more"
    more.mkdir()
    shutil.copy(in_pyodide.__file__, more)
    (more / "kernel.ipynb").write_text(as_json([NotebookCell("code", CELL)]), encoding="utf-8")
    build = [sys.executable, str(ROOT / "docs" / "build_lab.py"), "--out", "site", "--contents", "more"]
    if isinstance(pyodide, Path):
        shutil.copy(pyodide, folder)
        build += ["--pyodide", pyodide.name]
    done = subprocess.run(build, cwd=folder, capture_output=True, text=True)
    if done.returncode and "No matching distribution" in done.stdout + done.stderr:
        pytest.skip("pip cannot reach a package index")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not isinstance(pyodide, Path) or "lacks numpy" in done.stdout
    assert {path.name for path in folder.iterdir()} <= {"site", "more", getattr(pyodide, "name", "")}
    return folder / "site"


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


def test_the_site_holds_every_tutorial_and_the_package(site):
    files = {path.name for path in (site / "files").iterdir()}
    assert {path.stem + ".ipynb" for path in (ROOT / "tutorials").glob("[0-9]*.py")} | {"kernel.ipynb"} <= files
    index = json.loads((site / "pypi" / "all.json").read_text(encoding="utf-8"))
    assert {"tinygrad-lora", "graphviz", "rich", "comm"} <= set(index)


def test_the_site_is_small_and_has_no_extension_but_the_kernel(site):
    assert [path.parent.name for path in site.glob("extensions/**/package.json")] == ["pyodide-kernel-extension"]
    own = [path for path in site.rglob("*") if path.is_file() and "pyodide" not in path.relative_to(site).parts]
    assert sum(path.stat().st_size for path in own) < 40e6


def opened(browser, address, path):
    """A page of the site, and a list that grows by each other address it asks for; those are refused."""
    context, asked = browser.new_context(viewport={"width": 1400, "height": 1000}), []

    def answer(route):
        if route.request.url.startswith(address):
            return route.continue_()
        asked.append(route.request.url)
        route.abort()

    context.route("**/*", answer)
    page = context.new_page()
    page.goto(f"{address}/{path}")
    return page, asked


@pytest.mark.parametrize("_", [pytest.param(None, marks=NEEDS_A_BROWSER, id="chromium")])
def test_the_lab_starts_and_opens_a_tutorial(_, address):
    with chromium() as browser:
        page, _ = opened(browser, address, "lab/index.html?path=01_a_single_node.ipynb")
        page.get_by_role("heading", name="01 · A single node").first.wait_for(timeout=120_000)
        screenshot(page, "lab")
        assert page.get_by_text("02_running_a_graph_forward.ipynb").first.is_visible()


@pytest.mark.parametrize("_", [pytest.param(None, marks=NEEDS_A_BROWSER, id="chromium")])
def test_a_kernel_runs_the_package_and_no_other_server_is_asked(_, address, pyodide):
    if not isinstance(pyodide, Path):
        pytest.skip(pyodide)
    playwright = pytest.importorskip("playwright.sync_api")
    with chromium() as browser:
        page, asked = opened(browser, address, "notebooks/index.html?path=kernel.ipynb")
        page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for(timeout=120_000)
        output = page.locator(".jp-OutputArea-output").first
        try:
            for patience in (60_000, 120_000):  # a kernel that has only just started may lose what it is asked
                page.locator(".jp-CodeCell .cm-content").first.click()
                page.keyboard.press("Control+Enter")
                with contextlib.suppress(playwright.TimeoutError):
                    output.wait_for(timeout=patience)
                    break
        finally:
            assert asked == []  # first: without what it asked for, the kernel does not start
        screenshot(page, "lab-kernel")
        told = "\n".join(page.locator(".jp-OutputArea-output").all_inner_texts())
    assert told.startswith("{"), told
    found = json.loads(told)
    assert (found["platform"], found["version"]) == ("emscripten", tinygrad_lora.__version__)
    assert tuple(found["python"]) >= (3, 13)
    assert found["needed"] == "numpy", "the package did not see that it is in a notebook"
    whole, missing = found["missing"]
    assert missing == ["numpy"] and whole > 10
    sources, refused = found["refused"]
    assert refused == [] and sources > 400
    layout = Path(tinygrad_lora.__file__).parent / "view" / "layout"
    assert found["places"] == in_pyodide.places(layout)
