"""What a computation is made of: an operation (`Op`) and a node of the graph (`ComputationNode`).

A node knows its value exactly when all its parents know theirs. That is the whole difference between running a
computation and recording one.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from itertools import count
from math import prod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..errors import DtypeError, GradientError, ShapeError, TraceError
from .source import function_from_source

Shape = tuple[int, ...]
NO_PARAMS: dict[str, Any] = {}  # shared by the many nodes without parameters: one object less for each
_PACKAGE = str(Path(__file__).parent.parent)
_now = count(1).__next__  # a clock that ticks once a node: a parent is never younger than its child


class Op:
    """One operation: a forward line in NumPy, a shape rule and a backward rule.

    Called on nodes it makes a node, called on plain arrays it just computes. So the one rule `vjp` serves both ways of
    differentiating: on arrays it gives numbers, on nodes it gives a graph.
    """

    registry: ClassVar[dict[str, Op]] = {}  # every primitive by name; tests, drawings and exporters walk it

    name: str
    signature = ""  # "x, *, axis": operands, then static parameters
    numpy = ""  # the forward, in terms of the signature: the compiler prints this very line
    prelude = ""  # source of a helper that the line calls, where one expression is not enough
    ufunc: str | None = None  # "np.add": the form that can write into a given array
    elementwise = False  # y[i] depends on the operands at i alone
    view = False  # the result may share memory with its operand
    differentiable = True  # False: no gradient passes, as through a comparison
    forward: Callable[..., Any]

    def __init_subclass__(cls) -> None:
        cls.name = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()
        if cls.numpy:
            source = f"{cls.prelude}def {cls.name}({cls.signature}):\n    return {cls.numpy}\n"
            cls.forward = staticmethod(function_from_source(cls.name, source))

    def __init__(self) -> None:
        Op.registry[self.name] = self

    def __call__(self, *inputs: Any, **params: Any) -> Any:
        values, known, requires_gradient = [], True, False
        for x in inputs:
            if type(x) is not ComputationNode:
                return self._lift(inputs, params)
            values.append(value := x._value)
            if value is None:
                known = False
            if x.requires_gradient:
                requires_gradient = self.differentiable
        if not known:
            return ComputationNode(self, inputs, params, *self.infer(inputs, params), requires_gradient)
        try:
            value = self.forward(*values, **params)
        except (ValueError, IndexError):
            self.infer(inputs, params)  # says what is wrong with the shapes, if that is what is wrong
            raise
        # What ComputationNode(...) does, without the call: these lines run once for every eager operation.
        node = _new(ComputationNode)
        node.op, node.parents, node.params, node._value = self, inputs, params or NO_PARAMS, value
        node.shape, node.dtype, node.requires_gradient = value.shape, value.dtype, requires_gradient
        node.name = node._gradient = node.origin = None
        node.created = _now()
        return node

    def _lift(self, inputs: tuple[Any, ...], params: dict[str, Any]) -> Any:
        """Without any node: just compute. With one: the others become constants; Python numbers take its dtype."""
        for x in inputs:
            if type(x) is ComputationNode:
                break
        else:
            return self.forward(*inputs, **params)
        like = np.result_type(*(x.dtype for x in inputs if isinstance(x, ComputationNode)))
        return self(*(x if isinstance(x, ComputationNode) else constant(x, like=like) for x in inputs), **params)

    def infer(self, inputs: tuple[ComputationNode, ...], params: dict[str, Any]) -> tuple[Shape, Any]:
        """Shape and dtype of the result, from the operands' alone; or a ShapeError that names them."""
        try:
            return self.shape(*(x.shape for x in inputs), **params), self.dtype(*(x.dtype for x in inputs), **params)
        except ShapeError as error:
            labels = [f"{a} {x.name!r}" if x.name else a for a, x in zip(self.operands(len(inputs)), inputs, strict=True)]
            told = " and ".join(f"{label} {x.shape}" for label, x in zip(labels, inputs, strict=True))
            raise ShapeError(f"{self.name}: {told}: {error}") from None

    def operands(self, n: int) -> list[str]:
        """The names of n operands: "a, b" gives a and b; "*arrays, axis" gives arrays[0], arrays[1], ..."""
        names = [name for name in self.signature.split(", ")[:n] if name != "*"]
        if starred := [name for name in names if name.startswith("*")]:
            first = names.index(starred[0])
            return names[:first] + [f"{starred[0][1:]}[{i}]" for i in range(n - first)]
        return names

    def shape(self, *shapes: Any, **params: Any) -> Shape:
        """The shape of the result; the operands broadcast unless an operation says otherwise."""
        try:
            return np.broadcast_shapes(*shapes)
        except ValueError:
            raise ShapeError("from the right, each axis must be equal in all of them, or 1") from None

    def dtype(self, *dtypes: Any, **params: Any) -> Any:
        """The dtype of the result."""
        return np.result_type(*dtypes)

    def vjp(self, *args: Any, **kwargs: Any) -> Any:
        """`vjp(g, y, *operands, **params)`: from the gradient g of the output y, that of each operand.

        None stands for no gradient. A function of no arguments stands for work to do only if that operand needs it.
        """
        raise GradientError(f"{self.name} has no gradient rule: give its class a method vjp")

    def flops(self, out: Shape, *shapes: Any, **params: Any) -> int:
        """Floating-point operations: one for each output element, unless an operation says otherwise."""
        return 0 if self.view else prod(out)

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> str:
        return self.name  # copies and pickles refer to the one instance in its module


class Leaf(Op):
    """A node without parents: an input, a parameter or a constant."""

    view = True  # it costs nothing

    def __init__(self, name: str) -> None:
        self.name = name


INPUT, PARAMETER, CONSTANT = Leaf("input"), Leaf("parameter"), Leaf("constant")


class ComputationNode:
    """One value of a computation: an operation, its parents, and the array they give.

    Structure is fixed at birth. `gradient` is filled by `backward()` and None until then. Equality is identity.
    """

    __slots__ = ("_gradient", "_value", "created", "dtype", "name", "op", "origin", "params", "parents",
                 "requires_gradient", "shape")  # fmt: skip
    __match_args__ = ("op", "parents")
    __array_ufunc__ = None  # so that `ndarray @ node` asks the node
    backward: ClassVar[Callable[..., None]]  # autodiff.py attaches it: `loss.backward(seed=None)`

    def __init__(
        self, op: Op, parents: tuple[ComputationNode, ...], params: dict[str, Any], shape: Shape, dtype: Any,
        requires_gradient: bool = False, value: Any = None, name: str | None = None,
    ) -> None:  # fmt: skip
        self.op, self.parents, self.params, self.shape, self.dtype = op, parents, params, shape, dtype
        self.requires_gradient, self.name, self._value, self._gradient = requires_gradient, name, value, None
        self.created = _now()
        self.origin = _user_line() if value is None else None  # file and line of the user's code, while symbolic

    @property
    def known(self) -> bool:
        """Whether this node has a value: all leaves that it depends on have one."""
        return self._value is not None

    @property
    def value(self) -> Any:
        """The array, read-only. Give a parameter a new one of the same shape: `w.value = w.value - 0.1 * w.gradient`."""
        if self._value is None:
            raise TraceError(f"{self!r} is symbolic: it has a shape, and no value until the graph is run on arrays")
        return _read_only(self._value)

    @value.setter
    def value(self, new: Any) -> None:
        if self.op is not PARAMETER:
            raise TypeError(f"only a parameter can get a new value; this is the result of {self.op}: build it again")
        array = _array(new, self.dtype, f"parameter {self.name or ''}")
        if array.shape != self.shape:
            raise ShapeError(f"parameter {self.name or ''} has shape {self.shape}; the new value has {array.shape}")
        self._value, self.created = array, _now()  # younger than what was computed from it: that is stale now

    @property
    def gradient(self) -> Any:
        """d(output)/d(this), an array that `backward()` adds to; read-only, because several nodes may share it."""
        return None if self._gradient is None else _read_only(self._gradient)

    @gradient.setter
    def gradient(self, new: Any) -> None:
        self._gradient = new if new is None else _array(new, self.dtype, "a gradient")

    def zero_gradient(self) -> None:
        """Forget the gradient of this node."""
        self._gradient = None

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def mT(self) -> Any:  # noqa: N802, NumPy's name
        """The matrix transpose: the last two axes swapped."""
        return Op.registry["transpose"](self)

    @property
    def T(self) -> Any:  # noqa: N802, NumPy's name
        """The transpose of a matrix."""
        if self.ndim != 2:
            raise ShapeError(f".T is for matrices; this node has shape {self.shape}: .mT swaps the last two axes")
        return self.mT

    def __repr__(self) -> str:
        label = f"{self.op} {self.name}" if self.name else f"{self.op}"
        if self._value is None:
            return f"ComputationNode({label}, shape={self.shape}, dtype={self.dtype})"
        return f"ComputationNode({label}, value={_short(self._value)}, gradient={_short(self._gradient)})"

    def __reduce__(self) -> tuple[Any, ...]:
        if self.op is not PARAMETER:
            raise TypeError("only parameters can be copied or pickled, not results: copy the arrays, or build it again")
        return parameter, (np.array(self.value), self.name, self.requires_gradient)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.array(self.value, dtype=dtype)

    def __float__(self) -> float:
        return float(self.value)

    def __bool__(self) -> bool:
        if self._value is None:
            raise TraceError(f"{self!r} is neither true nor false while it is traced: use tl.where(condition, a, b)")
        return bool(self._value)

    def __setitem__(self, key: Any, new: Any) -> None:
        raise TypeError("nodes are read-only: build a new one with tl.where(mask, a, b) or tl.concatenate([a, b])")

    def __getitem__(self, key: Any) -> Any:
        return Op.registry["index"](self, key=key)

    __iter__ = None

    def __mul__(self, other: Any) -> Any:
        number = isinstance(other, int | float)
        return Op.registry["scale"](self, factor=other) if number else Op.registry["multiply"](self, other)

    __rmul__ = __mul__

    def __neg__(self) -> Any:
        return Op.registry["scale"](self, factor=-1)

    def __pow__(self, exponent: float) -> Any:
        return Op.registry["power"](self, exponent=exponent)

    @staticmethod
    def _infix(name: str, swapped: bool = False) -> Callable[[Any, Any], Any]:
        """An operator's method. It looks the operation up by name, because those are defined above this module."""
        return (lambda a, b: Op.registry[name](b, a)) if swapped else (lambda a, b: Op.registry[name](a, b))

    __add__, __radd__ = _infix("add"), _infix("add", swapped=True)
    __sub__, __rsub__ = _infix("subtract"), _infix("subtract", swapped=True)
    __truediv__, __rtruediv__ = _infix("divide"), _infix("divide", swapped=True)
    __matmul__, __rmatmul__ = _infix("matmul"), _infix("matmul", swapped=True)
    __gt__, __lt__ = _infix("greater"), _infix("greater", swapped=True)


_new = object.__new__


def parameter(array: Any, name: str | None = None, trainable: bool = True) -> ComputationNode:
    """A leaf that training may change: holds a copy of `array`, which must be floats.

    `trainable=False` makes it a frozen parameter: `backward()` does not visit it. Raises DtypeError for integers.
    """
    value = _array(array, None, "a parameter")
    if value.dtype.kind != "f":
        raise DtypeError(f"a parameter must hold floats, not {value.dtype}: pass np.asarray(array, dtype=float)")
    return ComputationNode(PARAMETER, (), {}, value.shape, value.dtype, trainable, value, name)


def constant(array: Any, name: str | None = None, *, like: Any = None) -> ComputationNode:
    """A leaf that never changes: holds a copy of `array`. `like` is the dtype that plain Python numbers take."""
    number = like is not None and isinstance(array, int | float)
    value = _array(array, np.result_type(like, array) if number else None, "a constant")
    return ComputationNode(CONSTANT, (), {}, value.shape, value.dtype, False, value, name)


def placeholder(shape: Shape, dtype: Any = np.float64, name: str | None = None) -> ComputationNode:
    """A leaf whose value comes later: everything computed from it is symbolic."""
    return ComputationNode(INPUT, (), {}, tuple(int(n) for n in shape), np.dtype(dtype), False, None, name)


def _array(data: Any, dtype: Any, what: str) -> Any:
    """A copy of `data` (a NumPy scalar where there are no axes), or a DtypeError."""
    array = np.array(data)
    if array.dtype.kind not in "biufc" or not np.can_cast(array.dtype, dtype or array.dtype, "same_kind"):
        raise DtypeError(f"{what} must hold {dtype or 'numbers'}, not {array.dtype}: convert it first, with .astype")
    return array.astype(dtype or array.dtype, copy=False)[()]


def _read_only(array: Any) -> Any:
    """The array, marked; a NumPy scalar cannot be written to anyway."""
    if array.ndim:
        array.setflags(write=False)
    return array


def _short(value: Any) -> str:
    """A few numbers of an array, or "-" for none."""
    return "-" if value is None else np.array2string(np.asarray(value), precision=4, threshold=6, edgeitems=2)


def _user_line() -> tuple[str, int] | None:
    """File and line of the innermost caller outside this package."""
    frame: Any = sys._getframe(1)
    while frame and frame.f_code.co_filename.startswith((_PACKAGE, "<tinygrad_lora")):
        frame = frame.f_back
    return (frame.f_code.co_filename, frame.f_lineno) if frame else None
