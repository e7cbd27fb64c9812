"""From a graph to plain NumPy: one expression a line, each with the operation, the shape and the user's own line."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ...core import ComputationNode as Node, Graph
from ...core.ops import where
from ..operations import Fused, FusedStep, gives_number, operations
from ..patterns import is_constant
from .expressions import Code, expression, literal, name as variable
from .lines import Names, Statement, array_source, commented, helpers_of, module, names_of, signature
from .literals import refuse_foreign


class Emitted(NamedTuple):
    """Source text, and the variable in it that holds each node's value."""

    source: str
    variables: dict[Node, str]


def emit(graph: Graph, name: str, names: Mapping[Node, str] | None = None) -> Emitted:
    """The source of a function called `name` that computes the outputs of `graph` from its inputs.

    `names` gives variables their names where the nodes' own are not unique. The same graph gives the same text. Outputs
    never share memory with each other or with an input. Raises CompileError for a node with something else than plain
    values in it.
    """
    refuse_foreign(graph)
    helpers = helpers_of(graph.nodes)
    variables = Names([name, *names_of(helpers)], names)
    outputs = set(graph.outputs)
    operands: dict[Node, Code] = {}
    constants: list[str] = []
    body: list[Statement] = []

    def define(node: Node, letter: str) -> str:
        operands[node] = variable(variables.define(node, letter))
        return operands[node].text

    for node in graph.inputs:
        define(node, "x")
    for node in graph.nodes:
        if node.parents:
            if node.op.view and len(graph.users[node]) == 1 and node not in outputs:
                operands[node] = expression(node, operands)  # a view used once stands where it is used
                continue
            code = expression(node, operands).text
            comment = " ".join(map(str, operations(node.op))) + f" {node.shape}"
            body.append(Statement(f"{define(node, 't')} = {code}", comment, node))
        elif node not in operands:
            if node.shape == () and is_weak(node, graph):
                operands[node] = number(node)
            else:
                constants.append(f"{define(node, 'c')} = {array_source(node.value)}")
    head = signature(name, (operands[n].text for n in graph.inputs))
    function = [head, *commented(body), f"    return {', '.join(_results(graph, operands))}"]
    return Emitted(module(*helpers, "\n".join(constants), "\n".join(function)), variables.variables)


def number(constant: Node) -> Code:
    """A constant without axes as source; float32 has digits of its own."""
    narrow = constant.dtype.kind == "f" and constant.dtype != np.float64
    return literal(constant.value if narrow else constant.value.item())


def is_weak(constant: Node, graph: Graph) -> bool:
    """Whether a Python number in the place of this constant gives every operation that uses it the same dtype."""
    if constant.dtype.kind not in "fi" or constant in graph.outputs:
        return False
    weak = 0.0 if constant.dtype.kind == "f" else 0
    for user in graph.users[constant]:
        if not user.op.elementwise:
            return False
        for others in _beside(user, constant):
            # Constants among them may become Python numbers as well, which have no say; or they may not.
            strong = [p.dtype for p in others if not isinstance(p, Node) or p.shape or not is_constant(p)]
            for dtypes in (strong, [p.dtype for p in others]):
                if not dtypes or np.result_type(*dtypes, weak) != np.result_type(*dtypes, constant.dtype):
                    return False
    return True


def _beside(user: Node, constant: Node) -> list[list[Node | FusedStep]]:
    """For each single operation of `user` that has this operand: the others that have a say in its dtype."""
    if not isinstance(user.op, Fused):
        return [[p for p in user.parents[user.op is where :] if p is not constant]]
    values: list[Node | FusedStep] = [*user.parents, *user.op.steps]
    others: list[list[Node | FusedStep]] = []
    for step in user.op.steps:
        if constant in (operands := [values[i] for i in step.operands]):
            others.append([value for value in operands[step.op is where :] if value is not constant])
    return others


def _results(graph: Graph, operands: Mapping[Node, Code]) -> list[str]:
    """The outputs: NumPy scalars, and arrays that share memory with no input and no other output."""
    returned: set[Node] = set()
    results = []
    for node in graph.outputs:
        text = operands[node].text
        if node.shape == ():
            text += "" if gives_number(node) else "[()]"
        elif node.op.view or node in returned:
            text += ".copy()"
        results.append(text)
        returned.add(node)
    return results
