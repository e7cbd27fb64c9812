"""Where a training step keeps what it changes: parameters side by side in one vector, so that one update does for all.

A node's value is then a view of its part of the vector. Whoever gives a node another value need not know: the step
takes it over before it runs.
"""

from collections.abc import Sequence
from functools import partial
from itertools import accumulate
from typing import Any

import numpy as np

from ..core import ops
from ..core.node import PARAMETER, ComputationNode, tick
from ..errors import CompileError, ShapeError

Nodes = Sequence[ComputationNode]
CACHE_LINE = 64  # bytes


class Flat:
    """The values of some nodes of one dtype, one after another in one vector.

    `memory` is the vector, `leaf` a parameter that stands for it in a graph, `views` the part of each of the `nodes`.
    Their arrays are read-only: they change only when a program writes into `memory`, which it is given as `inside`.
    """

    def __init__(self, nodes: Nodes, name: str) -> None:
        self.nodes = list(nodes)
        size = sum(node.size for node in nodes) * nodes[0].dtype.itemsize
        # From the start of a cache line on: else every other write would go to two of them.
        room = np.empty(size + CACHE_LINE, np.uint8)
        self.memory = room[-room.ctypes.data % CACHE_LINE :][:size].view(nodes[0].dtype)
        whole = self.memory.view()
        whole.setflags(write=False)
        leaf = partial(ComputationNode, PARAMETER, (), {}, whole.shape, whole.dtype, False)
        self.leaf, self.inside = leaf(whole, name), leaf(self.memory, name)
        ends = list(accumulate(node.size for node in nodes))
        self.parts = [slice(end - node.size, end) for node, end in zip(nodes, ends, strict=True)]
        self.views = [whole[part].reshape(node.shape) for node, part in zip(nodes, self.parts, strict=True)]

    def take_over(self) -> None:
        """Copy the values that nodes got from elsewhere, and put the views in their place."""
        for node, view, part in zip(self.nodes, self.views, self.parts, strict=True):
            if node._value is not view:
                self.memory[part] = node._value.reshape(-1)
                node._value = view
                PARAMETER.changed = tick()  # for another step that kept this node in a vector of its own


class Storage:
    """The memory of an optimizer's parameters and state.

    If its rule is elementwise: for each dtype one vector of parameters, and one of each slot of the state. `flats`
    lists them, and `single` the nodes that stay alone. Any other rule runs once a parameter, and all nodes are single.
    """

    def __init__(self, optimizer: Any) -> None:
        self.optimizer = optimizer
        self.groups = _groups(optimizer) if optimizer.elementwise else []
        columns = [("parameters", optimizer.parameters), *((_slot_name(slot), slot) for slot in optimizer.slots)]
        self.flats = [
            Flat([nodes[i] for i in group], f"{what}_{nodes[group[0]].dtype}" if len(self.groups) > 1 else what)
            for what, nodes in columns
            for group in self.groups
        ]
        self.single = [*optimizer.numbers] if self.groups else [*optimizer.parameters, *optimizer.state]
        self._seen = -1

    def update(self, gradients: Nodes) -> list[ComputationNode]:
        """The graph of the optimizer's step: the new contents of each of `flats`, then of each of `single`."""
        optimizer, n = self.optimizer, len(self.groups)
        if n:
            leaves = [flat.leaf for flat in self.flats]
            gradients = [_joined([gradients[i] for i in group]) for group in self.groups]
            old, state = leaves[:n], [*leaves[n:], *self.single]
        else:
            old, state = optimizer.parameters, optimizer.state
        new = [*old, *state]
        parameters, remembered = optimizer.update(old, optimizer.clip(gradients), state, optimizer.rate)
        if len(parameters) != len(old) or len(remembered) != len(state):
            sizes = f"{len(parameters)} parameters and {len(remembered)} arrays of state"
            raise ShapeError(f"update() gave {sizes}; it was given {len(old)} and {len(state)}")
        return [_fitting(node, result) for node, result in zip(new, [*parameters, *remembered], strict=True)]

    def take_over(self) -> None:
        """Make every value that was assigned since the last step part of its vector."""
        while PARAMETER.changed != self._seen:  # once more after something was taken over: that moves the clock too
            self._seen = PARAMETER.changed
            for flat in self.flats:
                flat.take_over()

    def write(self, arrays: Sequence[Any]) -> None:
        """Put the results of `update` in the place of the old values, where the program did not write them itself.

        The parameters are then younger than what was computed from them, as after an assignment: that is stale now.
        """
        i = len(arrays) - len(self.single)
        if i:
            for flat, array in zip(self.flats, arrays[:i], strict=True):
                np.copyto(flat.memory, array)
        for node in self.single:
            node._value = arrays[i]
            i += 1
        now = tick()
        for p in self.optimizer.parameters:
            p.created = now
        self._seen = now if PARAMETER.changed == self._seen else -1  # -1: another thread assigned something meanwhile
        PARAMETER.changed = now


def _groups(optimizer: Any) -> list[list[int]]:
    """Which parameters can be joined: those of the same dtype, whose state has the same dtypes too."""
    shapes = [p.shape for p in optimizer.parameters]
    of_slots = [[node.shape for node in slot] for slot in optimizer.slots]
    if any(own != shapes for own in of_slots) or any(node.shape for node in optimizer.numbers):
        needs = "a list of arrays in the shapes of the parameters, and each of its numbers a number"
        name = type(optimizer).__name__
        raise CompileError(f"{name} says that its rule is elementwise: then each of its slots must be {needs}")
    groups: dict[Any, list[int]] = {}
    for i, nodes in enumerate(zip(optimizer.parameters, *optimizer.slots, strict=True)):
        groups.setdefault(tuple(node.dtype for node in nodes), []).append(i)
    return list(groups.values())


def _joined(nodes: Nodes) -> ComputationNode:
    """Nodes of a graph as one vector."""
    vectors = [ops.reshape(node, shape=(-1,)) for node in nodes]
    return ops.concatenate(*vectors, axis=0) if len(vectors) > 1 else vectors[0]


def _slot_name(slot: Nodes) -> str:
    """The first part of the names of the arrays in it: "mean" for "mean_weight"."""
    return (slot[0].name or "state").partition("_")[0]


def _fitting(node: ComputationNode, new: Any) -> Any:
    """What takes the place of this node, in its dtype."""
    if new.shape != node.shape:
        raise ShapeError(f"update() gave {node.name or 'a parameter'} the shape {new.shape}; it has {node.shape}")
    return new if new.dtype == node.dtype else ops.cast(new, dtype=node.dtype)
