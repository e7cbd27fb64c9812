"""What the files of a checkout say of its version; the one place for it is `tinygrad_lora/__init__.py`."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

HEADING = re.compile(r"^## \[(\d+\.\d+\.\d+)\] - (\d{4}-\d\d-\d\d)$", re.MULTILINE)
VERSION = re.compile(r'^__version__ = "(.+)"$', re.MULTILINE)


def version_of(root: Path) -> str:
    """The version of the package."""
    return str(VERSION.findall(_text(root, "tinygrad_lora/__init__.py"))[0])


def different_versions(root: Path, tag: str | None = None) -> Iterator[str]:
    """A sentence for each file, and for the tag, that speaks of another version."""
    version = version_of(root)
    said = {
        "pyproject.toml": tomllib.loads(_text(root, "pyproject.toml"))["project"]["version"],
        "CITATION.cff": _cited(root, "version"),
        "the newest heading of CHANGELOG.md": (HEADING.findall(_text(root, "CHANGELOG.md")) or [("none",)])[0][0],
    }
    if tag is not None:
        said["the tag"] = tag.removeprefix("v")
    for where, other in said.items():
        if other != version:
            yield f"{where} says {other}, tinygrad_lora/__init__.py says {version}"


def faults_of_changelog(root: Path) -> Iterator[str]:
    """What keeps the changelog from being that of a release."""
    text = _text(root, "CHANGELOG.md")
    unreleased = text.partition("## [Unreleased]\n")[2].partition("\n## [")[0]
    if unreleased.strip():
        lines = len(unreleased.strip().splitlines())
        yield f"{lines} lines stand under [Unreleased]: give them the version and the date"
    newest = HEADING.search(text)
    if newest is None:
        yield "there is no heading such as ## [1.2.3] - 2026-12-01"
    elif newest[2] != _cited(root, "date-released"):
        yield f"CHANGELOG.md says {newest[2]}, CITATION.cff was released on {_cited(root, 'date-released')}"


def set_version(root: Path, version: str, date: str) -> list[Path]:
    """Write a version and its date into every file that has it. What was unreleased is its section of the changelog."""
    changes = {
        "tinygrad_lora/__init__.py": [(VERSION, f'__version__ = "{version}"')],
        "pyproject.toml": [(re.compile(r'^version = ".+"$', re.MULTILINE), f'version = "{version}"')],
        "CITATION.cff": [
            (re.compile(r"^version: .+$", re.MULTILINE), f"version: {version}"),
            (re.compile(r"^date-released: .+$", re.MULTILINE), f"date-released: {date}"),
        ],
        "CHANGELOG.md": [
            (re.compile(r"^## \[Unreleased\]$", re.MULTILINE), f"## [Unreleased]\n\n## [{version}] - {date}")
        ],
    }
    texts = {root / name: _text(root, name) for name in changes}
    for name, substitutions in changes.items():
        for pattern, new in substitutions:
            texts[root / name], count = pattern.subn(new, texts[root / name], count=1)
            if not count:
                raise ValueError(f"{name} has no line {pattern.pattern}")
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8", newline="\n")
    return list(texts)


def _cited(root: Path, field: str) -> str:
    lines = (line.split(": ", 1) for line in _text(root, "CITATION.cff").splitlines() if ": " in line)
    return dict(lines).get(field, "nothing")


def _text(root: Path, name: str) -> str:
    return (root / name).read_text(encoding="utf-8")
