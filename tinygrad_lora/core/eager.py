"""The fast path, read last: an operation without parameters, called on nodes with values, and its way back.

Most calls are such calls, and written out they take half the time. Without this file the engine does the same, more
slowly.
"""

import re
from functools import cache, partial
from inspect import Parameter, Signature
from typing import Any

from ..boundary.arguments import MISSING
from .node import NO_PARAMS, ComputationNode, Op, tick
from .source import function_from_source

# The text of such a call. Errors are left to `Op.__call__`, which says what is wrong; anything else to what the class
# itself calls.
FAST = """
def {name}(self, {parameters}, *surplus):
    if {known}{condition} and not surplus:
        try:
            value = {numpy}
        except (ValueError, TypeError, AttributeError):
            return Op.__call__(self, {operands})
        node = new(ComputationNode)
        node.op, node.parents, node.params = self, ({operands},), NO_PARAMS
        node._value, node._shape, node._dtype = value, {shape}, value.dtype
        node.requires_gradient, node.created = {requires_gradient}, tick()
        node.name = node.origin = node.call = node._gradient = None
        return node
    return {otherwise}
"""


@cache
def pullback_of(n: int) -> Any:
    """`Op.pullback` for n parents, written out."""
    values = ", ".join(f"p[{i}]._value" for i in range(n))
    source = f"def pullback(self, g, node):\n    p = node.parents\n    return self.vjp(g, node._value, {values})\n"
    return function_from_source("pullback", source)


def accelerate(cls: type[Op]) -> None:
    """Give an operation without parameters its fast call, and its fast way back."""
    operands = cls.signature.split(", ")
    first, values = operands[0], partial(re.sub, rf"\b({'|'.join(operands)})\b", r"\1_value")
    known = [f"type({x}) is ComputationNode and ({x}_value := {x}._value) is not None" for x in operands]
    trainable = [f"{x}.requires_gradient" for x in operands]
    otherwise = f"otherwise(self, {', '.join(operands)}, *surplus)"
    if len(operands) == 1:
        otherwise = f"self.forward({first}) if type({first}) is np.ndarray and not surplus else {otherwise}"
    source = FAST.format(
        name=cls.name, numpy=values(cls.numpy), condition=values(cls.fast_where and f" and {cls.fast_where}"),
        operands=", ".join(operands), parameters=", ".join(f"{x}=MISSING" for x in operands), known=" and ".join(known),
        shape=f"{first}._shape" if len(operands) == 1 and cls.elementwise else "value.shape", otherwise=otherwise,
        requires_gradient=" or ".join(trainable) if cls.differentiable else "False",
    )  # fmt: skip
    call = function_from_source(
        cls.name, source, Op=Op, ComputationNode=ComputationNode, new=object.__new__, tick=tick, MISSING=MISSING,
        NO_PARAMS=NO_PARAMS, otherwise=cls.__call__,
    )  # fmt: skip
    call.__qualname__ = f"write {cls.name}({cls.signature}); {cls.name}"  # what Python's own refusals open with
    call.__signature__ = Signature([Parameter(x, Parameter.POSITIONAL_OR_KEYWORD) for x in ["self", *operands]])
    cls.apply = cls.__call__ = call  # type: ignore[method-assign]
    cls.pullback = pullback_of(len(operands))  # type: ignore[method-assign]


Op.accelerate = accelerate
