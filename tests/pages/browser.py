"""A real browser and a JupyterLab for tests of pages: where they are, how they start, and pictures of what shows.

Set TINYGRAD_LORA_SCREENSHOTS to a folder to look at the pages yourself.
"""

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.request import urlopen

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
NEEDS_A_BROWSER = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the PATH: apt-get install chromium"),
    pytest.mark.skipif(find_spec("playwright") is None, reason="playwright is not installed: pip install playwright"),
]


@contextmanager
def chromium():
    """A browser that is closed at the end."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield started
        finally:
            started.close()


@contextmanager
def offline_pages(browser, path, width, height):
    """`opened(html)`: the page in a window of this size, from a file, without a network.

    At the end of the block: no error, no dialog, nothing on the console, no request.
    """
    contexts, troubles = [], []

    def opened(html, **options):
        path.write_text(html, encoding="utf-8")
        context = browser.new_context(viewport={"width": width, "height": height}, offline=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("dialog", lambda dialog: troubles.append(dialog.message))
        page.on("console", lambda message: troubles.append(message.text))
        allowed = (path.as_uri(), "data:")
        page.on("request", lambda r: None if r.url.startswith(allowed) else troubles.append(r.url))
        page.goto(path.as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not troubles


def screenshot(page, name):
    """Keep a picture of the page as `name`.png, if someone wants to see it."""
    if folder := os.environ.get("TINYGRAD_LORA_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png")


# --- JupyterLab ---

SETTINGS = {
    "apputils-extension/notification": {"checkForUpdates": False, "fetchNews": "false", "doNotDisturbMode": True},
    "notebook-extension/tracker": {"windowingMode": "none"},  # what is out of sight is on the page as well
}
WAIT = 120  # seconds for a server to start, or for a page to show something, on a busy machine


def jupyter_environment(folder, *paths):
    """The variables of a Jupyter that keeps everything in this folder and imports from these paths first."""
    variables = {
        name: str(folder / name)
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR",
                     "JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR")
    }  # fmt: skip
    path = os.pathsep.join([*map(str, paths), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, **variables, "PYTHONPATH": path}


@contextmanager
def jupyterlab(folder, environment):
    """`(address, token)` of a JupyterLab that serves the folder on this machine until the end of the block."""
    for name, values in SETTINGS.items():
        file = Path(environment["JUPYTERLAB_SETTINGS_DIR"], "@jupyterlab", f"{name}.jupyterlab-settings")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values), encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex()
    options = [
        f"--ServerApp.port={port}", "--ServerApp.port_retries=0", "--ServerApp.ip=127.0.0.1",
        f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}", "--LabApp.extension_manager=readonly",
        "--LabApp.labextensions_path=[]", "--no-browser", "--allow-root",  # no extensions that others installed
    ]  # fmt: skip
    with (folder.parent / "log.txt").open("wb") as log:
        command = [sys.executable, "-m", "jupyterlab", *options]
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            address = f"http://127.0.0.1:{port}/"
            wait_for(server, address + "api")
            yield address, token
        finally:
            server.terminate()  # it ends its kernels first
            try:
                server.wait(WAIT)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def wait_for(server, address):
    end = time.monotonic() + WAIT
    while time.monotonic() < end and server.poll() is None:
        try:
            with urlopen(address, timeout=WAIT):
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail("JupyterLab did not start")


def is_trouble(message):
    """Whether the console tells of an error of ours: where ipywidgets is installed, Jupyter itself says this one."""
    return message.type == "error" and not re.match(r"Comm not found for comm id \S+$", message.text)
