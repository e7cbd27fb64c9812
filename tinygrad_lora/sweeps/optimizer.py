"""One optimizer for all runs of a stack, each with a rate of its own."""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from ..core.node import ComputationNode, parameter
from ..core.ops import broadcast, cast, concatenate, reduce_sum, reshape, sqrt, subtract
from ..errors import SweepError
from ..library import maximum
from ..nn.optim import Lists, Optimizer
from ..nn.schedules import Schedule


class StackedOptimizer(Optimizer):
    r"""$\theta_i \leftarrow \theta_i - \eta_i\,(\theta_i - u(\theta_i))$, where $u$ is a rule's step at the rate 1.

    A step is proportional to its rate, so this is the rule's step at the rate $\eta_i$, the one of run i. `make` gives
    the rule for some parameters. Each of these has the axis of runs first; `schedules` has the rate of each run, and
    `ratios` what the rate of each run is multiplied by, for each parameter: LoRA+ is LoRA with 16 for B.
    Raises SweepError for a rule that does more than treat each element alone, and for parameters of several dtypes.
    """

    _unwatched = Optimizer._unwatched | {"_now"}
    elementwise = True
    _now: tuple[float, ...] = ()  # the rates that are in `rate`

    def __init__(
        self, make: Callable[..., Optimizer], parameters: Sequence[ComputationNode], schedules: Sequence[Schedule],
        ratios: Sequence[Sequence[float]],
    ) -> None:  # fmt: skip
        self.rule = rule = make(parameters, lr=1.0)
        dtypes = {p.dtype for p in parameters}
        if not rule.elementwise or len(dtypes) > 1:
            several = f"these parameters hold {' and '.join(sorted(map(str, dtypes)))}"
            kind = f"{type(rule).__name__} does more than treat each element alone"
            raise SweepError(f"{several if rule.elementwise else kind}: a sweep trains all in one vector")
        if getattr(rule, "eps", 1.0) == 0:
            raise SweepError("eps must be above 0: where a rank is padded, a step is 0 / (0 + eps)")
        self.parameters, self.slots, self.numbers = rule.parameters, rule.slots, rule.numbers
        self.max_norm, self.steps = rule.max_norm, 0
        self.schedules, self.ratios = tuple(schedules), np.array(ratios, np.float64)
        self.rate = parameter(np.ones(sum(p.size for p in parameters), parameters[0].dtype), "rates", trainable=False)

    def update(self, parameters: Sequence[Any], gradients: Sequence[Any], state: Sequence[Any], rate: Any) -> Lists:
        new, state = self.rule.update(parameters, gradients, state, 1.0)
        return [p - rate * _taken(p, q) for p, q in zip(parameters, new, strict=True)], state

    def clip(self, gradients: Sequence[Any]) -> list[Any]:
        """The gradients of each run, made shorter if their norm is above `max_norm`."""
        if self.max_norm is None:
            return list(gradients)
        [g], n, start, rows = gradients, len(self.schedules), 0, []
        for p in self.parameters:
            rows.append(reshape(g[start : start + p.size], shape=(n, -1)))
            start += p.size
        norm = sqrt(sum(cast(reduce_sum(row * row, axis=(1,), keepdims=True), dtype="float64") for row in rows))
        factor = cast(self.max_norm / maximum(self.max_norm, norm + 1e-6), dtype=str(g.dtype))
        return [concatenate(*[reshape(row * broadcast(factor, shape=row.shape), shape=(-1,)) for row in rows], axis=0)]

    def before_step(self) -> None:
        """Set the rates of the step to come."""
        now = tuple(schedule(self.steps) for schedule in self.schedules)
        if now != self._now:
            self._now, of_run = now, np.array(now)[:, None]
            each = (np.repeat(of_run * ratio[:, None], prod(p.shape[1:]), axis=1).reshape(-1)
                    for p, ratio in zip(self.parameters, self.ratios, strict=True))  # fmt: skip
            self.rate._value = np.concatenate(list(each)).astype(self.rate.dtype)  # past the setter, as in `Optimizer`


def _taken(old: ComputationNode, new: ComputationNode) -> ComputationNode:
    r"""$\theta - u(\theta)$: what a rule takes away, in one go or in two, else the difference."""
    node, parts = new, list[ComputationNode]()
    while node.op is subtract and node is not old:
        node, part = node.parents
        parts.append(part)
    return sum(parts[1:], parts[0]) if node is old and parts else old - new
