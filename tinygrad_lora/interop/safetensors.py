"""Files of named arrays in the safetensors format. The only module that imports the safetensors package.

A file is eight bytes with the length of a header, the header, which is JSON and gives dtype, shape and place of each
array by name, and the arrays one after the other. The package checks that all this fits together; what it leaves open
is checked here, before any memory is taken. The arrays are then read one by one, so that none is held twice.
"""

import json
import os
from collections.abc import Iterable, Mapping
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..core import ComputationNode
from ..errors import FormatError
from ..errors.install import needing
from ..files import FilePath, opened, parse_json, write_atomically
from ..nn import Layer, Linear
from ..nn.weights import NameMapping, targets_of

LARGEST_HEADER, MOST_ARRAYS = 16 * 2**20, 50_000  # bytes, and entries in them
MOST_AXES = 64  # NumPy's limit

# The dtypes of the format that NumPy has. Numbers in the file are little-endian.
DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1", "BOOL": "|b1", "C64": "<c8",
}  # fmt: skip
BFLOAT16 = "BF16"  # the upper half of a float32; NumPy has no such dtype


def load_safetensors(path: FilePath, model: Layer | None = None, *, mapping: NameMapping = None) -> dict[str, Any]:
    """The arrays of a safetensors file by name, each a new array that may be written to.

    Dtypes are kept, but for BF16, which becomes float32 without loss.

    path: that of the file
    model: a layer whose parameters take the arrays of their names, frozen ones too; the weight of a `Linear` is (out,
        in) in the file, as PyTorch writes it. None only reads
    mapping: a function or dict from the names in the file to those of the model's parameters; None as a name skips an
        array
    Returns a dict of arrays.
    Raises FormatError, which says all that is wrong, if the file is damaged or made to deceive or holds a dtype that
    NumPy does not have, and if an array for the model is missing, unexpected, of another shape or not finite: then the
    model is not changed. WeightsError for a mapping of two names to one, TypeError for one without a model; OSError if
    the file cannot be read; ImportError without the safetensors package.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = tl.save_safetensors(pathlib.Path(folder, "model.safetensors"), tl.Linear(3, 2, seed=0))
    ...     {name: array.shape for name, array in tl.load_safetensors(path).items()}
    {'bias': (2,), 'weight': (2, 3)}
    """
    if mapping is not None and model is None:
        raise TypeError("the mapping is to names of parameters: pass the model too, or rename the arrays afterwards")
    library = require_safetensors()
    file = Path(path)
    with opened(file) as stream:
        length = _header_length(stream)
        try:
            with library.safe_open(file, framework="numpy"):
                pass
        except library.SafetensorError as error:
            raise FormatError(f"{file} is not a whole safetensors file: {error}") from None
        kinds = _arrays(file, stream.read(length))
        arrays = {name: _read(stream, name, *kind) for name, kind in kinds.items()}
    if model is not None:
        _fill(file, model, arrays, mapping)
    return arrays


def save_safetensors(
    path: FilePath, arrays: Mapping[str, Any] | Layer, metadata: Mapping[str, str] | None = None
) -> Path:
    """Write arrays or nodes by name, or all parameters of a model.

    Of a model, the weight of each `Linear` is written as (out, in), which is how PyTorch keeps it. The file is written
    whole or not at all, and the same arrays give the same bytes.

    path: that of the file
    arrays: a dict of arrays or nodes by name, or a layer
    metadata: a note for whoever reads it, a dict of strings; None writes none
    Returns the path.
    Raises TypeError for names and notes that are not strings, for dtypes that the format does not have, and for layers
    whose weight is in four bits; MergedError while an adapter is merged; ImportError without the safetensors package.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = tl.save_safetensors(pathlib.Path(folder, "x.safetensors"), {"x": np.ones(3)})
    ...     tl.load_safetensors(path)
    {'x': array([1., 1., 1.])}
    """
    if isinstance(arrays, Layer):
        arrays = _parameters(arrays)
    if wrong := [key for key, text in (metadata or {}).items() if not (isinstance(key, str) and isinstance(text, str))]:
        raise TypeError(f"metadata are texts by name, and these are none: {', '.join(map(repr, wrong))}")
    codes = {np.dtype(code): name for name, code in DTYPES.items()}
    tensors = {}
    for name, data in arrays.items():
        if not isinstance(name, str) or name == "__metadata__":
            raise TypeError(f"an array's name must be a string, and not the file's own '__metadata__': {name!r}")
        array = np.asarray(data.value if isinstance(data, ComputationNode) else data)
        if (little := array.dtype.newbyteorder("<")) not in codes:
            raise TypeError(f"{name}: a safetensors file cannot hold {array.dtype}; convert it with .astype(...)")
        tensors[name] = np.require(array.astype(little, copy=False), requirements="C")
    ordered = dict(sorted(tensors.items(), key=lambda item: (-item[1].itemsize, item[0])))  # large first: all aligned
    header: dict[str, Any] = {} if metadata is None else {"__metadata__": dict(sorted(metadata.items()))}
    end = 0
    for name, array in ordered.items():
        start, end = end, end + array.nbytes
        header[name] = {"dtype": codes[array.dtype], "shape": array.shape, "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    data = [array.data for array in ordered.values()]
    return write_atomically(path, b"".join([len(text).to_bytes(8, "little"), text, *data]))


def _parameters(model: Layer) -> dict[str, Any]:
    """All that there is to write of a model: its parameters, as long as they are all that it is made of.

    Raises MergedError while an adapter is merged: its factors would be in the file twice.
    """
    model.before_change()
    layers = model.named_layers().items()
    if packed := [n for n, x in layers if isinstance(x, Linear) and "weight" not in x.named_parameters()]:
        raise TypeError(f"packed weights are no floats: {', '.join(packed)}; save the model as it was before")
    return in_torch_layout(model, {name: p.value for name, p in model.named_parameters().items()})


def in_torch_layout(model: Layer, arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Arrays by the names of the model's parameters, those of linear weights transposed. Twice gives them back."""
    turned = linear_weights(model)
    return {name: np.transpose(array) if name in turned else array for name, array in arrays.items()}


def linear_weights(model: Layer) -> set[str]:
    """The names of the parameters that PyTorch keeps transposed."""
    layers = model.named_layers().items()
    return {f"{name}.weight".lstrip(".") for name, layer in layers if isinstance(layer, Linear)}


def misfits(arrays: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """What keeps these arrays from taking the places of those that are wanted: one sentence a reason."""
    problems = [f"{name} is missing" for name in wanted if name not in arrays]
    problems += [f"{name} is unexpected" for name in arrays if name not in wanted]
    for name in (name for name in wanted if name in arrays):
        array, target = np.asarray(arrays[name]), wanted[name]
        if array.shape != target.shape:
            problems.append(f"{name} has the shape {array.shape}, not {target.shape}")
        elif array.dtype.kind != "f":
            problems.append(f"{name} holds {array.dtype}, not floats")
        else:
            with np.errstate(over="ignore"):
                wrong = array.size - np.count_nonzero(np.isfinite(array.astype(target.dtype)))
            problems += [f"{name} holds {wrong} numbers that are not finite {target.dtype}"] if wrong else []
    return problems


def refuse(file: Path, problems: Iterable[str]) -> None:
    """Raise FormatError with all that is wrong with a file, if anything is."""
    if problems := list(problems):
        raise FormatError(f"{file}: {'; '.join(problems)}")


def _fill(file: Path, model: Layer, arrays: Mapping[str, Any], mapping: NameMapping) -> None:
    """Give the model's parameters the arrays, all or none."""
    by_target = {target: arrays[name] for name, target in targets_of(arrays, mapping).items() if target is not None}
    present = {name: p.value for name, p in model.named_parameters().items()}
    refuse(file, misfits(by_target, in_torch_layout(model, present)))
    model.load_weights(in_torch_layout(model, by_target), strict=True)


def require_safetensors() -> Any:
    """The package. Raises ImportError, which says how to install it."""
    with needing("safetensors files need a package", "interop"):
        import safetensors
    return safetensors


def _header_length(stream: BinaryIO) -> int:
    """The length that the file's first eight bytes state, if it is possible and reasonable."""
    size, length = os.fstat(stream.fileno()).st_size, int.from_bytes(stream.read(8), "little")
    if size < 8 or 8 + length > size:
        raise FormatError(f"this is not a whole safetensors file: it has {size} bytes, and its header would not fit")
    if length > LARGEST_HEADER:
        raise FormatError(f"a header of {length} bytes; more than {LARGEST_HEADER} are not read")
    return length


def _arrays(file: Path, header: bytes) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Dtype and shape of each array, in the order in which they stand in the file.

    Raises FormatError, naming every array that NumPy could not hold, ValueError for one that is there twice.
    """
    if (count := header.count(b'"dtype"')) > MOST_ARRAYS:
        raise FormatError(f"a header with {count} arrays; more than {MOST_ARRAYS} are not read")
    entries = parse_json(header, most=12 * MOST_ARRAYS)
    entries.pop("__metadata__", None)
    kinds, problems = {}, []
    for name, entry in sorted(entries.items(), key=lambda item: item[1]["data_offsets"]):
        dtype, shape = kinds[name] = entry["dtype"], tuple(entry["shape"])
        if dtype not in DTYPES and dtype != BFLOAT16:
            problems.append(f"{name!r} has the dtype {dtype}, which NumPy does not have")
        elif len(shape) > MOST_AXES or prod(max(n, 1) for n in shape) * 16 > np.iinfo(np.intp).max:
            problems.append(f"{name!r} has a shape that no array can have, {len(shape)} axes and {prod(shape)} numbers")
    refuse(file, problems)
    return kinds


def _read(stream: BinaryIO, name: str, dtype: str, shape: tuple[int, ...]) -> Any:
    """The next array of the file."""
    count, short = prod(shape), dtype == BFLOAT16
    array = np.fromfile(stream, "<u2" if short else DTYPES[dtype], count)
    if array.size != count:
        raise FormatError(f"the file ends within {name!r}")
    if short:
        array = (array.astype(np.uint32) << 16).view(np.float32)
    if dtype == "BOOL" and array.size and array.view(np.uint8).max() > 1:
        raise FormatError(f"{name!r} should hold only 0 and 1, and holds other bytes")
    return array.reshape(shape).astype(array.dtype.newbyteorder("="), copy=False)
