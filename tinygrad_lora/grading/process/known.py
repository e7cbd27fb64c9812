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
    if isinstance(thing, np.ufunc):
        name = f"ufunc {thing.__name__}"
    elif isinstance(thing, Op):
        name = f"op {thing.name}"
    elif type(thing) is FunctionType:
        name = f"library {thing.__name__}"
    elif not isinstance(thing, type):
        return None
    elif issubclass(thing, np.generic):
        name = f"scalar {thing.__name__}"
    else:
        name = f"class {thing.__module__}:{thing.__qualname__}" if is_ours(thing) else f"type {thing.__name__}"
    return name if _thing(name) is thing else None


def named(name: str) -> Any:
    """The thing with this name. Raises KeyError for any other."""
    if (thing := _thing(name)) is None:
        raise KeyError(name)
    return thing


def _thing(name: str) -> Any:
    """The thing with this name; None if there is none that both processes have."""
    kind, _, rest = str(name).partition(" ")
    made: Any = vars(np).get(rest)
    match kind:
        case "ufunc":
            return made if isinstance(made, np.ufunc) else None
        case "scalar":
            return made if isinstance(made, type) and issubclass(made, np.generic) else None
        case "op":
            return Op.registry.get(rest)
        case "library":
            made = vars(library).get(rest)
            return made if type(made) is FunctionType and made.__module__ == library.__name__ else None
        case "type":
            return _TYPES.get(rest)
    return _class(rest) if kind == "class" else None


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
