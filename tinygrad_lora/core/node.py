"""What a computation is made of: an operation (`Op`) and a node of the graph (`ComputationNode`).

A node knows its value exactly when all its parents know theirs. That is the whole difference between running a
computation and recording one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import count
from math import prod
from types import EllipsisType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

from ..boundary.arguments import FAILURES, explained, refuse_operands
from ..boundary.arrays import as_arrays, beside, checked, checked_kind, read_only
from ..boundary.lines import user_line
from ..boundary.words import BUILD_AGAIN
from ..errors import DtypeError, GradientError, ShapeError, TraceError
from .arraylike import ArrayLike, registry
from .source import function_from_source

# The words for types in core and library; `Value` and `Gradients` stand below the class of nodes.
Array = np.ndarray[Any, np.dtype[Any]]  # or one of NumPy's scalars, which reads like an array of no axes
DType = np.dtype[Any]
Shape = tuple[int, ...]
Key = tuple[int | slice | EllipsisType | None, ...]
Operand = Any  # a node, an array, a number, or a list of numbers: what an operation can be called on
NO_PARAMS: dict[str, Any] = {}  # shared by the many nodes without parameters: one object less for each
tick = count(1).__next__  # a clock that ticks once a node: no parent is younger than its child


class Op:
    """One operation: a forward line in NumPy, a shape rule and a backward rule.

    Called on nodes it makes a node, called on plain arrays it just computes. So the one rule `vjp` serves both ways of
    differentiating: on arrays it gives numbers, on nodes it gives a graph. A subclass with a `signature`, a line
    `numpy` and a `vjp` is an operation as soon as it has an instance; nothing else changes.

    >>> tl.exp(np.zeros(2)), tl.exp(tl.constant(np.zeros(2)))
    (array([1., 1.]), ComputationNode(exp, value=[1. 1.], gradient=-))
    >>> tl.add.operands(2), tl.add.shape((4, 3), (3,)), tl.add.flops((4, 3), (4, 3), (3,))
    (['a', 'b'], (4, 3), 12)
    >>> tl.add.dtype(np.dtype(np.float32), np.dtype(np.float64))
    dtype('float64')
    >>> a, b = tl.constant(np.ones((2, 3))), tl.placeholder((3, 4))
    >>> tl.matmul.infer((a, b), {})
    ((2, 4), dtype('float64'))
    >>> x = tl.constant([0.0, 1.0])
    >>> y = tl.multiply(x, x)
    >>> tl.multiply.vjp(np.ones(2), y.value, x.value, x.value)
    (array([0., 1.]), array([0., 1.]))
    >>> tl.multiply.pullback(np.ones(2), y)
    (array([0., 1.]), array([0., 1.]))
    """

    registry: ClassVar[dict[str, Op]] = registry  # every primitive by name; tests, drawings and exporters walk it

    name: str
    signature = ""  # "x, *, axis": operands, then static parameters
    numpy = ""  # the forward, in terms of the signature: the compiler prints this very line
    prelude = ""  # source of a helper that the line calls, where one expression is not enough
    ufunc: str | None = None  # "np.add": the form that can write into a given array
    elementwise = False  # y[i] depends on the operands at i alone
    view = False  # the result may share memory with its operand
    fast_where = ""  # if a class has a `__call__` of its own: the operands for which `numpy` alone is all it does
    differentiable = True  # False: no gradient passes, as through a comparison
    forward: Any  # the line as a function of arrays
    accelerate: ClassVar[Callable[[type[Op]], None]] = lambda cls: None  # eager.py: faster calls

    def __init_subclass__(cls) -> None:
        cls.name = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()
        if cls.numpy:
            source = f"{cls.prelude}def {cls.name}({cls.signature}):\n    return {cls.numpy}\n"
            cls.forward = staticmethod(function_from_source(cls.name, source))
        cls.general = vars(cls).get("__call__", cls.general)
        own = cls.general is not Op.general
        cls.apply, cls.pullback = cls.general, Op.pullback  # type: ignore[method-assign]
        cls.__call__ = explained(cls.general, cls.name) if own else cls.general  # type: ignore[method-assign]
        if cls.numpy and "*" not in cls.signature and (cls.fast_where or not own):
            Op.accelerate(cls)

    def __init__(self) -> None:
        Op.registry[self.name] = self

    def __call__(self, *inputs: Operand, **params: Any) -> Any:
        known, requires_gradient = True, False
        try:
            for x in inputs:
                if type(x) is not ComputationNode:
                    return self._lift(inputs, params)
                if x._value is None:
                    known = False
                if x.requires_gradient:
                    requires_gradient = self.differentiable
            if not known:
                return ComputationNode(self, inputs, params, *self.infer(inputs, params), requires_gradient)
            value = self.forward(*[x._value for x in inputs], **params)
        except FAILURES:
            refuse_operands(self, inputs, params)
            raise
        return ComputationNode(self, inputs, params or NO_PARAMS, value.shape, value.dtype, requires_gradient, value)

    general = __call__  # for any operands; a class may write one of its own
    apply = __call__  # what the operators call: `__call__` where the number of operands is sure to be right

    def _lift(self, inputs: tuple[Operand, ...], params: dict[str, Any]) -> Any:
        """Without any node: just compute. With one: the others become constants; numbers take its dtype."""
        dtypes = [x.dtype for x in inputs if type(x) is ComputationNode]
        if not dtypes:
            return self.forward(*as_arrays(inputs), **params)
        like = np.result_type(*dtypes)
        return self(*[x if type(x) is ComputationNode else _constant(x, None, like) for x in inputs], **params)

    def infer(self, inputs: tuple[ComputationNode, ...], params: dict[str, Any]) -> tuple[Shape, DType]:
        """Shape and dtype of the result, from the operands' alone; or a ShapeError.

        inputs: the operands, a tuple of nodes
        params: the static parameters by name, such as {"axis": (0,), "keepdims": False}
        Returns a pair: the shape, a tuple of whole numbers, and the dtype.
        Raises ShapeError where the operands do not fit together.
        """
        shape, dtypes = self.shape(*[x.shape for x in inputs], **params), [x.dtype for x in inputs]
        return shape, self.dtype(*dtypes, **params) if params else _dtype(self, *dtypes)

    def operands(self, n: int) -> list[str]:
        """The names of n operands: "a, b" gives a and b; "*arrays, axis" gives arrays[0], arrays[1], ...

        n: how many operands a call has
        Returns a list of n strings, for messages and labels.
        """
        plain, _, starred = self.signature.partition("*")
        names = re.findall(r"\w+", plain)[:n]
        return names + [f"{starred.split(',')[0]}[{i}]" for i in range(n - len(names))]

    def shape(self, *shapes: Any, **params: Any) -> Shape:
        """The shape of the result; the operands broadcast unless an operation says otherwise.

        *shapes: the shape of each operand, a tuple of whole numbers
        **params: the static parameters
        Returns a tuple of whole numbers.
        Raises ShapeError, in half a sentence that the engine completes with the names and shapes of the operands.
        """
        try:
            return _broadcast(*shapes)
        except ValueError:
            raise ShapeError("from the right, each axis must be equal in all of them, or 1") from None

    def dtype(self, *dtypes: Any, **params: Any) -> DType:
        """The dtype of the result.

        *dtypes: the NumPy dtype of each operand
        **params: the static parameters
        Returns a NumPy dtype: unless an operation says otherwise, the one that NumPy itself would choose.
        """
        return np.result_type(*dtypes)

    def vjp(self, *args: Any, **kwargs: Any) -> Gradients:
        """`vjp(g, y, *operands, **params)`: from the gradient g of the output y, that of each operand.

        None stands for no gradient. A function of no arguments stands for work to do only if that operand needs it.

        *args: g and y, arrays or nodes of the output's shape, then the operands
        **kwargs: the static parameters
        Returns one entry for each operand: an array or a node in the operand's shape before or after broadcasting (the
        engine sums what was repeated), or one of the two above.
        Raises GradientError for an operation that has no rule.
        """
        raise GradientError(f"{self.name} has no gradient rule: give its class a method vjp")

    def pullback(self, g: Array, node: ComputationNode) -> Gradients:
        """The rule on arrays: from the gradient g of a node with a value, that of each parent.

        g: an array of the node's shape
        node: a node of this operation that has a value
        Returns one entry for each parent, as `vjp` does.
        """
        return self.vjp(g, node._value, *[p._value for p in node.parents], **node.params)

    def flops(self, out: Shape, *shapes: Any, **params: Any) -> int:
        """Floating-point operations: one for each output element, unless an operation says otherwise.

        out: the shape of the result
        *shapes: the shape of each operand
        **params: the static parameters
        Returns a whole number; 0 for a view, which computes nothing.
        """
        return 0 if self.view else prod(out)

    def __repr__(self) -> str:
        return self.name

    __reduce__ = __repr__  # copies and pickles refer to the one instance in its module


# Asked once for the same operands: a graph has many nodes of few kinds.
_broadcast, _dtype = lru_cache(np.broadcast_shapes), lru_cache(lambda op, *dtypes: op.dtype(*dtypes))


class Leaf(Op):
    """A node without parents: an input, a parameter or a constant."""

    view = True  # it costs nothing
    changed = 0  # when a leaf of this kind last got a new value

    def __init__(self, name: str) -> None:
        self.name = name


INPUT, PARAMETER, CONSTANT = Leaf("input"), Leaf("parameter"), Leaf("constant")


_later: Any = None  # in the place of a method that another module gives


class ComputationNode(ArrayLike):
    """One value of a computation: an operation, its parents, and the array they give.

    Structure is fixed at birth. `gradient` is filled by `backward()` and None until then. Equality is identity. You
    rarely call the class: `tl.parameter`, `tl.constant` and `tl.placeholder` make leaves, operations make the rest.

    op: the operation, an `Op`
    parents: the nodes that it was applied to, a tuple; () for a leaf
    params: its static parameters by name, such as {"factor": 2.0}
    shape, dtype: those of the value, known even where the value is not
    requires_gradient: whether some trainable parameter is below it
    value: the array, or None while the node is symbolic
    name: a name for listings and pictures, or None
    like: the node whose place this one takes when a graph is rewritten; it stands for the same line of the user's code

    >>> x = tl.parameter([[1.0, 2.0], [3.0, 5.0]], name="x")
    >>> y = x.reshape(4).sum() + x.mean(axis=0).max()
    >>> y.value, y.known, tl.placeholder(3).known
    (np.float64(14.5), True, False)
    >>> y.backward()
    >>> x.gradient
    array([[1. , 1.5],
           [1. , 1.5]])
    >>> x.value = x.value - 0.1 * x.gradient
    >>> x.zero_gradient()
    >>> x.gradient is None
    True
    """

    __slots__ = ("_dtype", "_gradient", "_shape", "_value", "call", "created", "name", "op", "origin", "params",
                 "parents", "requires_gradient")  # fmt: skip
    __match_args__ = ("op", "parents")
    # autodiff.py gives `loss.backward(seed=None)`; library.py `x.sum(axis=None, keepdims=False)`, `x.reshape(2, -1)`.
    backward = sum = mean = max = reshape = _later

    def __init__(
        self, op: Op, parents: tuple[ComputationNode, ...], params: dict[str, Any], shape: Shape, dtype: DType,
        requires_gradient: bool = False, value: Any = None, name: str | None = None, like: Any = None,
    ) -> None:  # fmt: skip
        self.op, self.parents, self.params, self._shape, self._dtype = op, parents, params, shape, dtype
        self.requires_gradient, self.name, self._value, self._gradient = requires_gradient, name, value, None
        # While symbolic it remembers the file and line of the user's code; that of `like`, where it takes its place.
        self.created, self.origin = tick(), (user_line() if like is None else like.origin) if value is None else None
        self.call: Any = None  # the library function that this is the result of, if any: (function, args, kwargs)

    @property
    def known(self) -> bool:
        """Whether this node has a value: all leaves that it depends on have one."""
        return self._value is not None

    @property
    def value(self) -> Any:
        """The array, read-only. Give a parameter a new one of its shape: `w.value = w.value - 0.1 * w.gradient`.

        Raises TraceError while symbolic. Setting raises ShapeError for another shape, TypeError for a result.
        """
        if self._value is None:
            raise TraceError(f"{self!r} is symbolic: it has a shape, and no value until the graph is run on arrays")
        return read_only(self._value)

    @value.setter
    def value(self, new: Operand) -> None:
        if self.op is not PARAMETER:
            raise TypeError(f"only a parameter can get a new value; this is the result of {self.op}: {BUILD_AGAIN}")
        self._value = checked(new, f"parameter {self.name or ''}", self.dtype, self.shape)
        self.created = PARAMETER.changed = tick()  # younger than what was computed from it: that is stale now

    @property
    def gradient(self) -> Any:
        """d(output)/d(this), an array that `backward()` adds to; read-only, because several nodes may share it."""
        return None if self._gradient is None else read_only(self._gradient)

    @gradient.setter
    def gradient(self, new: Operand) -> None:
        self._gradient = new if new is None else checked(new, "a gradient", self.dtype, self.shape)

    def zero_gradient(self) -> None:
        """Forget the gradient of this node."""
        self._gradient = None

    def _label(self) -> str:
        return f"{self.op} {self.name}" if self.name else f"{self.op}"

    def __repr__(self) -> str:
        if self._value is None:
            return f"ComputationNode({self._label()}, shape={self.shape}, dtype={self.dtype})"
        return f"ComputationNode({self._label()}, value={_short(self._value)}, gradient={_short(self._gradient)})"

    def __reduce__(self) -> tuple[Any, ...]:
        if self.op is not PARAMETER:
            raise TypeError("only parameters can be copied or pickled, not results: copy the arrays, or build it again")
        return parameter, (np.array(self.value), self.name, self.requires_gradient)


def _short(value: Any) -> str:
    """A few numbers of an array, or "-" for none."""
    return "-" if value is None else np.array2string(np.asarray(value), precision=4, threshold=6, edgeitems=2)


Value = Array | ComputationNode  # what a rule computes with: arrays for numbers, nodes for a graph
Gradients = Sequence[Value | Callable[[], Value] | None]  # one for each operand: see `Op.vjp`


@explained
def parameter(array: Operand, name: str | None = None, trainable: bool = True) -> ComputationNode:
    """A leaf that training may change: holds a copy of `array`, which must be floats.

    `trainable=False` makes it a frozen parameter: `backward()` does not visit it.

    array: an array, a number or a list of numbers, of any shape
    name: what listings, formulas and pictures call it; None leaves it without a name
    trainable: False makes a frozen parameter, which `backward()` does not visit
    Returns a node of the array's shape and dtype. Numbers and lists of Python floats become float64.
    Raises DtypeError for what is not floats.

    >>> w = tl.parameter([1.0, 2.0], name="w")
    >>> w
    ComputationNode(parameter w, value=[1. 2.], gradient=-)
    >>> tl.parameter([1, 2])
    Traceback (most recent call last):
        ...
    tinygrad_lora.errors.DtypeError: a parameter must hold floats, not int64: pass np.asarray(array, ...
    """
    value = checked(array, "a parameter")
    if value.dtype.kind != "f":
        raise DtypeError(f"a parameter must hold floats, not {value.dtype}: pass np.asarray(array, dtype=float)")
    return ComputationNode(PARAMETER, (), {}, value.shape, value.dtype, trainable, value, name)


@explained
def constant(array: Operand, name: str | None = None, *, like: DType | None = None) -> ComputationNode:
    """A leaf that never changes: holds a copy of `array`. `like` is the dtype of the arrays that it goes with.

    array: an array, a number or a list, of real numbers or of true and false, of any shape
    name: what listings, formulas and pictures call it; None leaves it without a name
    like: a NumPy dtype; a plain number or list of them takes it where NumPy would let it, so that 2.0 beside float32
        stays float32
    Returns a node of the array's shape that requires no gradient.
    Raises DtypeError for text and objects.

    >>> tl.constant([1, 2])
    ComputationNode(constant, value=[1 2], gradient=-)
    >>> tl.constant(2.0, like=np.dtype(np.float32)).dtype
    dtype('float32')
    """
    return _constant(array, name, like)


def _constant(array: Operand, name: str | None, like: DType | None) -> ComputationNode:
    if isinstance(like, np.dtype) and like.kind == "f" and type(array) is float:  # as in x + 1.0: most of them
        value = like.type(array)
    else:
        value = checked(beside(array, like), "a constant")
    return ComputationNode(CONSTANT, (), {}, value.shape, value.dtype, False, value, name)


@explained
def placeholder(shape: int | Shape, dtype: DTypeLike = np.float64, name: str | None = None) -> ComputationNode:
    """A leaf whose value comes later: everything computed from it is symbolic.

    shape: a tuple of whole numbers from 0 on, () for a number; n stands for (n,)
    dtype: what `np.dtype` takes: a class such as np.float32, or its name
    name: what listings, formulas and pictures call it; None leaves it without a name
    Returns a node without a value: it has a shape and a dtype, so mistakes of shape show before anything runs.
    Raises ShapeError for a negative size, DtypeError for text.

    >>> x = tl.placeholder((4, 3), name="x")
    >>> x @ tl.parameter(np.ones((3, 2)))
    ComputationNode(matmul, shape=(4, 2), dtype=float64)
    >>> x @ x
    Traceback (most recent call last):
        ...
    tinygrad_lora.errors.ShapeError: matmul: a 'x' (4, 3) and b 'x' (4, 3): the 3 columns of a must ...
    """
    return ComputationNode(INPUT, (), {}, *checked_kind(shape, dtype), False, None, name)
