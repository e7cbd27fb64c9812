"""The base of all layers. A layer says in `__call__` what it computes, as a graph; everything else follows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np

from ..boundary.arrays import real_array
from ..core.autodiff import pulling_back
from ..core.node import INPUT, PARAMETER, ComputationNode, Op, Shape, placeholder
from ..core.trace import trace
from ..errors import ClosedError, GradientError, ShapeError
from .calls import recorded
from .checks import check_number, floats
from .watch import Observable, Watch, look
from .weights import NamedWeights


class Layer(Observable, NamedWeights):
    r"""$y = f(x; \theta)$: a function of nodes, with parameters.

    Assign parameters and other layers as attributes (or lists and tuples of them) and write one method,
    `__call__(self, x: ComputationNode) -> ComputationNode`. Call the layer on nodes to build graphs; call `forward` and
    `backward` to work on arrays.

    >>> class Shift(tl.Layer):
    ...     def __init__(self, size):
    ...         self.offset = tl.parameter(np.zeros(size))
    ...         self.input_shape = (size,)
    ...
    ...     def __call__(self, x):
    ...         return x + self.offset
    >>> layer = Shift(2)
    >>> layer.forward([[1.0, 2.0]])
    array([[1., 2.]])
    >>> layer.backward([[1.0, 10.0]])
    array([[ 1., 10.]])
    >>> layer.get_parameter_gradients()
    array([ 1., 10.])
    >>> layer.update_parameters(0.1)
    >>> layer.get_parameters(), layer.parameter_count
    (array([-0.1, -1. ]), 2)
    >>> layer.set_parameters([5.0, 6.0])
    >>> layer.named_parameters()
    {'offset': ComputationNode(parameter, value=[5. 6.], gradient=[ 1. 10.])}
    >>> layer.freeze().parameters(), layer.unfreeze().supports_training
    ([], True)
    >>> layer.output_shape, layer.dtype, layer.supports_jit_compilation
    ((2,), dtype('float64'), True)
    >>> model = tl.Sequential(layer, tl.Linear(2, 1))
    >>> list(model.named_layers())
    ['', '0', '1']
    >>> inputs = []
    >>> model.export_computation_graph(inputs, shape=(7, 2)).shape, inputs[0].shape
    ((7, 1), (7, 2))
    >>> layer.get_diagnostics()["layer.parameter_count"]
    '2'
    >>> layer.reset_state()
    >>> layer.close()
    >>> layer.forward([[1.0, 2.0]])
    Traceback (most recent call last):
        ...
    tinygrad_lora.errors.ClosedError: this Shift was closed: build a new one, or use it before close()
    """

    input_shape: Shape | None = None  # of one sample, without batch axes; None: unknown until the first forward
    takes_indices = False  # True for a layer whose input is whole numbers (tokens), which must not become floats
    _run: tuple[ComputationNode, ComputationNode] | None = None  # input and output of `forward`, for `backward`
    _closed = False
    _transient: tuple[str, ...] = ("_run",)  # what copies and pickles leave out
    _unwatched = frozenset({"_run"})  # no graph depends on it

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__call__" in vars(cls):
            cls.__call__ = recorded(cls.__call__)  # type: ignore[method-assign]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the layer computes, as a graph. Every subclass writes this."""
        raise NotImplementedError(f"{type(self).__name__} needs a method __call__(self, x) that returns a node")

    # --- What the layer is made of ---

    def _tree(self) -> Iterator[tuple[str, Any]]:
        """This layer, called "", and every layer and parameter in it, each once, by dotted name."""
        seen: set[int] = set()
        stack: list[tuple[str, Any]] = [("", self)]
        while stack:
            name, thing = stack.pop()
            if id(thing) in seen:
                continue
            seen.add(id(thing))
            if isinstance(thing, ComputationNode):
                if thing.op is PARAMETER:
                    yield name, thing
                continue
            if isinstance(thing, Layer):
                yield name, thing
                parts: Iterable[tuple[Any, Any]] = thing._parts()
            else:
                parts = thing.items() if isinstance(thing, dict) else enumerate(thing)
            inside = [(f"{name}.{k}" if name else str(k), part) for k, part in parts if isinstance(part, _CONTENT)]
            stack += reversed(inside)

    def named_layers(self) -> dict[str, Layer]:
        """This layer, under the name "", and all layers in it by dotted name. A layer used twice has one name.

        Returns a dict of layers.
        """
        return {name: thing for name, thing in self._tree() if isinstance(thing, Layer)}

    def named_parameters(self) -> dict[str, ComputationNode]:
        """All parameters by dotted name, frozen ones included. A parameter used twice has one name.

        Returns a dict of nodes.
        Raises ClosedError after `close()`.
        """
        self.require_open()
        return {name: thing for name, thing in self._tree() if isinstance(thing, ComputationNode)}

    def parameters(self) -> list[ComputationNode]:
        """The parameters that training changes: what an optimizer takes. Frozen ones are left out.

        Returns a list of nodes, in the order in which they were assigned.
        """
        return [p for p in self.named_parameters().values() if p.requires_gradient]

    def freeze(self) -> Self:
        """Make no parameter trainable: `backward` does not even visit them.

        Returns the layer.
        """
        return self._set_trainable(False)

    def unfreeze(self) -> Self:
        """Make all parameters trainable.

        Returns the layer.
        """
        return self._set_trainable(True)

    def _set_trainable(self, trainable: bool) -> Self:
        self.before_change()
        for p in self.named_parameters().values():
            p.requires_gradient = trainable
            p.zero_gradient()
        return self

    @property
    def dtype(self) -> Any:
        """The dtype that the parameters have in common; float64 where there are none."""
        return np.result_type(*[p.dtype for p in self.named_parameters().values()] or [np.dtype(float)])

    def graph_key(self) -> tuple[Any, ...]:
        """Equal as long as `__call__` gives the same graph: the layers, their modes, parameters and settings.

        A setting is a number, a string, a function or an array that is an attribute, or in a tuple that is one, unless
        the name of the attribute starts with "_".

        Returns a tuple that can be compared and hashed.

        >>> model = tl.Sequential(tl.Linear(2, 2), tl.relu)
        >>> before, look = model.graph_key(), model.watch()
        >>> number = look()
        >>> model.members[1] = tl.tanh
        >>> model.graph_key() == before, look() == number
        (False, False)
        """
        return look(self)[0]

    def watch(self) -> Watch:
        """A function that gives a number for the present `graph_key()`, fast while no attribute is assigned.

        Returns a function without arguments that gives a whole number.
        """
        return Watch(self)

    # --- Arrays in, arrays out ---

    def forward(self, x: Any) -> Any:
        """The output for the array x, as a new array. The graph is remembered for `backward`.

        x: an array of one sample or a batch, (..., *input_shape); converted to the dtype of the parameters
        Returns an array, (..., *output_shape).
        Raises ShapeError where x does not fit, DtypeError if it does not hold real numbers, TypeError for a node.
        """
        if isinstance(x, ComputationNode):
            raise TypeError("forward() takes an array: call the layer itself on a node, layer(x)")
        array = real_array(x, "the input")
        indices = self.takes_indices and array.dtype.kind in "iu"
        if not indices:
            dtypes = [p.dtype for p in self.named_parameters().values()]
            array = floats(array, np.result_type(*dtypes) if dtypes else None, "the input")
        leaf = ComputationNode(INPUT, (), {}, array.shape, array.dtype, not indices, np.array(array)[()], "x")
        y = self(leaf)
        if not isinstance(y, ComputationNode):
            raise TypeError(f"{type(self).__name__}.__call__ must return a node, not {type(y).__name__}")
        self._run = leaf, y
        return np.array(y.value)

    def backward(self, output_gradient: Any) -> Any:
        r"""From $\bar y$ to $\bar x$; the gradient of each trainable parameter is overwritten.

        output_gradient: $\bar y$, an array of the shape of what `forward` gave
        Returns $\bar x$, an array of the shape of the input; None for indices.
        Raises GradientError (a RuntimeError) before `forward`, ShapeError where the shape is not that of the output;
        then nothing is changed.
        """
        self.require_open()
        self.before_change()
        if self._run is None:
            raise GradientError("Forward pass must be called before backward pass")
        x, y = self._run
        g = floats(output_gradient, y.dtype, "the output gradient")
        if g.shape != y.shape:
            raise ShapeError(f"the output gradient has shape {g.shape}; the output has {y.shape}")
        gradients = dict(pulling_back(y, g[()])) if y.requires_gradient else {}
        for p in self.parameters():
            p.gradient = gradients[p] if p in gradients else np.zeros(p.shape, p.dtype)
        if not x.requires_gradient:
            return None
        return np.array(gradients[x]) if x in gradients else np.zeros(x.shape, x.dtype)

    def update_parameters(self, learning_rate: float) -> None:
        r"""$\theta \leftarrow \theta - \eta\,\bar\theta$ for each parameter that has a gradient.

        learning_rate: $\eta$, a number from 0 on
        Raises ValueError for a negative rate, MergedError while an adapter is merged.
        """
        rate = check_number(learning_rate, "the learning rate", 0)
        self.before_change()
        for p in self.parameters():
            if p.gradient is not None:
                p.value = p.value - rate * p.gradient

    # --- Parameters as one vector ---

    @property
    def parameter_count(self) -> int:
        """How many numbers training changes: the length of `get_parameters()`."""
        return sum(p.size for p in self.parameters())

    def get_parameters(self) -> Any:
        """A copy of all trainable parameters as one vector, each row by row, in the order of their names.

        Returns an array (parameter_count,).
        """
        return self._vector([p.value for p in self.parameters()])

    def set_parameters(self, vector: Any) -> None:
        """Take all trainable parameters from one vector, as `get_parameters` gives it.

        vector: an array (parameter_count,)
        Raises ShapeError for another shape; then nothing is changed.
        """
        self.before_change()
        parameters, array = self.parameters(), floats(vector, None, "the vector")
        count = sum(p.size for p in parameters)
        if array.shape != (count,):
            got = len(array) if array.ndim == 1 else f"an array of shape {array.shape}"
            raise ShapeError(f"Expected {count} parameters, got {got}")
        start = 0
        for p in parameters:
            p.value = array[start : start + p.size].reshape(p.shape)
            start += p.size

    def get_parameter_gradients(self) -> Any:
        """The gradients in the order of `get_parameters`; zeros where there is none yet.

        Returns an array (parameter_count,).
        """
        return self._vector([np.zeros(p.shape) if p.gradient is None else p.gradient for p in self.parameters()])

    def _vector(self, arrays: list[Any]) -> Any:
        return np.concatenate([np.empty(0, self.dtype), *(a.ravel() for a in arrays)], dtype=self.dtype)

    # --- The graph ---

    def export_computation_graph(
        self, input_nodes: list[ComputationNode], shape: Shape | None = None
    ) -> ComputationNode:
        """Append an input placeholder to the list and return the output node: `__call__` on a placeholder.

        input_nodes: a list, which gets the placeholder at its end
        shape: that of the placeholder, batch axes included; None takes a batch of one sample
        Returns the output node, which is symbolic.
        Raises ShapeError where neither the caller nor the layer says a shape, TypeError for what is no list.
        """
        if not isinstance(input_nodes, list):
            kind = type(input_nodes).__name__
            raise TypeError(f"input_nodes must be a list to which the input is added, not {kind}: pass []")
        x = self._placeholder(shape)
        y = self(x)
        input_nodes.append(x)
        return y

    def _placeholder(self, shape: Shape | None = None) -> ComputationNode:
        if shape is None and self.input_shape is not None:
            shape = (1, *self.input_shape)
        if shape is None and self._run is not None:
            shape = self._run[0].shape
        if shape is None:
            raise ShapeError(f"{type(self).__name__} does not say its input shape: pass one, or set self.input_shape")
        return placeholder(shape, np.int64 if self.takes_indices else self.dtype, "x")

    @property
    def output_shape(self) -> Shape | None:
        """The shape of the output for one sample, without batch axes; None where the input's is unknown."""
        return None if self.input_shape is None else self(self._placeholder()).shape[1:]

    @property
    def supports_training(self) -> bool:
        """Whether some parameter is trainable."""
        return bool(self.parameters())

    @property
    def supports_jit_compilation(self) -> bool:
        """Whether the layer really traces: to a closed graph of known operations."""
        self.require_open()
        try:
            graph = trace(self, self._placeholder())
        except Exception:  # whatever the author's code raises on a placeholder, the answer is no
            return False
        return all(node.op is Op.registry.get(node.op.name) for node in graph.nodes if node.parents)

    # --- State ---

    def reset_state(self) -> None:
        """Forget inputs, outputs and gradients, here and in all layers inside."""
        for _, thing in self._tree():
            if isinstance(thing, Layer):
                thing._run = None
            else:
                thing.zero_gradient()

    def get_diagnostics(self) -> dict[str, str]:
        """What there is to know about the layer, as text: sizes, abilities, and gradient norms after a backward.

        Returns a dict of texts, such as {"layer.parameter_count": "6"}.
        """
        shapes = {"input": self.input_shape, "output": self.output_shape}
        diagnostics = {"layer.type": type(self).__name__}
        for name, shape in shapes.items():
            diagnostics[f"layer.{name}_shape"] = "unknown" if shape is None else str(list(shape))
        diagnostics["layer.parameter_count"] = str(self.parameter_count)
        frozen = _size(self.named_parameters().values()) - self.parameter_count
        diagnostics["layer.frozen_parameter_count"] = str(frozen)
        diagnostics["layer.supports_training"] = str(self.supports_training)
        diagnostics["layer.supports_jit_compilation"] = str(self.supports_jit_compilation)
        for name, p in self.named_parameters().items():
            if p.gradient is not None:
                diagnostics[f"gradient_norm.{name}"] = f"{np.linalg.norm(p.gradient):.6g}"
        return diagnostics

    def before_change(self) -> None:
        """Raise if the parameters must not be changed now, as in a layer with a merged adapter.

        Raises MergedError while an adapter inside is merged.

        >>> model = tl.Sequential(tl.LoRALinear(tl.Linear(3, 2, seed=0), rank=1))
        >>> model.before_change()
        >>> tl.merge_all(model)
        >>> model.before_change()
        Traceback (most recent call last):
            ...
        tinygrad_lora.errors.MergedError: the adapter of '0' is merged into the base weight, so it cannot ...
        """
        for name, layer in self.named_layers().items():
            layer.check_changeable(name)

    def check_changeable(self, name: str) -> None:
        """A layer class overrides this to refuse training and new weights; `name` is for the message.

        name: the dotted name of this layer in the model that is changed; "" for the model itself

        >>> class Sealed(tl.Layer):
        ...     def check_changeable(self, name):
        ...         raise tl.errors.MergedError(f"{name or 'this layer'} is sealed")
        >>> tl.Sequential(Sealed()).freeze()
        Traceback (most recent call last):
            ...
        tinygrad_lora.errors.MergedError: 0 is sealed
        """

    def require_open(self) -> None:
        """Refuse after `close()`, and otherwise do nothing.

        Raises ClosedError after `close()`.

        >>> tl.Linear(2, 1).require_open()
        """
        if self._closed:
            raise ClosedError(f"this {type(self).__name__} was closed: build a new one, or use it before close()")

    def close(self) -> None:
        """Forget the state and refuse further use. Closing twice is fine. Layers inside stay open."""
        self.reset_state()
        self._closed = True

    def __enter__(self) -> Self:
        self.require_open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in self._transient}

    def __repr__(self) -> str:
        parameters = [thing for _, thing in self._tree() if isinstance(thing, ComputationNode)]
        trainable = _size(p for p in parameters if p.requires_gradient)
        return f"{type(self).__name__}({_size(parameters)} parameters, {trainable} trainable)"


_CONTENT = (ComputationNode, Layer, list, tuple, dict)  # what a layer may be made of
Model = TypeVar("Model", bound=Layer)  # for what gives back the model that it was given


def _size(parameters: Iterable[ComputationNode]) -> int:
    return sum(p.size for p in parameters)
