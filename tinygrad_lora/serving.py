"""Many adapters over one base: each sample of a batch goes through its own, in one compiled program."""

import copy
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from threading import Lock
from typing import Any

import numpy as np

from .compiler import compile
from .errors import AdaptError
from .nn.adapters.adapted import check_new_name, listed
from .nn.adapters.lora import LoRALayer
from .nn.adapters.mergeable import MergeableLayer
from .nn.adapters.model.plan import base_of
from .nn.adapters.model.settings import adapter_settings
from .nn.adapters.model.switching import adapted_layers, adapter_names
from .nn.adapters.model.targets import Targets, chosen_layers
from .nn.adapters.model.weighted import is_product
from .nn.adapters.per_sample import PerSampleLinear
from .nn.checks import check_size, floats
from .nn.layer import Layer
from .nn.linear import Linear

Factors = dict[str, tuple[Any, Any]]  # by layer: A (in, r), and B (r, out) times its scale
EMPTY = 0  # the slot of samples that have no adapter in a stack: its numbers are zero


class AdapterServer:
    """Serve many adapters of one model in mixed batches: `server(x, names=["french", None, "legal"])`.

    `add` copies an adapter into arrays that hold all adapters of a rank, `drop` empties its place. For each batch the
    matrices of its samples are taken out of them; these are inputs of the program, so neither compiles anything. There
    is a program for each shape of the inputs and each set of ranks in a batch; a rank that is not in it costs nothing.
    The base is not copied: its parameters are those of `model`, which stays as it is. Threads may share a server: it
    answers one call at a time.

    model: a layer, with or without adapters
    target_modules: the linear layers in which adapters can be, as in `adapt`
    capacity: how many adapters of each rank there is room for; where more come, it doubles
    Returns what the model gives, when it is called on arrays with `names`: one for each sample, None for the base
    alone.
    Raises AdaptError if an embedding is chosen, for names that are not served, and for a batch of another length.

    >>> model = tl.adapt(tl.Sequential(tl.Linear(3, 2, seed=0)), rank=1, name="french", seed=1)
    >>> server = tl.AdapterServer(model)
    >>> server.add("french")
    >>> server.add("quebec", model, adapter="french")
    >>> server(np.ones((3, 3)), names=["french", None, "quebec"]).shape
    (3, 2)
    >>> server.names, server.compilations
    (['french', 'quebec'], 1)
    >>> server.drop("quebec")
    >>> server.drop("quebec")
    Traceback (most recent call last):
        ...
    tinygrad_lora.errors.AdaptError: no adapter 'quebec' is served, of 1 that are: add('quebec') serves ...
    """

    def __init__(self, model: Layer, target_modules: Targets = "all-linear", *, capacity: int = 16) -> None:
        layers = chosen_layers(model, target_modules)
        if tables := [path for path, layer in layers.items() if not isinstance(base_of(layer), Linear)]:
            raise AdaptError(f"adapters of embeddings are not served: leave out {listed(tables)}")
        self.model, self.capacity = model, check_size(capacity, "capacity")
        self._layers = {path: PerSampleLinear(base_of(layer)) for path, layer in layers.items()}
        # The model once more, with these layers in the place of its own. What holds none of them is not copied.
        new: dict[int, Any] = {id(layer): layer.original for layer in adapted_layers(model).values()}
        new |= {id(layer): self._layers[path] for path, layer in layers.items()}
        kept = [x for x in model.named_layers().values() if new.keys().isdisjoint(map(id, x.named_layers().values()))]
        parameters = model.named_parameters().values()
        self._served = copy.deepcopy(model, {id(thing): thing for thing in (*kept, *parameters)} | new)
        self._shelves: dict[int, _Shelf] = {}  # by rank
        self._ranks: dict[str, int] = {}  # of each adapter
        self._lock = Lock()
        self._forward = compile(self._traced)

    @property
    def names(self) -> list[str]:
        """The adapters that are served, in the order in which they came."""
        return list(self._ranks)

    @property
    def compilations(self) -> int:
        """How many programs were made so far."""
        return self._forward.programs.generated

    def add(self, name: str, model: Layer | None = None, adapter: str | None = None) -> None:
        """Serve an adapter under a name. Its numbers are copied: to serve newer ones, drop it and add it again.

        name: what calls name
        model: the model that has the adapter, of the same layers; None is that of the server
        adapter: what the adapter is called there, if that is another name
        Raises AdaptError for a name that is taken or that there is not, for an adapter outside the served layers, and
        for one that is more than s A B: `extract_lora` makes plain LoRA of it.
        """
        check_new_name(name, self._ranks)
        factors = _factors(self.model if model is None else model, name if adapter is None else adapter, self._layers)
        rank = max(A.shape[1] for A, _ in factors.values())
        with self._lock:
            if rank not in self._shelves:
                self._shelves[rank] = _Shelf(rank, self._layers, self.capacity)
            self._shelves[rank].put(name, factors)
            self._ranks[name] = rank

    def drop(self, name: str) -> None:
        """Serve an adapter no more.

        name: that under which it was added
        Raises AdaptError if it is not served.
        """
        with self._lock:
            self._require([name])
            self._shelves[self._ranks.pop(name)].take(name)

    def __call__(self, *inputs: Any, names: Sequence[str | None]) -> Any:
        """What the model gives for these arrays, with one name for each sample; None is for the base alone.

        Raises AdaptError for names that are not served, and for a batch of another length.
        """
        if isinstance(names, str) or not isinstance(names, Sequence):
            raise TypeError(f"names are a list with one for each sample, such as ['french', None], not {names!r}")
        arrays = tuple(self._array(x, i) for i, x in enumerate(inputs))
        with self._lock:
            self._require([name for name in names if name is not None])
            ranks = sorted({self._ranks[name] for name in names if name is not None})
            shelves = (self._shelves[rank] for rank in ranks)
            return self._forward(arrays, tuple(shelf.matrices(names) for shelf in shelves), len(names))

    def _traced(self, inputs: Sequence[Any], groups: Sequence[Any], count: int) -> Any:
        """The model, as a graph: the matrices of the samples are inputs of it."""
        if inputs and (not inputs[0].shape or inputs[0].shape[0] != count):
            raise AdaptError(f"{count} names for an input of shape {inputs[0].shape}: its first axis has the samples")
        for i, layer in enumerate(self._layers.values()):
            layer.groups = [(A[i], B[i]) for A, B in groups]
        try:
            return self._served(*inputs)
        finally:
            for layer in self._layers.values():
                layer.groups = ()

    def _array(self, x: Any, i: int) -> Any:
        array = np.asarray(x)
        indices = self.model.takes_indices and array.dtype.kind in "iub"
        return array if indices else floats(array, self.model.dtype, f"input {i}")

    def _require(self, names: Sequence[str]) -> None:
        if unknown := next((name for name in names if name not in self._ranks), None):
            close = get_close_matches(str(unknown), self._ranks, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"add({unknown!r}) serves one of the model's"
            raise AdaptError(f"no adapter {unknown!r} is served, of {len(self._ranks)} that are: {hint}")

    def __repr__(self) -> str:
        ranks = ", ".join(f"{len(self._shelves[rank].slots)} of rank {rank}" for rank in sorted(self._shelves))
        return f"AdapterServer({len(self._ranks)} adapters in {len(self._layers)} layers{': ' * bool(ranks)}{ranks})"


class _Shelf:
    """All adapters of one rank: for each layer the A of all in one array, and the B in another."""

    def __init__(self, rank: int, layers: Mapping[str, PerSampleLinear], capacity: int) -> None:
        self.slots: dict[str, int] = {}
        self.paths, self.free = list(layers), list(range(capacity, EMPTY, -1))
        weights = [layer.weight for layer in layers.values()]
        A = [np.zeros((capacity + 1, w.shape[0], rank), w.dtype) for w in weights]
        B = [np.zeros((capacity + 1, rank, w.shape[1]), w.dtype) for w in weights]
        self.stacks = [*A, *B]
        self.taken: list[Any] = []  # the matrices of the last batch, whose memory the next one uses again

    def put(self, name: str, factors: Factors) -> None:
        """Take an adapter in. Where a layer has a lower rank, or no adapter, the rest is zero: that is exact."""
        if not self.free:
            size = len(self.stacks[0])
            self.stacks = [np.concatenate([x, np.zeros((size - 1, *x.shape[1:]), x.dtype)]) for x in self.stacks]
            self.free = list(range(len(self.stacks[0]) - 1, size - 1, -1))
        slot = self.slots[name] = self.free.pop()
        for i, path in enumerate(self.paths):
            if path in factors:
                A, B = factors[path]
                self.stacks[i][slot, :, : A.shape[1]] = A
                self.stacks[i + len(self.paths)][slot, : len(B)] = B

    def take(self, name: str) -> None:
        """Let an adapter go."""
        slot = self.slots.pop(name)
        for stack in self.stacks:
            stack[slot] = 0
        self.free.append(slot)

    def matrices(self, names: Sequence[str | None]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """A and B of each sample, for each layer; zeros for a sample whose adapter is not here."""
        slots = np.array([EMPTY if name is None else self.slots.get(name, EMPTY) for name in names], np.intp)
        if not self.taken or len(self.taken[0]) != len(slots):
            self.taken = [np.empty((len(slots), *stack.shape[1:]), stack.dtype) for stack in self.stacks]
        for stack, taken in zip(self.stacks, self.taken, strict=True):
            np.take(stack, slots, axis=0, out=taken, mode="clip")  # other modes copy what they write once more
        half = len(self.paths)
        return tuple(self.taken[:half]), tuple(self.taken[half:])


def _factors(model: Layer, name: str, served: Mapping[str, PerSampleLinear]) -> Factors:
    """The matrices of an adapter, by layer. Raises AdaptError if it is not one that can be served."""
    layers = {path: layer for path, layer in adapted_layers(model).items() if name in layer.adapters}
    if not layers:
        raise AdaptError(f"no adapter is called {name!r}: there are {listed(adapter_names(model)) or 'none'}")
    settings = adapter_settings(model).get(name)
    if outside := [path for path in layers if path not in served]:
        raise AdaptError(f"the adapter {name!r} is in {listed(outside)} too, which is not among the served layers")
    if settings and settings.bias != "none":
        raise AdaptError(f"the adapter {name!r} trains the biases, which all that are served share")
    factors: Factors = {}
    for path, layer in layers.items():
        parts: list[Any] = [*layer.own_change(name)] if isinstance(layer, MergeableLayer) else []
        if not parts or not all(_is_served(part) for _, part in parts):
            kind = type(layer.adapters[name]).__name__
            remedy = "extract_lora(model, model, rank=..., name=...) makes plain LoRA of what is active"
            raise AdaptError(f"in {path!r} the adapter {name!r}, of type {kind}, is more than s A B: {remedy}")
        A = np.concatenate([part.lora_A.value for _, part in parts], axis=1)
        B = np.concatenate([sign * part.scaling * part.lora_B.value for sign, part in parts], axis=0)
        if (A.shape[0], B.shape[1]) != served[path].weight.shape:
            raise AdaptError(f"in {path!r} {name!r} is for {(A.shape[0], B.shape[1])}, not {served[path].weight.shape}")
        factors[path] = A, B
    return factors


def _is_served(adapter: Any) -> bool:
    """Whether an adapter adds s A B to the base, or to what is left of it, and nothing else."""
    product = isinstance(adapter, LoRALayer) and (adapter.residual or is_product(adapter))
    return product and adapter.is_linear and adapter.lora_B_bias is None
