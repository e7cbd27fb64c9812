"""Files from npm and PyPI: fetched once, kept in build/downloads, and held to their sha256."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "build" / "downloads"
WHEELS = Path(__file__).with_name("wheels.txt")
OFFLINE = """\
Connect to the network, then run this again: what is fetched once is kept. For a machine without a network, copy
{kept} from one where this has run."""


@dataclass(frozen=True)
class Download:
    """One file of a package index."""

    spec: str  # as npm or pip write it
    sha256: str

    @property
    def path(self) -> Path:
        """Where it is kept. The name holds the digest, so that another version never answers for this one."""
        return KEPT / f"{re.sub('[^a-z0-9.]+', '-', self.spec.lower()).strip('-')}-{self.sha256[:12]}"

    @property
    def is_here(self) -> bool:
        return self.path.is_file() and digest(self.path) == self.sha256

    def keep(self, file: Path) -> None:
        """Put a fetched file among those that are kept. Exits where it is not what was meant."""
        if digest(file) != self.sha256:
            sys.exit(f"{self.spec}: what was fetched is not the file that this build knows (its sha256 differs).")
        KEPT.mkdir(parents=True, exist_ok=True)
        part = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        shutil.copy(file, part)
        part.replace(self.path)  # whole or not at all, whoever else builds at the same time


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def of_npm(*downloads: Download) -> None:
    """Fetch what is missing of these. Exits with a sentence where it cannot be had."""
    with _missing(downloads, "npm") as (missing, folder):
        if not missing:
            return
        npm = shutil.which("npm")
        if npm is None:
            sys.exit("npm, which brings Python for browsers, is not installed: install Node, then run this again.")
        for one in missing:
            print(f"  {one.spec}", flush=True)
            command = [npm, "pack", one.spec, "--silent", "--fetch-retries=0", "--pack-destination", str(folder)]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
            if done.returncode:
                sys.exit(f"npm could not fetch {one.spec}. {OFFLINE.format(kept=KEPT)}\n{done.stderr[-2000:]}")
            one.keep(max(folder.glob("*.tgz"), key=lambda path: path.stat().st_mtime_ns))


def of_pypi(file: Path = WHEELS) -> dict[str, Path]:
    """The wheels of a file of requirements, by name; those that are missing are fetched."""
    pattern = re.compile(r"^(\S+==\S+) --hash=sha256:(\w+)$", re.MULTILINE)
    downloads = [Download(spec, sha256) for spec, sha256 in pattern.findall(file.read_text(encoding="utf-8"))]
    with _missing(downloads, "PyPI") as (missing, folder):
        if missing:
            lines = [f"{one.spec} --hash=sha256:{one.sha256}\n" for one in missing]
            (folder / "wheels.txt").write_text("".join(lines), encoding="utf-8")
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--retries=0"]
            pip += ["--no-deps", "--only-binary=:all:", "--python-version=3.11", "--dest=.", "--requirement=wheels.txt"]
            done = subprocess.run(pip, cwd=folder, capture_output=True, text=True)
            if done.returncode:
                sys.exit(f"pip could not fetch the wheels. {OFFLINE.format(kept=KEPT)}\n{done.stderr[-2000:]}")
            fetched = {digest(path): path for path in folder.glob("*.whl")}
            for one in missing:
                one.keep(fetched[one.sha256])
    return {one.spec.partition("==")[0]: one.path for one in downloads}


@contextmanager
def _missing(downloads: tuple[Download, ...] | list[Download], index: str) -> Iterator[tuple[list[Download], Path]]:
    """Those that are not here yet, and a folder to fetch them into."""
    missing = [one for one in downloads if not one.is_here]
    if missing:
        print(f"Fetching {len(missing)} of {len(downloads)} packages from {index}:", flush=True)
    with TemporaryDirectory() as folder:
        yield missing, Path(folder)
