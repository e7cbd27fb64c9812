"""What a student filled in, returned or built, if it is of the kind that was asked for, and how far it is off."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..core.node import Array, Shape
from ..nn.layer import Layer
from ..view.words.sentences import apart
from .diagnosis import refuse
from .exact import as_array, kind_of, largest_difference, same

Mistake = tuple[str, str, Callable[..., Any]]


def entry(answers: Any, name: str, key: str, missing: str = "") -> Any:
    """What the student wrote under this key of the dictionary `name`. `missing` says more about the keys."""
    if type(answers) is not dict:
        raise refuse("wrong-type", f"{name} is of type {type(answers).__name__}; keep the dictionary and fill it in")
    if key not in answers:
        raise refuse("missing-name", f"{name} has no entry {missing or repr(key)}")
    return answers[key]


def returned(value: Any, kind: type | tuple[type, ...], who: str, needed: str) -> Any:
    """What the student's function `who` returned, if it is of this kind; else the sentence says what is needed."""
    if value is None:
        raise refuse("no-return", f"{who} gave None: does it end with `return`?")
    if not isinstance(value, kind):
        raise refuse("wrong-type", f"{who} gave {kind_of(value)}; {needed}")
    return value


def as_layer(layer: object, name: str) -> Layer:
    """A layer of the student's class, which has this name.

    Refused is one whose class says what it computes in `forward`, as in PyTorch: every layer has a `forward` already.
    """
    if not isinstance(layer, Layer):
        raise refuse("no-layer", f"{name} is no layer: write `class {name}(tl.Layer):`")
    classes = type(layer).__mro__
    own = set().union(*(vars(one) for one in classes[: classes.index(Layer)]))
    if "forward" in own and "__call__" not in own:
        raise refuse("forward-written", "write the formula in `__call__`: `forward` of a layer runs it on arrays")
    return layer


def value_in(layer: Layer, name: str, shape: Shape, called: str = "") -> Array:
    """What the layer's parameter of this name holds."""
    parameters = layer.named_parameters()
    if name not in parameters:
        raise refuse("missing-parameter", f"the layer has no parameter called {name}: assign tl.parameter(...) to it")
    return as_array(parameters[name].value, called or name, shape)


def worst(a: Array, b: Array) -> str:
    """Where an answer differs most from what it should be, in words: "at [0, 1] it is 3, and should be 4"."""
    _, place = largest_difference(a, b)
    yours, right = apart(float(a[place]), float(b[place]))
    return f"{f'at {list(place)} ' if place else ''}it is {yours}, and should be {right}"


def explanation(wrong: Sequence[tuple[Any, Sequence[Any]]], mistakes: Iterable[Mistake]) -> tuple[str, str] | None:
    """The code and the sentence of the first mistake that gives all these wrong answers; None if no mistake does.

    `wrong` holds each answer with what it was asked for. A mistake is a code, a sentence and a function of the same
    arguments. One that cannot give anything there explains nothing.
    """
    for code, sentence, mistake in mistakes:
        if all(_gives(mistake, answer, arguments) for answer, arguments in wrong):
            return code, sentence
    return None


def _gives(mistake: Callable[..., Any], answer: Any, arguments: Sequence[Any]) -> bool:
    try:
        with np.errstate(all="ignore"):
            a, b = (np.asarray(x, np.float64) for x in (answer, mistake(*arguments)))
    except (ValueError, IndexError, ZeroDivisionError):
        return False
    return same(a, b) or a.size == b.size == 0
