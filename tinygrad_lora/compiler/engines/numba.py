"""`engine="numba"`: the graph as loops over single elements, which numba translates to machine code.

The loops are plain Python, and run as they are, only slowly. Two functions that they call get a translation of their
own: a sum that may be added up in any order, and a maximum that is one vector instruction. A call that ends with an
error, such as an index out of bounds, does not give its arrays back to the system: numba cannot.
"""

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from pathlib import PurePath
from types import FunctionType
from typing import Any

import numpy as np

from ...core import Graph
from ...core.node import ComputationNode as Node, Op, placeholder
from ...core.source import function_from_source
from ...errors import CompileError
from ...errors.install import with_extra
from ..text.plain import Emitted
from .loops.alone import LOOPS
from .loops.kernels import loops, opened
from .loops.program import written_as_loops
from .loops.scalars import reserved

WORDS = [*reserved(), "max"]  # what its programs call, and no others do
REMEDY = 'compile with engine="numpy"'


def build(graph: Graph, name: str, names: Mapping[Node, str] | None = None) -> tuple[Emitted, Callable[..., Any]]:
    """The program of a graph as loops, and as a function: translated for exactly its shapes and dtypes.

    Raises CompileError where numba is not installed, and for an operation or a dtype that it cannot translate.
    """
    numba = _library("numba")
    _library("scipy")  # numba finds BLAS there
    if others := [node for node in opened(graph)[0].nodes if not has_dtype(node)]:
        place = f"{_label(others[0])} has it: cast to float32 first"
        raise CompileError(f'engine="numba" has no {others[0].dtype}, and {place}, or {REMEDY}')
    emitted = written_as_loops(graph, name, names)
    try:
        compiled = _translated(numba, emitted.source, name, graph)
    except numba.core.errors.NumbaError as error:
        places = ", ".join(map(_label, _untranslatable(numba, graph)))
        raise CompileError(f'engine="numba" cannot translate {places or "this program"}: {REMEDY}') from error
    return emitted, _running(compiled, graph)


def has_dtype(node: Node) -> bool:
    """Whether numba has the dtype of a node."""
    return node.dtype.name in ("float32", "float64") or node.dtype.kind in "iub"


def _library(module: str) -> Any:
    """An outside library. Raises CompileError that says how to get it where it is not installed."""
    try:
        return import_module(module)
    except ImportError:
        reason = f'engine="numba" needs the library {module.partition(".")[0]}, which is not installed'
        raise CompileError(f'{reason}: {with_extra("speed")}, or use engine="numpy"') from None


def _translated(numba: Any, source: str, name: str, graph: Graph) -> Any:
    """Machine code for the inputs of the graph. Raises NumbaError."""
    function = function_from_source(name, source)
    scope = function.__globals__
    for helper in [text for text, value in scope.items() if type(value) is FunctionType and text != name]:
        scope[helper] = _instructions().get(helper) or numba.njit(error_model="numpy")(scope[helper])
    return numba.njit([tuple([_type(numba, node) for node in graph.inputs])], error_model="numpy")(function)


def _untranslatable(numba: Any, graph: Graph) -> list[Node]:
    """The first operation that cannot be translated by itself, if there is one. Operations without loops come first."""
    plain, _ = opened(graph, products=True)
    single = {(node.op, *(p.dtype for p in node.parents)): node for node in plain.nodes[::-1] if node.parents}
    for node in sorted(single.values(), key=lambda n: loops(n) or n.op in LOOPS):
        operands = {p: placeholder(p.shape, p.dtype) for p in node.parents}
        alone = Op.__call__(node.op, *map(operands.__getitem__, node.parents), **node.params)
        part = Graph(list(operands.values()), [alone])
        try:
            _translated(numba, written_as_loops(part, "alone").source, "alone", part)
        except numba.core.errors.NumbaError:
            return [node]
    return []


def _label(node: Node) -> str:
    """An operation, with the line of the user's code that it comes from; or an input."""
    where = f", {PurePath(node.origin[0]).name} line {node.origin[1]}" if node.origin else ""
    what = f"the operation {node.op}" if node.parents else f"the {node.op} {node.name or ''}".rstrip()
    return f"{what} {node.shape}{where}"


def _type(numba: Any, node: Node) -> Any:
    """The type of an input: an array in rows that is never written to, or a number."""
    dtype = numba.from_dtype(node.dtype)
    return numba.types.Array(dtype, node.ndim, "C", readonly=True) if node.shape else dtype


def _running(compiled: Callable[..., Any], graph: Graph) -> Callable[..., Any]:
    """The translated function, for arrays of any layout; its numbers as NumPy scalars."""
    kinds: list[Any] = [None if node.shape else node.dtype.type for node in graph.outputs]

    def run(*arrays: Any) -> Any:
        try:
            results = compiled(*arrays)
        except TypeError:  # an array that is not in rows, or one without axes
            results = compiled(*(np.require(x, requirements=("C", "A"))[()] for x in arrays))
        if not any(kinds):
            return results
        if len(kinds) == 1:
            return kinds[0](results)
        return tuple(y if kind is None else kind(y) for y, kind in zip(results, kinds, strict=True))

    return run


@cache
def _instructions() -> dict[str, Any]:
    """The helpers that are an instruction of the processor rather than a translation of their source."""
    numba, llvm = _library("numba"), _library("llvmlite.ir")

    def larger(context: Any, a: Any, b: Any) -> Any:
        def generated(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            kind = arguments[0].type
            function = llvm.FunctionType(kind, [kind, kind])
            return builder.call(builder.module.declare_intrinsic("llvm.maximum", [kind], function), arguments)

        return a(a, b), generated

    def plus(a: Any, b: Any) -> Any:
        return a + b

    return {"larger": numba.extending.intrinsic(larger), "plus": numba.njit(fastmath={"reassoc", "nsz"})(plus)}
