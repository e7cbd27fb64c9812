"""Weights by name: what a layer offers to whoever saves, loads or inspects it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import numpy as np

from ..boundary.arrays import refuse_subclass
from ..core.node import ComputationNode, Shape
from ..errors import WeightsError

NameMapping = Callable[[str], str | None] | Mapping[str, str | None] | None


@dataclass
class WeightsValidation:
    """What loading weights would do.

    `matched` names the parameters that get a weight of the right shape. `unmatched_weights` are weights that no
    parameter is named after. `missing_parameters` are parameters that no weight is for. `shape_mismatches` gives, by
    parameter, its shape and that of the weight, `dtype_mismatches` its dtype and one that cannot become that. `skipped`
    are weights that the mapping sends to None.
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
    """What loading weights did: names of parameters `loaded`, weights that `failed` and why, weights `skipped`."""

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
        """The names of all parameters, frozen ones included, in the order in which they were defined."""
        return list(self.named_parameters())

    @property
    def named_parameter_count(self) -> int:
        """How many names there are."""
        return len(self.named_parameters())

    def try_get_parameter(self, name: str) -> Any:
        """A copy of the parameter called `name`, or None where there is none."""
        node = self.named_parameters().get(name)
        return None if node is None else np.array(node.value)

    def get_parameter_shape(self, name: str) -> Shape:
        """The shape of the parameter called `name`. Raises WeightsError where there is none."""
        return self._named(name).shape

    def set_parameter(self, name: str, array: Any) -> None:
        """Give one parameter new numbers. Raises WeightsError for an unknown name or an array that does not fit."""
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

        `weights` is a dict of arrays, or just names: then shapes and dtypes are not checked. `mapping` is a function or
        dict from the names of weights to those of parameters; None skips a weight. Raises WeightsError if two weights
        are mapped to one parameter.
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
        """Give parameters the arrays of their names; `mapping` as in `validate_weights`.

        What does not fit is reported under `failed`, and the rest is loaded. With `strict`, every weight must fit and
        every parameter must get one; else WeightsError, and nothing is changed.
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
