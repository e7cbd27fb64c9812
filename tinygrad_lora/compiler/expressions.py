"""The NumPy line of an operation with real operands in it, as a syntax tree: the compiler never pastes text."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any

import numpy as np

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
    filled: ast.expr = _filled(_parsed(node.op.numpy), values)
    return filled


def literal(value: Any) -> ast.expr:
    """A parameter's value as source."""
    if isinstance(value, float | np.floating) and not np.isfinite(value):
        name = "nan" if np.isnan(value) else "inf"
        number: ast.expr = ast.Attribute(ast.Name("np"), name)
        return ast.UnaryOp(ast.USub(), number) if value < 0 else number
    if isinstance(value, np.float32 | np.float16):
        return _parsed(str(value))  # fewer digits than float64 needs, and the same number again as float32
    if isinstance(value, tuple) and any(isinstance(k, slice) for k in value):
        return ast.Subscript(_parsed("np.s_"), ast.Tuple([_key_part(k) for k in value]))
    return _parsed(repr(value))


def _key_part(part: Any) -> ast.expr:
    """One part of an index: a number, a slice, None or the ellipsis."""
    if isinstance(part, slice):
        return ast.Slice(*(None if n is None else literal(n) for n in (part.start, part.stop, part.step)))
    return ast.Constant(part)


def names_in(tree: ast.expr) -> set[str]:
    """The variables that an expression reads."""
    return {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}


@cache
def _names(op: Op) -> list[str]:
    return op.signature.split("*, ")[0].replace(" ", "").strip(",").split(",")


@lru_cache(maxsize=4096)
def _parsed(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _filled(node: Any, values: Mapping[str, ast.expr]) -> Any:
    """A copy of the tree with expressions in the place of names."""
    if isinstance(node, ast.Name):
        return values.get(node.id, node)
    if isinstance(node, list):
        return [_filled(n, values) for n in node]
    if not isinstance(node, ast.AST):
        return node
    new = type(node)(**{name: _filled(value, values) for name, value in ast.iter_fields(node)})
    if isinstance(new, ast.Call):
        _tidy_call(new)
    elif isinstance(new, ast.Subscript):
        _tidy_index(new)
    return new


def _tidy_call(call: ast.Call) -> None:
    """As people write it: `x.sum(axis=(0,), keepdims=False)` becomes `x.sum(axis=0)`."""
    call.keywords = [k for k in call.keywords if (k.arg, ast.unparse(k.value)) != ("keepdims", "False")]
    for k in call.keywords:
        if k.arg == "axis" and isinstance(k.value, ast.Tuple) and len(k.value.elts) == 1:
            k.value = k.value.elts[0]


def _tidy_index(index: ast.Subscript) -> None:
    """As people write it: `x[np.s_[:, 0:2]]` becomes `x[:, 0:2]`, and `x[i,]` becomes `x[i]`."""
    if isinstance(index.slice, ast.Subscript) and ast.unparse(index.slice.value) == "np.s_":
        index.slice = index.slice.slice
    if isinstance(index.slice, ast.Tuple) and len(index.slice.elts) == 1:
        index.slice = index.slice.elts[0]
