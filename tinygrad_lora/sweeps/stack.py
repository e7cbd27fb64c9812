"""Adapters of one kind, side by side over one base: A (n, in, r) and B (n, r, out)."""

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..compiler import TrainingStep
from ..core import ops
from ..core.node import PARAMETER, ComputationNode, parameter, placeholder
from ..core.trace import trace
from ..errors import SweepError
from ..nn.adapters.lora import LoRALayer
from ..nn.adapters.lora_embedding import LoRAEmbeddingLayer
from ..nn.adapters.model.adapt import adapt
from ..nn.layer import Layer
from ..nn.schedules import Schedule
from .optimizer import StackedOptimizer
from .settings import SCALED, RunSettings
from .stacking import stacked

Loss = Callable[[Any, Any], Any]
PLUS = 16.0  # how much faster B learns than A in LoRA+


def shared_copy(model: Layer) -> Any:
    """A copy of a model with the same arrays: what is done to it leaves the model as it is, and takes no memory."""
    memo = dict[int, Any]()
    for p in model.named_parameters().values():
        memo[id(p)] = ComputationNode(PARAMETER, (), {}, p.shape, p.dtype, p.requires_gradient, p.value, p.name)
    return copy.deepcopy(model, memo)


def adapted_copy(model: Layer, run: RunSettings, options: Mapping[str, Any]) -> Any:
    """The model with the adapter that a run begins with, as `adapt` makes it."""
    targets = run.target_modules if isinstance(run.target_modules, str) else list(run.target_modules)
    settings = {"alpha": run.alpha, "variant": run.variant, "seed": run.seed, **options}
    try:
        return adapt(shared_copy(model), run.rank, targets, **settings)
    except TypeError as error:  # an option that there is not
        raise SweepError(f"{error}") from None


class Stack:
    """The adapters of n runs of one kind, and what the model computes with all of them at once.

    `parameters` has those that are trained by dotted name, each with the axis of runs first; `frozen` those that are
    not but differ between runs. A lower rank is padded with zeros: their gradient is zero, so they stay zero.
    """

    def __init__(self, model: Layer, runs: Sequence[RunSettings], loss: Loss, options: Mapping[str, Any]) -> None:
        self.runs, self.loss = list(runs), loss
        base = {id(p.value) for p in model.named_parameters().values()}
        models = [adapted_copy(model, run, options) for run in runs]
        self.prototype = models[int(np.argmax([run.rank for run in runs]))]
        self._scales = self._unscaled(models)
        own = [{k: p for k, p in m.named_parameters().items() if id(p.value) not in base or p.requires_gradient}
               for m in models]  # fmt: skip
        self.shapes = [{path: p.shape for path, p in each.items() if p.requires_gradient} for each in own]
        self._nodes = {path: p for path, p in self.prototype.named_parameters().items() if path in own[0]}
        self.parameters, self.frozen = dict[str, ComputationNode](), dict[str, ComputationNode]()
        for path, node in self._nodes.items():
            arrays = [each[path].value for each in own]
            if node.requires_gradient:
                self.parameters[path] = parameter(_padded(arrays), path)
            elif any(not np.array_equal(array, arrays[0]) for array in arrays[1:]):
                self.frozen[path] = parameter(_padded(arrays), path, trainable=False)

    def _unscaled(self, models: Sequence[Layer]) -> dict[str, ComputationNode]:
        """Make the prototype's scales 1, and give those of all runs by the name of the parameter that is to have them.

        They are arrays: a program for one alpha is a program for all.
        """
        scales = dict[str, ComputationNode]()
        layers: list[dict[str, Any]] = [m.named_layers() for m in models]
        for name, adapter in self.prototype.named_layers().items() if self.runs[0].variant in SCALED else ():
            if isinstance(adapter, LoRALayer | LoRAEmbeddingLayer):
                factors = [each[name].scaling for each in layers]
                adapter.rslora, adapter.alpha = False, float(adapter.rank)
                for last, p in adapter.named_parameters().items() if set(factors) != {1.0} else ():
                    if last.startswith(("lora_B", "lora_embedding_B")):
                        array = np.array(factors, p.dtype).reshape(-1, *[1] * p.ndim)
                        scales[f"{name}.{last}"] = parameter(array, "scale", trainable=False)
        return scales

    # --- What is computed ---

    def losses(self, x: ComputationNode, target: ComputationNode, own_batches: bool = False) -> ComputationNode:
        """The loss of each run, (n,), for one batch of all, or for one each, with the axis of runs first."""
        one = [placeholder(leaf.shape[own_batches:], leaf.dtype, leaf.name) for leaf in (x, target)]
        graph = trace(lambda x, target: self.loss(self.prototype(x), target), *one)
        if graph.outputs[0].shape:
            raise SweepError(f"the loss must be one number, not an array of shape {graph.outputs[0].shape}")
        paths = {node: path for path, node in self._nodes.items()}
        captured = {leaf: self._stacked(paths.get(p), p) for leaf, p in zip(graph.weights, graph.captured, strict=True)}
        leaves = captured | dict(zip(graph.arguments, (x, target), strict=True))
        [losses] = stacked(graph.outputs, leaves, len(self.runs))
        return losses if losses.shape else ops.broadcast(losses, shape=(len(self.runs),))

    def _stacked(self, path: str | None, p: ComputationNode) -> ComputationNode:
        """What takes the place of a parameter of the prototype."""
        node = self.parameters.get(path or "", self.frozen.get(path or "", p))
        return node * self._scales[path] if path in self._scales else node

    # --- One run of them ---

    def arrays(self, i: int) -> dict[str, Any]:
        """The trained numbers of run i, without padding: copies."""
        shapes = self.shapes[i].items()
        return {path: np.array(self.parameters[path].value[i][_corner(shape)]) for path, shape in shapes}

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these runs alone, counted as they stand in the stack."""
        for nodes in (self.parameters, self.frozen, self._scales):
            for path, p in nodes.items():
                nodes[path] = parameter(p.value[list(rows)], p.name, trainable=p.requires_gradient)
        self.runs, self.shapes = [self.runs[i] for i in rows], [self.shapes[i] for i in rows]

    def optimizer(self, make: Callable[..., Any], schedules: Sequence[Schedule]) -> StackedOptimizer:
        """The optimizer of all runs, at its start."""
        fast = [path.rpartition(".")[2].startswith("lora_B") for path in self.parameters]
        ratios = [[PLUS if of_b and run.variant == "lora_plus" else 1.0 for run in self.runs] for of_b in fast]
        return StackedOptimizer(make, list(self.parameters.values()), schedules, ratios)


class StackedStep(TrainingStep):
    """`step(x, target)` trains all runs of a stack by one step, and gives their losses, (n,)."""

    def __init__(self, stack: Stack, optimizer: StackedOptimizer, own_batches: bool = False) -> None:
        super().__init__(lambda x: x, lambda x, target: stack.losses(x, target, own_batches), optimizer)
        self.dtype = stack.prototype.dtype

    def total(self, loss: ComputationNode) -> ComputationNode:
        """The sum: what one run adds to it depends on no other run."""
        total: ComputationNode = ops.reduce_sum(loss, axis=(0,), keepdims=False)
        return total

    def reported(self, loss: Any) -> Any:
        """All losses."""
        return np.array(loss)


def _corner(shape: Iterable[int]) -> tuple[slice, ...]:
    return tuple(slice(n) for n in shape)


def _padded(arrays: Sequence[Any]) -> Any:
    """The arrays on a new first axis, those that are smaller with zeros behind."""
    whole = np.zeros((len(arrays), *np.max([array.shape for array in arrays], axis=0)), arrays[0].dtype)
    for part, array in zip(whole, arrays, strict=True):
        part[_corner(array.shape)] = array
    return whole
