"""The state of a training on the disk, exact to the last bit: whoever continues gets the same numbers.

One file, replaced in one step: whenever the process is killed, there is a whole one.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ModelError, ModelFileError
from ..files import write_atomically


def save_checkpoint(
    path: str | os.PathLike[str], fingerprint: str, parameters: Mapping[str, Any], optimizer: Any,
    losses: Sequence[float],
) -> Path:  # fmt: skip
    """Write the trained parameters, what the optimizer remembers, and the losses so far: one for each step done."""
    arrays = {f"parameter {name}": p.value for name, p in parameters.items()}
    arrays |= {f"state {i}": node.value for i, node in enumerate(optimizer.state)}
    buffer = BytesIO()
    np.savez(buffer, fingerprint=np.array(fingerprint), losses=np.array(losses, np.float64), **arrays)
    return write_atomically(path, buffer.getvalue())


def load_checkpoint(
    path: str | os.PathLike[str], fingerprint: str, parameters: Mapping[str, Any], optimizer: Any
) -> list[float]:
    """Take a training up where it was saved, and return its losses. Nothing is changed if this is refused.

    Raises ModelError if the checkpoint is that of another training, ModelFileError if it is damaged.
    """
    try:
        with np.load(BytesIO(Path(path).read_bytes()), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (ValueError, EOFError, KeyError, NotImplementedError, zipfile.BadZipFile, zlib.error) as problem:
        raise ModelFileError(f"{path}: the checkpoint is damaged ({problem}): remove it, or use --restart") from None
    if str(arrays.get("fingerprint")) != fingerprint:
        raise ModelError(
            f"{path} belongs to a training with other settings or other data: choose another folder, or --restart"
        )
    nodes = {f"parameter {name}": p for name, p in parameters.items()}
    nodes |= {f"state {i}": node for i, node in enumerate(optimizer.state)}
    wanted = {name: (node.shape, node.dtype) for name, node in nodes.items()}
    losses = arrays.get("losses", np.zeros(()))
    if {n: (a.shape, a.dtype) for n, a in arrays.items() if n in wanted} != wanted or losses.ndim != 1:
        raise ModelFileError(f"{path}: the checkpoint does not hold what this training needs: use --restart")
    for name, node in nodes.items():
        node.value = arrays[name][()]
    optimizer.steps = len(losses)
    return [float(loss) for loss in losses]
