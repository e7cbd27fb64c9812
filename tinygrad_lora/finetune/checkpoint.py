"""The state of a training on the disk, exact to the last bit: whoever continues gets the same numbers.

One file, replaced in one step: whenever the process is killed, there is a whole one.
"""

import os
import zipfile
from collections.abc import Mapping, Sequence
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ModelError, ModelFileError
from ..files import FilePath, opened, write_atomically

LARGEST_HEAD = 4096  # bytes of an array's name and description, in the archive
MOST_LOSSES = 1_000_000
ENCRYPTED = 1  # a bit in the archive
Form = tuple[tuple[int, ...], Any]  # shape and dtype


def save_checkpoint(
    path: FilePath, fingerprint: str, parameters: Mapping[str, Any], optimizer: Any, losses: Sequence[float]
) -> Path:
    """Write the trained parameters, what the optimizer remembers, and the losses so far: one for each step done."""
    arrays = {f"parameter {name}": p.value for name, p in parameters.items()}
    arrays |= {f"state {i}": node.value for i, node in enumerate(optimizer.state)}
    buffer = BytesIO()
    np.savez(buffer, fingerprint=np.array(fingerprint), losses=np.array(losses, np.float64), **arrays)
    return write_atomically(path, buffer.getvalue())


def load_checkpoint(path: FilePath, fingerprint: str, parameters: Mapping[str, Any], optimizer: Any) -> list[float]:
    """Take a training up where it was saved, and return its losses. Nothing is changed if this is refused.

    Raises ModelError if the checkpoint is that of another training, ModelFileError if it is damaged.
    """
    nodes = {f"parameter {name}": p for name, p in parameters.items()}
    nodes |= {f"state {i}": node for i, node in enumerate(optimizer.state)}
    try:
        own, arrays = _arrays(path, {name: (node.shape, node.dtype) for name, node in nodes.items()}, fingerprint)
    except ModelFileError as problem:
        raise ModelFileError(f"{problem}: the checkpoint is damaged; remove it, or use --restart") from None
    if own != fingerprint:
        remedy = "choose another folder, or --restart"
        raise ModelError(f"{path} belongs to a training with other settings or other data: {remedy}")
    for name, node in nodes.items():
        node.value = arrays[name][()]
    optimizer.steps = len(arrays["losses"])
    return [float(loss) for loss in arrays["losses"]]


def _arrays(path: FilePath, wanted: Mapping[str, Form], fingerprint: str) -> tuple[str, dict[str, Any]]:
    """The fingerprint of a checkpoint; and if it is this one, its arrays: those that are wanted, and the losses.

    What `numpy.savez` writes is an archive without compression, so nothing in it is larger than the file, and the head
    of each array says what it is before it takes memory.
    """
    heads = [prod(shape) * np.dtype(dtype).itemsize + LARGEST_HEAD for shape, dtype in wanted.values()]
    with opened(path, ModelFileError) as file:
        if (size := os.fstat(file.fileno()).st_size) > sum(heads) + MOST_LOSSES * 8:
            raise ValueError(f"{size} bytes are more than this training needs")
        with zipfile.ZipFile(file) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            if len(members) < len(archive.infolist()):
                raise ValueError("an array is there twice")
            own = str(_array(archive, members.pop("fingerprint"), ((), np.array(fingerprint).dtype)))
            if own != fingerprint:
                return own, {}
            if members.keys() != {*wanted, "losses"}:
                raise ValueError("it does not hold what this training needs")
            losses = _array(archive, members["losses"])
            if losses.ndim != 1 or losses.dtype != np.float64 or not np.isfinite(losses).all():
                raise ValueError("the losses must be numbers, one for each step")
            arrays = {name: _array(archive, members[name], form) for name, form in wanted.items()}
    return own, {**arrays, "losses": losses}


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, form: Form | None = None) -> Any:
    """One array of the archive, if it has this shape and dtype."""
    if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & ENCRYPTED:
        raise ValueError("an array is compressed or encrypted")
    data = BytesIO(archive.read(member))
    if (version := np.lib.format.read_magic(data)) != (1, 0):
        raise ValueError(f"an array has version {version}")
    shape, by_column, dtype = np.lib.format.read_array_header_1_0(data)
    if form and form != (shape, dtype):
        raise ValueError(f"an array of {shape} and {dtype} is in the place of another")
    return np.frombuffer(data.read(), dtype).reshape(shape, order="F" if by_column else "C").copy()
