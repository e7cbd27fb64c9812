"""Calls between the judge and the student's process. Both run this code; only data crosses (see `packing`).

A function of the other process is a function here that sends its arguments there. A class of the other process is a
class here: its bases from the package are the real ones, and the methods that it defines itself run where it was
defined. So `isinstance(layer, tl.Layer)` holds, and what the student did not write is ours.
"""

import inspect
import time
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np

from ...core.node import tick
from ...learn.checking.signatures import is_blank, parameters_of, signature_from, with_signature
from ...nn.adapters.mergeable import MergeableLayer
from ...nn.layer import Layer
from ...nn.watch import STRUCTURE
from .known import called, identifier, is_ours, name_of, named
from .messages import LONGEST, changed_slots, error_of, examine
from .packing import Packer
from .plain import alike, content_of, refill
from .wire import Channel, Gone, Misbehaved

MOST_METHODS = 200  # of a class
Run = Callable[[Callable[[], Any], float], Any]


class Peer(Packer):
    """One end of the conversation. `first` is 1 for the student and 2 for the judge: their numbers never meet.

    `run(function, seconds)` runs a call that came in; `locate(error)` says on which of the student's lines an error was
    raised.
    """

    def __init__(self, channel: Channel, first: int, run: Run, locate: Callable[[BaseException], str]) -> None:
        super().__init__(first)
        self.channel, self._run, self._locate = channel, run, locate
        self.deadline = 0.0  # until when the other side may work; 0: nobody says
        self._calls = first

    def forget(self) -> None:
        super().forget()
        self._mirrors: dict[int, dict[str, Any]] = {}  # attributes of objects that both sides have, as last sent
        self._methods: dict[int, frozenset[str]] = {}  # what may be called on a thing of ours

    # --- Calls ---

    def call(self, target: int, method: str, args: Any = (), kwargs: Any = None) -> Any:
        """Call an object of the other side, and apply what it changed in its arguments."""
        mine = self._calls = self._calls + 2
        seconds = max(self.deadline - time.monotonic(), 0.05) if self.deadline else 0.0
        own = self._send({"call": mine, "n": target, "method": method, "seconds": seconds}, [args, kwargs or {}])
        while True:
            message, values = self._receive()
            if "call" in message:
                self._answer(message, values)
            elif message.get("return") == mine:
                return self._returned(message, values, own)
            else:
                raise Misbehaved("an answer to another call")

    def serve(self) -> None:
        """Answer calls until the other side closes."""
        while True:
            message, values = self._receive()
            if "call" in message:
                self._answer(message, values)
            elif "forget" in message:
                self.forget()

    def begin(self) -> None:
        """Have both sides forget all objects and their numbers."""
        self._send({"forget": True}, [])
        self.forget()

    def _answer(self, message: dict[str, Any], values: list[Any]) -> None:
        call, slots, before = message["call"], self.slots, [content_of(slot) for slot in self.slots]
        try:
            target, (args, kwargs) = self.things[message["n"]], values
            function = self._callable(target, message["n"], message["method"])
            result = self._run(lambda: function(*args, **kwargs), float(message["seconds"]))
        except (Gone, Misbehaved):
            raise
        except BaseException as error:  # also the time limit, and sys.exit
            self._raise(call, error)
            return
        changed = [i for i, (slot, old) in enumerate(zip(slots, before, strict=True)) if not alike(slot, old)]
        try:
            self._send({"return": call, "changed": changed}, [result, *(slots[i] for i in changed)])
        except Gone:
            raise
        except Exception as error:
            self._raise(call, TypeError(f"it cannot be sent as data ({type(error).__name__}: {error})"))

    def _callable(self, target: Any, n: int, method: str) -> Callable[..., Any]:
        if n in self._methods and (not method or method in self._methods[n]):
            if method.startswith("="):
                return lambda: getattr(target, method[1:])
            return getattr(target, method) if method else target
        raise PermissionError(f"{method or 'this'} cannot be called")

    def _raise(self, call: int, error: BaseException) -> None:
        try:
            text = str(error)[:LONGEST]
        except BaseException:
            text = ""
        operation = getattr(error, "operation", None) if is_ours(type(error)) else None
        message = {"return": call, "raise": type(error).__name__, "text": text, "line": self._locate(error)}
        try:
            self._send(message, [list(operation) if type(operation) is tuple else None])
        except Exception:
            self._send(message, [None])

    def _returned(self, message: dict[str, Any], values: list[Any], own: list[Any]) -> Any:
        if "raise" in message:
            raise error_of(message, values[0] if len(values) == 1 else None)
        for i, content in zip(changed_slots(message, len(own)), values[1:], strict=True):
            refill(own[i], content)
        return values[0]

    # --- Messages ---

    def _send(self, message: dict[str, Any], values: list[Any]) -> list[Any]:
        """Send a message. Returns the objects in it that the other side may change."""
        self.clear()
        packed = [self.pack(value) for value in values]
        slots = self.slots
        attributes = self._attributes()
        whole = {
            "values": packed, "attributes": attributes, "changes": self.changes(), "nodes": self.defined,
            "arrays": self.rewritten(),
        }  # fmt: skip
        self.channel.send(message | whole, self.blobs)
        return slots

    def _receive(self) -> tuple[dict[str, Any], list[Any]]:
        """The next message, its values unpacked. Whatever is wrong with it is the other side's fault: Misbehaved."""
        message, blobs = self.channel.receive()
        self.clear()
        self.blobs = blobs
        try:
            examine(message)
            self.learn_arrays(message["arrays"])
            self.learn_nodes(message["nodes"], message["changes"])
            self.slots = []
            values = [self.unpack(value) for value in message["values"]]
            slots = self.slots
            for n, new, gone in message["attributes"]:
                self._learn_attributes(n, new, gone)
            self.slots = slots
            return message, values
        except Misbehaved:
            raise
        except Exception as error:
            raise Misbehaved(f"a message is not what it should be ({type(error).__name__}: {error})"[:300]) from None

    # --- References ---

    def refer(self, x: Any) -> Any:
        if isinstance(x, type):
            return self._refer_class(x)
        if isinstance(x, FunctionType) or (callable(x) and not hasattr(x, "__dict__")) or inspect.ismethod(x):
            return self._refer_function(x)
        attributes, kind = getattr(x, "__dict__", None), type(x)
        if callable(x) and not is_ours(kind) and not isinstance(x, Layer) and "__call__" not in self._own(kind):
            return self._refer_function(x)
        path = name_of(kind)
        if type(attributes) is dict and (path or not is_ours(kind)) and kind.__module__ != "builtins":
            n = self.number(x)
            of = {"known": path} if path else self.pack(kind)
            self._methods[n] = frozenset(self._own(kind))
            self._mirrors[n] = dict(attributes)
            return {"n": n, "object": of, "vars": self._vars(attributes)}
        return {"n": self.number(x), "opaque": kind.__name__.replace("-", "_")}

    def _vars(self, attributes: dict[str, Any]) -> list[Any]:
        kept, self.slots = self.slots, []
        made = [[name, self.pack(value)] for name, value in attributes.items() if type(name) is str]
        self.slots = kept
        return made

    def _refer_function(self, x: Any) -> Any:
        self._methods[n := self.number(x)] = frozenset()
        return {"n": n, "function": called(x), "blank": is_blank(x), "parameters": parameters_of(x)}

    def _refer_class(self, x: type) -> Any:
        self._methods[n := self.number(x)] = frozenset()
        own = self._own(x)
        bases = [base for base in map(name_of, x.__mro__[1:]) if base and base.startswith("class ")]
        takes = {name: parameters_of(getattr(x, name)) for name in own if not name.startswith("=")}
        return {
            "n": n, "class": called(x), "bases": bases[:1], "methods": sorted(own), "blank": is_blank(x),
            "parameters": parameters_of(x), "takes": takes,
        }  # fmt: skip

    def _own(self, kind: type) -> set[str]:
        """The methods and properties (with a "=" before the name) that are not the package's."""
        names: set[str] = set()
        for one in kind.__mro__:
            if is_ours(one) or one is object or one.__module__ in ("builtins", "abc", "typing"):
                continue
            for name, thing in vars(one).items():
                if isinstance(thing, property):
                    names.add("=" + name)
                elif name.startswith("__") and name != "__call__":
                    continue  # an answer that says how it compares is not asked
                elif isinstance(thing, FunctionType | classmethod | staticmethod):
                    names.add(name)
        return names

    def resolve(self, x: dict[str, Any]) -> Any:
        n = x["n"]
        if "function" in x:
            made: Any = self._function(n, x)
        elif "class" in x:
            made = self._class(n, x)
        elif "object" in x:
            kind = self._unpacked(x["object"])
            if not isinstance(kind, type):
                raise TypeError("an object of no class")
            made = object.__new__(kind)
            self.enter(n, made)
            self._methods[n] = frozenset()
            self._learn_attributes(n, x["vars"], [])
            return made
        else:
            made = type(identifier(x["opaque"]), (Opaque,), {})()
        self.enter(n, made)
        return made

    def _function(self, n: int, x: dict[str, Any]) -> Any:
        if x["blank"]:
            return Unwritten()

        def function(*args: Any, **kwargs: Any) -> Any:
            return self.call(n, "", args, kwargs)

        function.__name__ = function.__qualname__ = identifier(x["function"], "<lambda>")
        return with_signature(function, x["parameters"])

    def _class(self, n: int, x: dict[str, Any]) -> Any:
        if x["blank"]:
            return Unwritten()
        peer, takes = self, x["takes"]

        class Meta(type):
            # Of the class alone: its objects may be called, and then take something else.
            __signature__ = property(lambda cls: signature)

            def __call__(cls, *args: Any, **kwargs: Any) -> Any:
                return peer.call(n, "", args, kwargs)

        def forwarding(name: str) -> Any:
            def method(self: Any, *args: Any, **kwargs: Any) -> Any:
                return peer.call(peer._numbers[id(self)], name, args, kwargs)

            method.__name__ = identifier(name.removeprefix("="))
            return property(method) if name.startswith("=") else with_signature(method, takes[name])

        methods = [str(name) for name in x["methods"][:MOST_METHODS]]
        # A property too: `repr` would ask "__repr__" for a function of the other process.
        if bad := [name for name in methods if name.removeprefix("=").startswith("__") and name != "__call__"]:
            raise ValueError(f"the method {bad[0]}")
        if len(x["bases"]) > 1 or not all(base.startswith("class ") for base in x["bases"]):
            raise ValueError("a class of something else than the package's")
        bases = tuple(named(base) for base in x["bases"])
        namespace = {name.removeprefix("="): forwarding(name) for name in methods}
        signature = None if x["parameters"] is None else signature_from(x["parameters"])
        return Meta(identifier(x["class"]), bases, namespace)

    # --- Attributes of objects that both sides have ---

    def _attributes(self) -> list[Any]:
        """The attributes that have changed since the last message, or may have: lists, dictionaries and arrays."""
        changed = []
        for n in list(self._mirrors):
            thing, old = self.things[n], self._mirrors[n]
            now = dict(vars(thing))
            new = {k: v for k, v in now.items() if k not in old or old[k] is not v or type(v) in _MUTABLE}
            gone = [name for name in old if name not in now]
            if new or gone:
                self._mirrors[n] = now
                changed.append([n, self._vars(new), gone])
        return changed

    def _learn_attributes(self, n: int, new: list[Any], gone: list[str]) -> None:
        thing, kept, self.slots = self.things[n], self.slots, []
        if n not in self._methods or isinstance(thing, type | FunctionType):
            raise Misbehaved("attributes of no object")
        if len(new) + len(gone) > MOST_METHODS or not all(type(name) is str for name in [*dict(new), *gone]):
            raise Misbehaved("an object has too many attributes, or some without a name")
        for name, value in new:
            if name.startswith("__") or isinstance(getattr(type(thing), name, None), FunctionType):
                raise Misbehaved(f"the attribute {name} stands for a method")
            vars(thing)[name] = self.unpack(value)
        for name in gone:
            vars(thing).pop(name, None)
        if isinstance(thing, MergeableLayer) and (merged := vars(thing).get("_merged")):
            merged.versions = thing._versions(merged.base)  # each process has a clock of its own
        self.slots, STRUCTURE.changed = kept, tick()
        self._mirrors[n] = dict(vars(thing))


_MUTABLE = (list, dict, set, np.ndarray)


class Opaque:
    """Something that cannot cross, and of which only the name of its type is known."""

    __slots__ = ()


class Unwritten:
    """A function or class that is not written yet."""
