"""Finds, by the traceback, the function of the library or the layer that refused shapes before any operation did."""

from traceback import walk_tb
from types import FrameType, TracebackType
from typing import Any, NamedTuple

import numpy as np

from ... import library
from ...boundary import arguments
from ...core import ComputationNode, Op, Shape, constant, ops
from ...errors import ShapeError
from ...nn import Layer, Linear
from .lines import is_ours


class Refusal(NamedTuple):
    """The call that refused its operands, as a picture names it; `op` knows which shapes would fit.

    `held` are the operands as the user's variables hold them: nodes, or arrays.
    """

    title: str
    op: Op
    operands: tuple[ComputationNode, ...]
    held: tuple[Any, ...]


class Named(Op):
    """A function shown as one operation, which cannot run. It does not say which shapes it takes."""

    def __init__(self, name: str, operands: list[str]) -> None:
        """Set the name and the operands; as it is no primitive, it is not registered."""
        self.name, self.signature = name, ", ".join(operands)

    def shape(self, *shapes: Shape, **params: Any) -> Shape:
        """No shape is known to fit."""
        raise ShapeError


class EqualShapes(Named):
    """A function whose operands must have the same shape."""

    elementwise = True

    def shape(self, *shapes: Shape, **params: Any) -> Shape:
        """The shape that all operands have. Raises ShapeError if they differ."""
        if len({*shapes}) > 1:
            raise ShapeError
        return shapes[0]


def refusal(traceback: TracebackType | None) -> Refusal | None:
    """The function of the library, or the innermost layer, that an error came from; None if it was something else."""
    frames: list[FrameType] = []
    for frame, _ in walk_tb(traceback):
        frames = [*frames, frame] if is_ours(frame) else []
    if called := [f for f in frames if f.f_code.co_name == "__call__" and isinstance(f.f_locals.get("self"), Layer)]:
        return _of_layer(called)
    # Wrappers that name the arguments or compute in float32 are not the function itself.
    frames = [f for f in frames if f.f_globals is not vars(arguments) and f.f_code.co_name != "composite"]
    if not frames or frames[0].f_globals is not vars(library):
        return None
    name = frames[0].f_code.co_name
    return _refusal(name, EqualShapes if name == "mse" else Named, _held(frames[0]))


def _of_layer(called: list[FrameType]) -> Refusal | None:
    """The refusal of a layer. If its input does not fit its weight, it is that of the product."""
    outer, layer = called[0].f_locals["self"], called[-1].f_locals["self"]
    name = next((name for name, part in outer.named_layers().items() if part is layer), "")
    title = f"{name}: {type(layer).__name__}".removeprefix(": ")
    held = _held(called[-1])
    linear = next((part for part in (layer, getattr(layer, "base", None)) if isinstance(part, Linear)), None)
    if held and linear is not None:
        argument, weight = next(iter(held.values())), linear.weight
        x = _node(argument)
        if x.ndim and x.shape[-1] != weight.shape[0]:
            rows = ops.reshape(x, shape=(1, -1)) if x.ndim == 1 else x
            return Refusal(title, ops.matmul, (rows, weight), (argument, weight))
    return _refusal(title, Named, held)


def _refusal(title: str, kind: type[Named], held: dict[str, Any]) -> Refusal | None:
    values = tuple(held.values())
    return Refusal(title, kind(title, [*held]), tuple(map(_node, values)), values) if held else None


def _held(frame: FrameType) -> dict[str, Any]:
    """The arguments of a call that are nodes or arrays, by name."""
    arguments = {name: frame.f_locals.get(name) for name in frame.f_code.co_varnames[: frame.f_code.co_argcount]}
    return {name: x for name, x in arguments.items() if isinstance(x, ComputationNode) or _has_numbers(x)}


def _has_numbers(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.kind in "fiub"


def _node(x: Any) -> ComputationNode:
    return x if isinstance(x, ComputationNode) else constant(x)
