"""The sentence for a call that lacks an argument, or has one that means nothing. Only a call that failed pays for it.

What to pass is read from the signature: the annotation of an argument says it to readers, type checkers and here.
"""

import inspect
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, TypeVar, cast

import numpy as np

from ..errors import DtypeError, ShapeError
from .arrays import real_array, words_for
from .nodes import AdvisingNode

F = TypeVar("F", bound=Callable[..., Any])
MISSING: Any = object()  # an operand that a call lacks
FAILURES = (TypeError, ValueError, AttributeError, IndexError, OverflowError)  # what Python and NumPy raise on those


def _is_whole(x: Any) -> bool:
    return isinstance(x, (int, np.integer))


def _are_whole(x: Any) -> bool:
    return all(map(_is_whole, x)) if isinstance(x, (tuple, list)) else _is_whole(x)


def _is_dtype(x: Any) -> bool:
    try:
        return x is not None and np.dtype(x) is not None
    except TypeError:
        return False


# What an annotation asks for, in words and as a test.
KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "ComputationNode": ("a node", lambda x: isinstance(x, AdvisingNode)),
    "ComputationNode | Iterable": (
        "a node, or a list of nodes",
        lambda x: isinstance(x, AdvisingNode) or (isinstance(x, Iterable) and not isinstance(x, str)),
    ),
    "Sequence": ("a list of nodes or arrays", lambda x: isinstance(x, (list, tuple))),
    "Callable": ("a function", callable),
    "DTypeLike": ("a dtype of numbers, such as 'float32'", _is_dtype),
    "Axis": ("a whole number, a tuple of them, or None for all", lambda x: x is None or _are_whole(x)),
    "int | Shape": ("a whole number, or a tuple of them", _are_whole),
    "int": ("a whole number", _is_whole),
    "float": ("a number", lambda x: isinstance(x, (int, float, np.number))),
}


def explained(function: F, name: str = "") -> F:
    """`function`, whose refusals name it: the argument that is missing, unknown or meaningless, and what to pass."""
    name = name or function.__name__

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except FAILURES as error:
            if not (isinstance(error, DtypeError) and str(error).startswith(name)):  # in its own words already
                refuse_misuse(name, function, args, kwargs)
            raise

    return cast(F, call)


def argument_names(f: Callable[..., Any], n: int) -> list[str]:
    """The names of the first `n` arguments of `f`, as its author wrote them."""
    try:
        names = [p.name for p in inspect.signature(f).parameters.values() if p.kind <= p.POSITIONAL_OR_KEYWORD]
    except (TypeError, ValueError):
        names = []
    return [names[i] if i < len(names) else f"x{i}" for i in range(n)]


def refuse_operands(op: Any, inputs: tuple[Any, ...], params: dict[str, Any]) -> None:
    """Say what is wrong with the operands of an operation that failed: the call itself, or their shapes or dtypes."""
    refuse_misuse(op.name, op.forward, inputs, params)
    if not all(isinstance(x, AdvisingNode) for x in inputs):
        return
    try:
        op.infer(inputs, params)
    except OverflowError as error:
        remedy = "cast the array to a wider dtype first, or use a float, such as -1.0 for -1"
        raise DtypeError(f"{op.name}: {error}: {remedy}") from None
    except (ShapeError, IndexError) as error:
        pairs = zip(op.operands(len(inputs)), inputs, strict=True)
        shapes = [f"{a} {x.name!r} {x.shape}" if x.name else f"{a} {x.shape}" for a, x in pairs]
        raise ShapeError(f"{op.name}: {' and '.join(shapes)}: {error}", operation=(op, inputs, params)) from None


def refuse_misuse(name: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Raise TypeError if such a call can mean nothing. Otherwise it failed for a reason of its own."""
    parameters = inspect.signature(function).parameters
    if "self" in parameters:
        args, parameters = args[1:], inspect.signature(function.__get__(args[0])).parameters
    if any(x is MISSING for x in args):
        kwargs |= {key: x for key, x in zip(parameters, args, strict=False) if x is not MISSING}
        args = ()
    signature = inspect.Signature([p.replace(annotation=p.empty) for p in parameters.values()])
    try:
        arguments = signature.bind(*args, **kwargs).arguments
    except TypeError as error:
        problem = str(error).replace("argument: ", "argument ")
        raise TypeError(f"{name}: {problem}; write {name}{signature}") from None
    beside = any(isinstance(x, AdvisingNode) for x in args)
    for key, value in arguments.items():
        if parameters[key].kind == inspect.Parameter.VAR_POSITIONAL:
            for i, x in enumerate(value):
                _refuse_argument(f"{name}: {key}[{i}]", x, parameters[key], beside)
        else:
            _refuse_argument(f"{name}: {key}", value, parameters[key], beside)


def _refuse_argument(what: str, x: Any, parameter: inspect.Parameter, beside: bool) -> None:
    """Raise unless `x` is what its parameter asks for; `beside`: nodes are there, so nothing complex may be."""
    annotation = str(parameter.annotation)
    if x is None and parameter.default is None:
        return
    if wanted := KINDS.get(annotation) or KINDS.get(annotation.partition("[")[0]):
        if not wanted[1](x):
            raise TypeError(f"{what} is {words_for(x)}: pass {wanted[0]}")
    elif parameter.kind != parameter.KEYWORD_ONLY and (
        annotation in ("Any", "Array", "Operand") or parameter.annotation is parameter.empty
    ):
        is_complex = isinstance(x, complex) or getattr(x, "dtype", np.dtype(int)).kind == "c"
        if not isinstance(x, AdvisingNode) and (beside or not is_complex):
            real_array(x, what)
