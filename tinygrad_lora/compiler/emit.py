"""From a graph to readable NumPy: one line an operation, each with the operation, the shape and the user's own line."""

from __future__ import annotations

import ast
import builtins
import keyword
import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import NamedTuple

import numpy as np

from ..core.graph import Graph
from ..core.node import ComputationNode as Node
from .expressions import expression, literal
from .passes.fuse_elementwise import Fused
from .passes.patterns import is_constant

LONGEST_CODE = 72  # comments stand to the right of this column, or of the longest line below it
LONGEST_COMMENT = 40


class Emitted(NamedTuple):
    """Source text, and the variable in it that holds each node's value."""

    source: str
    variables: dict[Node, str]


def emit(graph: Graph, name: str, names: Mapping[Node, str] | None = None) -> Emitted:
    """The source of a function called `name` that computes the outputs of `graph` from its inputs.

    `names` gives variables their names where the nodes' own are not unique. The same graph gives the same text. Outputs
    never share memory with each other or with an input.
    """
    preludes = list(dict.fromkeys(node.op.prelude for node in graph.nodes if node.op.prelude))
    helpers = re.findall(r"^def (\w+)", "\n".join(preludes), re.MULTILINE)
    taken = {"np", name, *helpers, *dir(builtins), *keyword.kwlist}
    outputs = set(graph.outputs)
    variables: dict[Node, str] = {}
    operands: dict[Node, ast.expr] = {}
    constants: list[str] = []
    body: list[tuple[str, Node]] = []

    def define(node: Node, fallback: str) -> str:
        variables[node] = _free(_identifier((names or {}).get(node) or node.name or fallback), taken)
        operands[node] = ast.Name(variables[node])
        return variables[node]

    for i, node in enumerate(graph.inputs):
        define(node, f"x{i}")
    for node in graph.nodes:
        if node.parents:
            if node.op.view and len(graph.users[node]) == 1 and node not in outputs:
                operands[node] = expression(node, operands)  # a view used once stands where it is used
                continue
            code = ast.unparse(expression(node, operands))
            body.append((f"{define(node, f't{len(body)}')} = {code}", node))
        elif node not in variables:
            if node.shape == () and _is_weak(node, graph):
                operands[node] = literal(
                    node.value if node.dtype.kind == "f" and node.dtype != np.float64 else node.value.item()
                )
            else:
                constants.append(f"{define(node, f'c{len(constants)}')} = {_array_source(node.value)}")
    results = _results(graph, operands)
    lines = _commented(body) + [f"    return {', '.join(results)}"]
    arguments = ", ".join(variables[n] for n in graph.inputs)
    parts = [p.strip() + "\n" for p in preludes]
    parts += ["\n".join(constants) + "\n"] if constants else []
    parts.append("\n".join([_signature(name, arguments), *lines]) + "\n")
    return Emitted("\n\n".join(parts), variables)


def _signature(name: str, arguments: str) -> str:
    line = f"def {name}({arguments}):"
    if len(line) <= 100:
        return line
    rows, row = [], "   "
    for argument in arguments.split(", "):
        if len(row) + len(argument) > 96:
            rows.append(row)
            row = "   "
        row += f" {argument},"
    return "\n".join([f"def {name}(", *rows, row, "):"])


def _identifier(text: str) -> str:
    """A variable name as close to `text` as Python allows: "0.lora.A" becomes layer0_lora_A."""
    text = re.sub(r"\W+", "_", text).strip("_") or "x"
    return f"layer{text}" if text[0].isdigit() else text


def _free(name: str, taken: set[str]) -> str:
    """The name, or the name with a number, that is not taken yet; takes it."""
    candidate, n = name, 1
    while candidate in taken:
        n += 1
        candidate = f"{name}_{n}"
    taken.add(candidate)
    return candidate


def _commented(body: list[tuple[str, Node]]) -> list[str]:
    """Lines of code with what they compute, for which shape, and where the user wrote it."""
    code_width = min(LONGEST_CODE, max((len(code) for code, _ in body), default=0))
    told = [" ".join(str(p.op) for p in _parts(node)) + f" {node.shape}" for _, node in body]
    told_width = min(LONGEST_COMMENT, max(map(len, told), default=0))
    lines = []
    for (code, node), what in zip(body, told, strict=True):
        where = f"{PurePath(node.origin[0]).name}:{node.origin[1]}" if node.origin else ""
        lines.append(f"    {code:<{code_width}}  # {what:<{told_width}}  {where}".rstrip())
    return lines


def _parts(node: Node) -> list[Node]:
    return node.op.parts if isinstance(node.op, Fused) else [node]


def _is_weak(constant: Node, graph: Graph) -> bool:
    """Whether a Python number in the place of this constant gives every operation that uses it the same dtype."""
    if constant.dtype.kind not in "fi" or constant in graph.outputs:
        return False
    weak = 0.0 if constant.dtype.kind == "f" else 0
    for part in (part for user in graph.users[constant] for part in _parts(user) if constant in part.parents):
        # Constants beside it may become Python numbers as well: then they have no say.
        others = [p.dtype for p in part.parents if p.shape or not is_constant(p)]
        if not part.op.elementwise or not others:
            return False
        if np.result_type(*others, weak) != np.result_type(*others, constant.dtype):
            return False
    return True


def _array_source(array: np.ndarray | np.generic) -> str:
    """An expression that gives exactly this array."""
    array = np.asarray(array)
    dtype = f"dtype=np.{array.dtype.name}" if array.dtype.kind != "b" else "dtype=bool"
    if array.size > 2 and array.ndim == 1 and array.dtype.kind in "iu":
        start, step = int(array[0]), int(array[1]) - int(array[0])
        if step and np.array_equal(array, start + step * np.arange(array.size)):
            if (start, step) == (0, 1) and array.dtype == np.int64:
                return f"np.arange({array.size})"
            return f"np.arange({start}, {start + step * array.size}, {step}, {dtype})"
    first = array.reshape(-1)[:1]
    if array.size > 1 and array.tobytes() == first.tobytes() * array.size:  # bytes tell 0.0 from -0.0
        return f"np.full({array.shape}, {ast.unparse(literal(first[0].item()))}, {dtype})"
    numbers = ast.unparse(_nested(array.tolist()))
    return f"np.array({numbers}, {dtype})" + ("" if array.size else f".reshape({array.shape})")


def _nested(numbers: object) -> ast.expr:
    """Lists of numbers as source; nan and inf have no literal of their own."""
    return ast.List([_nested(n) for n in numbers], ast.Load()) if isinstance(numbers, list) else literal(numbers)


def _results(graph: Graph, operands: Mapping[Node, ast.expr]) -> list[str]:
    """The outputs, copied where they would share memory with an input or with another output."""
    given: set[Node] = set()
    results = []
    for node in graph.outputs:
        text = ast.unparse(operands[node])
        results.append(f"{text}.copy()" if node.op.view or node in given else text)
        given.add(node)
    return results
