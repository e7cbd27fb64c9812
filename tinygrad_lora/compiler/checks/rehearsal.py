"""What a program reads and writes, call by call: its code runs on stand-ins for its arrays, which compute nothing.

A stand-in takes views as NumPy does, so that each operand is known as it is: where it starts, its shape, strides and
dtype. Whoever looks on overrides `Rehearsal.call`, which hears of each operation; a `Buffer` keeps what is where.
"""

from __future__ import annotations

import re
import sys
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from types import FunctionType
from typing import Any

import numpy as np

from ...core import ComputationNode as Node
from ..planned.write import Planned
from .blocks import Loop, Start, cut
from .buffers import Buffer
from .forms import address, indexed

VIEWS = {"mT", "T", "reshape", "transpose", "broadcast_to", "swapaxes", "squeeze", "expand_dims", "moveaxis", "ravel"}


class StandIn:
    """What the program takes for an array or a number: an array of the same form, at the place `first` of a buffer.

    The result of an expression has neither before they are needed: it is the value of its `node`. `start` and `stop`
    are the bytes between which its elements are, and `plain` says that they lie there one after another, aligned. In a
    loop over blocks of rows, `cut` says how a block takes its part of an array.
    """

    __slots__ = ("array", "buffer", "cut", "first", "key", "length", "loop", "node", "part", "plain", "row", "run",
                 "start", "stop")  # fmt: skip
    __array_ufunc__ = None
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, run: Rehearsal, node: Any, array: Any = None, buffer: Any = None, first: int = 0) -> None:
        self.run, self.node, self.buffer = run, node, buffer
        self.cut: str | None = None
        self.part: StandIn | None = None  # that of the rows `key`, in this `loop`
        self.key: Any = None
        self.loop: Loop | None = None
        if array is not None:
            self._place(array, first)

    def _place(self, array: Any, first: int) -> None:
        self.array, self.first, self.start, self.stop = array, first, first, first + array.nbytes
        self.plain = array.flags.carray
        self.length = array.shape[0] if array.shape else 0
        self.row = array.nbytes // self.length if self.length else 0
        if not self.plain and array.size:
            moves = [(n - 1) * stride for n, stride in zip(array.shape, array.strides, strict=True)]
            self.start = first + sum(move for move in moves if move < 0)
            self.stop = first + sum(move for move in moves if move > 0) + array.itemsize

    def stored(self) -> StandIn:
        """This one in a buffer."""
        if self.buffer is None:
            self._place(np.empty(self.node.shape, self.node.dtype), 0)
            self.buffer = Buffer("own", self.node, self.array.nbytes)
        return self

    def view(self, array: Any, moved: int = 0) -> StandIn:
        """A view of this one, `moved` bytes on, not cut; a copy if NumPy had to make one."""
        if not self.plain and array.size and not np.may_share_memory(array, self.array):
            return self.run.copied(self, array)
        return StandIn(self.run, None, array, self.buffer, self.first + moved)

    def copy(self) -> StandIn:
        return self.run.copied(self, np.empty_like(self.stored().array, order="C"))

    def __getitem__(self, key: Any) -> StandIn:
        if self.part is not None and key is self.key and self.run.loop is self.loop:  # often the same rows
            return self.part
        if type(key) is slice and key.step is None and self.buffer is not None and self.plain and self.array.ndim:
            start, stop, _ = key.indices(self.length)
            how = cut(key, self.length, self.run.loop)
            if how is None and stop - start == self.length:
                return self
            part = self.view(self.array[start:stop], start * self.row)
            part.cut, self.key, self.loop, self.part = how, key, self.run.loop, part
            return part
        if indices := _stand_ins(key):
            if not any(i.stored().array.ndim for i in indices) and self.stored().array.ndim > len(indices):
                raise TypeError("indices that are numbers alone give a view, and nobody knows of which elements")
            return self.run.call([self, *indices], again=True)
        if self.buffer is None and type(key) is tuple and not key:
            return StandIn(self.run, self.node)  # a number
        array = self.stored().array
        part = self.view(*indexed(array, key))
        part.cut = cut(key, len(array) if array.ndim else 0, self.run.loop)
        return part if isinstance(array[key], np.ndarray) else part.copy()  # a number is no view

    def __setitem__(self, key: Any, value: Any) -> None:
        self.run.call([value, *_stand_ins(key)], self, changed=type(key) is not tuple or key != ())

    def fill(self, value: Any) -> None:
        self.run.call([], self)

    def dot(self, other: Any, out: Any = None) -> StandIn:
        return self.run.call([self, other], out)

    def argmax(self, axis: int, keepdims: bool = False) -> Places:
        return Places(self, keepdims)

    def take(self, places: Any, axis: None = None, out: Any = None, mode: str = "raise") -> StandIn:
        return self.run.call([self, places.array if type(places) is Places else places], out)

    def __bool__(self) -> bool:
        return False  # `zero if x <= 0.0 else +x`: go the way that reads x

    def __getattr__(self, method: str) -> Any:
        """A view; any other method, such as `sum`, reads this array and gives a new one."""
        if method in VIEWS:
            view = getattr(self.stored().array, method)
            return self.view(view) if isinstance(view, np.ndarray) else lambda *args: self.view(view(*args))
        if not hasattr(np.ndarray, method):
            raise AttributeError(method)
        return lambda *args, **kwargs: self.run.call([self, *args])


for _name in ("add", "sub", "mul", "truediv", "pow", "matmul", "gt", "ge", "lt", "le", "eq", "ne", "and", "or"):
    for _turned in ("", "r"):
        setattr(StandIn, f"__{_turned}{_name}__", lambda self, other: self.run.call((self, other)))
for _name in ("neg", "pos", "abs", "invert"):
    setattr(StandIn, f"__{_name}__", lambda self: self.run.call((self,)))


class Places:
    """Stands for where something is in each row of an array: to know it, that is read."""

    def __init__(self, array: StandIn, keepdims: bool) -> None:
        self.array, self.keepdims = array, keepdims

    def __add__(self, starts: StandIn) -> Places:
        x = self.array.stored().array
        expected = np.arange(0, x.size, x.shape[-1]).reshape(*x.shape[:-1], *[1] * self.keepdims)
        if not np.array_equal(starts.array, expected):
            raise ValueError("what is added to the places in the rows is not where the rows begin")
        return self


class Function:
    """Stands for a function of NumPy, or for `np` itself."""

    def __init__(self, run: Rehearsal, function: Any) -> None:
        self.run, self.function, self.dtype = run, function, function

    def __getattr__(self, name: str) -> Any:
        return self.run.stand_in(getattr(self.function, name))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        run, function, out, where = self.run, self.function, kwargs.pop("out", None), kwargs.pop("where", None)
        if function is np.copyto:
            return run.call([args[1], where], args[0], changed=where is not None, by_element=where is not None)
        if function is np.concatenate:
            return run.call(args[0], args[2] if len(args) > 2 else out, in_order=True)
        if function is np.empty:
            return StandIn(run, None, np.empty(args[0], getattr(args[1], "dtype", args[1])), Buffer("own"))
        if getattr(function, "__name__", "") in VIEWS and type(args[0]) is StandIn:
            return args[0].stored().view(function(args[0].array, *args[1:], **kwargs))
        if isinstance(getattr(function, "__self__", None), np.ufunc):
            if function.__name__ == "at":
                return run.call(_stand_ins(args[1:]), args[0], changed=True)
            return run.call(args[:1], args[3] if len(args) > 3 else out)  # reduce
        return run.call(_operands((*args, *kwargs.values())))


class Ufunc(Function):
    """Stands for a function that works element by element, or on the rows and columns of matrices."""

    def __init__(self, run: Rehearsal, function: Any) -> None:
        super().__init__(run, function)
        self.operands, self.by_element = function.nin, function.signature is None

    def __call__(self, *args: Any, out: Any = None) -> Any:
        n = self.operands
        return self.run.call(args[:n], args[n] if len(args) > n else out, by_element=self.by_element)


class Rehearsal:
    """One run of a program on stand-ins."""

    def __init__(self, planned: Planned, function: Any) -> None:
        self.variables, self.code = planned.variables, function.__code__
        self.frame: Any = None  # of the program, while it runs
        body = len(planned.source.splitlines()) - len(planned.nodes) + 1  # the first line of the function's body
        self.starts, self.nodes = list[int](), list[Node | None]()  # each line's first byte of code, and whose it is
        before = -1
        for start, _, line in self.code.co_lines():
            if line != before:
                before = line
                self.starts.append(start)
                self.nodes.append(planned.nodes[line - body] if line is not None and line >= body else None)
        self.node: Node | None = None  # whose lines run
        self.loop: Loop | None = None  # which runs
        self.scope = self._scope(function.__globals__, planned.source)
        leaves = [*planned.lowered.graph.inputs, *planned.lowered.kept]
        self.arguments = {leaf: self._leaf(leaf, "argument") for leaf in leaves}

    def run(self) -> tuple[Any, ...]:
        """Run the program; what it returns."""
        results = FunctionType(self.code, self.scope)(*self.arguments.values())
        return results if type(results) is tuple else () if results is None else (results,)

    def call(
        self, operands: Sequence[Any], out: StandIn | None = None, *,
        changed: bool = False, again: bool = False, by_element: bool = False, in_order: bool = False,
    ) -> Any:  # fmt: skip
        """An operation on these operands, some of which may be numbers, that makes a new array or writes into `out`.

        `changed`: it also needs what `out` held before. `again`: the first operand may be what the lines before made.
        `by_element`: an element of the result needs only those at the same place. `in_order`: the operands are those of
        the node, each at its place.
        """
        raise NotImplementedError

    def copied(self, array: StandIn, new: Any) -> StandIn:
        """The elements of an array, in their order, in a new one."""
        raise NotImplementedError

    def line(self) -> Node | None:
        """The node for which the line is that runs."""
        if self.frame is None:
            frame: Any = sys._getframe(1)
            while frame.f_code is not self.code:
                frame = frame.f_back
            self.frame = frame
        node = self.nodes[bisect_right(self.starts, self.frame.f_lasti) - 1]
        if node is not self.node:
            self._turn(node)
        return node

    def _turn(self, node: Node | None) -> None:
        """Another node's lines run."""
        self.over()
        self.node = node

    def over(self) -> None:
        """The lines of a node have run."""

    def looped(self, loop: Loop) -> None:
        """A loop over blocks of rows has run."""

    def stand_in(self, value: Any) -> Any:
        """A function's stand-in; any other object itself."""
        if isinstance(value, np.ufunc):
            return Ufunc(self, value)
        return Function(self, value) if callable(value) else value

    def _scope(self, scope: Mapping[str, Any], source: str) -> dict[str, Any]:
        """What the program finds under its names."""
        head = source.rpartition("\ndef ")[0]
        offsets = dict(re.findall(r"^(\w+) = np\.ndarray\(.*, memory, (\d+)\)", head, re.MULTILINE))
        nodes = {name: node for node, name in self.variables.items()}
        memory, all_of_it = Buffer("memory"), scope.get("memory")
        arrays: dict[int, StandIn] = {}
        stand_ins = dict(scope) | {"np": Function(self, np), "range": self._blocks}
        for name, array in scope.items():
            if not isinstance(array, np.ndarray):
                if name not in ("np", "__builtins__"):
                    stand_ins[name] = self.stand_in(array)
                continue
            node, base = nodes.get(name), arrays.get(id(array.base))
            if id(array) in arrays:
                made = arrays[id(array)]
            elif name in offsets:
                made = StandIn(self, None, array, memory, int(offsets[name]))
            elif all_of_it is not None and np.may_share_memory(array, all_of_it):
                made = StandIn(self, None, array, memory, address(array) - address(all_of_it))
            elif base is not None:
                made = StandIn(self, None, array, base.buffer, address(array) - address(base.array))
            elif node is None:
                made = StandIn(self, None, array, Buffer("number"))
            elif _root(node).parents or (node.parents and array.base is None):  # what each call writes, or nothing does
                made = StandIn(self, None, array, Buffer("memory"))
            else:
                made = self._leaf(node, "constant", array)
                if array.base is not None:  # a long constant is a view itself: what is a view of it has its base
                    arrays[id(array.base)] = made
            stand_ins[name] = arrays[id(array)] = made
        return stand_ins

    def _leaf(self, node: Node, kind: str, array: Any = None) -> StandIn:
        array = array if array is not None and array.flags.c_contiguous else np.empty(node.shape, node.dtype)
        return StandIn(self, None, array, Buffer(kind, node, array.nbytes))

    def _blocks(self, start: int, length: int, rows: int) -> Iterator[Start]:
        """In the place of `range`: all blocks as one."""
        if start:
            raise ValueError(f"a loop that begins with row {start}")
        self._turn(None)
        self.loop = Loop(length, rows)
        yield self.loop.start
        self._turn(None)
        self.looped(self.loop)
        self.loop = None


def _root(node: Node) -> Node:
    """The node of which this one is a view."""
    while node.parents and node.op.view:
        node = node.parents[0]
    return node


def collide(a: StandIn, b: StandIn, by_element: bool = False) -> bool:
    """Whether two arrays may have bytes in common; where each element stands for itself, other than all of them."""
    if a.buffer is not b.buffer or a.start >= b.stop or b.start >= a.stop or not (a.array.size and b.array.size):
        return False
    if a is b:
        return not by_element
    x, y = a.array, b.array
    return not by_element or (a.first, x.shape, x.strides, x.dtype) != (b.first, y.shape, y.strides, y.dtype)


def _operands(x: Any) -> list[Any]:
    """All that is in tuples of tuples."""
    return [y for part in x for y in _operands(part)] if type(x) is tuple or type(x) is list else [x]


def _stand_ins(x: Any) -> list[StandIn]:
    """All stand-ins in tuples of tuples."""
    return [y for y in _operands(x) if type(y) is StandIn]
