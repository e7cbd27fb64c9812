"""Files of up to 10 MB that ask for as much time and memory as their format lets them, one for each reader."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable

from .kinds import ARRAY, INT32, UINT32, gguf_bytes, string
from .mutations import npy

MOST = 10 * 2**20


def of_json(begin: str, part: str, end: str, most: int = MOST) -> bytes:
    """A JSON text with one part again and again."""
    return (begin + part * ((most - len(begin) - len(end)) // len(part)) + end).encode()


def safetensors(part: Callable[[int], str]) -> bytes:
    parts: list[str] = []
    size = 0
    while size < MOST - 200:
        parts.append(part(len(parts)))
        size += len(parts[-1]) + 1
    return framed("{" + ",".join(parts) + "}")


def framed(header: str) -> bytes:
    return struct.pack("<Q", len(header)) + header.encode()


def tensor(i: int, more: str = "", axes: str = "") -> str:
    return f'"{i:x}":{{"dtype":"U8","shape":[{axes}0],"data_offsets":[0,0]{more}}}'


def archive(names: Callable[[int], str], count: int, body: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for i in range(count):
            file.writestr(names(i), body)
    return buffer.getvalue()


def bomb(name: str, size: int) -> bytes:
    """An array of zeros, compressed to a thousandth."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file, file.open(name, "w", force_zip64=True) as member:
        member.write(npy((size // 8,), "<f8"))
        for _ in range(size >> 20):
            member.write(b"\0" * 2**20)
    return buffer.getvalue()


def nested(count: int) -> bytes:
    return struct.pack("<IQ", ARRAY, count) + struct.pack("<IQ", INT32, 0) * count


def texts(count: int) -> bytes:
    return struct.pack("<IQ", 8, count) + string("a") * count


def ranks(pattern: str) -> bytes:
    """Options with 9,000 patterns; `pattern` holds % where their number goes."""
    patterns = ",".join(f'"{pattern.replace("%", str(i))}":1' for i in range(9000))
    return ('{"peft_type":"LORA","target_modules":["up"],"rank_pattern":{' + patterns + "}}").encode()


# By kind and file: contents by name.
EXTREMES: dict[tuple[str, str], dict[str, Callable[[], bytes]]] = {
    ("safetensors", "x.safetensors"): {
        "many arrays": lambda: safetensors(tensor),
        "as many as are read": lambda: safetensors(lambda i: tensor(i, ',"' + "a" * 160 + '":0')),
        "many axes": lambda: safetensors(lambda i: tensor(i, "", "0," * 5000)),
        "notes": lambda: framed('{"__metadata__":{' + ",".join(f'"{i:x}":""' for i in range(900_000)) + "}}"),
        "lists in an array's entry": lambda: safetensors(lambda i: tensor(i, ',"x":[' + "[]," * 300_000 + "0]")),
        "one long name": lambda: framed("{" + tensor(1).replace("1", "a" * (MOST - 300), 1) + "}"),
    },
    ("GGUF as a model", "x.gguf"): {
        "many entries": lambda: gguf_bytes([(f"{i:x}", 7, b"\1") for i in range(580_000)], []),
        "many tensors": lambda: gguf_bytes([], [(f"{i:x}", (1,), 0, b"\0" * 4) for i in range(150_000)]),
        "many arrays": lambda: gguf_bytes([("x", ARRAY, nested(850_000))], []),
        "as many texts as are read": lambda: gguf_bytes([("x", ARRAY, texts(999_000))], []),
        "as many entries": lambda: gguf_bytes([(f"{i:x}" + "x" * 180, 7, b"\1") for i in range(49_000)], []),
        "as many tensors": lambda: gguf_bytes([], [(f"{i:x}" + "x" * 150, (1,), 0, b"\0" * 4) for i in range(49_000)]),
        "many texts": lambda: gguf_bytes([("x", ARRAY, texts(1_100_000))], []),
        "many numbers": lambda: gguf_bytes([("x", ARRAY, struct.pack("<IQ", 1, MOST) + b"\1" * MOST)], []),
        "a wide tensor": lambda: gguf_bytes([], [("x", (4096, 4096), 3, b"\0" * (4096 * 4096 // 32 * 20))]),
        "a long name": lambda: gguf_bytes([("x" * MOST, UINT32, b"\0" * 4)], []),
    },
    ("adapter plain", "adapter_config.json"): {
        "lists": lambda: of_json('{"x":[', "[],", "0]}"),
        "lists of lists": lambda: of_json('{"x":[', "[],", "0]}", 4 * 2**20),
        "many words": lambda: of_json('{"peft_type":"LORA","target_modules":[', '"a",', '"up"]}', 4 * 2**20),
        "many options": lambda: ("{" + ",".join(f'"{i:x}":0' for i in range(400_000)) + "}").encode()[: 4 * 2**20 - 10],
        "long pattern": lambda: of_json('{"peft_type":"LORA","target_modules":"', "(a|a)*", '"}', 4 * 2**20),
        "long plain pattern": lambda: of_json('{"peft_type":"LORA","target_modules":"', "a|", '"}', 4 * 2**20),
        "many patterns": lambda: ranks("a%.*"),
        "many slow patterns": lambda: ranks("(a%|.*)*!"),
        "digits": lambda: b'{"r":' + b"9" * (4 * 2**20 - 10) + b"}",
    },
    ("checkpoint", "checkpoint.npz"): {
        "many members": lambda: archive(lambda i: f"{i:x}", 90_000),
        "the same member": lambda: archive(lambda i: "losses.npy", 90_000),
        "a bomb": lambda: bomb("losses.npy", 2**30),
        "a bomb for a parameter": lambda: bomb("fingerprint.npy", 2**30),
        "zeros": lambda: b"\0" * MOST,
    },
    ("vocabulary", "vocab.txt"): {
        "empty lines": lambda: b"\n" * MOST,
        "short lines": lambda: "\n".join(f"{i:x}" for i in range(1_500_000)).encode(),
        "one line": lambda: b"a" * MOST,
    },
    ("progress", "progress.jsonl"): {
        "empty objects": lambda: b"{}\n" * (MOST // 3),
        "records": lambda: b'{"exercise":"x"}\n' * (MOST // 17),
        "lists": lambda: of_json("[", "[],", "0]\n"),
        "no JSON": lambda: b"[\n" * (MOST // 2),
        "digits": lambda: b"9" * MOST,
    },
    ("kept grades", "kept.json"): {
        "lists": lambda: of_json("[0,[", "[],", "0]]"),
        "objects": lambda: of_json("[", '{"":0},', "0]"),
    },
    ("notebook", "student.ipynb"): {
        "lists": lambda: of_json('{"cells":[', "[],", "0]}"),
        "objects": lambda: of_json('{"cells":[', '{"":0},', "0]}"),
        "texts": lambda: of_json('{"cells":[{"cell_type":"code","source":[', '"",', '""]}]}'),
        "numbers": lambda: of_json('{"x":[', "1e9,", "0]}"),
        "long lines": lambda: b'{"cells":[{"cell_type":"code","source":"' + b" " * 900_000 + b"?" + b'"}]}',
        "words": lambda: b'{"cells":[{"cell_type":"code","source":"' + b"a." * 450_000 + b"!" + b'"}]}',
    },
    ("examples Answered", "examples.jsonl"): {
        "short": lambda: b'{"prompt":"a","answer":"b"}\n' * (MOST // 28),
        "empty lines": lambda: b"\n" * MOST,
        "one line": lambda: of_json("[", "[],", "0]"),
        "long": lambda: b'{"prompt":"' + b"a" * (MOST - 50) + b'","answer":"b"}\n',
    },
    ("reviews", "reviews.csv"): {
        "short rows": lambda: b"text,source\n" + b"a,b\n" * (MOST // 4),
        "columns": lambda: b"text,source" + b"," * (MOST // 2),
        "rows of commas": lambda: b"text,source\n" + b",\n" * (MOST // 2 - 10),
        "good rows": lambda: b"text,source\n" + b"a b c d e f g,rotten_tomatoes\n" * (MOST // 30),
    },
    ("seed", "seed.txt"): {"digits": lambda: b"1" * MOST},
}  # fmt: skip
