"""Files that PyTorch wrote before 2020: pickles, then the tensors' bytes. Read without PyTorch, and without trust.

A pickle is a program for a small stack machine, and Python's own reader runs whatever function the program names. So it
is not used: the machine below knows the few instructions that weights need, and cannot call anything at all.
Source: `pickletools` in Python's library for the instructions; `torch.serialization._legacy_load` for the layout.
"""

from __future__ import annotations

import os
import pickletools
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ModelFileError

_MAGIC = 0x1950A86A20F9469CFC6C
_LAYOUT = 1001  # the version of the layout
_ZIP = b"PK\x03\x04"  # how files of PyTorch 1.6 and later begin
_MOST_AXES = 64
_MOST_SHARED = 8  # tensors may share a storage, as tied weights do: times all that there are
_DICT, _TENSOR = "collections OrderedDict", "torch._utils _rebuild_tensor_v2"
_STORAGES = {
    "torch FloatStorage": "<f4", "torch DoubleStorage": "<f8", "torch HalfStorage": "<f2",
    "torch LongStorage": "<i8", "torch IntStorage": "<i4",
}  # fmt: skip
_MARK = object()


@dataclass(frozen=True)
class _Global:
    """The name of a function or a class. Nothing is looked up under it."""

    name: str


@dataclass(frozen=True)
class _Storage:
    """Some numbers in the file that tensors are views of."""

    key: str
    dtype: Any
    count: int


@dataclass(frozen=True)
class _Tensor:
    """A view of a storage."""

    storage: _Storage
    start: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_torch(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The tensors of a state dict by name, each a new array in its own dtype.

    Raises ModelFileError, which says what is wrong, if the file is damaged, or asks for anything but plain tensors.
    """
    data, name = Path(path).read_bytes(), str(path)
    if data.startswith(_ZIP):
        raise ModelFileError(f"{name}: a file of PyTorch 1.6 or later; only the older format can be read")
    file = BytesIO(data)
    try:
        if _run(file) != _MAGIC or _run(file) != _LAYOUT:
            raise ModelFileError(f"{name}: this is not a file of PyTorch's old format")
        system, tensors, keys = _run(file), _run(file), _run(file)
        if not isinstance(system, dict) or system.get("little_endian") is not True:
            raise ModelFileError(f"{name}: its bytes are not in little-endian order")
        return _arrays(tensors, dict(_storages(data, file.tell(), keys, tensors)))
    except ModelFileError as problem:
        raise ModelFileError(str(problem) if name in str(problem) else f"{name}: {problem}") from None
    except (ValueError, IndexError, KeyError, TypeError) as problem:  # a program that ends or digs where nothing is
        raise ModelFileError(f"{name}: the file is damaged ({type(problem).__name__}: {problem})") from None


def _run(file: BytesIO) -> Any:
    """What one pickle builds, of numbers, strings, tuples, lists, dicts and tensors."""
    stack: list[Any] = []
    memory: dict[int, Any] = {}

    def since_mark() -> list[Any]:
        for i in range(len(stack) - 1, -1, -1):
            if stack[i] is _MARK:
                found = stack[i + 1 :]
                del stack[i:]
                return found
        raise ModelFileError("the file is damaged: a mark is missing")

    argument: Any
    for instruction, argument, at in pickletools.genops(file):
        match instruction.name:
            case "PROTO":
                pass
            case "STOP":
                return stack.pop()
            case "BINUNICODE" | "BININT" | "BININT1" | "BININT2" | "LONG1":
                stack.append(argument)
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                stack.append({"NONE": None, "NEWTRUE": True, "NEWFALSE": False}[instruction.name])
            case "BINPUT" | "LONG_BINPUT":
                memory[argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memory[argument])
            case "MARK":
                stack.append(_MARK)
            case "EMPTY_TUPLE":
                stack.append(())
            case "TUPLE":
                stack.append(tuple(since_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                n = int(instruction.name[-1])
                stack[-n:] = [tuple(stack[-n:])]
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_LIST":
                stack.append([])
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                _put(stack[-1], [key, value])
            case "SETITEMS":
                pairs = since_mark()
                _put(stack[-1], pairs)
            case "APPEND" | "APPENDS":
                added = since_mark() if instruction.name == "APPENDS" else [stack.pop()]
                if not isinstance(stack[-1], list):
                    raise ModelFileError("the file is damaged: it adds to what is no list")
                stack[-1] += added
            case "GLOBAL":
                stack.append(_Global(argument))
            case "BINPERSID":
                stack.append(_storage(stack.pop()))
            case "REDUCE":
                arguments, function = stack.pop(), stack.pop()
                stack.append(_called(function, arguments))
            case "BUILD":
                stack.pop()  # what PyTorch notes about the versions of layers
            case other:
                raise ModelFileError(f"byte {at}: the instruction {other} is not needed for weights: it is not done")


def _put(target: Any, pairs: list[Any]) -> None:
    """Put keys and values, one after the other, into a dict."""
    if not isinstance(target, dict) or len(pairs) % 2:
        raise ModelFileError("the file is damaged: it stores an item in what is no dict")
    for key, value in zip(pairs[::2], pairs[1::2], strict=True):
        if not isinstance(key, str):
            raise ModelFileError(f"a name is a string, not {type(key).__name__}")
        target[key] = value


def _called(function: Any, arguments: Any) -> Any:
    """The two calls that weights need: a new dict, and a tensor as a view of a storage."""
    if function == _Global(_DICT) and arguments == ():
        return {}
    if function != _Global(_TENSOR):
        asked = function.name.replace(" ", ".") if isinstance(function, _Global) else "something unknown"
        raise ModelFileError(f"the file asks for a call of {asked[:80]}: that is not needed for weights, and not done")
    storage, start, shape, strides = arguments[:4]
    if not isinstance(storage, _Storage) or not _counts([start]) or not _counts(shape) or not _counts(strides):
        raise ModelFileError("a tensor is not described as PyTorch does it")
    last = start + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    if len(shape) > _MOST_AXES or (0 not in shape and last >= storage.count):
        raise ModelFileError(f"a tensor of shape {shape[:8]} reaches beyond the {storage.count} numbers of its storage")
    if prod(shape) > storage.count:
        raise ModelFileError(f"a tensor of shape {shape[:8]} repeats the {storage.count} numbers of its storage")
    return _Tensor(storage, start, shape, strides)


def _counts(numbers: Any) -> bool:
    return isinstance(numbers, tuple | list) and all(type(n) is int and 0 <= n < 1 << 62 for n in numbers)


def _storage(description: Any) -> _Storage:
    match description:
        case ("storage", _Global(name), str(key), str(), int(count), None) if name in _STORAGES and count >= 0:
            return _Storage(key, np.dtype(_STORAGES[name]), count)
        case ("storage", _Global(name), *_) if name not in _STORAGES:
            raise ModelFileError(f"numbers are in {name.replace(' ', '.')[:80]}, and only {_known()} can be read")
    raise ModelFileError("a storage is not described as PyTorch does it")


def _known() -> str:
    return ", ".join(name.replace(" ", ".") for name in _STORAGES)


def _storages(data: bytes, at: int, keys: Any, tensors: Any) -> Iterator[tuple[str, Any]]:
    """The numbers of each storage, in the order of the keys: a count, and so many numbers."""
    if not isinstance(tensors, dict) or not all(isinstance(tensor, _Tensor) for tensor in tensors.values()):
        raise ModelFileError("the file does not hold a state dict, which is tensors by name")
    described = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    if not isinstance(keys, list) or len(keys) != len(described) or set(keys) != set(described):
        raise ModelFileError("the list of storages is not that of the tensors")
    for key in keys:
        storage = described[key]
        count = int.from_bytes(data[at : at + 8], "little")
        size = storage.count * storage.dtype.itemsize
        if count != storage.count or at + 8 + size > len(data):
            raise ModelFileError(f"a storage of {storage.count} numbers, {size} bytes at {at}, is not whole")
        yield key, np.frombuffer(data, storage.dtype, storage.count, at + 8)
        at += 8 + size
    if at != len(data):
        raise ModelFileError(f"{len(data) - at} bytes come after the last storage")


def _arrays(tensors: dict[str, _Tensor], storages: dict[str, Any]) -> dict[str, Any]:
    whole = sum(prod(tensor.shape) * tensor.storage.dtype.itemsize for tensor in tensors.values())
    if whole > _MOST_SHARED * sum(numbers.nbytes for numbers in storages.values()):
        raise ModelFileError(f"the tensors share their numbers so often that they would take {whole} bytes")
    found = {}
    for name, tensor in tensors.items():
        numbers = storages[tensor.storage.key]
        steps = [step * numbers.itemsize for step in tensor.strides]
        view = np.lib.stride_tricks.as_strided(numbers[tensor.start :], tensor.shape, steps, writeable=False)
        found[name] = view.astype(numbers.dtype.newbyteorder("="))
        if found[name].dtype.kind == "f" and not np.isfinite(found[name]).all():
            raise ModelFileError(f"{name} holds numbers that are not finite: the file is damaged")
    return found
