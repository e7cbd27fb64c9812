"""Where fetched models live: one folder for each user, one folder in it for each model."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

from ...errors import ModelError
from ...files import user_folder
from .catalog import Package, find_package


def cache_folder() -> Path:
    """The folder of this user's models: `TINYGRAD_LORA_CACHE` if it is set, else where the system keeps caches.

    That is `$XDG_CACHE_HOME` or `~/.cache` on Linux, `~/Library/Caches` on macOS, and `%LOCALAPPDATA%` on Windows. The
    folder need not exist.
    """
    if chosen := os.environ.get("TINYGRAD_LORA_CACHE"):
        return Path(chosen).expanduser().absolute()
    folder = user_folder("XDG_CACHE_HOME", ".cache", "Caches") / "tinygrad-lora"
    return folder / "Cache" if sys.platform == "win32" else folder  # there it is also the folder of other files


def is_installed(name: str) -> bool:
    """Whether every file of this model is in the cache, in its full size. Raises ModelError for an unknown name."""
    return _complete(find_package(name))


def model_file(name: str, file: str) -> Path:
    """The path of one file of a fetched model. Raises ModelError, which says how to fetch it, if it is not there."""
    package = find_package(name)
    if not _complete(package):
        remedy = f"run `tinygrad-lora models get {name}` once ({package.megabytes})"
        raise ModelError(f"{name} is not on this machine: {remedy}")
    return cache_folder() / package.folder / file


def remove_model(name: str) -> bool:
    """Delete a model from the cache. Returns whether there was anything to delete.

    The folder first gets another name: a removal that is interrupted leaves no half of a model behind.
    """
    folder = cache_folder() / find_package(name).folder
    if not folder.exists():
        return False
    grave = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".old-"))
    os.replace(folder, grave / folder.name)
    shutil.rmtree(grave)
    return True


def _complete(package: Package) -> bool:
    folder = cache_folder() / package.folder
    try:
        return all((folder / file).stat().st_size == size for file, (_, size) in package.files.items())
    except OSError:
        return False
