"""Values as data: what one process packs, the other unpacks. Numbers and arrays cross as copies, nodes as their graph.

A node has one number in both processes, so that a list of nodes comes back as the very nodes that were sent. Results of
operations cross without their values: the receiver computes them again with a NumPy that nobody has touched.
Functions, classes and objects of another process cross as references; see `peer`.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from ...compiler.compiled import CompiledFunction
from ...core.graph import Graph, topological_order
from ...core.node import PARAMETER, ComputationNode
from ...learn.checking.evaluated import Evaluated
from .known import name_of, named
from .nodes import LEAVES, Work, leaf
from .plain import KINDS, NUMBERS, as_json, dtype_of, from_json, generator_in, state_of
from .wire import Misbehaved

SMALL, MOST = 1 << 16, 256  # bytes of an array that both sides keep alike, and how many of them
DEEPEST = 200  # lists in lists
_LISTS: dict[type, str] = {list: "list", tuple: "tuple", set: "set", frozenset: "frozen"}
_MAKERS: dict[str, Any] = {"list": list, "tuple": tuple, "set": set, "frozen": frozenset}


class Packer:
    """Packs and unpacks one message at a time. `things` are what both sides know by number; ours are odd or even."""

    def __init__(self, first: int) -> None:
        self._first = first
        self.forget()

    def forget(self) -> None:
        """Start over: no number means anything any more. Both sides must do this at the same time."""
        self.things: dict[int, Any] = {}
        self._numbers: dict[int, int] = {}
        self._next = self._first
        self._nodes: dict[int, tuple[Any, ...]] = {}  # what the other side knows of each node
        self._arrays: dict[int, bytes] = {}  # and of each array that may change
        self.clear()

    def clear(self) -> None:
        """Begin a message."""
        self.blobs: list[bytes] = []
        self.defined: list[Any] = []
        self.slots: list[Any] = []  # what may change in a call, in the order in which it was packed
        self._depth = 0  # of the value that is unpacked
        self._work = Work()  # of the nodes that the message defines

    def number(self, thing: Any) -> int:
        """A new number for a thing of ours."""
        n, self._next = self._next, self._next + 2
        self.enter(n, thing)
        return n

    def enter(self, n: int, thing: Any) -> None:
        """Give a thing the number by which both sides know it."""
        if type(n) is not int or n in self.things:
            raise Misbehaved("a number is used twice")
        self.things[n] = thing
        self._numbers[id(thing)] = n

    # --- Out ---

    def pack(self, x: Any) -> Any:
        """The value as JSON, its arrays as blobs."""
        kind = type(x)
        if kind is ComputationNode:  # most values are nodes
            return {"#": self._node(x)}
        if kind in KINDS or (isinstance(x, np.dtype) and x.kind in NUMBERS):
            return as_json(x)
        if kind is bytes:
            self.blobs.append(x)
            return {"bytes": len(self.blobs) - 1}
        if kind in _LISTS:
            self.slots.append(x)
            return {_LISTS[kind]: [self.pack(part) for part in x]}
        if kind is dict:
            self.slots.append(x)
            return {"dict": [[self.pack(key), self.pack(value)] for key, value in x.items()]}
        if kind is np.ndarray and x.dtype.kind in NUMBERS:
            return self._shared(x)
        if isinstance(x, np.generic) and kind.__module__ == "numpy" and x.dtype.kind in NUMBERS:
            return {"scalar": self._array(np.asarray(x))}
        if kind is slice:
            return {"slice": [self.pack(part) for part in (x.start, x.stop, x.step)]}
        if kind is np.random.Generator:
            self.slots.append(x)
            return {"rng": state_of(x)}
        if name := name_of(x):
            return {"known": name}
        if id(x) in self._numbers:
            return {"#": self._numbers[id(x)]}
        if kind is Graph:
            n = self.number(x)
            return {"graph": [n, *(self.pack(list(part)) for part in (x.inputs, x.outputs, x.captured))]}
        if kind in (CompiledFunction, Evaluated):  # the other side evaluates its graph, and compiles nothing
            return {"compiled": self.pack(x.function)}
        return self.refer(x)

    def refer(self, x: Any) -> Any:
        """A reference to what cannot be copied."""
        raise NotImplementedError

    def _shared(self, x: Any) -> Any:
        """An array. Both sides know a small one that may change by number, so that it stays one array."""
        if not x.flags.writeable or x.nbytes > SMALL:
            self.slots.append(x)
            return {"array": self._array(x)}
        if id(x) in self._numbers:
            return {"#": self._numbers[id(x)]}
        self._share(n := self.number(x), x)
        return {"shared": [n, self._array(x)]}

    def _share(self, n: int, x: Any) -> None:
        self._arrays[n] = x.tobytes()
        if len(self._arrays) > MOST:
            oldest = next(iter(self._arrays))
            del self._arrays[oldest], self._numbers[id(self.things[oldest])]

    def rewritten(self) -> list[Any]:
        """The arrays that have been written to since the last message, with their contents."""
        arrays = []
        for n, before in self._arrays.items():
            if (now := self.things[n].tobytes()) != before:
                self._arrays[n] = now
                arrays.append([n, self._array(self.things[n])])
        return arrays

    def learn_arrays(self, rewritten: list[Any]) -> None:
        """Write into our arrays what the other side wrote into its own."""
        for n, content in rewritten:
            array = self.things[n]
            if type(array) is not np.ndarray:
                raise Misbehaved("this is no array")
            array[...] = self._unarray(content)
            if n in self._arrays:
                self._arrays[n] = array.tobytes()

    def _array(self, x: Any) -> list[Any]:
        self.blobs.append(np.ascontiguousarray(x).tobytes())
        return [x.dtype.str, list(x.shape), len(self.blobs) - 1, bool(x.flags.writeable)]

    def _node(self, node: ComputationNode) -> int:
        if id(node) not in self._numbers:
            kept, self.slots = self.slots, []
            for one in self._unknown(node):
                n, like, value = self.number(one), None, None
                if not one.parents:  # a leaf; of a result, its operation says the rest
                    like = [np.dtype(one.dtype).str, list(one.shape)]
                    value = self._array(one._value) if one._value is not None else None
                parents = [self._numbers[id(parent)] for parent in one.parents]
                params = [[name, self.pack(content)] for name, content in one.params.items()]
                self.defined.append([n, one.op.name, parents, params, like, value, one.name, one.requires_gradient])
                self._nodes[n] = _state(one, None)
            self.slots = kept
        return self._numbers[id(node)]

    def _unknown(self, node: ComputationNode) -> list[ComputationNode]:
        """The nodes that the other side lacks, parents first. Goes down no further than what it has."""
        if all(id(parent) in self._numbers for parent in node.parents):
            return [node]
        return [one for one in topological_order([node]) if id(one) not in self._numbers]

    def changes(self) -> list[Any]:
        """What has changed at nodes that both sides know: values of parameters, gradients, names."""
        changed = []
        for n, (value, version, gradient, *kept) in self._nodes.items():
            node = self.things[n]
            same = node._value is value and node.created == version
            if same and node._gradient is gradient and kept == [node.name, node.requires_gradient]:
                continue
            new = None if same or node.op is not PARAMETER else self._array(node._value)
            slope = None if node._gradient is None else self._array(np.asarray(node._gradient))
            label = node.name if type(node.name) is str else None
            changed.append([n, new, slope, label, node.requires_gradient is True])
            self._nodes[n] = _state(node, node._gradient)
        return changed

    # --- In ---

    def unpack(self, x: Any) -> Any:
        """The value that was packed. Raises Misbehaved for what no packer makes."""
        try:
            return self._unpacked(x)
        except (KeyError, ValueError, TypeError, IndexError, AttributeError, RecursionError, OverflowError) as error:
            raise Misbehaved(f"a value is not what it should be ({type(error).__name__}: {error})") from None

    def _unpacked(self, x: Any) -> Any:
        if type(x) is not dict:
            if type(x) is list:
                raise Misbehaved("a list without its kind")
            return x
        pairs: Any = x.items() if len(x) == 1 else (("reference", x),)
        ((tag, body),) = pairs
        if tag == "#":  # most values are nodes
            return self.things[body]
        if tag in _MAKERS or tag == "dict":
            return self._filled(tag, body)
        match tag:
            case "bytes":
                return bytes(self.blobs[body])
            case "scalar":
                if body[1]:
                    raise Misbehaved("a number with a shape")
                return self._unarray(body)[()]
            case "array":
                self.slots.append(array := self._unarray(body))
                return array
            case "shared":
                n, shared = body[0], self._unarray(body[1])
                self.enter(n, shared)
                self._share(n, shared)
                return shared
            case "rng":
                self.slots.append(rng := generator_in(body))
                return rng
            case "slice":
                return slice(*[self._unpacked(part) for part in body])
            case "graph":
                n, *parts = body
                self.enter(n, graph := Graph(*[self._unpacked(part) for part in parts]))
                return graph
            case "compiled":
                return Evaluated(self._unpacked(body))
            case "known":
                return named(body)
            case "reference":
                return self.resolve(body)
        return from_json(tag, body)

    def _filled(self, tag: str, body: Any) -> Any:
        """A list, a tuple, a set or a dictionary. It has its place among the slots before what is in it."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise Misbehaved("a value has too many values in each other")
        place = len(self.slots)
        self.slots.append(None)
        if tag == "dict":
            self.slots[place] = {self._unpacked(key): self._unpacked(value) for key, value in body}
        else:
            self.slots[place] = _MAKERS[tag]([self._unpacked(part) for part in body])
        self._depth -= 1
        return self.slots[place]

    def resolve(self, x: dict[str, Any]) -> Any:
        """The thing that a reference means."""
        raise NotImplementedError

    def _unarray(self, packed: list[Any]) -> Any:
        dtype, shape, place, writeable = packed
        if type(shape) is not list or any(type(n) is not int or n < 0 for n in [place, *shape]):
            raise Misbehaved("an array of no shape, or from no place")
        array = np.frombuffer(self.blobs[place], dtype_of(dtype)).reshape(shape).copy()
        array.flags.writeable = bool(writeable)
        return array

    @np.errstate(all="ignore")  # NumPy warns where the numbers are computed, not where a graph is built again
    def learn_nodes(self, defined: Iterable[Any], changed: Iterable[Any]) -> None:
        """Build the nodes of a message, and take over what has changed at known ones."""
        try:
            for n, op, parents, params, like, value, name, trainable in defined:
                if op in LEAVES:
                    node = leaf(op, like, value and self._unarray([*value[:3], False]))
                else:
                    fixed = {name: self._unpacked(content) for name, content in params}
                    node = self._work.result(op, tuple(self.things[p] for p in parents), fixed)
                self.enter(n, node)
                node.name, node.requires_gradient = name, trainable
                self._nodes[n] = _state(node, node._gradient)
            for n, value, slope, name, trainable in changed:
                node = self.things[n]
                if type(node) is not ComputationNode:
                    raise Misbehaved("a change of what is no node")
                if value is not None:
                    node.value = self._unarray(value)
                node.gradient = None if slope is None else self._unarray(slope)
                node.name, node.requires_gradient = name, trainable
                self._nodes[n] = _state(node, node._gradient)
        except Misbehaved:
            raise
        except Exception as error:  # an operation may refuse its operands in many ways
            raise Misbehaved(f"a graph cannot be built again: {type(error).__name__}: {error}") from None


def _state(node: ComputationNode, gradient: Any) -> tuple[Any, ...]:
    """What may change at a node. A compiled step writes into the array of a parameter, and makes it younger."""
    return node._value, node.created, gradient, node.name, node.requires_gradient
