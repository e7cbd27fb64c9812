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


def with_params(function: Callable[..., Any], *arguments: Any, leaves: str) -> Any:
    """What the student's function gives. It is told if it runs operations without their parameters, or leaves.

    `leaves` says what to do with those.
    """
    try:
        return function(*arguments)
    except Exception as error:
        text = str(error)
        if "keyword-only" in text:
            sentence = f"an operation misses its fixed number: pass **node.params ({text})"
            raise refuse("forgot-params", sentence) from None
        if "'Leaf' object has no attribute 'forward'" in text or "parameter has no gradient rule" in text:
            sentence = f"your code runs a leaf, as if it were an operation: only nodes with parents are; {leaves}"
            raise refuse("leaf-run", sentence) from None
        raise


def in_words(order: Order) -> str:
    """The order in words: `x, multiply, tanh`."""
    words = [node.name or str(node.op) for node in order]
    return ", ".join(words[:6]) + (", ..." if len(words) > 6 else "")
