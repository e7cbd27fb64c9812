"""Weights by name: what a layer offers to whoever saves, loads or inspects it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import numpy as np

from ..boundary.arrays import refuse_subclass
from ..core import ComputationNode, Shape
from ..errors import WeightsError

NameMapping = Callable[[str], str | None] | Mapping[str, str | None] | None


@dataclass
class WeightsValidation:
    """What loading weights would do.

    matched: the parameters that get a weight of the right shape, a list of names
    unmatched_weights: the weights that no parameter is named after
    missing_parameters: the parameters that no weight is for
    shape_mismatches: a dict: by parameter, its shape and that of the weight
    skipped: the weights that the mapping sends to None
    dtype_mismatches: a dict: by parameter, its dtype and one that cannot become that

    >>> report = tl.Linear(2, 1).validate_weights({"weight": np.ones((3, 1)), "scale": np.ones(1)})
    >>> report.shape_mismatches, report.unmatched_weights, report.missing_parameters
    ({'weight': ((2, 1), (3, 1))}, ['scale'], ['bias'])
    >>> report.is_complete, report.is_valid
    (False, False)
    """

    matched: list[str] = field(default_factory=list)
    unmatched_weights: list[str] = field(default_factory=list)
    missing_parameters: list[str] = field(default_factory=list)
    shape_mismatches: dict[str, tuple[Shape, Shape]] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    dtype_mismatches: dict[str, tuple[Any, Any]] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        """Every parameter gets a weight that fits."""
        return not self.missing_parameters and not self.shape_mismatches and not self.dtype_mismatches

    @property
    def is_valid(self) -> bool:
        """Every weight that is not skipped has its parameter and fits it."""
        return not self.unmatched_weights and not self.shape_mismatches and not self.dtype_mismatches


@dataclass
class LoadedWeights:
    """What loading weights did.

    loaded: the names of the parameters that got a weight, a list
    failed: the weights that did not fit, and why, a dict of texts
    skipped: the weights that the mapping sends to None, a list

    >>> report = tl.Linear(2, 1).load_weights({"weight": np.ones((2, 1)), "bias": np.ones(7)})
    >>> report.loaded, report.failed, report.success
    (['weight'], {'bias': 'the shape is (1,), not (7,)'}, False)
    """

    loaded: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)

    @property
    def success(self) -> bool:
        """Every weight that was not skipped is in its place now."""
        return not self.failed


class NamedWeights:
    """The methods that a layer has for weights by name. A name is the dotted path of attributes, as in "0.weight"."""

    def named_parameters(self) -> dict[str, ComputationNode]:
        """What the methods below work on; the layer that inherits them gives it."""
        raise NotImplementedError(f"{type(self).__name__} needs a method named_parameters(self)")

    def before_change(self) -> None:
        """Raise if the parameters must not be changed now."""

    def get_parameter_names(self) -> list[str]:
        """The names of all parameters, frozen ones included, in the order in which they were defined.

        Returns a list of strings.

        >>> layer = tl.Linear(2, 1, seed=0)
        >>> layer.get_parameter_names(), layer.named_parameter_count
        (['weight', 'bias'], 2)
        >>> layer.get_parameter_shape("weight"), layer.try_get_parameter("scale") is None
        ((2, 1), True)
        >>> layer.set_parameter("bias", [3.0])
        >>> layer.set_parameter("weigth", [[3.0]])
        Traceback (most recent call last):
            ...
        tinygrad_lora.errors.WeightsError: no parameter is called 'weigth': did you mean 'weight'?
        """
        return list(self.named_parameters())

    @property
    def named_parameter_count(self) -> int:
        """How many names there are."""
        return len(self.named_parameters())

    def try_get_parameter(self, name: str) -> Any:
        """A copy of one parameter, or None where there is none of this name.

        name: that of the parameter, such as "0.weight"
        Returns an array, or None.
        """
        node = self.named_parameters().get(name)
        return None if node is None else np.array(node.value)

    def get_parameter_shape(self, name: str) -> Shape:
        """The shape of one parameter.

        name: that of the parameter, such as "0.weight"
        Returns a tuple of whole numbers.
        Raises WeightsError where there is none of this name.
        """
        return self._named(name).shape

    def set_parameter(self, name: str, array: Any) -> None:
        """Give one parameter new numbers.

        name: that of the parameter, such as "0.weight"
        array: an array of its shape
        Raises WeightsError for an unknown name or an array that does not fit, MergedError while an adapter is merged.
        """
        self.before_change()
        refuse_subclass(array, name)
        node = self._named(name)
        if problem := _misfit({name: node}, name, array):
            raise WeightsError(f"{name}: {problem}")
        node.value = np.asarray(array)

    def validate_weights(
        self, weights: Mapping[str, Any] | Iterable[str], mapping: NameMapping = None
    ) -> WeightsValidation:
        """What `load_weights` would find, without changing anything.

        weights: a dict of arrays by name, or just names: then shapes and dtypes are not checked
        mapping: a function or dict from the names of weights to those of parameters; None skips a weight
        Returns a `WeightsValidation`.
        Raises WeightsError if two weights are mapped to one parameter, TypeError for a mapping of another kind.

        >>> tl.Linear(2, 1).validate_weights(["w", "b"], {"w": "weight", "b": None}).missing_parameters
        ['bias']
        """
        parameters, report = self.named_parameters(), WeightsValidation()
        targets = targets_of(weights, mapping)
        for weight, name in targets.items():
            if name is None:
                report.skipped.append(weight)
            elif name not in parameters:
                report.unmatched_weights.append(weight)
            elif isinstance(weights, Mapping) and np.shape(weights[weight]) != parameters[name].shape:
                report.shape_mismatches[name] = (parameters[name].shape, np.shape(weights[weight]))
            elif isinstance(weights, Mapping) and not _real(dtype := np.asarray(weights[weight]).dtype):
                report.dtype_mismatches[name] = (parameters[name].dtype, dtype)
            else:
                report.matched.append(name)
        report.missing_parameters = [name for name in parameters if name not in targets.values()]
        return report

    def load_weights(
        self, weights: Mapping[str, Any], mapping: NameMapping = None, strict: bool = False
    ) -> LoadedWeights:
        """Give parameters the arrays of their names.

        What does not fit is reported under `failed`, and the rest is loaded.

        weights: a dict of arrays by name
        mapping: a function or dict from the names of weights to those of parameters; None skips a weight
        strict: True refuses everything unless every weight fits and every parameter gets one
        Returns a `LoadedWeights`.
        Raises WeightsError with `strict`, and if two weights are mapped to one parameter: then nothing is changed;
        MergedError while an adapter is merged.

        >>> layer = tl.Linear(2, 1, bias=False)
        >>> layer.load_weights({"w": [[1.0], [2.0]]}, {"w": "weight"})
        LoadedWeights(loaded=['weight'], failed={}, skipped=[])
        """
        self.before_change()
        for weight, array in weights.items():
            refuse_subclass(array, weight)
        parameters, targets = self.named_parameters(), targets_of(weights, mapping)
        wanted = {weight: name for weight, name in targets.items() if name is not None}
        misfits = {weight: _misfit(parameters, name, weights[weight]) for weight, name in wanted.items()}
        failed = {weight: problem for weight, problem in misfits.items() if problem}
        missing = [name for name in parameters if name not in targets.values()]
        if strict and (failed or missing):
            problems = [f"{weight}: {problem}" for weight, problem in failed.items()]
            problems += [f"no weight for {', '.join(missing)}"] if missing else []
            raise WeightsError(f"nothing was loaded: {'; '.join(problems)}")
        fitting = {name: weight for weight, name in wanted.items() if weight not in failed}
        for name, weight in fitting.items():
            parameters[name].value = np.asarray(weights[weight])
        return LoadedWeights(list(fitting), failed, [weight for weight in targets if weight not in wanted])

    def _named(self, name: str) -> ComputationNode:
        parameters = self.named_parameters()
        if name not in parameters:
            raise WeightsError(_unknown(name, parameters))
        return parameters[name]


def targets_of(weights: Iterable[str], mapping: NameMapping) -> dict[str, str | None]:
    """For each weight, the name of its parameter. Raises WeightsError if two have the same one."""
    if isinstance(weights, str):
        raise TypeError("weights are a dict of arrays by name, or a list of names, not one string")
    if mapping is None:
        return {weight: weight for weight in weights}
    if not callable(mapping) and not isinstance(mapping, Mapping):
        raise TypeError(f"a mapping is a function or a dict from names to names, not {type(mapping).__name__}")
    targets = {w: mapping.get(w, w) if isinstance(mapping, Mapping) else mapping(w) for w in weights}
    sources: dict[str, str] = {}
    for weight, name in targets.items():
        if name is not None and sources.setdefault(name, weight) != weight:
            raise WeightsError(f"the mapping sends both {sources[name]!r} and {weight!r} to {name!r}: map one to None")
    return targets


def _misfit(parameters: Mapping[str, ComputationNode], name: str, data: Any) -> str | None:
    """Why this cannot be the value of the parameter called `name`, or None."""
    if (node := parameters.get(name)) is None:
        return _unknown(name, parameters)
    array = np.asarray(data)
    if array.shape != node.shape:
        transposed = "; its transpose would fit" if array.T.shape == node.shape else ""
        return f"the shape is {node.shape}, not {array.shape}{transposed}"
    return None if _real(array.dtype) else f"it holds {node.dtype}, and {array.dtype} cannot be converted to that"


def _real(dtype: Any) -> bool:
    return dtype.kind in "biuf"


def _unknown(name: str, parameters: Iterable[str]) -> str:
    known = list(parameters)
    close = get_close_matches(str(name), known, n=1)
    suggestion = f": did you mean {close[0]!r}?" if close else f"; there are {', '.join(known) or 'none at all'}"
    return f"no parameter is called {name!r}{suggestion}"
