"""The bug zoo: famous mistakes, alive. `with bug("no_accumulate"):` runs the real engine with one of them in it.

Anyone who writes an engine can easily make each of them. The engine itself stays as it is: a mistake replaces one of
its parts from here, and is taken out again at the end of the block, also after an error.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..compiler.passes import fuse_elementwise as fusing
from ..core import autodiff
from ..core.graph import Graph, Nodes, rebuilt, topological_order
from ..core.node import Array, ComputationNode, Gradients, Value
from ..core.ops import Relu, where
from ..errors import ExerciseError
from ..nn.adapters import lora
from ..nn.adapters.mergeable import MergeableLayer
from ..view.contributions import contributions
from .checking.exchange import Replacement, exchanged

Changes = Callable[[], list[Replacement]]  # what a bug replaces, made when it is let in


@dataclass(frozen=True)
class Bug:
    """A mistake: what it does, where it shows, and where everything still looks right."""

    name: str
    mistake: str
    shows: str
    hides: str
    changes: Changes

    def __str__(self) -> str:
        return f"{self.name}: {self.mistake}\n    shows: {self.shows}\n    hides: {self.hides}"


_BUGS: dict[str, Bug] = {}


def _bug(mistake: str, shows: str, hides: str) -> Callable[[Changes], Changes]:
    def register(changes: Changes) -> Changes:
        name = changes.__name__
        _BUGS[name] = Bug(name, mistake, shows, hides, changes)
        return changes

    return register


@contextlib.contextmanager
def bug(name: str) -> Iterator[Bug]:
    """The engine with one famous mistake in it: `with bug("no_accumulate"): loss.backward()`.

    It holds for gradients, layers, steppers and the compiler inside the block, and ends with it. A function compiled
    inside keeps the mistake.

    name: that of the mistake, as `bugs()` lists them
    Returns a context manager.
    Raises ExerciseError for a name that is not in the list.

    >>> x = tl.parameter(3.0)
    >>> with tl.bug("no_accumulate"):
    ...     (x * x).backward()
    >>> x.gradient  # and not 6
    np.float64(3.0)
    """
    if name not in _BUGS:
        raise ExerciseError(f"there is no bug called {name!r}; there are {', '.join(_BUGS)}")
    with exchanged(_BUGS[name].changes()):
        yield _BUGS[name]


class Bugs(tuple[Bug, ...]):
    """The mistakes, in order. Shows itself as text."""

    def __str__(self) -> str:
        return "\n".join(map(str, self))

    __repr__ = __str__


def bugs() -> Bugs:
    """All mistakes of the zoo: what each does, where it shows and where it hides.

    Returns a tuple of them, each with its `name`; `print` shows it as a text.

    >>> [one.name for one in tl.bugs()][:3]
    ['naive_recursion', 'no_accumulate', 'no_unbroadcast']
    """
    return Bugs(_BUGS.values())


# --- Going back through the graph ---


@_bug(
    "backward calls itself for each operand at once, and does not wait until all users of a node have contributed",
    "a node with two users whose gradient goes on: a diamond with something below it; what is below counts too often",
    "chains and trees, where every node has one user; leaves with several users",
)
def naive_recursion() -> list[Replacement]:
    def pulling_back(output: ComputationNode, seed: Value, wrt: Nodes | None = None) -> autodiff.Pairs:
        gradients: dict[ComputationNode, Any] = {output: seed}
        inside = set(autodiff._between(output, wrt))

        def visit(node: ComputationNode) -> autodiff.Pairs:
            yield node, gradients[node]  # the gradient so far, which is sent on again when the next share comes
            for _, parent, share in contributions(node, gradients[node], wanted=inside.__contains__):
                gradients[parent] = gradients[parent] + share if parent in gradients else share
                yield from visit(parent)

        yield from visit(output)

    return [Replacement(autodiff, "pulling_back", pulling_back)]


@_bug(
    "`gradient = share` where it must be `gradient += share`: the last user wins",
    "any node that is used twice, as in x * x",
    "chains and trees, where every node has one user",
)
def no_accumulate() -> list[Replacement]:
    def pulling_back(output: ComputationNode, seed: Value, wrt: Nodes | None = None) -> autodiff.Pairs:
        order = autodiff._between(output, wrt)
        gradients: dict[ComputationNode, Any] = dict.fromkeys(order)
        gradients[output] = seed
        for node in reversed(order):
            if gradients[node] is not None:
                yield node, gradients[node]
                shares = contributions(node, gradients[node], wanted=gradients.__contains__)
                gradients |= {parent: share for _, parent, share in shares}

    return [Replacement(autodiff, "pulling_back", pulling_back)]


@_bug(
    "the gradient of a repeated array is not summed over the axes along which it was repeated",
    "an operand that broadcasts: a bias gets one gradient for each row of the batch, and no longer fits its parameter",
    "operands of equal shapes; a batch of one row, but for an axis too many",
)
def no_unbroadcast() -> list[Replacement]:
    return [Replacement(autodiff, "unbroadcast", lambda g, shape: g)]


@_bug(
    "ReLU passes the gradient where its input is at least 0, and not where it is above 0",
    "inputs that are exactly 0: padding, black pixels, layers that start at zero",
    "random numbers, which are never exactly 0",
)
def relu_at_zero() -> list[Replacement]:
    def vjp(self: Relu, g: Value, y: Value, x: Value) -> Gradients:
        return (where(x < 0.0, 0.0, g),)

    return [Replacement(Relu, "vjp", vjp)]


@_bug(
    "the engine does not notice that a parameter got a new value after the graph was built",
    "backward after an update without running forward again: old results and new weights are mixed",
    "one forward for each backward",
)
def stale_graph() -> list[Replacement]:
    def between(output: ComputationNode, wrt: Nodes | None) -> list[ComputationNode]:
        order, reached = topological_order([output]), set(wrt or ())
        for node in order:
            if wrt is not None and node.op.differentiable and not reached.isdisjoint(node.parents):
                reached.add(node)
        return [node for node in order if (node.requires_gradient if wrt is None else node in reached)]

    return [Replacement(autodiff, "_between", between)]


# --- Adapters ---


@_bug(
    "merge adds the adapter to the base weight every time it is called, although it is in there already",
    "merge twice: the change counts twice, and unmerge does not give the base back",
    "merge once; an adapter that was not trained, for its change is zero",
)
def double_merge() -> list[Replacement]:
    original = MergeableLayer.merge

    def merge(self: MergeableLayer) -> None:
        self._merged = None  # forgets that it was merged
        original(self)

    return [Replacement(MergeableLayer, "merge", merge)]


@_bug(
    "both factors of an adapter start at zero, A = B = 0, so the gradient of each is a product with the other: zero",
    "training: no step changes anything",
    "before training: the adapted model gives what the base gives, as it should",
)
def zero_start() -> list[Replacement]:
    def factor(rng: np.random.Generator, input_size: int, rank: int, init: str) -> Array:
        return np.zeros((input_size, rank))

    return [Replacement(lora, "_factor", factor)]


# --- The compiler ---


@_bug(
    "fusing joins an operation with one of its users although it has another, which then reads the joined result",
    "a function compiled inside the block in which an elementwise result is used twice, as in h + tanh(h)",
    "functions in which every result is used once; whatever is not compiled",
)
def fuse_reused() -> list[Replacement]:
    original = fusing._fuse

    def fuse(graph: Graph, candidates: Any) -> Graph:
        return original(wrong := _rewired(graph), [n for n in wrong.nodes if n.op.elementwise])

    return [Replacement(fusing, "_fuse", fuse)]


def _rewired(graph: Graph) -> Graph:
    """The graph in which the second user of an elementwise result reads what the first made of it."""
    written_over: dict[ComputationNode, ComputationNode] = {}  # by the first user, as if it wrote in place

    def build(old: ComputationNode, parents: tuple[ComputationNode, ...]) -> ComputationNode:
        new = rebuilt(old, tuple([written_over.get(was, now) for was, now in zip(old.parents, parents, strict=True)]))
        if old.op.elementwise:
            for was in old.parents:
                if was.op.elementwise and (was.shape, was.dtype) == (old.shape, old.dtype):
                    written_over.setdefault(was, new)
        return new

    return graph.map(build)
