"""A real browser for tests of pages: where it is, how it starts, and pictures of what it shows.

Set TINYGRAD_LORA_SCREENSHOTS to a folder to look at the pages yourself.
"""

import os
import shutil
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

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


def screenshot(page, name):
    """Keep a picture of the page as `name`.png, if someone wants to see it."""
    if folder := os.environ.get("TINYGRAD_LORA_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png")
