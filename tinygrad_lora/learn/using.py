"""Plug-in points: `with using(topo_sort=mine): train()` runs the real engine on functions that a student wrote."""

import contextlib
import inspect
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from types import FunctionType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import library
from ..compiler import pipeline
from ..core import autodiff
from ..core.graph import Graph, Nodes
from ..core.node import Array, ComputationNode, Gradients, Op, Shape, Value
from ..errors import ExerciseError
from ..nn.adapters import lora
from ..nn.linear import Linear, Seed
from ..nn.optim import Optimizer
from .checking.exchange import Replacement, exchanged
from .diagnosis import refuse
from .exact import as_array, as_nodes

Student = Callable[..., Any]
Plug = Callable[[Student], Replacement]


@contextlib.contextmanager
def using(**functions: Student) -> Iterator[None]:
    """Run the engine with your functions in place of its own: `with using(topo_sort=mine, mse=my_mse): ...`.

    topo_sort(output): the nodes that the output depends on, parents first. The backward pass goes through them.
    backward(output): adds into `.gradient` of every node that requires one. `loss.backward()` calls it.
    unbroadcast(g, shape): g summed over the axes along which an array of this shape was repeated.
    tanh_vjp(g, y, x), add_vjp(g, y, a, b), ...: the backward rule of any operation, on arrays. It may leave out some.
    cross_entropy(logits, labels), mse(y, target), softmax(x), ...: any function of the library, on nodes.
    optimizer_step(parameters, lr): sets `p.value` from `p.gradient`, in place of `optimizer.step()`.
    clip(gradients, max_norm): the gradients as a list, made shorter where they are too long.
    linear_weight(rng, input_size, output_size): the weight that a new `Linear` starts with.
    lora_A(rng, input_size, rank): the factor A that a new `LoRALayer` starts with.
    merge_duplicates(graph), fuse_elementwise(graph), ...: any pass, for what is compiled in the block.

    Everything is as before at the end of the block, also after an error. It holds for the whole process meanwhile.

    **functions: your functions, under any of the names above
    Returns a context manager.
    Raises ExerciseError for another name, and TypeError for what cannot be called.

    >>> x = tl.parameter(0.0)
    >>> def twice_as_much(g, y, x):
    ...     return (2 * g * (1 - y * y),)
    >>> with tl.using(tanh_vjp=twice_as_much):
    ...     tl.tanh(x).backward()
    >>> x.gradient  # and not 1
    np.float64(2.0)
    """
    points = plug_points()
    if unknown := [name for name in functions if name not in points]:
        rest = "a rule such as tanh_vjp, a function of the library or a pass"
        own = ", ".join(OWN)
        raise ExerciseError(f"there is nothing called {unknown[0]!r} to plug in: choose {own}; or {rest}")
    if bad := [name for name, function in functions.items() if not callable(function)]:
        raise TypeError(f"{bad[0]} must be a function, not {type(functions[bad[0]]).__name__}")
    with exchanged(points[name](function) for name, function in functions.items()):  # each sees those before it
        yield


def plug_points() -> dict[str, Plug]:
    """Every name that `using` takes."""
    rules = {f"{name}_vjp": partial(_rule, op) for name, op in Op.registry.items() if op.differentiable}
    composites = {name: partial(_composite, name) for name, f in vars(library).items() if _public(name, f)}
    passes = {one.__name__: partial(_pass, one.__name__) for row in pipeline.DEFAULT for one in row}
    return {**passes, **composites, **rules, **OWN}


def _public(name: str, thing: object) -> bool:
    return type(thing) is FunctionType and thing.__module__ == library.__name__ and name[0] != "_"


# --- The backward pass ---


def _topo_sort(mine: Student) -> Replacement:
    original = autodiff._between

    def between(output: ComputationNode, wrt: Nodes | None) -> list[ComputationNode]:
        needed = set(original(output, wrt))
        return [node for node in as_nodes(mine(output), "what topo_sort gave") if node in needed]

    return Replacement(autodiff, "_between", between)


def _backward(mine: Student) -> Replacement:
    def backward(output: ComputationNode, seed: ArrayLike | None = None) -> None:
        mine(output) if seed is None else mine(output, seed)

    return Replacement(ComputationNode, "backward", backward)


def _unbroadcast(mine: Student) -> Replacement:
    original = autodiff.unbroadcast

    def unbroadcast(g: Value, shape: Shape) -> Value:
        if isinstance(g, ComputationNode):
            return original(g, shape)  # a gradient that is a graph: the student's function is for arrays
        return as_array(mine(g, shape), "what unbroadcast gave").astype(g.dtype)

    return Replacement(autodiff, "unbroadcast", unbroadcast)


def _rule(op: Op, mine: Student) -> Replacement:
    original, takes = type(op).vjp, _parameters(mine)

    def vjp(self: Op, g: Value, y: Value, *operands: Value, **params: Any) -> Gradients:
        if isinstance(g, ComputationNode):
            return original(self, g, y, *operands, **params)
        named = {"g": g, "y": y, **dict(zip(self.operands(len(operands)), operands, strict=True)), **params}
        known = takes is not None and takes <= set(named)
        parts = mine(**{name: named[name] for name in takes or ()}) if known else mine(g, y, *operands, **params)
        return tuple(parts) if isinstance(parts, tuple | list) else (parts,)

    return Replacement(type(op), "vjp", vjp)


def _parameters(function: Student) -> set[str] | None:
    """The names of what a function takes; None where it does not say."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    plain = all(p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters)
    return {p.name for p in parameters} if plain else None


# --- Functions, layers, training ---


def _composite(name: str, mine: Student) -> Replacement:
    return Replacement(library, name, lambda *args, **kwargs: mine(*args, **kwargs))


def _linear_weight(mine: Student) -> Replacement:
    original = Linear.__init__

    def start(self: Linear, *args: Any, seed: Seed = None, **kwargs: Any) -> None:
        rng = np.random.default_rng(seed)
        original(self, *args, seed=rng, **kwargs)
        weight = as_array(mine(rng, self.input_size, self.output_size), "what linear_weight gave", self.weight.shape)
        self.weight.value = weight.astype(self.weight.dtype)

    return Replacement(Linear, "__init__", start)


def _lora_a(mine: Student) -> Replacement:
    def factor(rng: np.random.Generator, input_size: int, rank: int, init: str) -> Array:
        return as_array(mine(rng, input_size, rank), "what lora_A gave", (input_size, rank))

    return Replacement(lora, "_factor", factor)


def _optimizer_step(mine: Student) -> Replacement:
    def step(self: Optimizer) -> None:
        self.before_step()
        mine(self.parameters, self.lr)
        self.after_step()

    return Replacement(Optimizer, "step", step)


def _clip(mine: Student) -> Replacement:
    original = Optimizer.clip

    def clip(self: Optimizer, gradients: Sequence[Value]) -> Sequence[Value]:
        if self.max_norm is None or any(isinstance(g, ComputationNode) for g in gradients):
            return original(self, gradients)
        clipped = mine(list(gradients), self.max_norm)
        if type(clipped) not in (list, tuple) or len(clipped) != len(gradients):
            raise refuse("count", f"clip must give a list of {len(gradients)} gradients")
        pairs = zip(clipped, gradients, strict=True)
        return [as_array(new, "what clip gave", g.shape).astype(g.dtype) for new, g in pairs]

    return Replacement(Optimizer, "clip", clip)


# --- The compiler ---


def _pass(name: str, mine: Student) -> Replacement:
    original = pipeline.improving

    def own(graph: Graph) -> Graph:
        improved = mine(graph)
        if not isinstance(improved, Graph):
            raise refuse("wrong-type", f"the pass {name} gave {type(improved).__name__}: it must give a Graph")
        return improved

    own.__name__ = name

    def improving(graph: Graph, passes: Any = pipeline.DEFAULT) -> Any:
        in_memory = {after.__name__: before.__name__ for before, after in pipeline.IN_PLANNED_MEMORY.items()}
        replaced = {one for one in (name, *in_memory) if in_memory.get(one, one) == name}
        rows = (row if isinstance(row, tuple) else (row,) for row in passes)
        return original(graph, [tuple(own if one.__name__ in replaced else one for one in row) for row in rows])

    return Replacement(pipeline, "improving", improving)


OWN: dict[str, Plug] = {
    "topo_sort": _topo_sort, "backward": _backward, "unbroadcast": _unbroadcast, "optimizer_step": _optimizer_step,
    "clip": _clip, "linear_weight": _linear_weight, "lora_A": _lora_a,
}  # fmt: skip
