"""Remedies for shapes that do not fit. Each is tried on the operation's own shape rule before it is suggested."""

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any, NamedTuple

from ...core import Op, Shape, ops
from ...errors import ShapeError
from .refused import EqualShapes

SIGNS = {ops.matmul: "@", ops.add: "+", ops.subtract: "-", ops.multiply: "*", ops.divide: "/", ops.greater: ">"}
ORDINALS = ("first", "second", "third")


class Remedy(NamedTuple):
    """A change of operands or parameters, in words, and the shapes and parameters after it."""

    words: str
    shapes: tuple[Shape, ...]
    params: dict[str, Any]


def fix(op: Op, shapes: Sequence[Shape], params: dict[str, Any], vectors: Sequence[bool] = ()) -> str | None:
    """The first remedy that works, as in `transpose the second operand: (3, 4) @ (4, 2)`; None if none does.

    `vectors` says which operands were vectors before matmul reshaped them: they have no transpose.
    """
    for remedy in _remedies(op, tuple(shapes), params, tuple(vectors) or (False,) * len(shapes)):
        try:
            op.shape(*remedy.shapes, **remedy.params)
        except ShapeError:
            continue
        return f"{remedy.words}: {_call(op, remedy)}"
    return None


def _remedies(op: Op, shapes: tuple[Shape, ...], params: dict[str, Any], vectors: tuple[bool, ...]) -> Iterator[Remedy]:
    transposed = [s[:-2] + s[:-3:-1] if len(s) > 1 and not v else None for s, v in zip(shapes, vectors, strict=True)]
    last_first = range(len(shapes))[::-1]

    def with_one(i: int, shape: Shape) -> tuple[Shape, ...]:
        return (*shapes[:i], shape, *shapes[i + 1 :])

    if op is ops.reshape:
        wanted = params["shape"]
        for i in reversed(range(len(wanted))):
            rest = prod(wanted[:i] + wanted[i + 1 :])
            if rest and prod(shapes[0]) % rest == 0:
                shape = (*wanted[:i], prod(shapes[0]) // rest, *wanted[i + 1 :])
                yield Remedy(f"let axis {i} be what remains, -1", shapes, {"shape": shape})
        return
    if len(shapes) < 2:
        return
    if op.elementwise:
        for i in last_first:
            if len(shapes[i]) < max(map(len, shapes)):
                longer = (*shapes[i], 1)
                yield Remedy(f"reshape the {_place(i, shapes)} to {longer}", with_one(i, longer), params)
    for i in last_first:
        if (t := transposed[i]) is not None:
            yield Remedy(f"transpose the {_place(i, shapes)}", with_one(i, t), params)
    if op is ops.matmul and not any(vectors):  # a vector fits on either side, or on none
        yield Remedy("swap the operands", shapes[::-1], params)
        if transposed[0] is not None and transposed[1] is not None:
            yield Remedy("transpose both operands", (transposed[0], transposed[1]), params)
    if op is ops.concatenate and len({len(s) for s in shapes}) == 1:
        for axis in range(len(shapes[0])):
            yield Remedy(f"join them along axis {axis}", shapes, {"axis": axis})
    if op.elementwise:
        for i in last_first:
            for other in shapes:
                if prod(other) == prod(shapes[i]) and other != shapes[i]:
                    yield Remedy(f"reshape the {_place(i, shapes)} to {other}", with_one(i, other), params)


def _place(i: int, shapes: tuple[Shape, ...]) -> str:
    return f"{ORDINALS[i]} operand" if i < len(ORDINALS) else f"operand {i + 1} of {len(shapes)}"


def _call(op: Op, remedy: Remedy) -> str:
    if op in SIGNS:
        return f" {SIGNS[op]} ".join(map(str, remedy.shapes))
    arguments = [*map(str, remedy.shapes), *(f"{k}={v}" for k, v in remedy.params.items())]
    return f"{op}({', '.join(arguments)})"


def clashes(op: Op, shapes: Sequence[Shape], params: dict[str, Any]) -> set[tuple[int, int]]:
    """The axes that do not fit, as pairs: the position of an operand, and its axis counted from the end, as in -1."""
    if op is ops.matmul and len(shapes[0]) > 1 < len(shapes[1]):
        return {(0, -1), (1, -2)} if shapes[0][-1] != shapes[1][-2] else _unequal(shapes, start=-3)
    if op is ops.concatenate:
        return {(i, k) for i, k in _unequal(shapes, ones=False) if len(shapes[i]) + k != params["axis"]}
    return _unequal(shapes, ones=not isinstance(op, EqualShapes)) if len(shapes) > 1 else set()


def _unequal(shapes: Sequence[Shape], start: int = -1, ones: bool = True) -> set[tuple[int, int]]:
    clashing = set()
    for k in range(start, -max(map(len, shapes)) - 1, -1):
        sizes = {i: s[k] for i, s in enumerate(shapes) if len(s) >= -k}
        if len({n for n in sizes.values() if n != 1 or not ones}) > 1:
            clashing |= {(i, k) for i, n in sizes.items() if n != 1 or not ones}
    return clashing
