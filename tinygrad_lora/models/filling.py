"""Give a network the weights that Hugging Face saved, under its names."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import ModelFileError
from ..nn.layer import Model
from ..nn.linear import Linear


def fill(model: Model, tensors: Mapping[str, Any], prefix: str = "") -> Model:
    """Give each parameter of `model` the array of its name, in the model's dtype; returns the model.

    Names are those of Hugging Face, after `prefix` (such as "bert."); a linear layer's weight is there (output_size,
    input_size), and turned around here. Tensors without the prefix are left alone, and so are tables of positions,
    which are no weights, and a head that is the embedding once more. Raises ModelFileError if a parameter gets nothing,
    if a tensor is for no parameter, or if a shape differs; then nothing is changed.
    """
    model.before_change()
    parameters = model.named_parameters()
    linear = {id(layer.weight) for layer in model.named_layers().values() if isinstance(layer, Linear)}
    own = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
    spare = {name for name in own if name.endswith(("position_ids", "inv_freq"))}
    spare |= {"lm_head.weight"} - parameters.keys()
    arrays = {name: np.asarray(t) for name, t in own.items() if name not in spare}
    arrays = {n: a.T if n in parameters and id(parameters[n]) in linear else a for n, a in arrays.items()}
    problems = [f"no weights for {_few(missing)}"] if (missing := parameters.keys() - arrays) else []
    problems += [f"no place for {_few(extra)}"] if (extra := arrays.keys() - parameters) else []
    wanted = {name: parameters[name].shape for name in arrays if name in parameters}
    others = [(name, shape) for name, shape in wanted.items() if arrays[name].shape != shape]
    problems += [f"{name} must be {shape}, not {arrays[name].shape}" for name, shape in others]
    problems += [f"{name} holds {a.dtype}" for name, a in arrays.items() if a.dtype.kind not in "fiu"]
    if problems:
        raise ModelFileError(f"these weights do not fit {type(model).__name__}: {'; '.join(problems[:4])}")
    for name, array in arrays.items():
        parameters[name].value = np.ascontiguousarray(array, parameters[name].dtype)
    return model


def _few(names: Any) -> str:
    """Some of the names, for a message."""
    listed = sorted(names)
    return ", ".join(listed[:3]) + (f" and {len(listed) - 3} more" if len(listed) > 3 else "")
