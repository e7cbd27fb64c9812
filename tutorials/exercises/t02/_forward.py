"""Graphs for the exercises on running forward: the numbers are outside, and an order is a list of nodes."""

from collections.abc import Callable
from typing import Any

from tinygrad_lora.core.node import ComputationNode, placeholder
from tinygrad_lora.learn.authoring import Rng, refuse, topological_order

Order = list[ComputationNode]


def symbolic(output: ComputationNode) -> tuple[Order, dict[ComputationNode, Any]]:
    """The same graph with a placeholder for each leaf: its nodes in order, and the number of each placeholder."""
    new: dict[ComputationNode, ComputationNode] = {}
    inputs = {}
    for node in topological_order([output]):
        if node.parents:
            new[node] = node.op(*[new[p] for p in node.parents], **node.params)
            new[node].name = node.name
        else:
            new[node] = placeholder(node.shape, node.dtype, node.name)
            inputs[new[node]] = node.value
    return list(new.values()), inputs


def random_order(rng: Rng, nodes: Order) -> Order:
    """The nodes in another order that is valid: each time any of those that are ready."""
    order: Order = []
    while len(order) < len(nodes):
        ready = [n for n in nodes if n not in order and all(p in order for p in n.parents)]
        order.append(ready[int(rng.integers(len(ready)))])
    return order


def with_params(function: Callable[..., Any], *arguments: Any) -> Any:
    """What the student's function gives. It is told if it runs operations without their parameters."""
    try:
        return function(*arguments)
    except TypeError as error:
        if "keyword-only" not in str(error):
            raise
        raise refuse("forgot-params", f"an operation misses its fixed number: pass **node.params ({error})") from None


def in_words(order: Order) -> str:
    """The order in words: `x, multiply, tanh`."""
    words = [node.name or str(node.op) for node in order]
    return ", ".join(words[:6]) + (", ..." if len(words) > 6 else "")
