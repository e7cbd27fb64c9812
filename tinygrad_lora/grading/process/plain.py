"""Plain values and random generators as data, and what may change in the arguments of a call.

Plain are numbers, texts and what JSON lacks: whole numbers of any size, infinities, complex numbers, `...`, ranges,
dtypes.
"""

import math
from typing import Any

import numpy as np

from .wire import Misbehaved

SAFE = 2**53
NUMBERS = "biufc"  # the kinds of dtypes that cross
KINDS = frozenset({type(None), bool, str, int, float, complex, type(...), range})  # and dtypes
_GENERATORS = ("PCG64", "MT19937", "Philox", "SFC64", "PCG64DXSM")


def as_json(x: Any) -> Any:
    """The value as JSON. It is of one of the kinds, or a dtype."""
    kind = type(x)
    if x is None or kind in (bool, str):
        return x
    if kind is int:
        return x if abs(x) < SAFE else {"int": hex(x)}
    if kind is float:
        return x if math.isfinite(x) else {"float": repr(x)}
    if kind is complex:
        return {"complex": [repr(x.real), repr(x.imag)]}
    if x is ...:
        return {"...": 0}
    if kind is range:
        return {"range": [x.start, x.stop, x.step]}
    return {"dtype": x.str}


def from_json(tag: str, body: Any) -> Any:
    """The value that `as_json` gave this tag; KeyError for any other tag."""
    match tag:
        case "int":
            return int(body, 16)
        case "float":
            return float(body)
        case "complex":
            return complex(float(body[0]), float(body[1]))
        case "...":
            return ...
        case "range":
            return range(*body)
        case "dtype":
            return dtype_of(body)
    raise KeyError(tag)


def state_of(rng: np.random.Generator) -> Any:
    """The state of a generator as JSON; whole numbers of any size as they are."""
    state = rng.bit_generator.state
    plain = {key: part.tolist() if isinstance(part, np.ndarray) else part for key, part in state["state"].items()}
    return {**state, "state": plain}


def generator_in(state: Any) -> np.random.Generator:
    """A generator in this state."""
    rng = np.random.Generator(getattr(np.random, _GENERATORS[_GENERATORS.index(state["bit_generator"])])(0))
    arrays = {k: np.array(v, dtype=np.uint64) if isinstance(v, list) else v for k, v in state["state"].items()}
    rng.bit_generator.state = {**state, "state": arrays}
    return rng


def content_of(slot: Any) -> Any:
    """A copy of an argument, one level deep; None for what cannot change."""
    if type(slot) in (list, dict, set) or type(slot) is np.ndarray:
        return slot.copy() if type(slot) is not np.ndarray or slot.flags.writeable else None
    return {"state": slot.bit_generator.state} if type(slot) is np.random.Generator else None


def alike(slot: Any, old: Any) -> bool:
    """Whether an argument still has its old content."""
    if old is None:
        return True
    if type(slot) is np.ndarray:
        return slot.shape == old.shape and slot.tobytes() == old.tobytes()
    if type(slot) is np.random.Generator:
        return repr(slot.bit_generator.state) == repr(old["state"])
    if type(slot) is dict:
        pairs = zip(slot.items(), old.items(), strict=False)
        return len(slot) == len(old) and all(k is j and v is w for (k, v), (j, w) in pairs)
    return len(slot) == len(old) and all(a is b for a, b in zip(slot, old, strict=False))


def refill(slot: Any, content: Any) -> None:
    """Give an argument of ours the content that it has on the other side."""
    if type(slot) is np.ndarray and type(content) is np.ndarray and slot.shape == content.shape:
        slot[...] = content
    elif type(slot) is np.random.Generator and type(content) is np.random.Generator:
        slot.bit_generator.state = content.bit_generator.state
    elif type(slot) is list and type(content) is list:
        slot[:] = content
    elif type(slot) in (dict, set) and type(content) is type(slot):
        slot.clear()
        slot.update(content)
    else:
        raise Misbehaved("an argument has become something else")


def dtype_of(name: Any) -> Any:
    """The dtype with this name, if it is one of numbers."""
    made = np.dtype(str(name))
    if made.kind not in NUMBERS:
        raise ValueError(f"dtype {name}")
    return made
