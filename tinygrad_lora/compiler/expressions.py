"""The NumPy line of an operation with real operands in it, as a syntax tree: the compiler never pastes text."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
from functools import cache
from typing import Any

from ..core.node import ComputationNode, Op


def expression(node: ComputationNode, operands: Mapping[ComputationNode, ast.expr]) -> ast.expr:
    """`node.op.numpy` with the operands' expressions and the parameters' values put in."""
    values = {name: literal(value) for name, value in node.params.items()}
    parents = [operands[p] for p in node.parents]
    for name in _names(node.op):
        if name.startswith("*"):
            values[name[1:]] = ast.Tuple(parents, ast.Load())
            break
        values[name] = parents.pop(0)
    return _Substitute(values).visit(_parsed(node.op.numpy))


def literal(value: Any) -> ast.expr:
    """A parameter's value as source."""
    if isinstance(value, float) and not math.isfinite(value):
        name = "nan" if math.isnan(value) else "inf"
        number: ast.expr = ast.Attribute(ast.Name("np"), name)
        return ast.UnaryOp(ast.USub(), number) if value < 0 else number
    return _parsed(repr(value))


def names_in(text: str) -> set[str]:
    """The variables that an expression reads."""
    return {n.id for n in ast.walk(ast.parse(text, mode="eval")) if isinstance(n, ast.Name)}


@cache
def _names(op: Op) -> list[str]:
    return op.signature.split("*, ")[0].replace(" ", "").strip(",").split(",")


def _parsed(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


class _Substitute(ast.NodeTransformer):
    """Put expressions in the place of names."""

    def __init__(self, values: Mapping[str, ast.expr]) -> None:
        self.values = values

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self.values.get(node.id, node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Written as people write it: `x.sum(axis=(0,), keepdims=False)` is `x.sum(axis=0)`."""
        new = self.generic_visit(node)
        node.keywords = [k for k in node.keywords if (k.arg, ast.unparse(k.value)) != ("keepdims", "False")]
        for k in node.keywords:
            if k.arg == "axis" and isinstance(k.value, ast.Tuple) and len(k.value.elts) == 1:
                k.value = k.value.elts[0]
        return new

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        new = self.generic_visit(node)
        assert isinstance(new, ast.Subscript)
        new.slice = _as_slices(new.slice)
        return new


def _as_slices(key: ast.expr) -> ast.expr:
    """`x[slice(0, 4, None)]` is written `x[0:4]`."""
    if isinstance(key, ast.Tuple):
        return ast.Tuple([_as_slices(k) for k in key.elts], ast.Load())
    if isinstance(key, ast.Call) and isinstance(key.func, ast.Name) and key.func.id == "slice":
        parts = [None if isinstance(a, ast.Constant) and a.value is None else a for a in key.args]
        return ast.Slice(*parts)
    return key
