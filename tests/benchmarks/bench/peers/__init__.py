"""The implementations that are timed, one module each, which alone imports its library, and only when it is used."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ..workloads import Case


class UnableError(Exception):
    """This peer cannot run this workload, for the reason given. Not an error: the table says so."""


class Prepared(NamedTuple):
    """A workload ready to run: `step()` is what is timed, `outcome(result)` names the arrays that it gave or changed.

    The names are `y`; `loss`, `dx` and those of the updated parameters; or `y` and gradients such as `dw`.
    `compiled` is our compiled function, where there is one.
    """

    step: Callable[[], Any]
    outcome: Callable[[Any], dict[str, Any]]
    compiled: Any = None


class Peer(NamedTuple):
    """Where a peer is written, the library that it needs, and what it is."""

    module: str
    library: str | None
    title: str


PEERS: dict[str, Peer] = {
    "ours": Peer("ours", None, "compiled to NumPy"),
    "ours-numba": Peer("ours", "numba", "compiled with numba"),
    "ours-eager": Peer("ours", None, "our engine without the compiler"),
    "naive": Peer("naive", None, "careful NumPy by hand"),
    "floor": Peer("floor", None, "the matrix products alone"),
    "torch": Peer("torch", "torch", "PyTorch"),
    "torch.compile": Peer("torch", "torch", "PyTorch, forward and backward compiled"),
    "torch.func": Peer("torch", "torch", "PyTorch, a whole step with its update compiled as one function"),
    "jax": Peer("jax", "jax", "JAX, jit"),
    "autograd": Peer("autograd", "autograd", "HIPS autograd on NumPy"),
    "mygrad": Peer("mygrad", "mygrad", "MyGrad on NumPy"),
    "micrograd": Peer("micrograd", "micrograd", "micrograd, which knows numbers only"),
    "tinygrad": Peer("tinygrad", "tinygrad", "tinygrad"),
}
WITHOUT = "ours without "  # a variant: "ours without fuse_elementwise" leaves one technique of the compiler out


def peer(name: str) -> Peer:
    """The peer of this name, or that of a variant."""
    return PEERS["ours" if name.startswith(WITHOUT) else name]


def missing(name: str) -> str | None:
    """Why this peer cannot run at all here, or None."""
    library = peer(name).library
    available = library is None or importlib.util.find_spec(library) is not None
    return None if available else f"{library} is not installed"


def prepare(name: str, case: Case) -> Prepared:
    """The peer's own way to run the case. Raises UnableError with the reason if it has none."""
    if case.workload == "W8":  # which all peers write side by side, in a folder of its own
        prepared_there: Prepared = importlib.import_module("..microgpt.trainers", __name__).prepared(name, case)
        return prepared_there
    prepared: Prepared = importlib.import_module(f".{peer(name).module}", __name__).prepare(name, case)
    return prepared


def chosen(ways: Mapping[str, Callable[[Case], Prepared]], case: Case, reason: str) -> Prepared:
    """The way that fits the case's workload, prepared. Raises UnableError(reason) if there is none."""
    if case.workload not in ways:
        raise UnableError(reason)
    return ways[case.workload](case)
