"""The options of an adapter file, `adapter_config.json`: each is honored, is without effect, or is refused by name."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from math import isfinite
from pathlib import Path
from typing import Any

from ..errors import FormatError
from ..nn.adapters.model.adapt import RESIDUAL
from ..nn.adapters.model.targets import fits, fits_pattern
from .safetensors import refuse

CONFIG_FILE = "adapter_config.json"
LARGEST_CONFIG = 4 * 2**20  # bytes

Words = str | list[str]


@dataclass(frozen=True)
class AdapterConfig:
    """The options that change an adapter's numbers, under the names and with the defaults of PEFT's LoraConfig."""

    target_modules: Words
    r: int = 8
    lora_alpha: float = 8
    use_rslora: bool = False
    use_dora: bool = False
    bias: str = "none"
    lora_bias: bool = False
    fan_in_fan_out: bool = False  # the base is stored as (in, out) by PyTorch; an adapter's own matrices never are
    init_lora_weights: bool | str = True
    rank_pattern: dict[str, int] = field(default_factory=dict)
    alpha_pattern: dict[str, float] = field(default_factory=dict)
    exclude_modules: Words | None = None
    layers_to_transform: int | list[int] | None = None
    layers_pattern: Words | None = None
    modules_to_save: list[str] | None = None

    @property
    def residual(self) -> str | None:
        """ "pissa" or "olora", if the adapter began as a part of the base weight, and the base is what is left."""
        return str(self.init_lora_weights) if self.init_lora_weights in RESIDUAL else None

    def text(self, base_model: str | None = None, task_type: str | None = None) -> str:
        """The file's content, keys in order. The two arguments are notes for whoever loads it."""
        notes = {
            "peft_type": "LORA", "task_type": task_type, "base_model_name_or_path": base_model, "inference_mode": True,
            "lora_dropout": 0.0,
        }  # fmt: skip
        return json.dumps({**asdict(self), **notes}, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


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
    return isinstance(value, list) and all(isinstance(word, str) for word in value)


def _whole(value: Any, low: int) -> bool:
    return type(value) is int and value >= low


def _positive(value: Any) -> bool:
    return type(value) in (int, float) and isfinite(value) and value > 0


def _table(value: Any, allowed: Callable[[Any], bool]) -> bool:
    return isinstance(value, dict) and all(map(allowed, value.values()))


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
        lambda value: _whole(value, 0) or (isinstance(value, list) and all(_whole(i, 0) for i in value)),
    ),
    "layers_pattern": ("a pattern or a list of them", _words),
    "modules_to_save": ("a list of names", _strings),
}
OPTIONAL = {"exclude_modules", "layers_to_transform", "layers_pattern", "modules_to_save"}
TABLES = ("rank_pattern", "alpha_pattern")  # null stands for an empty one


def read_config(folder: Path) -> AdapterConfig:
    """The options in a folder. Raises FormatError, which lists everything that is wrong with them or not known here."""
    file = folder / CONFIG_FILE
    options = _parsed(file)
    kind = options.get("peft_type")
    if kind != "LORA":
        raise FormatError(f"{file}: peft_type is {kind!r}, and only 'LORA' is read: merge it with PEFT, or train anew")
    problems = [
        f"{name} is {value!r}, which this package does not do"
        for name, value in options.items()
        if name not in CHECKS and name not in WITHOUT_EFFECT and value not in (None, False, {}, [], "")
    ]
    found = {name: options[name] for name in CHECKS if name in options}
    found |= {name: found[name] or {} for name in TABLES if name in found}
    for name, value in found.items():
        words, allowed = CHECKS[name]
        if not (value is None and name in OPTIONAL) and not allowed(value):
            problems.append(f"{name} is {value!r}, not {words}")
    if "target_modules" not in found:
        problems.append("target_modules is missing")
    refuse(file, problems or _patterns(found))
    config = AdapterConfig(**found)
    refuse(file, conflicts(config))
    return config


def without_idle_words(config: AdapterConfig, layers: Iterable[str]) -> AdapterConfig:
    """The options without words of lists that fit none of these layers. If no word of the targets does, all stay.

    PEFT passes over them, and adds some itself: "classifier" and "score" for a classifier, whichever the model has.
    """
    paths = [path for path in layers if path]
    targets, saved = config.target_modules, config.modules_to_save
    if not isinstance(targets, str):
        targets = [w for w in targets if any(fits(path, [w]) for path in paths)] or targets
    saved = [w for w in saved or () if any(path.endswith(w) for path in paths)] or None
    return replace(config, target_modules=targets, modules_to_save=saved)


def without_idle_patterns(config: AdapterConfig, chosen: Iterable[str]) -> AdapterConfig:
    """The options without patterns that fit none of the chosen layers."""
    paths = list(chosen)

    def used(patterns: dict[str, Any]) -> dict[str, Any]:
        return {k: v for k, v in patterns.items() if any(fits_pattern(path, k) for path in paths)}

    return replace(config, rank_pattern=used(config.rank_pattern), alpha_pattern=used(config.alpha_pattern))


def conflicts(config: AdapterConfig) -> list[str]:
    """Options that PEFT, or this package, does not take together."""
    problems = []
    if config.use_dora and (config.lora_bias or config.residual):
        other = f"init_lora_weights {config.residual!r}" if config.residual else "lora_bias"
        problems.append(f"use_dora and {other} do not go together")
    if config.lora_bias and isinstance(config.init_lora_weights, str):
        problems.append(f"lora_bias and init_lora_weights {config.init_lora_weights!r} do not go together")
    if isinstance(config.target_modules, str) and (config.layers_to_transform is not None or config.layers_pattern):
        problems.append("layers_to_transform and layers_pattern need a list of target_modules, not a pattern")
    if config.layers_pattern and config.layers_to_transform is None:
        problems.append("layers_pattern needs layers_to_transform")
    return problems


def _patterns(found: dict[str, Any]) -> list[str]:
    """Invalid regular expressions."""
    singles = [(name, found.get(name)) for name in ("target_modules", "exclude_modules", "layers_pattern")]
    patterns = [(name, value) for name, value in singles if isinstance(value, str)]
    lists = [(name, found.get(name) or []) for name in (*TABLES, "layers_pattern", "modules_to_save")]
    patterns += [(name, p) for name, value in lists if not isinstance(value, str) for p in value]
    problems = []
    for name, pattern in patterns:
        try:
            re.compile(pattern)
        except (re.error, RecursionError, OverflowError) as error:
            problems.append(f"{name}: {pattern!r} is not a regular expression: {error}")
    return problems


def _parsed(file: Path) -> dict[str, Any]:
    """The JSON object in a file, and nothing but JSON: no name twice, no numbers that JSON does not have."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if twice := [name for name, times in Counter(name for name, _ in pairs).items() if times > 1]:
            raise ValueError(f"{', '.join(map(repr, twice))} is there twice")
        return dict(pairs)

    def no_number(word: str) -> Any:
        raise ValueError(f"{word} is not a number that JSON has")

    with file.open("rb") as stream:
        content = stream.read(LARGEST_CONFIG + 1)
    if len(content) > LARGEST_CONFIG:
        raise FormatError(f"{file} is larger than {LARGEST_CONFIG} bytes: this is no adapter's configuration")
    try:
        options = json.loads(content.decode(), object_pairs_hook=unique, parse_constant=no_number)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{file} is not JSON: {error}") from None
    if not isinstance(options, dict):
        raise FormatError(f"{file} must hold options by name, not {type(options).__name__}")
    return options
