"""Ways to spoil a file: its bytes, the JSON in it, the archive that it is, or what stands under its name."""

from __future__ import annotations

import io
import json
import os
import socket
import struct
import warnings
import zipfile
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np

Rng = np.random.Generator
Change = Callable[[bytes, Rng], bytes]


def choice(rng: Rng, values: Any) -> Any:
    return values[int(rng.integers(len(values)))]


# --- Bytes ---

EXTREMES = [0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1, 2**40, 255, 65536]
SIGNS = b'0129[]{}":,-.eENIu\\\n\r\0\xff\x80'


def flip(data: bytes, rng: Rng) -> bytes:
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 9))):
        changed[int(rng.integers(len(changed)))] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def set_signs(data: bytes, rng: Rng) -> bytes:
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 5))):
        changed[int(rng.integers(len(changed)))] = choice(rng, SIGNS)
    return bytes(changed)


def truncate(data: bytes, rng: Rng) -> bytes:
    return data[: int(rng.integers(len(data)))]


def extend(data: bytes, rng: Rng) -> bytes:
    return data + choice(rng, [b"\0", b"\n", b" ", b"{}", data]) * int(rng.integers(1, 40))


def insert(data: bytes, rng: Rng) -> bytes:
    at = int(rng.integers(len(data) + 1))
    return data[:at] + rng.bytes(int(rng.integers(1, 30))) + data[at:]


def remove(data: bytes, rng: Rng) -> bytes:
    at, size = int(rng.integers(len(data))), int(rng.integers(1, 60))
    return data[:at] + data[at + size :]


def double(data: bytes, rng: Rng) -> bytes:
    at, size = int(rng.integers(len(data))), int(rng.integers(1, 400))
    return data[: at + size] + data[at : at + size] + data[at + size :]


def move(data: bytes, rng: Rng) -> bytes:
    """Take a section out, and put it in elsewhere."""
    at, size = int(rng.integers(len(data))), int(rng.integers(1, 100))
    section, rest = data[at : at + size], data[:at] + data[at + size :]
    to = int(rng.integers(len(rest) + 1))
    return rest[:to] + section + rest[to:]


def blank(data: bytes, rng: Rng) -> bytes:
    at, size = int(rng.integers(len(data))), int(rng.integers(1, 200))
    return data[:at] + bytes([choice(rng, [0, 255])]) * min(size, len(data) - at) + data[at + size :]


def overflow(data: bytes, rng: Rng) -> bytes:
    """A number of 8, 4 or 2 bytes becomes an extreme one: lengths, offsets, counts, half-precision infinities."""
    size = min(choice(rng, [8, 4, 2]), len(data))
    at = int(rng.integers(len(data) - size + 1))
    number = choice(rng, [*EXTREMES, 0x7C00, 0xFC00, 0x7E00, 0x7F800000, int(rng.integers(1000))])
    return data[:at] + (number % 256**size).to_bytes(size, "little") + data[at + size :]


def no_file(data: bytes, rng: Rng) -> bytes:
    return choice(
        rng, [b"", b"\0", b"{}", b"[]", b"null", b"\x89PNG\r\n\x1a\n", rng.bytes(200), b"\0" * 5000, b"PK\5\6"]
    )


BYTES: list[Change] = [
    flip, flip, set_signs, set_signs, truncate, extend, insert, remove, double, move, blank, overflow, overflow,
    no_file,
]  # fmt: skip


# --- JSON ---

DEEP = [1]
for _ in range(200):
    DEEP = [DEEP]

VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 2, 3, 2**31, 2**63, 10**30, 10**400, 0.5, -0.0, 1e-320, 1e308, "", "x", "a" * 70_000,
    "\ud800",
    "é漢🙂", "\0", "((", "([a-z_.0-9]+)+X", "(.*)*(.*)*(.*)*[!]", ".*.*.*.*.*.*.*.*.*.*!", "(?i).*", "(a|a)" * 60 + "!",
    ".*(up|down)", "all-linear", "(?P<number>.)", r"(.)\1", "[[a]", "a{999999}", "a{4294967296}", "(" * 5000, [], {},
    [[]],
    [None], {"": None}, DEEP, list(range(3000)), ["a"] * 3000, {str(i): i for i in range(3000)}, "__metadata__",
    "../../etc/passwd", "pissa", "olora", "all", "lora_only", "F64", "F32", "BF16", "I64", "BOOL", "U8", [0, 0], [1, 2],
    [2**62, 4],
    [0, 2**62], "@NaN@", "@Infinity@", "@-Infinity@", "@1e999@", "@-1e999@", "@" + "9" * 5000 + "@",
    "@" + "[" * 100_000 + "@",
    '@"\\ud800"@', "@1.0@", "@01@", "@'x'@", "@undefined@",
]  # fmt: skip


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in a JSON value."""
    places, level = [], [value]
    while level:
        inner = level.pop()
        if isinstance(inner, dict | list):
            keys = list(inner) if isinstance(inner, dict) else range(len(inner))
            places += [(inner, key) for key in keys]
            level += [inner[key] for key in keys]
    return places


def change_json(text: bytes, rng: Rng) -> bytes:
    """The same JSON with some values replaced, removed, renamed, exchanged, or there twice."""
    value = json.loads(text)
    twice = None
    for _ in range(int(rng.integers(1, 4))):
        if not (all_places := places(value)):
            break
        holder, key = choice(rng, all_places)
        act = rng.integers(8)
        if act < 4:
            new = deepcopy(choice(rng, VALUES))  # they are changed in turn
            if isinstance(old := holder[key], int | float) and rng.random() < 0.3:
                new = choice(rng, [old + 1, old - 1, -old, old * 2, str(old), [old], float(old), old * 10**12])
            holder[key] = new
        elif act == 4:
            del holder[key]
        elif act == 5 and isinstance(holder, dict):
            twice = key
        elif act == 6 and isinstance(holder, dict):
            holder[choice(rng, ["x", "", "__metadata__", "\ud800", "a" * 300, *holder])] = holder.pop(key)
        else:
            other, place = choice(rng, all_places)
            if rng.random() < 0.5 and (isinstance(other, dict) or (isinstance(place, int) and place < len(other))):
                try:
                    text_of = json.dumps(holder[key])
                except (KeyError, IndexError):
                    continue
                other[place] = json.loads(text_of)
    try:
        dumped = json.dumps(value)
    except (ValueError, RecursionError):
        return text
    for raw in [v for v in VALUES if isinstance(v, str) and v.startswith("@")]:
        dumped = dumped.replace(json.dumps(raw), raw.strip("@"))
    if twice is not None:
        key = json.dumps(twice)
        dumped = dumped.replace(f"{key}:", f"{key}: {json.dumps(choice(rng, VALUES[:20]))}, {key}:", 1)
    return dumped.encode("utf-8", "surrogatepass")


def change_line(data: bytes, rng: Rng) -> bytes:
    """One line of JSON changed; or lines exchanged, emptied, ended otherwise."""
    parts = data.split(b"\n")
    at = int(rng.integers(len(parts)))
    if rng.random() < 0.7 and parts[at].strip():
        parts[at] = change_json(parts[at], rng)
    elif rng.random() < 0.5:
        parts[at] = choice(rng, [b"", b"\r", b"[" * 100_000, b'{"a"', b"\xff\xfe", b"{}", b"null", "\u2028".encode()])
    else:
        parts[at] = parts[at - 1]
    return choice(rng, [b"\n", b"\n", b"\n", b"\r\n", b"\r"]).join(parts)


def change_header(data: bytes, rng: Rng) -> bytes:
    """The JSON at the front of a safetensors file changed, with its length or a wrong one."""
    length = struct.unpack("<Q", data[:8])[0]
    header, body = change_json(data[8 : 8 + length], rng), data[8 + length :]
    header += b" " * choice(rng, [0, 0, -len(header) % 8, 3])
    stated = len(header) if rng.random() < 0.9 else choice(rng, EXTREMES)
    return struct.pack("<Q", stated) + header + body


# --- Archives ---


def npy(shape: Any, dtype: str, body: bytes = b"", order: bool = False) -> bytes:
    head = repr({"descr": dtype, "fortran_order": order, "shape": shape}).encode() + b"\n"
    head += b" " * 10
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(head)) + head + body


HEADS: list[bytes] = [
    npy((10**13,), "<f8"), npy((10**30,), "<f8"), npy((-1,), "<f8"), npy((2**62, 4), "<f8"),
    npy((3,), "|O", b"\x80\4N."),
    npy((), "<f8", b"\0" * 8), npy((2,), "<f4", b"\0" * 8), npy((1,), "<f8", b"\0\0\0\0\0\0\xf8\x7f"), npy((0,), "<f8"),
    npy((1,), "<f8", b"\0\0\0\0\0\0\xf0\x7f"), npy((1,), "<i8", b"\1" + b"\0" * 7), npy((1, 1), "<f8", b"\0" * 8),
    npy((1,), "<U64", b"a\0\0\0" * 64), npy((2,), "<f8", b"\0" * 16, order=True), npy((1,), ">f8", b"\0" * 8),
    npy((True,), "<f8", b"\0" * 8),
    b"", b"\x93NUMPY\1\0\xff\xff" + b"(" * 65535, b"\x93NUMPY\2\0" + b"\xff" * 4, b"\x93NUMPY\x09\0\0\0",
    b"\0" * 50_000_000,
]  # fmt: skip


def change_archive(data: bytes, rng: Rng) -> bytes:
    """The archive written anew: compressed, encrypted, with other names, twice the same, or other contents."""
    with zipfile.ZipFile(io.BytesIO(data)) as old:
        members = [(info.filename, old.read(info)) for info in old.infolist()]
    at, act = int(rng.integers(len(members))), rng.integers(9)
    name, content = members[at]
    methods = {at: zipfile.ZIP_STORED}
    if act == 0:
        methods = {at: choice(rng, [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])}
    elif act == 1:
        members[at] = name, choice(rng, HEADS)
        methods = {at: choice(rng, [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])}
    elif act == 2:
        members[at] = (
            choice(rng, ["a" * 65_000, f"../../{name}", f"/{name}", "\udc80", name.upper(), "x.npy", ""]),
            content,
        )
    elif act == 3:
        members.append((choice(rng, ["x" * 60_000, "../x", "__import__", "losses", "allow_pickle"]), b"\0" * 100))
    elif act == 4:
        members.pop(at)
    elif act == 5:
        other = int(rng.integers(len(members)))
        members[at], members[other] = (name, members[other][1]), (members[other][0], content)
    elif act == 6:
        members[at] = name, content + b"\0" * int(rng.integers(1, 50))
    elif act == 7:
        members += [members[at]] * int(rng.integers(1, 3))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as new, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a name is there twice
        for i, (member, body) in enumerate(members):
            info = zipfile.ZipInfo(member.encode("utf-8", "replace").decode() or "x")
            info.compress_type = methods.get(i, zipfile.ZIP_STORED)
            new.writestr(info, body)
    written = buffer.getvalue()
    if act == 8:  # say that all is encrypted
        written = bytearray(written)
        for mark, place in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
            at = written.find(mark)
            while at >= 0:
                written[at + place] |= 1
                at = written.find(mark, at + 4)
    return bytes(written)


# --- What stands under the name ---


def replace_file(path: Path, rng: Rng) -> str:
    """Something else in the place of a file. The result says what."""
    data = path.read_bytes()
    path.unlink()
    devices = ["/dev/zero", "/dev/random", "/dev/null", "/dev/full"]
    kind = choice(rng, [*devices, "pipe", "folder", "nothing", "loop", "link", "socket", "hole", "terminal"])
    if kind.startswith("/dev/"):
        path.symlink_to(kind)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "loop":
        path.symlink_to(path.name)
    elif kind == "terminal":
        path.symlink_to("/dev/tty")
    elif kind == "link":
        other = path.with_name("elsewhere")
        other.write_bytes(data)
        path.symlink_to(other.name)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            here = Path.cwd()
            os.chdir(path.parent)  # the name of a socket is short
            try:
                server.bind(path.name)
            finally:
                os.chdir(here)
    elif kind == "hole":
        with path.open("wb") as file:
            file.write(data)
            file.truncate(2**30)
    return kind
