"""A page as a PDF: a browser of the Chromium family prints it, where there is one."""

import os
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from ...errors import TutorialError

BROWSERS = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
)  # fmt: skip
SECONDS = 120
FLAGS = [
    "--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-pdf-header-footer",
]  # fmt: skip


def browser() -> str | None:
    """The command of a browser that can print; None where there is none."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def printed(command: str, page: Path) -> Path:
    """The PDF beside the page, which the browser with this command has written. Raises TutorialError if it has not."""
    pdf = page.with_suffix(".pdf")
    root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []  # it refuses to run otherwise
    with TemporaryDirectory(ignore_cleanup_errors=True) as profile:  # of its own: a browser may be open already
        call = [command, *FLAGS, *root, f"--user-data-dir={profile}", f"--print-to-pdf={pdf}", page.resolve().as_uri()]
        pdf.unlink(missing_ok=True)
        try:
            subprocess.run(call, capture_output=True, timeout=SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise TutorialError(f"{command} does not print {page}: {error}; --no-pdf leaves that out") from error
    if not pdf.is_file():
        raise TutorialError(f"{command} has not printed {page}; --no-pdf leaves that out")
    return pdf
