"""A layer and its named adapters: which are active, and with which weight; all off; each row of a batch its own."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from keyword import iskeyword
from typing import Any

from ...errors import AdaptError, MergedError
from ..checks import check_number
from ..layer import Layer
from .rows import RowNames

Weights = Mapping[str, float]


class AdaptedLayer(Layer):
    r"""$y = f(x) + \sum_i w_i\,\delta_i(x)$: a layer f, the base, and adapters by name, of which some are active.

    The parameters of the base are called "base.weight" and so on, those of an adapter "french.lora_A". `active` gives
    the weight of each active adapter. `original` is the layer that was given, and stays as it is.
    """

    original: Any
    adapters: dict[str, Any]
    active: dict[str, float]
    _enabled = True
    _rows: RowNames | None = None
    _transient = (*Layer._transient, "_enabled", "_rows")

    def _parts(self) -> Iterable[tuple[str, Any]]:
        special = ("original", "adapters", "active")
        own = [(k, part) for k, part in vars(self).items() if k not in special and k[0] != "_"]
        return [("base", self.base), *self.adapters.items(), *own]

    @property
    def base(self) -> Any:
        """The layer that a call goes through at present, beside the adapters."""
        return self.original

    @property
    def merged(self) -> bool:
        """Whether the active adapters are part of the base at present."""
        return False

    @property
    def mode(self) -> str:
        """Which graph a call gives: "" (base and all adapters), "merged", "disabled", "base", or the active ones."""
        if not self._enabled:
            return "disabled"
        if self._rows is not None:
            return f"rows {', '.join(map(str, self._rows))}"
        if self.merged:
            return "merged"
        if self.active == dict.fromkeys(self.adapters, 1.0):
            return "" if self.adapters else "base"
        return " + ".join(name if w == 1 else f"{w!r} {name}" for name, w in self.active.items()) or "base"

    def states(self) -> dict[str, str]:
        """What each adapter does at present: "" (it is added), "0.7" (so much of it is), "merged", "disabled", ...

        Returns a dict of texts, by the adapter's name.
        """
        if not self._enabled or self._rows is not None:
            return dict.fromkeys(self.adapters, "by row" if self._enabled else "disabled")
        weights = {n: "" if w == 1 else f"{w:g}" for n, w in self.active.items()}
        merged = {n: " ".join(filter(None, (w, "merged" if self.merged else ""))) for n, w in weights.items()}
        return {n: merged.get(n, "inactive") for n in self.adapters}

    # --- Named adapters ---

    def attach(self, name: str, adapter: Any) -> None:
        """Take one more adapter, which is not active yet.

        name: a word that names it, such as "french"
        adapter: an adapter for a layer of this size
        Raises AdaptError for a name that is in use or invalid, MergedError while merged, ClosedError after `close()`.
        """
        self.require_open()
        self._require_unmerged("another one cannot be added")
        check_new_name(name, self.adapters)
        self._train(adapter, False)
        self.adapters = {**self.adapters, name: adapter}

    def activate(self, which: str | Weights, trainable: bool = True) -> None:
        r"""Make these adapters the active ones: one by name, or several with weights, $\sum_i w_i\,\delta_i(x)$.

        which: a name, or a dict of weights by name, such as {"french": 0.7}
        trainable: True trains the active ones; all others are frozen, and kept
        Raises AdaptError for names that there are not, MergedError while merged.
        """
        weights = checked_weights(which, self.adapters)
        self.check_switchable()
        self.select(weights, trainable)

    def check_switchable(self) -> None:
        """Refuse where other adapters cannot be activated now.

        Raises MergedError while some are merged, ClosedError after `close()`.
        """
        self.require_open()
        self._require_unmerged("others cannot be activated")

    def select(self, weights: Weights, trainable: bool = True) -> None:
        """As `activate`, with weights that were checked. None is active if there are none.

        weights: the weight of each active adapter, by name
        trainable: True trains the active ones

        >>> layer = tl.LoRALinear(tl.Linear(3, 2, seed=0), rank=1, seed=1)
        >>> layer.check_switchable()
        >>> layer.check_deletable("lora")
        >>> layer.check_changeable("")
        >>> layer.own_change("lora")
        [(1, LoRALayer(5 parameters, 5 trainable))]
        >>> layer.select({})
        >>> layer.is_base_alone, layer.states()
        (True, {'lora': 'inactive'})
        """
        self._select(weights)
        for name, adapter in self.adapters.items():
            self._train(adapter, trainable and name in self.active)

    def _train(self, adapter: Any, trainable: bool) -> None:
        """Make what an adapter trains trainable, or freeze it."""
        adapter.train(trainable)

    def _select(self, weights: Weights) -> None:
        """In the order in which the adapters came, so that a sum of the same adapters is the same graph."""
        self.active = {name: weights[name] for name in self.adapters if name in weights}

    def delete(self, name: str) -> None:
        """Forget an adapter. If it was active, those that are active beside it stay so.

        name: that of the adapter
        Raises AdaptError where there is none of this name, MergedError while it is merged.
        """
        self.check_deletable(name)
        self.adapters = {n: adapter for n, adapter in self.adapters.items() if n != name}
        if name in self.active:
            self._select({n: w for n, w in self.active.items() if n != name})

    def check_deletable(self, name: str) -> None:
        """Refuse an adapter that cannot be deleted now.

        name: that of the adapter
        Raises AdaptError where there is none of this name, MergedError while it is merged.
        """
        self.require_open()
        checked_weights(name, self.adapters)
        if self.merged and name in self.active:
            raise MergedError(f"the adapter {name!r} is merged into the base, so it cannot be deleted: unmerge() first")

    @property
    def lora(self) -> Any:
        """The active adapter. Raises AdaptError unless there is just one: `adapters` has all by name."""
        if len(self.active) != 1:
            count = f"{len(self.active)} are active, {listed(self.active)}" if self.active else "none is active"
            raise AdaptError(f"{count}: take one of layer.adapters, {listed(self.adapters) or 'which is empty'}")
        return self.adapters[next(iter(self.active))]

    # --- For a while ---

    @contextmanager
    def disabled(self) -> Iterator[None]:
        """`with layer.disabled():` the layer gives exactly what the base gives, merged or not. May be nested.

        Returns a context manager.
        """
        before, self._enabled = self._enabled, False
        try:
            yield
        finally:
            self._enabled = before

    @contextmanager
    def by_row(self, names: RowNames) -> Iterator[None]:
        """`with layer.by_row(("french", None)):` each sample of a batch goes through the adapter of its name, or none.

        names: one for each sample; None, and a name that the layer does not have, stand for the base alone
        Returns a context manager.
        Raises MergedError while merged.

        >>> layer = tl.LoRALinear(tl.Linear(3, 2, seed=0), rank=1, seed=1)
        >>> layer.lora.set_parameters(np.ones(5))
        >>> with layer.by_row(("lora", None)):
        ...     y = layer.forward(np.ones((2, 3)))
        >>> bool((y[1] == layer.original.forward(np.ones(3))).all())
        True
        """
        self._require_unmerged("rows cannot choose")
        before, self._rows = self._rows, names
        try:
            yield
        finally:
            self._rows = before

    def _require_unmerged(self, consequence: str) -> None:
        if self.merged:
            several = len(self.active) > 1
            which = f"the adapter{'s' * several} {listed(self.active)} of this layer {'are' if several else 'is'}"
            raise MergedError(f"{which} merged into the base, so {consequence}; call unmerge() first")


def listed(names: Iterable[str]) -> str:
    """Names for a message: 'a', 'b'."""
    return ", ".join(repr(name) for name in names)


def check_new_name(name: Any, existing: Iterable[str]) -> None:
    """Raise unless a new adapter can be called this beside the existing ones."""
    if not isinstance(name, str):
        raise TypeError(f"the name of an adapter is a string, not {type(name).__name__}")
    if not name.isidentifier() or iskeyword(name) or name == "base" or name[0] == "_":
        remedy = "its name is a word such as 'french'; 'base' is what it is added to"
        raise AdaptError(f"an adapter cannot be called {name!r}: {remedy}")
    if name in existing:
        raise AdaptError(f"an adapter is called {name!r} already: choose another name than {listed(existing)}")


def checked_weights(which: str | Weights, existing: Iterable[str]) -> dict[str, float]:
    """Adapters that are to be active, with their weights. Raises AdaptError for a name that is not among the existing.

    Raises TypeError or ValueError for a weight that is not a finite number.
    """
    if not isinstance(which, str | Mapping):
        raise TypeError(f"name one adapter, or give a dict of weights, such as {{'french': 0.7}}, not {which!r}")
    weights = {which: 1.0} if isinstance(which, str) else dict(which)
    existing = list(existing)
    if unknown := [name for name in weights if name not in existing]:
        there = f"there are {listed(existing)}" if existing else "there is none"
        raise AdaptError(f"no adapter is called {listed(map(str, unknown))}: {there}")
    if not weights:
        raise AdaptError(f"no adapter is named: choose among {listed(existing)}; disabled() switches all off")
    return {name: check_number(w, f"the weight of {name!r}", -float("inf")) for name, w in weights.items()}
