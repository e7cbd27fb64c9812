"""Adapters as the PEFT library keeps them: a folder with `adapter_config.json` and `adapter_model.safetensors`."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ...errors import AdaptError, FormatError
from ...files import FilePath, reading, write_atomically
from ...nn.adapters.adapted import check_new_name, listed
from ...nn.adapters.model.plan import AdapterPlan, attach, plan_adapters
from ...nn.adapters.model.settings import check_bias
from ...nn.adapters.model.switching import adapter_names
from ...nn.adapters.model.targets import outer_layers
from ...nn.layer import Layer, Model
from ..safetensors import load_safetensors, misfits, refuse, save_safetensors
from .config import CONFIG_FILE, config_text, patterns, read_config
from .describe import describe
from .names import PREFIX, base_parameters, sizes, starts_beside, stored_parameters, wanted, written_twice
from .patterns import pattern_problems

WEIGHTS_FILE, PICKLE_FILE = "adapter_model.safetensors", "adapter_model.bin"


def save_adapter(
    model: Layer, folder: FilePath, name: str = "lora", *,
    base_model: str | None = None, task_type: str | None = None, fan_in_fan_out: bool = False, as_lora: bool = False,
) -> Path:  # fmt: skip
    r"""Write one adapter of a model into a folder, which `PeftModel.from_pretrained` and `load_adapter` read.

    With the adapter go the biases and the modules that are trained with it. An adapter on a residual base (PiSSA,
    OLoRA) is written as it is: whoever loads it makes the same residual from the same base, which PEFT does in float32
    alone, and other programs not at all.

    Both files are written whole before they replace older ones. Whoever stops this leaves the old adapter, the new one,
    or for a moment a folder without options, which nobody loads.

    model: a layer with adapters
    folder: the path of a folder, which is made if it is missing
    name: that of the adapter
    base_model, task_type: notes for whoever loads it, such as "CAUSAL_LM"; None writes none
    fan_in_fan_out: True says that PyTorch's base keeps its weights as (in, out), as GPT-2 does
    as_lora: True writes what a residual adapter adds to the base itself, as plain LoRA of twice the rank:
        $s A B - s A_0 B_0 = s\,[A, A_0]\,[B; -B_0]$
    Returns the path of the folder.
    Raises AdaptError if no adapter has this name or if it is of a kind that such a file cannot hold, FormatError for
    numbers that are not finite, ImportError without the safetensors package.

    >>> import tempfile
    >>> model = tl.adapt(tl.Sequential(tl.Linear(4, 3, seed=0)), rank=2, seed=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     print(sorted(path.name for path in tl.save_adapter(model, folder).iterdir()))
    ['adapter_config.json', 'adapter_model.safetensors']
    """
    settings = describe(model, name, as_lora)
    if fan_in_fan_out and settings.residual == "olora":
        raise AdaptError("PEFT starts OLoRA elsewhere where fan_in_fan_out is true: write it with as_lora=True")
    arrays = {key: parameter.array for key, parameter in stored_parameters(model, name, settings.bias).items()}
    if as_lora:
        arrays |= starts_beside(model, name)
    if wrong := [key for key, array in arrays.items() if not np.isfinite(array).all()]:
        raise FormatError(f"nothing was written: these hold numbers that are not finite: {listed(wrong)}")
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=target, prefix=".part-") as stage:
        save_safetensors(Path(stage) / WEIGHTS_FILE, arrays, {"format": "pt"})
        write_atomically(Path(stage) / CONFIG_FILE, config_text(settings, base_model, task_type, fan_in_fan_out))
        (target / CONFIG_FILE).unlink(missing_ok=True)  # never the options of one adapter beside the numbers of another
        for file in (WEIGHTS_FILE, CONFIG_FILE):
            os.replace(Path(stage) / file, target / file)
    return target


def load_adapter(model: Model, folder: FilePath, name: str = "lora") -> Model:
    """Give a model the adapter in a folder that `save_adapter` or PEFT wrote, and activate it.

    The layers keep the dtype of their base. Every option that changes the numbers is honored or refused by name; what
    only concerns training, such as dropout, is left out. Words that fit no layer say nothing, as in PEFT.

    model: a layer of the shapes for which the adapter was trained
    folder: the path of a folder with `adapter_config.json` and `adapter_model.safetensors`
    name: what the adapter is called in this model
    Returns the model.
    Raises FormatError, which lists all that is wrong, if the folder asks for something that this package does not do,
    if it fits no layer at all, and if arrays are missing, unexpected, of another shape or not finite; AdaptError if the
    model has an adapter of this name, or one that trains the biases as this one does. Then the model is not changed.
    OSError if the files cannot be read, ImportError without the safetensors package.

    >>> import tempfile
    >>> model = tl.adapt(tl.Sequential(tl.Linear(4, 3, seed=0)), rank=2, seed=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = tl.save_adapter(model, folder)
    ...     other = tl.load_adapter(tl.Sequential(tl.Linear(4, 3, seed=0)), folder, name="french")
    >>> bool((other[0].lora.get_matrix_a() == model[0].lora.get_matrix_a()).all())
    True
    """
    check_new_name(name, adapter_names(model))
    model.before_change()
    source = Path(folder)
    settings = read_config(source)
    check_bias(model, name, settings.bias)
    file, config = _weights_file(source), source / CONFIG_FILE
    arrays = load_safetensors(file)
    refuse(file, _tied(model, arrays))
    with reading(config):
        refuse(config, pattern_problems(patterns(settings), outer_layers(model)))
        plan = plan_adapters(model, settings, name=name, seed=0, strict=False)
        refuse(config, _impossible(plan))
    with reading(file):
        arrays = _checked(file, arrays, model, plan)
    with reading(config):
        attach(model, plan)
    for key, parameter in stored_parameters(model, name, settings.bias).items():
        parameter.fill(arrays[key])
    return model


def _tied(model: Layer, names: Iterable[str]) -> list[str]:
    """What is meant for a head that the model does not have, because it is the table of its tokens once more."""
    own = [key for key in names if key.startswith(f"{PREFIX}lm_head.")]
    if not own or getattr(model, "tied_head", None) is None:
        return []
    problem = f"{listed(own)} belong to 'lm_head', which in this model is the table of its tokens once more"
    remedy = "train an adapter without 'lm_head' among its target_modules and modules_to_save"
    return [f"{problem} and no layer of its own: {remedy}"]


def _impossible(plan: AdapterPlan) -> list[str]:
    """What these layers cannot have."""
    settings, problems = plan.settings, []
    dora = settings.variant == "dora"
    for path, planned in plan.layers.items():
        n, m, table = sizes(planned.layer)
        if settings.residual and planned.rank > min(n, m):
            problems.append(f"{path} is {(n, m)}, and rank {planned.rank} is above {min(n, m)}")
        if table and (dora or settings.lora_bias):
            problems.append(f"{path} is an embedding, which has no {'use_dora' if dora else 'lora_bias'}")
    return problems


def _checked(file: Path, arrays: Mapping[str, Any], model: Layer, plan: AdapterPlan) -> dict[str, Any]:
    """The arrays of the adapter, if they are all there and fit. Raises FormatError, which names all that do not."""
    bias = plan.settings.bias
    own = {key: array for key, array in arrays.items() if not written_twice(key, bias, plan.modules)}
    bases = {key: parameter.array for key, parameter in base_parameters(plan).items() if key in own}
    refuse(file, misfits(own, wanted(model, plan) | bases))
    # No more than half precision rounds away:
    other = [key for key, base in bases.items() if not np.allclose(own[key], base, rtol=2**-7, atol=2**-20)]
    refuse(file, [f"{key} is not that of the model: the adapter belongs to another base" for key in other])
    return own


def _weights_file(folder: Path) -> Path:
    file, pickle = folder / WEIGHTS_FILE, folder / PICKLE_FILE
    if not file.exists() and pickle.exists():
        raise FormatError(f"{pickle} is a pickle, which can run any program when it is read: save it as {WEIGHTS_FILE}")
    return file
