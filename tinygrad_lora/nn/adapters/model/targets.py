"""Which layers of a model a user means, by PEFT's rules: names, last parts of names, regular expressions, numbers."""

import re
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any, TypeVar

from ....errors import AdaptError
from ...embedding import Embedding
from ...layer import Layer
from ...linear import Linear
from ..adapted import AdaptedLayer, listed
from ..lora_embedding import LoRAEmbedding
from ..lora_linear import LoRALinear

Targets = str | Collection[str]  # a pattern; or names and last parts of names
Numbers = int | Collection[int] | None
Value = TypeVar("Value")

# What stands around a pattern for the last parts of a name, and around one for the word before a layer's number.
LAST_PARTS, BEFORE_NUMBER = r"(.*\.)?({})$", r"(?:^|.*?\.){}\.(?P<number>\d+)\."


def outer_layers(model: Layer) -> dict[str, Layer]:
    """The layers of a model by dotted name, without those inside an adapted layer."""
    layers = model.named_layers()
    adapted = [x for x in layers.values() if isinstance(x, AdaptedLayer)]
    hidden = {id(part) for x in adapted for name, part in x.named_layers().items() if name}
    return {name: x for name, x in layers.items() if id(x) not in hidden}


def chosen_layers(
    model: Layer, targets: Targets, exclude: Targets | None = None, saved: Collection[str] = (),
    numbers: Numbers = None, pattern: Targets | None = None,
) -> dict[str, Any]:  # fmt: skip
    """The linear layers and embeddings that the targets fit, the exclusions do not, and the numbers of layers allow.

    A full name in a list is chosen whatever its number. `saved` are modules that are trained as a whole: what is in
    them is left out. "all-linear" means every linear layer, but for those that the model calls `output_layers`.
    Raises AdaptError, which lists the names, for a word that fits nothing, and if nothing is left.
    """
    check_words(targets, "target_modules")
    check_words([] if exclude is None else exclude, "exclude_modules")
    _check_numbers(targets, numbers, pattern)
    numbers = None if numbers == [] else numbers
    kinds = Linear | Embedding | LoRALinear | LoRAEmbedding
    layers = {name: x for name, x in outer_layers(model).items() if isinstance(x, kinds)}
    every = isinstance(targets, str) and targets.lower() == "all-linear"
    linear = [n for n, x in layers.items() if isinstance(x, Linear | LoRALinear)]
    heads: Collection[str] = getattr(model, "output_layers", ())
    fitting = [n for n in linear if n not in heads] if every else [n for n in layers if fits(n, targets)]
    kept = [n for n in fitting if not (exclude and fits(n, exclude)) and not _inside(n, saved)]
    chosen = [n for n in kept if numbers is None or n in targets or _numbered(n, numbers, pattern)]
    known = {tail for name in layers for tail in tails(name)}
    unused = [] if isinstance(targets, str) else [t for t in targets if t not in known]
    if unused or not chosen:
        what = f"target_modules {listed(unused)} fit no linear layer" if unused else f"nothing to adapt for {targets!r}"
        without = f" without {exclude!r}" if exclude is not None and not unused else ""
        within = f" in the layers {numbers!r}" if numbers is not None and not unused else ""
        there = f"the linear layers are {listed(linear) or 'none'}"
        embeddings = [n for n in layers if n not in linear]
        there += f", the embeddings {listed(embeddings)}" if embeddings else ""
        raise AdaptError(f"{what}{without}{within}; {there}")
    return {name: layers[name] for name in chosen}


def chosen_modules(model: Layer, words: Collection[str] | None) -> dict[str, Any]:
    """The layers, of whatever kind, whose name ends with one of these words: those to train as a whole.

    Raises AdaptError for a word that fits nothing, for a module inside another one, or one that has adapters.
    """
    if words is None:
        return {}
    if isinstance(words, str):
        raise TypeError(f"modules_to_save must be a list of strings, not {words!r}")
    check_words(words, "modules_to_save")
    layers = {name: x for name, x in outer_layers(model).items() if name}
    if unused := [w for w in words if not any(name.endswith(w) for name in layers)]:
        raise AdaptError(f"modules_to_save {listed(unused)} fit no layer; the layers are {listed(layers) or 'none'}")
    chosen = {name: x for name, x in layers.items() if any(name.endswith(w) for w in words)}
    for name, x in chosen.items():
        if outer := [other for other in chosen if name.startswith(f"{other}.")]:
            raise AdaptError(f"modules_to_save fit {outer[0]!r} and {name!r}, which is inside it: name one of them")
        if any(isinstance(part, LoRALinear | LoRAEmbedding) for part in x.named_layers().values()):
            raise AdaptError(f"{name!r} has adapters, so it cannot be trained as a whole beside them")
    return chosen


def by_pattern(names: Iterable[str], default: Value, patterns: Mapping[str, Value], what: str) -> dict[str, Value]:
    """The value for each name: that of the first pattern that fits it or its last parts, or the default."""
    patterns, names = dict(patterns), list(names)
    check_words(list(patterns), what, patterns=True)
    first = {name: next((k for k in patterns if fits_pattern(name, k)), None) for name in names}
    if unused := [k for k in patterns if not any(fits_pattern(name, k) for name in names)]:
        raise AdaptError(f"{what} {listed(unused)} fits none of the chosen layers {listed(names)}")
    return {name: default if key is None else patterns[key] for name, key in first.items()}


def check_words(words: Any, what: str, patterns: bool = False) -> None:
    """Raise TypeError unless these are strings, AdaptError for an invalid regular expression.

    One string is a regular expression; those in a list are if `patterns`.
    """
    if not isinstance(words, str) and not (isinstance(words, Collection) and all(isinstance(w, str) for w in words)):
        raise TypeError(f"{what} must be a string or a list of strings, not {words!r}")
    for pattern in [words] if isinstance(words, str) else words if patterns else []:
        try:
            re.compile(pattern)
        except re.error as error:
            raise AdaptError(f"{what}: {pattern!r} is not a regular expression: {error}") from None


def fits(name: str, targets: Targets) -> bool:
    """A string is a pattern for the full name, a list holds names or last parts of names."""
    if isinstance(targets, str):
        return re.fullmatch(targets, name) is not None
    return not tails(name).isdisjoint(targets)


def tails(name: str) -> set[str]:
    """A dotted name and its last parts.

    >>> sorted(tails("layers.0.up"))
    ['0.up', 'layers.0.up', 'up']
    """
    parts = name.split(".")
    return {".".join(parts[i:]) for i in range(len(parts))}


def fits_pattern(name: str, pattern: str) -> bool:
    """Whether a pattern is for the full name, or for its last parts."""
    return _last_parts(pattern).match(name) is not None


@lru_cache(maxsize=1 << 14)  # that of `re` is smaller than the number of layers may be
def _last_parts(pattern: str) -> re.Pattern[str]:
    return re.compile(LAST_PARTS.replace("{}", pattern))


def _inside(name: str, saved: Iterable[str]) -> bool:
    return any(name == s or name.startswith(f"{s}.") for s in saved)


def _numbered(name: str, numbers: int | Collection[int], pattern: Targets | None) -> bool:
    """Whether the first number in the name that stands after a word, or after one of these words, is among those."""
    words = [r".*?\.[^.]*\.(?P<number>\d+)\."]
    if pattern:
        words = [BEFORE_NUMBER.replace("{}", word) for word in ([pattern] if isinstance(pattern, str) else pattern)]
    match = next(filter(None, (re.match(word, name) for word in words)), None)
    wanted = [numbers] if isinstance(numbers, int) else numbers
    return match is not None and int(match["number"]) in wanted


def _check_numbers(targets: Targets, numbers: Numbers, pattern: Targets | None) -> None:
    if pattern is not None:
        check_words(pattern, "layers_pattern", patterns=True)
        if numbers is None:
            raise AdaptError("layers_pattern says where the number of a layer stands: give layers_to_transform too")
    if numbers is None:
        return
    if isinstance(numbers, bool | str) or not (
        isinstance(numbers, int) or (isinstance(numbers, Collection) and all(type(n) is int for n in numbers))
    ):
        raise TypeError(f"layers_to_transform must be a whole number or a list of them, not {numbers!r}")
    if isinstance(targets, str):
        raise AdaptError("layers_to_transform goes with a list of target_modules: put the numbers into the pattern")
