"""The options of an adapter file, `adapter_config.json`: each is honored, is without effect, or is refused by name."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ...errors import FormatError
from ...files import read_json, reading
from ...nn.adapters.model.settings import RESIDUAL, AdapterSettings
from ...nn.adapters.model.targets import BEFORE_NUMBER, LAST_PARTS
from ..safetensors import refuse
from .patterns import OptionPattern

CONFIG_FILE = "adapter_config.json"
LARGEST_CONFIG = 4 * 2**20  # bytes
MOST_NAMES = 10_000  # in one option

# What PEFT calls the fields of AdapterSettings, where it is not the same; and its defaults, where they are others.
PEFT_NAMES = {"rank": "r", "alpha": "lora_alpha", "rslora": "use_rslora"}
PEFT_DEFAULTS = {"r": 8, "lora_alpha": 8}


# Ways to choose the first factors that leave the base alone: for a trained adapter it no longer matters which it was.
PLAIN_STARTS = (True, False, "gaussian", "orthogonal", "eva")

# What has no effect on a trained adapter's numbers. Dropout is for training, and this package trains without.
WITHOUT_EFFECT = {
    "auto_mapping", "base_model_name_or_path", "inference_mode", "lora_dropout", "megatron_core", "peft_type",
    "peft_version", "qalora_group_size", "revision", "runtime_config", "task_type", "eva_config",
}  # fmt: skip


def _words(value: Any) -> bool:
    return isinstance(value, str) or _strings(value)


def _strings(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= MOST_NAMES and all(isinstance(word, str) for word in value)


def _whole(value: Any, low: int) -> bool:
    return type(value) is int and value >= low


def _index(value: Any) -> bool:
    return _whole(value, 0)


def _positive(value: Any) -> bool:
    return type(value) in (int, float) and 0 < value <= sys.float_info.max


def _table(value: Any, allowed: Callable[[Any], bool]) -> bool:
    return isinstance(value, dict) and len(value) <= MOST_NAMES and all(map(allowed, value.values()))


def _truth(value: Any) -> bool:
    return isinstance(value, bool)


# By option: what it may be, in words and as a test. Those that may be null are in OPTIONAL.
CHECKS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "target_modules": ("a pattern or a list of names", _words),
    "r": ("a whole number from 1", lambda value: _whole(value, 1)),
    "lora_alpha": ("a positive number", _positive),
    "use_rslora": ("true or false", _truth),
    "use_dora": ("true or false", _truth),
    "bias": ("'none', 'all' or 'lora_only'", lambda value: value in ("none", "all", "lora_only")),
    "lora_bias": ("true or false", _truth),
    "fan_in_fan_out": ("true or false", _truth),
    "init_lora_weights": (
        f"true, false or one of {', '.join(map(repr, (*PLAIN_STARTS[2:], *RESIDUAL)))}",
        lambda value: isinstance(value, bool | str) and value in (*PLAIN_STARTS, *RESIDUAL),
    ),
    "rank_pattern": ("whole numbers from 1 by name", lambda value: _table(value, lambda rank: _whole(rank, 1))),
    "alpha_pattern": ("positive numbers by name", lambda value: _table(value, _positive)),
    "exclude_modules": ("a pattern or a list of names", _words),
    "layers_to_transform": (
        "a whole number or a list of them",
        lambda value: _index(value) or (isinstance(value, list) and _table(dict(enumerate(value)), _index)),
    ),
    "layers_pattern": ("a pattern or a list of them", _words),
    "modules_to_save": ("a list of names", _strings),
}
OPTIONAL = {"exclude_modules", "layers_to_transform", "layers_pattern", "modules_to_save"}
TABLES = ("rank_pattern", "alpha_pattern")  # null stands for an empty one


def read_config(folder: Path) -> AdapterSettings:
    """The options in a folder. Raises FormatError, which lists everything that is wrong with them or not known here."""
    file = folder / CONFIG_FILE
    with reading(file):
        return _settings(PEFT_DEFAULTS | _options(file))


def _options(file: Path) -> dict[str, Any]:
    content = read_json(file, LARGEST_CONFIG)
    if not isinstance(content, dict):
        raise FormatError(f"{file} must hold options by name, not {type(content).__name__}")
    kind = content.get("peft_type")
    if kind != "LORA":
        raise FormatError(f"{file}: peft_type is {kind!r}, and only 'LORA' is read: merge it with PEFT, or train anew")
    unknown = {name: value for name, value in content.items() if name not in CHECKS and name not in WITHOUT_EFFECT}
    meant = [(name, value) for name, value in unknown.items() if value not in (None, False, {}, [], "")]
    problems = [f"{name} is {value!r}, which this package does not do" for name, value in meant]
    options = {name: content[name] for name in CHECKS if name in content}
    options |= {name: options[name] or {} for name in TABLES if name in options}
    for name, value in options.items():
        words, allowed = CHECKS[name]
        if not (value is None and name in OPTIONAL) and not allowed(value):
            problems.append(f"{name} is {value!r}, not {words}")
    if "target_modules" not in options:
        problems.append("target_modules is missing")
    refuse(file, problems or conflicts(options))
    return options


def config_text(settings: AdapterSettings, base_model: str | None, task_type: str | None, fan_in_fan_out: bool) -> str:
    """The content of the file, keys in order. The other arguments are notes on the base, for whoever loads it."""
    notes = {
        "peft_type": "LORA", "task_type": task_type, "base_model_name_or_path": base_model, "inference_mode": True,
        "lora_dropout": 0.0, "fan_in_fan_out": fan_in_fan_out,
    }  # fmt: skip
    return json.dumps(peft_options(settings) | notes, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def peft_options(settings: AdapterSettings) -> dict[str, Any]:
    """The settings under PEFT's names."""
    own = {name: value for name, value in vars(settings).items() if name not in ("init", "variant", "options")}
    start: bool | str = settings.residual or True
    special = {"use_dora": settings.variant == "dora", "init_lora_weights": start}
    return {PEFT_NAMES.get(name, name): value for name, value in own.items()} | special


def _settings(options: Mapping[str, Any]) -> AdapterSettings:
    """The settings that PEFT's options stand for. An adapter of a file may have any rank."""
    names = {theirs: own for own, theirs in PEFT_NAMES.items()}
    special = ("use_dora", "init_lora_weights", "fan_in_fan_out")
    own = {names.get(name, name): value for name, value in options.items() if name not in special}
    start = options.get("init_lora_weights")
    return AdapterSettings(
        **own, variant="dora" if options.get("use_dora") else "lora", init=start if start in RESIDUAL else "gaussian",
        options={"any_rank": True},
    )  # fmt: skip


def conflicts(options: Mapping[str, Any]) -> list[str]:
    """Options, under PEFT's names, that PEFT or this package does not take together."""
    option, start, problems = options.get, options.get("init_lora_weights"), []
    if option("use_dora") and (option("lora_bias") or start in RESIDUAL):
        other = f"init_lora_weights {start!r}" if start in RESIDUAL else "lora_bias"
        problems.append(f"use_dora and {other} do not go together")
    if option("lora_bias") and isinstance(start, str):
        problems.append(f"lora_bias and init_lora_weights {start!r} do not go together")
    if option("fan_in_fan_out") and start == "olora":
        problems.append("fan_in_fan_out and init_lora_weights 'olora' do not go together: PEFT starts elsewhere then")
    numbers, pattern = option("layers_to_transform"), option("layers_pattern")
    if isinstance(option("target_modules"), str) and (numbers is not None or pattern):
        problems.append("layers_to_transform and layers_pattern need a list of target_modules, not a pattern")
    if pattern and numbers is None:
        problems.append("layers_pattern needs layers_to_transform")
    return problems


def patterns(settings: AdapterSettings) -> Iterator[OptionPattern]:
    """The regular expressions in the settings."""
    for name, words in (("target_modules", settings.target_modules), ("exclude_modules", settings.exclude_modules)):
        if isinstance(words, str):
            yield OptionPattern(name, words)
    pattern = settings.layers_pattern or []
    for name in ("rank_pattern", "alpha_pattern"):
        yield from (OptionPattern(name, word, LAST_PARTS) for word in getattr(settings, name))
    for word in [pattern] if isinstance(pattern, str) else pattern:
        yield OptionPattern("layers_pattern", word, BEFORE_NUMBER)
