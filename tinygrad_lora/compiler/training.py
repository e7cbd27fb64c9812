"""A whole training step as one generated function: forward, loss, gradients and the optimizer's update."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .. import ops
from ..core.autodiff import gradients
from ..core.graph import Graph, topological_order
from ..core.node import ComputationNode
from ..errors import CompileError, GradientError
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
            if not set(optimizer.parameters) & set(topological_order([value])):
                raise GradientError("the loss depends on none of the optimizer's parameters: is it another model's?")
            slopes = gradients(value, optimizer.parameters)
            parameters, state = optimizer.update(optimizer.parameters, slopes, optimizer.state, optimizer.rate)
            return [value, *parameters, *state]

        for what, given in (("the model", model), ("the loss", loss), ("the optimizer's update", optimizer.update)):
            if not callable(given):
                raise CompileError(f"{what} must be a function of nodes, not {type(given).__name__}")
        super().__init__(training_step, passes)
        self.model, self.optimizer, self.dtype = model, optimizer, getattr(model, "dtype", None)
        self.structure = self._structure

    def _structure(self) -> Any:
        """What the graph depends on besides shapes: the model's layers, and the numbers given to the optimizer."""
        settings = [(k, repr(v)) for k, v in vars(self.optimizer).items() if isinstance(v, int | float | str | tuple)]
        return getattr(self.model, "graph_key", tuple)(), *settings

    def __call__(self, x: Any, target: Any) -> float:
        x, labels = np.asarray(x), np.asarray(target)
        if self.dtype is not None and x.dtype.kind == "f":
            x = x.astype(self.dtype, copy=False)  # as `forward` does: float32 stays float32
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
