"""Wheels for the lab: those of others, and those that are made here, each with its modules compiled beforehand."""

import re
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from in_browser.bytecode import TAG, bytecode
from in_browser.pyodide import write_zip

SITE = "/lib/python3.11/site-packages"
RARE = ("pygments/lexers/", "pygments/styles/")  # hundreds of modules, of which a notebook needs two


@dataclass(frozen=True)
class Wheel:
    """What a wheel's file name says."""

    name: str
    version: str
    tag: str = "py3-none-any"

    @property
    def file_name(self) -> str:
        return f"{self.name.replace('-', '_')}-{self.version}-{self.tag}.whl"


def write_wheel(folder: Path, wheel: Wheel, files: Iterable[tuple[str, bytes]], needs: Iterable[str] = ()) -> Path:
    """A wheel of these files in the folder."""
    info = f"{wheel.name.replace('-', '_')}-{wheel.version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {wheel.name}\nVersion: {wheel.version}\n"
    metadata += "".join(f"Requires-Dist: {need}\n" for need in needs)
    pure = str(wheel.tag.endswith("-any")).lower()
    about = f"Wheel-Version: 1.0\nGenerator: docs/build_lab.py\nRoot-Is-Purelib: {pure}\nTag: {wheel.tag}\n"
    entries = {**dict(files), f"{info}/METADATA": metadata.encode(), f"{info}/WHEEL": about.encode()}
    return _write(folder / wheel.file_name, entries, info)


def copy_wheel(folder: Path, source: Path) -> tuple[Wheel, Path]:
    """Another's wheel in the folder, without its tests, and with its modules compiled."""
    with zipfile.ZipFile(source) as archive:
        entries = {name: archive.read(name) for name in archive.namelist() if not _unused(name)}
    info = next(name.partition("/")[0] for name in entries if name.endswith(".dist-info/METADATA"))
    version = info.removesuffix(".dist-info").partition("-")[2]
    name = re.search(r"^Name: (.+)$", entries[f"{info}/METADATA"].decode(), re.MULTILINE)
    assert name is not None
    wheel = Wheel(re.sub("[-_.]+", "-", name[1].strip()).lower(), version)
    return wheel, _write(folder / wheel.file_name, entries, info)


def _unused(name: str) -> bool:
    return name.endswith(("/", "/RECORD", ".pyi")) or "/tests/" in name


def _write(path: Path, entries: dict[str, bytes], info: str) -> Path:
    for name in [name for name in entries if name.endswith(".py") and not name.startswith(RARE)]:
        if compiled := bytecode(f"{SITE}/{name}", entries[name]):
            folder, _, file = name.rpartition("/")
            entries[f"{folder}/__pycache__/{file.removesuffix('.py')}{TAG}".lstrip("/")] = compiled
    entries[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in (*entries, f"{info}/RECORD")).encode()
    write_zip(path, entries.items())
    return path
