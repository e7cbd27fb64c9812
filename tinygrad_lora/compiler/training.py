"""A whole training step as one generated function: forward, loss, gradients and the optimizer's update."""

from collections.abc import Callable, Iterable, Mapping
from threading import RLock
from typing import Any

import numpy as np

from ..boundary.arrays import real_array
from ..core import ComputationNode, Graph, ops, topological_order
from ..core.autodiff import gradients
from ..errors import CompileError, GradientError, ShapeError
from ..recomputation import later
from .calling import Arguments
from .compiled import CompiledFunction, Passes
from .flat import Storage
from .pipeline import DEFAULT
from .programs import CompiledProgram

OTHER_MODEL = "the loss depends on none of the optimizer's parameters"


class TrainingStep(CompiledFunction):
    """`step(x, target)` runs one compiled training step, gives its loss, and updates parameters and optimizer.

    The step keeps the parameters that it trains in memory of its own and writes new numbers there: an array that was
    taken from `p.value` before a step shows the new numbers after it, so copy what must last. Threads that call the
    same step take turns.

    model, loss, optimizer, input_gradient, micro_batches, **options: as in `tl.compile_training_step`, which makes it
    Returns the loss, a Python float, when it is called; with `input_gradient` a pair of it and the gradient of x.
    Raises what `tl.compile_training_step` does.

    >>> model = tl.Sequential(tl.Linear(2, 1, seed=0))
    >>> step = tl.compile_training_step(model, tl.mse, tl.SGD(model.parameters(), lr=0.1))
    >>> x, target = np.ones((4, 2)), np.zeros((4, 1))
    >>> first, second = step(x, target), step(x, target)
    >>> second < first, isinstance(step, tl.TrainingStep)
    (True, True)
    """

    def __init__(
        self, model: Callable[[Any], Any], loss: Callable[[Any, Any], Any], optimizer: Any, *,
        input_gradient: bool = False, micro_batches: int = 1, **options: Any,
    ) -> None:  # fmt: skip
        def training_step(x: Any, target: Any) -> list[Any]:
            getattr(model, "before_change", lambda: None)()  # a merged adapter cannot be trained
            if input_gradient and x.dtype.kind != "f":
                raise GradientError(f"the input holds {x.dtype}, and only floats have a gradient: input_gradient=False")
            trained = len(optimizer.parameters)
            totals, slopes_of_x = list[ComputationNode](), list[ComputationNode]()  # totals: the loss and its gradients
            for x_part, target_part in _parts(x, target, micro_batches):
                if totals:  # one part is done, and what it kept is forgotten, before the next one begins
                    x_part, target_part = later(x_part, *totals), later(target_part, *totals)
                value = loss(model(x_part), target_part)
                if not set(optimizer.parameters) & set(topological_order([value])):
                    raise GradientError(f"{OTHER_MODEL}: is it another model's?")
                value = value if micro_batches == 1 else value * (1 / micro_batches)
                slopes = gradients(self.total(value), [*optimizer.parameters, *([x_part] if input_gradient else [])])
                slopes_of_x += slopes[trained:]
                part = [value, *slopes[:trained]]
                totals = [a + b for a, b in zip(totals, part, strict=True)] if totals else part
            self._indexing[target.ndim] = _is_index(Graph([x, target], totals[:1]), target)
            slopes_of_x = [ops.concatenate(*slopes_of_x, axis=0)] if len(slopes_of_x) > 1 else slopes_of_x
            return [totals[0], *slopes_of_x, *self.storage.update(totals[1:])]

        for what, argument in (("the model", model), ("the loss", loss)):
            if not callable(argument):
                raise CompileError(f"{what} must be a function of nodes, not {type(argument).__name__}")
        if not hasattr(optimizer, "before_step"):
            raise CompileError(f"the optimizer must be one such as tl.SGD or tl.Adam, not {type(optimizer).__name__}")
        if not isinstance(micro_batches, int) or isinstance(micro_batches, bool) or micro_batches < 1:
            raise CompileError(f"micro_batches is how many parts a batch is cut into, 1 or more, not {micro_batches!r}")
        super().__init__(training_step, **options)
        self.model, self.optimizer, self.input_gradient = model, optimizer, input_gradient
        self.dtype = getattr(model, "dtype", None)
        self.structure = self._up_to_date
        self._watch, self._version = optimizer.watch(model), -1
        self._storages: dict[Any, Storage] = {}
        self._written: set[int] = set()  # the memory in them, which is never given back
        self._indexing: dict[int, bool] = {}  # by the number of axes of whole-number targets: whether they are indices
        self._turn = RLock()

    def __call__(self, x: Any, target: Any) -> Any:
        with self._turn:
            if type(x) is not np.ndarray or x.dtype is not self.dtype:
                x = self._as_input(x)
            if type(target) is not np.ndarray:
                target = real_array(target, "the target")
            if target.dtype.kind == "i" and self._indexing.get(target.ndim, True):
                self._refuse_negative_labels(x, target)
            # A view of parameters or state: the step writes there while it still reads.
            x = x.copy() if id(x.base) in self._written else x
            target = target.copy() if id(target.base) in self._written else target
            self.optimizer.before_step()
            value, *rest = super().__call__(x, target)
            self.storage.write(rest[self.input_gradient :])
            self.optimizer.after_step()
        loss = self.reported(value)
        return (loss, rest[0]) if self.input_gradient else loss

    # What a step of several runs at once does differently, in which the loss is one number for each.

    def total(self, loss: ComputationNode) -> ComputationNode:
        """The number whose gradient is taken. A step of several runs at once makes one of many.

        loss: the node that the loss function gave
        Returns a scalar node.

        >>> model = tl.Sequential(tl.Linear(2, 1, seed=0))
        >>> step = tl.compile_training_step(model, tl.mse, tl.SGD(model.parameters(), lr=0.1))
        >>> step.total(tl.constant(2.0)).value, step.reported(np.float64(2.0))
        (np.float64(2.0), 2.0)
        """
        return loss

    def reported(self, loss: Any) -> Any:
        """What the caller gets of the loss. A step of several runs at once gives one number for each.

        loss: the value of the loss, an array
        Returns a Python float.
        """
        return float(loss)

    def _as_input(self, x: Any) -> Any:
        """x as an array in the dtype of the model, as `forward` takes it: float32 stays float32."""
        x = real_array(x, "the input")
        return x.astype(self.dtype, copy=False) if self.dtype is not None and x.dtype.kind == "f" else x

    def _refuse_negative_labels(self, x: Any, labels: Any) -> None:
        """NumPy counts a negative index from the end: as a label it would train another class without a word."""
        if labels.size and labels.item(labels.argmin()) < 0:
            graph = self.prepare(x, labels).program.traced
            if _is_index(graph, graph.inputs[1]):
                remedy = "labels count from 0; leave samples without one out"
                raise ValueError(f"label {labels.min()} is not a class: {remedy}")

    def _up_to_date(self) -> int:
        """Take over what was assigned since the last step. Gives a number for what the graph depends on."""
        version = self._watch()
        if version != self._version:
            optimizer, self._version = self.optimizer, version
            layout = (optimizer.elementwise, *optimizer.parameters, *optimizer.state)
            if layout not in self._storages:
                storage = self._storages[layout] = Storage(optimizer)
                self._written.update(id(flat.memory.base) for flat in storage.flats)
            self.storage = self._storages[layout]
        self.storage.take_over()
        return version

    def _generate(self, call: Arguments) -> CompiledProgram:
        program = super()._generate(call)
        inside = {flat.leaf: flat.inside for flat in self.storage.flats}
        program.captured = tuple(inside.get(p, p) for p in program.captured)
        return program

    def __reduce__(self) -> Any:
        remedy = "copy these, and compile a step for the copy"
        raise TypeError(f"a training step belongs to its model and its optimizer: {remedy}")

    # --- What the compiler must know of the inputs ---

    def _captured(self, graph: Graph) -> dict[ComputationNode, ComputationNode]:
        """For each parameter, the input that stands for it."""
        return dict(zip(graph.captured, graph.weights, strict=True))

    def _names(self, graph: Graph) -> Mapping[ComputationNode, str]:
        """Parameters by their path in the model: the names of a layer repeat."""
        inputs, paths = self._captured(graph), dict(getattr(self.model, "named_parameters", dict)())
        return {inputs[p]: path for path, p in paths.items() if p in inputs}

    def _replaced(self, graph: Graph) -> tuple[Mapping[int, ComputationNode], Mapping[ComputationNode, Any]]:
        """The new contents of each vector are written over the old, and parameters are views of it."""
        inputs, flats = self._captured(graph), self.storage.flats
        if not all(flat.leaf in inputs for flat in flats):
            return {}, {}  # a rule that does not look at the old values: there is nothing to write over
        into = {i: inputs[flat.leaf] for i, flat in enumerate(flats, 1 + self.input_gradient)}
        return into, {inputs[flat.leaf]: [inputs[node] for node in flat.nodes if node in inputs] for flat in flats}

    def _frozen(self, graph: Graph) -> list[ComputationNode]:
        """The inputs that seldom change: what a step neither trains nor remembers."""
        changing = {self.optimizer.rate, *self.optimizer.state, *(flat.leaf for flat in self.storage.flats)}
        inputs = self._captured(graph).items()
        return [leaf for p, leaf in inputs if p not in changing and not p.requires_gradient]


def _parts(x: ComputationNode, target: ComputationNode, n: int) -> list[tuple[ComputationNode, ComputationNode]]:
    """A batch in parts of equally many samples."""
    if n == 1:
        return [(x, target)]
    if x.shape[:1] != target.shape[:1] or not x.shape or x.shape[0] % n:
        remedy = "the first axes must be equal, and so many samples that all parts have as many"
        cut = f"a batch of shape {x.shape} for {target.shape} cannot be cut into {n} micro-batches"
        raise ShapeError(f"{cut}: {remedy}")
    size = x.shape[0] // n
    return [(x[i : i + size], target[i : i + size]) for i in range(0, x.shape[0], size)]


def _is_index(graph: Graph, node: ComputationNode) -> bool:
    """Whether this input says which elements are taken from some array."""
    forms = [node]
    for form in forms:  # the list grows while it is read
        forms += [user for user in graph.users[form] if user.op.view]
    return any(user.op is ops.take for form in forms for user in graph.users[form])


def compile_training_step(
    model: Callable[[Any], Any], loss: Callable[[Any, Any], Any], optimizer: Any, *, input_gradient: bool = False,
    micro_batches: int = 1, passes: Passes = DEFAULT, buffers: bool = True, engine: str = "numpy",
    without: Iterable[str] = (), check: bool | str | None = None, memory: int | None = None,
) -> TrainingStep:  # fmt: skip
    """One generated function for forward, loss, gradients and the optimizer's update; `step(x, target) -> float`.

    The parameters that the optimizer holds are the ones that train.

    model: a layer or a function of a node
    loss: a function of the model's output and the target that gives a scalar node, such as `tl.mse`
    optimizer: one such as `tl.SGD` or `tl.Adam`
    input_gradient: True, for a model that is a part of something larger, gives the loss and its gradient with respect
        to x, as a new array in the model's dtype
    micro_batches: n cuts a batch into n equal parts, of which one after another goes forward and back, and their
        gradients are added up: the same step as with the whole batch, if the loss is a mean over samples and no layer
        looks at several of them, and the memory of one part
    passes, buffers, engine, without, check, memory: as in `tl.compile`
    Returns a `TrainingStep`.
    Raises CompileError for a wrong model or optimizer. A call raises GradientError where the loss is no number or
    depends on none of the optimizer's parameters, ShapeError for an input that does not fit or cannot be cut,
    ValueError for a negative label, MergedError while an adapter is merged. A failed call changes nothing.

    >>> model = tl.Sequential(tl.Linear(2, 8, seed=0), tl.tanh, tl.Linear(8, 1, seed=1))
    >>> step = tl.compile_training_step(model, tl.mse, tl.Adam(model.parameters(), lr=0.05))
    >>> x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> target = np.array([[0.0], [1.0], [1.0], [0.0]])
    >>> losses = [step(x, target) for _ in range(200)]
    >>> losses[0] > 0.3, losses[-1] < 0.01
    (True, True)
    """
    return TrainingStep(
        model, loss, optimizer, input_gradient=input_gradient, micro_batches=micro_batches,
        passes=passes, buffers=buffers, engine=engine, without=without, check=check, memory=memory,
    )  # fmt: skip
