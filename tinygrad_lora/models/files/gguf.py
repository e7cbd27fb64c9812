"""GGUF, the file format of llama.cpp: metadata, and tensors in few bits. Nothing in a file is believed unchecked.

Layout, all little-endian: "GGUF", version, number of tensors, number of entries; the metadata; for each tensor its
name, shape, type and place; then, from the next multiple of the alignment, the tensors' bytes.
Source: the specification, docs/gguf.md in the repository ggml-org/ggml.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from types import TracebackType
from typing import Any, Self

import numpy as np

from ...errors import ModelFileError
from ...files import FilePath, opened
from .dequantize import FORMATS, dequantize, format_name

_VERSIONS = (2, 3)
_STRING, _ARRAY, _BOOL = 8, 9, 7
_SCALARS = {
    0: "u1", 1: "i1", 2: "<u2", 3: "<i2", 4: "<u4", 5: "<i4", 6: "<f4", 7: "u1", 10: "<u8", 11: "<i8", 12: "<f8",
}  # fmt: skip
_NESTING = 4  # arrays of arrays: the format sets no limit, so a reader must
_AXES = 4
_LONGEST_NAME = 65535
_MOST_WORK = 1_000_000  # strings in arrays, and 20 for all else that has a name or is an array: a second of reading
_SHORTEST_ENTRY, _SHORTEST_TENSOR = 8 + 4 + 1, 8 + 4 + 8 + 4 + 8  # bytes


@dataclass(frozen=True)
class TensorInfo:
    """Where one tensor is. `shape` is NumPy's: the last axis is contiguous (the file lists the axes the other way)."""

    name: str
    shape: tuple[int, ...]
    format: int
    offset: int  # from the start of the file
    bytes: int


class GGUF:
    """The metadata and the tensors of one file.

    `metadata` is a dict: numbers, strings, and lists or arrays of them. `tensors` says what there is, by name;
    `array(name)` reads one of them. The file is mapped, not read: a tensor takes memory when it is asked for, as the
    array that is returned. Use it in a `with` statement, or close() it.
    Raises ModelFileError, which says what is wrong and where, for anything but a sound file.
    """

    def __init__(self, data: bytes | mmap.mmap, name: str = "the file") -> None:
        self._data, self.name = data, name
        cursor = _Cursor(data, name)
        tensor_count = self._begin(cursor)
        self.metadata = dict(_entries(cursor))
        alignment = self.metadata.get("general.alignment", 32)
        if not isinstance(alignment, int) or not 0 < alignment <= 1 << 20 or alignment & (alignment - 1):
            raise cursor.error(f"the alignment is {alignment!r}, and must be a power of two")
        infos = [_tensor_info(cursor) for _ in range(tensor_count)]
        start = -(-cursor.at // alignment) * alignment
        self.tensors = _placed(infos, start, len(data), alignment, cursor)

    def _begin(self, cursor: _Cursor) -> int:
        if self._data[:4] != b"GGUF":
            raise cursor.error(f"it begins with {bytes(self._data[:4])!r}, a GGUF file with b'GGUF'")
        cursor.at = 4
        version = cursor.number("<I")
        if version not in _VERSIONS:
            swapped = int.from_bytes(version.to_bytes(4, "little"), "big") in _VERSIONS
            why = "its bytes are in big-endian order" if swapped else f"it has version {version}"
            raise cursor.error(f"{why}; versions 2 and 3 in little-endian order can be read")
        return cursor.count(cursor.number("<Q"), _SHORTEST_TENSOR, "tensors")

    def array(self, name: str, dtype: Any = np.float32) -> Any:
        """The tensor of this name as a new array of floats, dequantized if it is quantized."""
        if name not in self.tensors:
            raise ModelFileError(f"{self.name}: there is no tensor called {name!r}")
        info = self.tensors[name]
        flat = np.frombuffer(self._data, np.uint8, info.bytes, info.offset)
        values = dequantize(flat, info.format, dtype)
        if not np.isfinite(values).all():
            raise ModelFileError(f"{self.name}: {name} holds numbers that are not finite: the file is damaged")
        return values.reshape(info.shape)

    def close(self) -> None:
        """Give the file back to the system. Arrays that were read stay."""
        if isinstance(self._data, mmap.mmap):
            with suppress(BufferError):  # the traceback of an error looks into it: then it is closed with that
                self._data.close()
        self._data = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def read_gguf(path: FilePath) -> GGUF:
    """Map a GGUF file, and check and read all of it but the numbers in the tensors. Raises ModelFileError."""
    with opened(path, ModelFileError) as file:
        if os.fstat(file.fileno()).st_size == 0:
            raise ModelFileError("the file is empty")
        return GGUF(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), os.fspath(path))


class _Cursor:
    """A place in the file. Whatever is read is first checked against what is left of it."""

    def __init__(self, data: bytes | mmap.mmap, name: str) -> None:
        self.data, self.file, self.at, self.work = data, name, 0, 0

    def error(self, problem: str) -> ModelFileError:
        return ModelFileError(f"{self.file}, byte {self.at}: {problem}")

    def require(self, size: int, what: str) -> None:
        if size > len(self.data) - self.at:
            raise self.error(f"{what} takes {size} bytes, and {len(self.data) - self.at} are left")

    def number(self, code: str) -> int:
        self.require(struct.calcsize(code), "a number")
        (value,) = struct.unpack_from(code, self.data, self.at)
        self.at += struct.calcsize(code)
        return int(value)

    def count(self, number: int, each: int, what: str, work: int = 20) -> int:
        """`number`, if so many things of at least `each` bytes can be in the rest of the file, and are not too many."""
        if number * each > len(self.data) - self.at:
            raise self.error(f"{number} {what} do not fit into the {len(self.data) - self.at} bytes that are left")
        self.work += number * work
        if self.work > _MOST_WORK:
            raise self.error(f"{number} {what}, with all before, are more than any model needs, and are not read")
        return number

    def string(self) -> str:
        size = self.number("<Q")
        self.require(size, "a string")
        raw = self.data[self.at : self.at + size]
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as problem:
            raise self.error(f"a string is not UTF-8 ({problem.reason})") from None
        self.at += size
        return text

    def name(self, what: str) -> str:
        text = self.string()
        if not 0 < len(text) <= _LONGEST_NAME:
            raise self.error(f"a {what} has a name of {len(text)} characters")
        return text

    def numbers(self, code: int, count: int) -> Any:
        dtype = np.dtype(_SCALARS[code])
        self.require(count * dtype.itemsize, f"{count} numbers")
        values = np.frombuffer(self.data, dtype, count, self.at).copy()
        self.at += values.nbytes
        if code == _BOOL:
            if (values > 1).any():
                raise self.error("a truth value is neither 0 nor 1")
            values = values.astype(bool)
        return values

    def value(self, code: int, depth: int = 0) -> Any:
        if code == _STRING:
            return self.string()
        if code in _SCALARS:
            return self.numbers(code, 1)[0].item()
        if code != _ARRAY:
            raise self.error(f"there is no type number {code}")
        if depth == _NESTING:
            raise self.error(f"arrays are nested more than {_NESTING} deep")
        kind, length = self.number("<I"), self.number("<Q")
        if kind in _SCALARS:
            return self.numbers(kind, length)
        self.count(length, 8, "strings", 1) if kind == _STRING else self.count(length, 12, "values")
        return [self.value(kind, depth + 1) for _ in range(length)]


def _entries(cursor: _Cursor) -> Iterator[tuple[str, Any]]:
    """The metadata, entry by entry."""
    names: set[str] = set()
    for _ in range(cursor.count(cursor.number("<Q"), _SHORTEST_ENTRY, "entries")):
        name = cursor.name("entry")
        if name in names:
            raise cursor.error(f"the entry {name!r} is there twice")
        names.add(name)
        yield name, cursor.value(cursor.number("<I"))


def _tensor_info(cursor: _Cursor) -> TensorInfo:
    """One record of the directory; its offset still counts from the start of the tensors' bytes."""
    name, axes = cursor.name("tensor"), cursor.number("<I")
    if not 1 <= axes <= _AXES:
        raise cursor.error(f"{name} has {axes} axes, and may have 1 to {_AXES}")
    shape = tuple(cursor.number("<Q") for _ in range(axes))[::-1]
    kind, offset = cursor.number("<I"), cursor.number("<Q")
    if kind not in FORMATS:
        known = ", ".join(format_name(code) for code in FORMATS)
        raise cursor.error(f"{name} is stored as {format_name(kind)}, and only {known} can be read")
    block = FORMATS[kind]
    if 0 in shape or shape[-1] % block.length:
        raise cursor.error(f"{name} has the shape {shape}: its rows must be whole blocks of {block.length}")
    return TensorInfo(name, shape, kind, offset, prod(shape) // block.length * block.bytes)


def _placed(infos: list[TensorInfo], start: int, end: int, alignment: int, cursor: _Cursor) -> dict[str, TensorInfo]:
    """The tensors by name, with offsets from the start of the file, if they lie in it, aligned and apart."""
    placed: dict[str, TensorInfo] = {}
    for info in infos:
        if info.name in placed:
            raise cursor.error(f"the tensor {info.name!r} is there twice")
        if info.offset % alignment:
            raise cursor.error(f"{info.name} begins at {info.offset}, not at a multiple of {alignment}")
        if start + info.offset + info.bytes > end:
            over = start + info.offset + info.bytes - end
            raise cursor.error(f"{info.name}, {info.bytes} bytes at {info.offset}, ends {over} bytes after the file")
        placed[info.name] = TensorInfo(info.name, info.shape, info.format, start + info.offset, info.bytes)
    for before, info in pairwise(sorted(placed.values(), key=lambda info: info.offset)):
        if before.offset + before.bytes > info.offset:
            raise cursor.error(f"{before.name} and {info.name} overlap")
    return placed
