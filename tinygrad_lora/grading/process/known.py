"""What both processes have: ufuncs, operations, functions of the library, classes. Each crosses as a name."""

import sys
from types import FunctionType
from typing import Any

import numpy as np

from ... import errors, library
from ...core.node import Op
from ...nn.layer import Layer
from ...nn.optim import Optimizer

LONGEST_NAME = 200  # characters
PACKAGE = __name__.partition(".")[0]
_TYPES = {"bool": bool, "int": int, "float": float, "str": str, "list": list, "tuple": tuple, "dict": dict}


def name_of(thing: Any) -> str | None:
    """The name under which the other process has the same thing; None if it has not."""
    own: Any = getattr(thing, "__name__", None) if isinstance(thing, np.ufunc | FunctionType | type) else None
    if isinstance(thing, np.ufunc):
        return f"ufunc {own}" if getattr(np, own, None) is thing else None
    if isinstance(thing, Op):
        return f"op {thing.name}" if Op.registry.get(thing.name) is thing else None
    if type(thing) is FunctionType and thing.__module__ == library.__name__:
        return f"library {own}" if vars(library).get(own) is thing else None
    if isinstance(thing, type):
        if _TYPES.get(own) is thing:
            return f"type {own}"
        if issubclass(thing, np.generic) and getattr(np, own, None) is thing:
            return f"scalar {own}"
        if is_ours(thing) and _class(f"{thing.__module__}:{thing.__qualname__}") is thing:
            return f"class {thing.__module__}:{thing.__qualname__}"
    return None


def named(name: str) -> Any:
    """The thing with this name. Raises KeyError for any other."""
    kind, _, rest = str(name).partition(" ")
    thing: Any = None
    if kind == "ufunc" and isinstance(made := getattr(np, rest, None), np.ufunc):
        thing = made
    elif kind == "op":
        thing = Op.registry.get(rest)
    elif kind == "library" and type(made := vars(library).get(rest)) is FunctionType:
        thing = made if made.__module__ == library.__name__ else None
    elif kind == "type":
        thing = _TYPES.get(rest)
    elif kind == "scalar" and isinstance(made := getattr(np, rest, None), type) and issubclass(made, np.generic):
        thing = made
    elif kind == "class":
        thing = _class(rest)
    if thing is None:
        raise KeyError(name)
    return thing


def is_ours(kind: type) -> bool:
    """Whether this is a class of the package that both have: not one of an exercise, nor of these files."""
    module = kind.__module__ or ""
    return module.startswith(f"{PACKAGE}.") and not module.startswith((f"{PACKAGE}.learn.", f"{PACKAGE}.grading."))


def _class(path: str) -> Any:
    """A layer, an optimizer or plain data of the package, and nothing that runs on being made."""
    module, _, name = path.partition(":")
    kind: Any = vars(sys.modules.get(module, errors)).get(name)
    if not isinstance(kind, type) or not is_ours(kind) or kind.__module__ != module:
        return None
    return kind if issubclass(kind, Layer | Optimizer) or hasattr(kind, "__dataclass_fields__") else None


def called(x: Any) -> str:
    """The name of a function or class; of anything else, the name of its type."""
    name = getattr(x, "__name__", None)
    return name if type(name) is str else type(x).__name__


def identifier(name: Any, *others: str) -> str:
    """The name, if it is one that Python's own syntax can give to a class or a function, or one of the others."""
    if type(name) is not str or len(name) > LONGEST_NAME or not (name.isidentifier() or name in others):
        raise ValueError("the name of a class or a function is no identifier")
    return name
