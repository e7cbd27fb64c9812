"""Packages of npm, for tests that run Python in JavaScript."""

import shutil
import subprocess

SECONDS = 120  # for all of them


def fetched(folder, *packages):
    """Whether npm is here, and has put these packages into the folder, as archives."""
    npm = shutil.which("npm")
    if npm is None:
        return False
    pack = [npm, "pack", *packages, "--silent", "--fetch-retries=0"]
    try:
        return subprocess.run(pack, cwd=folder, capture_output=True, timeout=SECONDS).returncode == 0
    except subprocess.TimeoutExpired:  # a network that does not answer
        return False
