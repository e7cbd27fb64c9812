"""The NumPy line of an operation with real operands in it. Brackets are put by `ast.unparse`, and asked for only once.

To parse and print a tree for each line of a program would be simple and slow. So the line of an operation is split once
into text and holes, and a hole learns once what it needs around an operand of each kind. After that text is joined.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from math import isfinite, isnan
from typing import Any, NamedTuple

import numpy as np

from ...core import ComputationNode, Op
from ...errors import CompileError
from .literals import PLAIN, is_plain, kind_of


class Code(NamedTuple):
    """The source of an expression, and its outermost syntax by the name `ast` has for it: Name, Call, Add, USub, ..."""

    text: str
    level: str


def name(text: str) -> Code:
    """A variable."""
    return Code(text, "Name")


X = name("x0")
FLOATS = frozenset({float, np.float16, np.float32, np.longdouble})
OTHER_NUMBERS = frozenset({complex, np.longdouble})  # NumPy's own, which write themselves


def literal(value: Any) -> Code:
    """A parameter's or a constant's value as source. Raises CompileError for what is not exactly of a plain type."""
    kind = type(value)
    if kind is int or (kind is float and isfinite(value)):  # the frequent cases
        text = repr(value)
        return Code(text, "USub" if text[0] == "-" else "Constant")
    if kind in FLOATS and not isfinite(value):
        number = "np.nan" if isnan(value) else "np.inf"
        return Code(f"-{number}", "USub") if value < 0 else Code(number, "Attribute")
    if kind is np.float32 or kind is np.float16:
        return _printed(str(value))  # fewer digits than float64 needs, and the same number again as float32
    if kind not in OTHER_NUMBERS and not is_plain(value):
        raise CompileError(f"a value {kind_of(value)} cannot be written as source: only {PLAIN} are")
    if kind is tuple:
        inside = f"{_key(value)}{',' if len(value) == 1 else ''}"
        sliced = any(isinstance(part, slice) for part in value)
        return Code(f"np.s_[{inside}]", "Subscript") if sliced else Code(f"({inside})", "Tuple")
    return _printed(repr(value))


@lru_cache(maxsize=4096)
def _printed(text: str) -> Code:
    """An expression as `ast.unparse` writes it."""
    tree = _parsed(text)
    return Code(ast.unparse(tree), _level(tree))


def _parsed(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _level(tree: ast.expr) -> str:
    return type(getattr(tree, "op", tree)).__name__


def _key(parts: tuple[Any, ...]) -> str:
    """What stands between the brackets of a tuple or an index, as people write it: `:, 0:2, ...`."""
    return ", ".join(_slice(x) if isinstance(x, slice) else "..." if x is ... else literal(x).text for x in parts)


def _slice(part: slice) -> str:
    start, stop, step = ("" if n is None else literal(n).text for n in (part.start, part.stop, part.step))
    return f"{start}:{stop}:{step}" if step else f"{start}:{stop}"


def expression(node: ComputationNode, operands: Mapping[ComputationNode, Code]) -> Code:
    """`node.op.numpy` with the operands' code and the parameters' values put in."""
    return written(node.op, node.params, [operands[p] for p in node.parents])


def written(op: Op, params: Mapping[str, Any], operands: Sequence[Code]) -> Code:
    """The line of an operation on these operands. The steps of a fused operation are written into each other."""
    steps = getattr(op, "steps", None)
    if steps is None:
        return template_of(op, params).filled(operands, params)
    values = list(operands)
    for step in steps:
        values.append(template_of(step.op, step.params).filled([values[i] for i in step.operands], step.params))
    return values[-1]


def template_of(op: Op, params: Mapping[str, Any]) -> Template:
    """The line of an operation. A flag among its parameters is part of it: `keepdims=False` is left out."""
    return _template(op, tuple(item for item in params.items() if type(item[1]) is bool) if params else ())


@cache
def _template(op: Op, flags: tuple[tuple[str, bool], ...]) -> Template:
    return Template(op, dict(flags))


class Hole(NamedTuple):
    """A place in a line that waits for an operand, for all operands from one on ("operands"), or for a parameter."""

    waits_for: str
    operand: int
    parameter: str
    place: str  # "axis" after `axis=`, "index" between square brackets, else ""
    around: dict[str, str]  # by the level of what goes in: "%s", or "(%s)" where that needs brackets

    def code(self, operands: Sequence[Code], params: Mapping[str, Any]) -> Code:
        """What goes in, if it is not a single operand."""
        if self.waits_for == "operands":
            texts = [x.text for x in operands[self.operand :]]
            return self._tuple(", ".join(texts), len(texts))
        value = params[self.parameter]
        if self.place == "index" and type(value) is tuple:
            return self._tuple(_key(value), len(value))
        return literal(value[0] if self.place == "axis" and type(value) is tuple and len(value) == 1 else value)

    def _tuple(self, inside: str, n: int) -> Code:
        if self.place == "index" and n:  # `x[i]`: without brackets, and without the comma of a single element
            return Code(inside, "")
        return Code(f"({inside},)" if n == 1 else f"({inside})", "Tuple")


class Template:
    """The NumPy line of an operation as text with holes."""

    def __init__(self, op: Op, flags: Mapping[str, bool]) -> None:
        cutter = _HoleCutter(op.signature, flags)
        self.tree = cutter.visit(_parsed(op.numpy))
        self.level = _level(self.tree)
        parts = re.split(r"(hole\d+_)", ast.unparse(self.tree))
        self.plain: Code | None = None
        self.form = "%s".join(text.replace("%", "%%") for text in parts[::2])
        self.names = parts[1::2]
        self.holes = [cutter.holes[name] for name in self.names]
        numbers = [hole.operand if hole.waits_for == "operand" else -1 for hole in self.holes]
        self.single = {n: i for i, n in enumerate(numbers) if n >= 0 and numbers.count(n) == 1}

    def filled(self, operands: Sequence[Code], params: Mapping[str, Any]) -> Code:
        """The line with these operands and parameters."""
        codes = [operands[h.operand] if h.waits_for == "operand" else h.code(operands, params) for h in self.holes]
        if self.form == "%s":
            return codes[0]
        return Code(self.form % tuple([self.put(i, code) for i, code in enumerate(codes)]), self.level)

    def alone(self, n: int, params: Mapping[str, Any]) -> Code:
        """The line on n operands that are variables with names of two characters."""
        if self.plain is None or params:
            self.plain = self.filled([X] * n, params)
        return self.plain

    def put(self, i: int, code: Code) -> str:
        """The code as it stands in hole number i: in brackets, if it needs them there."""
        around = self.holes[i].around
        level = "int" if code.text.isdigit() else code.level
        if level not in around:
            around[level] = self._learned(i, code) if level else "%s"
        return around[level] % code.text

    def _learned(self, i: int, code: Code) -> str:
        """What `ast.unparse` writes around an operand like this."""
        operand = _parsed(code.text)
        text = ast.unparse(_HoleFiller(self.names[i], operand).visit(copy.deepcopy(self.tree)))
        for way in ("%s", "(%s)", "%s "):  # the last is how a method of a whole number is written: `2 .sum()`
            names = list(self.names)
            names[i] = way % ast.unparse(operand)
            if self.form % tuple(names) == text:
                return way
        raise AssertionError(f"{text} is not {self.form} with {code.text}")


class _HoleCutter(ast.NodeTransformer):
    """Puts holes in the place of operands and parameters, and writes the rest as people do."""

    def __init__(self, signature: str, flags: Mapping[str, bool]) -> None:
        before, _, after = signature.replace(" ", "").partition("*")
        starred, *parameters = after.split(",")
        self.waiting = {name: ("operand", i) for i, name in enumerate(filter(None, before.split(",")))}
        self.waiting |= {starred: ("operands", len(self.waiting))} if starred else {}
        self.waiting |= {name: ("parameter", -1) for name in parameters if name not in flags}
        self.flags, self.holes = flags, dict[str, Hole]()

    def visit_Name(self, tree: ast.Name, place: str = "") -> ast.expr:
        if tree.id in self.flags:
            return ast.Constant(self.flags[tree.id])
        if tree.id not in self.waiting:
            return tree
        waits_for, operand = self.waiting[tree.id]
        hole = f"hole{len(self.holes)}_"
        self.holes[hole] = Hole(waits_for, operand, tree.id, place, {})
        return ast.Name(hole)

    def visit_keyword(self, tree: ast.keyword) -> ast.keyword | None:
        tree.value = self._in_place(tree.value, "axis" if tree.arg == "axis" else "")
        return None if tree.arg == "keepdims" and ast.unparse(tree.value) == "False" else tree

    def visit_Subscript(self, tree: ast.Subscript) -> ast.Subscript:
        tree.value, tree.slice = self.visit(tree.value), self._in_place(tree.slice, "index")
        return tree

    def _in_place(self, tree: ast.expr, place: str) -> Any:
        return self.visit_Name(tree, place) if isinstance(tree, ast.Name) else self.visit(tree)


class _HoleFiller(ast.NodeTransformer):
    """Puts an expression in the place of a name."""

    def __init__(self, name: str, tree: ast.expr) -> None:
        self.name, self.tree = name, tree

    def visit_Name(self, tree: ast.Name) -> ast.expr:
        return self.tree if tree.id == self.name else tree
