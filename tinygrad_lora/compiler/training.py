"""A whole training step as one generated function: forward, loss, gradients and the optimizer's update."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .. import ops
from ..core.autodiff import gradients
from ..core.graph import Graph
from ..core.node import ComputationNode
from .compiled import CompiledFunction
from .pipeline import DEFAULT, Pass


class TrainingStep(CompiledFunction):
    """`step(x, target)` runs one compiled training step, gives its loss, and updates parameters and optimizer."""

    def __init__(
        self, model: Callable[[Any], Any], loss: Callable[[Any, Any], Any], optimizer: Any,
        passes: Sequence[Pass | tuple[Pass, ...]] = DEFAULT,
    ) -> None:  # fmt: skip
        def training_step(x: Any, target: Any) -> list[Any]:
            getattr(model, "before_change", lambda: None)()  # a merged adapter cannot be trained
            value = loss(model(x), target)
            slopes = gradients(value, optimizer.parameters)
            parameters, state = optimizer.update(optimizer.parameters, slopes, optimizer.state, optimizer.rate)
            return [value, *parameters, *state]

        super().__init__(training_step, passes)
        self.model, self.optimizer = model, optimizer
        self.structure = getattr(model, "graph_key", None)

    def __call__(self, x: Any, target: Any) -> float:
        labels = np.asarray(target)
        if labels.dtype.kind == "i" and labels.size and labels.min() < 0:
            self._refuse_negative_labels(x, labels)
        value, *updated = super().__call__(x, labels)
        for node, new in zip([*self.optimizer.parameters, *self.optimizer.state], updated, strict=True):
            node.value = new
        return float(value)

    def _refuse_negative_labels(self, x: Any, labels: Any) -> None:
        """NumPy counts a negative index from the end: as a label it would train another class without a word."""
        graph = self.prepare(x, labels).graph
        indices = [graph.inputs[1], *(n for n in graph.users[graph.inputs[1]] if n.op is ops.reshape)]
        if any(user.op is ops.take for node in indices for user in graph.users[node]):
            raise ValueError(f"label {labels.min()} is not a class: labels count from 0; leave samples without one out")

    def _names(self, graph: Graph) -> Mapping[ComputationNode, str]:
        """Parameters by their path in the model: the names of a layer repeat."""
        paths = dict(getattr(self.model, "named_parameters", dict)())
        by_parameter = {parameter: path for path, parameter in paths.items()}
        inputs = zip(graph.inputs[len(graph.inputs) - len(graph.captured) :], graph.captured, strict=True)
        return {node: by_parameter[p] for node, p in inputs if p in by_parameter}


def compile_training_step(
    model: Callable[[Any], Any],
    loss: Callable[[Any, Any], Any],
    optimizer: Any,
    *,
    passes: Sequence[Pass | tuple[Pass, ...]] = DEFAULT,
) -> TrainingStep:
    """One generated function for forward, loss, gradients and the optimizer's update; `step(x, target) -> float`.

    `loss(output, target)` gives a scalar node. The parameters that `optimizer` holds are the ones that train. A failed
    call changes nothing.
    """
    return TrainingStep(model, loss, optimizer, passes)
