"""The gate that every reader goes through: regular files alone, bounded JSON, and refusals that name the file."""

import ast
import errno
import json
import os
import re
import socket
import sys
from pathlib import Path

import pytest

from tinygrad_lora import files
from tinygrad_lora.errors import FormatError, ModelError, ModelFileError
from tinygrad_lora.files import DEEPEST, opened, parse_json, read_bytes, read_json, reading, write_atomically

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "tinygrad_lora"


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (KeyError("x"), r"it is damaged \(KeyError: 'x'\)"),
        (OverflowError("too large"), "OverflowError: too large"),
        (RecursionError("deep"), "RecursionError: deep"),
        (AttributeError("no"), "AttributeError: no"),
        (MemoryError(), "it asks for more memory than there is"),
        (ValueError("rows are odd"), "f.bin: rows are odd$"),
        (FormatError("f.bin, byte 3: no"), "^f.bin, byte 3: no$"),
        (OSError("no number"), "no number"),
        (b"\xff", "this is no text in UTF-8"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_a_reader_raises_becomes_a_refusal_that_names_the_file(problem, words):
    with pytest.raises(ModelFileError, match=words) as caught, reading("f.bin", ModelFileError):
        if isinstance(problem, bytes):
            problem.decode()
        raise problem
    assert "f.bin" in str(caught.value)


def test_a_refusal_keeps_its_own_class_and_an_accident_keeps_its_cause():
    with pytest.raises(ModelFileError), reading("f", ModelError):
        raise ModelFileError("f: no")
    with pytest.raises(FormatError) as caught, reading("f"):
        [][0]
    assert isinstance(caught.value.__cause__, IndexError)


def test_a_refusal_is_one_line_of_reasonable_length_that_a_terminal_can_show():
    with pytest.raises(FormatError) as caught, reading("f"):
        raise ValueError("a\n\x1b[31mb\ud800" + "x" * 10**6)
    assert str(caught.value).startswith(r"f: a\n\x1b[31mb\ud800xxx") and len(str(caught.value)) < 2100
    with pytest.raises(FormatError, match=r"^f: it is x+ \.\.\. x+, not a number$"), reading("f"):
        raise ValueError("it is " + "x" * 10**6 + ", not a number")


def test_what_the_system_refuses_and_a_missing_library_stay_what_they_are():
    with pytest.raises(FileNotFoundError) as caught, opened("nowhere"):
        pass
    assert caught.value.filename == "nowhere"
    with pytest.raises(ImportError), reading("f"):
        raise ImportError("no library")
    with pytest.raises(KeyboardInterrupt), reading("f"):
        raise KeyboardInterrupt


@pytest.mark.skipif(os.name == "nt", reason="files of other systems")
@pytest.mark.parametrize("kind", ["/dev/zero", "/dev/random", "/dev/null", "pipe", "socket", "folder"])
def test_only_regular_files_are_opened(kind, tmp_path, monkeypatch):
    path = tmp_path / "x"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        monkeypatch.chdir(tmp_path)
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("x")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(kind)
    error, words = (
        (IsADirectoryError, "directory") if kind == "folder" else (FormatError, "only regular files are read")
    )
    with pytest.raises(error, match=words) as caught:
        read_bytes(path, 100)
    assert str(path) in str(caught.value)


@pytest.mark.skipif(os.name == "nt", reason="needs a link that anybody may make")
def test_a_link_to_a_regular_file_is_that_file(tmp_path):
    (tmp_path / "x").write_bytes(b"1")
    (tmp_path / "link").symlink_to("x")
    assert read_bytes(tmp_path / "link", 1) == b"1" and read_json(tmp_path / "link", 1) == 1
    with pytest.raises(FormatError, match="larger than 0 bytes"):
        read_bytes(tmp_path / "link", 0)


def nested(depth):
    return "[" * depth + "]" * depth


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": 1, "a": 2}', "'a' is there twice"),
        ('{"a": {"b": 1, "b": 1}}', "'b' is there twice"),
        ("NaN", "NaN is not a number"),
        ("[-Infinity]", "-Infinity is not"),
        ("1e999", "1e999 is not"),
        ('"\\ud800"', "surrogates not allowed"),
        ('{"\\udc00x": 1}', "surrogates not allowed"),
        (nested(DEEPEST + 1), f"nested more than {DEEPEST} deep"),
        (nested(100_000), "recursion"),
        ("9" * 5000, "digits"),
        (b"\xff", "decode"),
        ("", "Expecting value"),
        ("1 2", "Extra data"),
    ],
    ids=range(13),
)
def test_what_two_readers_understand_in_two_ways_is_no_json(text, words):
    with pytest.raises(ValueError, match=rf"not JSON .*{re.escape(words)}"):
        parse_json(text)


def test_what_is_json_is_read_as_python_reads_it():
    for text in ('{"a": [1, 2.5, null, true, "é\\ud83d\\ude42"]}', nested(DEEPEST), "1e308", '""', "\ufeff1".encode()):
        text = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        assert parse_json(text) == json.loads(text)
    assert parse_json('{"a": NaN, "a": 1}', exact=False) == {"a": 1}


def test_too_many_values_are_refused_before_they_take_memory():
    with pytest.raises(ValueError, match="more than 10 values"):
        parse_json("[" + "0," * 10 + "0]", most=10)


def test_a_full_disk_is_named_with_the_file(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "fdopen", full)
    with pytest.raises(OSError, match=r"No space left on device: .*x\.bin") as caught:
        write_atomically(tmp_path / "x.bin", b"1")
    assert caught.value.errno == errno.ENOSPC and not list(tmp_path.iterdir())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of other systems are others")
def test_a_write_that_the_system_cuts_off_is_named_and_leaves_nothing(tmp_path):
    import resource
    import signal

    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
        with pytest.raises(OSError, match=r"File too large: .*x\.bin"):
            write_atomically(tmp_path / "x.bin", b"1" * 10_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert not list(tmp_path.iterdir())


# Where something is opened or parsed by other means, and why that is right.
ELSEWHERE = {
    "files.py": "the gate itself",
    "data.py": "the package's own digits",
    "view/words/markup.py": "the package's own pages",
    "compiler/standalone.py": "an archive that is written",
    "interop/safetensors.py": "np.fromfile of a stream that was opened",
    "finetune/checkpoint.py": "an archive in a stream that was opened",
    "sweeps/training.py": "an archive in a stream that was opened",
    "models/files/fetch.py": "files that the run itself writes, and an archive in a stream that was opened",
    "interop/peft/patterns.py": "what its own process answers",
    "learn/progress.py": "opened to append",
    "play/server.py": "what its own process answers",
    "play/worker.py": "the pipes of its own process",
    "grading/grading.py": "what its own processes answer",
    "grading/sandbox/proof.py": "what must not be there to open, outside of the sandbox",
    "grading/sandbox/bubblewrap.py": "settings of the system",
    "grading/process/": "messages between processes have a decoder of their own",
    "commands/main.py": "the null device",
}
METHODS = {"open", "fdopen", "read_text", "read_bytes", "fromfile", "ZipFile", "safe_open", "memmap"}
PARSERS = {("json", "load"), ("json", "loads"), ("np", "load"), ("pickle", "load"), ("pickle", "loads")}


def opens(call):
    name = call.func
    if isinstance(name, ast.Name):
        return name.id in {"open", "ZipFile"}
    if not isinstance(name, ast.Attribute):
        return False
    owner = name.value.id if isinstance(name.value, ast.Name) else ""
    return (name.attr in METHODS and owner != "webbrowser") or (owner, name.attr) in PARSERS


def test_no_other_module_opens_or_parses_a_file():
    names = {
        path.relative_to(PACKAGE if path.is_relative_to(PACKAGE) else ROOT).as_posix()
        for path in [*PACKAGE.rglob("*.py"), *(ROOT / "tutorials" / "exercises").rglob("*.py")]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and opens(node)
    }
    assert not [name for name in names if not name.startswith(tuple(ELSEWHERE))], "read it with tinygrad_lora.files"
    assert not [name for name in ELSEWHERE if not any(one.startswith(name) for one in names)], "no longer needed"
