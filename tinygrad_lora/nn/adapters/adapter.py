"""What can be trained in the place of a weight: the base of LoRA and of its variants."""

from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from inspect import Parameter, signature
from math import sqrt
from typing import Any, ClassVar, Self

from ...core import ComputationNode
from ..layer import Layer
from ..linear import Seed

Options = dict[str, Any]


class Adapter(Layer):
    r"""$y = x W + b + \delta(x)$: an adapter computes $\delta$, and is trained in the place of W.

    A subclass writes `__call__`, which gives $\delta(x)$ for rows x (n, in), `merge_weights`, which gives the
    $\Delta W$ (in, out) with $\delta(x) = x\,\Delta W$, and `for_layer`. One that is not a plain sum writes `change`
    and `merged` too. The base is a `Linear`, W (in, out) and b (out,).

    >>> class Scales(tl.Adapter):  # one number for each output
    ...     def __init__(self, size):
    ...         self.rank, self.alpha, self.factor = 1, 1.0, tl.parameter(np.zeros((1, size)))
    ...
    ...     @classmethod
    ...     def for_layer(cls, base, rank, alpha=-1, *, seed=None, name="lora", **options):
    ...         return cls(base.output_size)
    ...
    ...     def __call__(self, rows):
    ...         return tl.sum(rows, axis=-1, keepdims=True) @ self.factor
    ...
    ...     def merge_weights(self):
    ...         return np.repeat(self.factor.value, 3, axis=0)
    >>> model = tl.adapt(tl.Sequential(tl.Linear(3, 2, seed=0)), rank=1, variant=Scales)
    >>> [p.shape for p in model.parameters()]
    [(1, 2)]
    >>> adapter = model[0].lora
    >>> adapter.scaling, adapter.merge_weights().shape
    (1.0, (3, 2))
    >>> adapter.merged(np.ones((3, 2))).tolist(), adapter.merged_bias(None)
    ([[1.0, 1.0], [1.0, 1.0], [1.0, 1.0]], None)
    >>> x = tl.constant(np.ones((4, 3)))
    >>> adapter.change(x, x @ model[0].weight, model[0].weight).shape
    (4, 2)
    >>> adapter.train(False)
    >>> model.parameters()
    []
    >>> base = tl.Linear(3, 2)
    >>> Scales.for_layer(base, rank=1), Scales.for_base(base) is base, Scales.shared({}, {}, seed=0)
    (Scales(2 parameters, 2 trainable), True, {})
    """

    residual: ClassVar[bool] = False  # True: it starts at a part of W, and lives on a base without that part
    trained: tuple[str, ...] | None = None  # the parameters that training changes; None: those that are trainable now
    rank: int
    alpha: float
    rslora: bool = False

    @classmethod
    def for_layer(
        cls, base: Any, rank: int, alpha: float | None = -1, *, seed: Seed = None, name: str = "lora", **options: Any
    ) -> Self:
        """An adapter of the base's sizes and dtype, at its start. `options` are those of the class.

        base: the layer that the adapter goes beside
        rank: its rank, a positive whole number; a class may read it in its own way
        alpha: as in `LoRALayer`; -1 or None stands for the rank
        seed: a whole number or a Generator that draws the numbers; None draws new ones every time
        name: goes before the names of the parameters in listings
        **options: those of the class
        Returns an adapter.
        Raises NotImplementedError where no subclass wrote it.
        """
        raise NotImplementedError(f"{cls.__name__} needs a class method for_layer(base, rank, alpha, *, seed, name)")

    @classmethod
    def for_base(cls, base: Any) -> Any:
        """The layer that the adapter goes beside, made from the one that is there: by default that one itself.

        base: the layer that is there
        Returns a layer.
        """
        return base

    @classmethod
    def shared(cls, bases: Mapping[str, Any], ranks: Mapping[str, int], *, seed: Seed, **options: Any) -> Options:
        """The options for `for_layer`, once `adapt` knows all layers: a class adds here what its adapters share.

        bases: the chosen layers, by dotted name
        ranks: their ranks, by dotted name
        seed: a whole number or a Generator for what is drawn once for all
        **options: those that `adapt` was called with
        Returns a dict of options.
        """
        return options

    @property
    def scaling(self) -> float:
        r"""The factor of the change, $s = \alpha / r$, or $\alpha / \sqrt r$ with `rslora`."""
        return self.alpha / (sqrt(self.rank) if self.rslora else self.rank)

    def change(self, rows: ComputationNode, product: ComputationNode, weight: ComputationNode) -> ComputationNode:
        """What is added to the base's output for these rows.

        rows: x, a node (n, in)
        product: `rows @ weight`, without the bias, a node (n, out)
        weight: W, a node (in, out)
        Returns a node (n, out).
        """
        return self(rows)

    def merge_weights(self) -> Any:
        r"""The dense weight that this adapter adds, $\Delta W$ (in, out).

        Returns an array (in, out).
        Raises NotImplementedError where no subclass wrote it.
        """
        raise NotImplementedError(f"{type(self).__name__} needs a method merge_weights(self)")

    def merged(self, weight: Any) -> Any:
        """The weight that does the work of a weight and this adapter.

        weight: W, an array (in, out)
        Returns an array (in, out).
        """
        return weight + self.merge_weights()

    def merged_bias(self, bias: Any) -> Any:
        """The bias that does the work of a bias and this adapter.

        bias: b, an array (out,), or None for none
        Returns an array (out,), or None.
        """
        return bias

    def train(self, trainable: bool) -> None:
        """Make what this adapter trains trainable, or freeze all of it. What was frozen from the start stays frozen.

        trainable: True trains it, False freezes it
        """
        parameters = self.named_parameters()
        if self.trained is None:
            self.trained = tuple(name for name, p in parameters.items() if p.requires_gradient)
        for name, p in parameters.items():
            p.requires_gradient = trainable and name in self.trained
            p.zero_gradient()


class SizedAdapter(Adapter):
    """An adapter that is made from sizes: for a weight (n, m), `kind(n, m, rank, alpha, seed=, dtype=, name=)`."""

    @classmethod
    def for_layer(
        cls, base: Any, rank: int, alpha: float | None = -1, *, seed: Seed = None, name: str = "lora", **options: Any
    ) -> Self:
        """An adapter of the base's sizes and dtype, at its start. `options` are those of the class."""
        kind: Any = cls  # a class says for itself what its options are
        weight = base.weight
        return kind(*weight.shape, rank, alpha, seed=seed, name=name, **{"dtype": weight.dtype} | options)


def adapter_for(
    arguments: Collection[str], kind: type[Adapter], base: Any, rank: int, alpha: float | None, /, **options: Any
) -> Any:
    """`kind.for_layer(base, rank, alpha, **options)`. Raises TypeError, which names those there are, for other options.

    `arguments` are those of what the user called: the option that was meant may be one of them.
    """
    try:
        return kind.for_layer(base, rank, alpha, **options)
    except TypeError as error:
        own = _options(kind)
        unknown = [option for option in options if option not in own | GENERAL and repr(option) in str(error)]
        if not unknown:
            raise
        meant = get_close_matches(unknown[0], own | {*arguments} - {*unknown}, n=1)
        hint = f"; did you mean {meant[0]!r}?" if meant else "."
        names = ", ".join(map(repr, sorted(own))) or "none"
        raise TypeError(f"{kind.__name__} has no option {unknown[0]!r}{hint} Its options: {names}") from None


def _options(kind: type[Adapter]) -> set[str]:
    """The options of this class of adapter, beside its sizes: the keywords of the methods that make one."""
    methods = [vars(c).get(name) for c in kind.__mro__ for name in ("__init__", "for_layer", "make_factors")]
    names = set().union(*(keywords_of(getattr(method, "__func__", method)) for method in methods if method))
    return names - GENERAL - {"self", "cls", "input_size", "output_size", "num_embeddings", "embedding_dim", "weight"}


def keywords_of(function: Callable[..., Any]) -> set[str]:
    """The arguments of a function that can be given by name."""
    named = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
    return {name for name, p in signature(function).parameters.items() if p.kind in named}


GENERAL = {"base", "rank", "alpha", "seed", "name", "factor"}  # what no class needs to say that it takes
