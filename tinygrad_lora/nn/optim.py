"""Optimizers. A rule is written once, in operations: `step()` runs it on arrays, a compiled training step on nodes."""

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Any

import numpy as np

from ..core.node import PARAMETER, ComputationNode, parameter
from ..core.ops import add, cast, reshape, sqrt
from ..errors import GradientError, ShapeError
from ..library import maximum
from .checks import check_number, check_positive
from .schedules import Schedule
from .watch import Observable, Watch

Lists = tuple[list[Any], list[Any]]
Rate = float | Schedule


class Optimizer(Observable):
    r"""$\theta, s \leftarrow u(\theta, \bar\theta, s, \eta)$: the base of all optimizers.

    A subclass writes `update` in operations and infix alone. What the rule remembers between steps goes into `slots`,
    each a list with one array for each parameter in their order, and `numbers`, which are one for all.
    `elementwise = True` promises that the rule treats each element alone: it then runs once on all parameters joined,
    and not once a parameter. A subclass with an `update` of its own must promise that again.

    parameters: a list of trainable parameters, such as `model.parameters()`; each may be in it once
    lr: the learning rate $\eta$, a positive number, or a function of the number of steps done before (`tl.cosine` makes
        one)
    max_norm: c, a positive number that clips the gradients,
        $\bar\theta \leftarrow \bar\theta \min(1, c / (\lVert \bar\theta \rVert + 10^{-6}))$, with the norm over all of
        them together; None leaves them as they are
    Raises ValueError unless lr and max_norm are positive, and for an empty list or a frozen parameter; TypeError for
    what is no number or no parameter.

    >>> class SignSGD(tl.Optimizer):
    ...     def update(self, parameters, gradients, state, rate):
    ...         return [p - rate * tl.sign(g) for p, g in zip(parameters, gradients)], []
    >>> w = tl.parameter([1.0, 2.0])
    >>> optimizer = SignSGD([w], lr=lambda step: 0.5 / (step + 1), max_norm=1.0)
    >>> tl.sum(w * w).backward()
    >>> optimizer.clip([w.gradient])[0].round(3)
    array([0.447, 0.894])
    >>> optimizer.step()
    >>> optimizer.zero_gradients()
    >>> w.value, optimizer.lr, optimizer.state
    (array([0.5, 1.5]), 0.25, [])
    """

    elementwise = False
    _schedule: Schedule | None = None
    _unwatched = frozenset({"lr", "steps", "_schedule"})  # no graph depends on them

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "update" in vars(cls) and "elementwise" not in vars(cls):
            cls.elementwise = False

    def __init__(self, parameters: Iterable[ComputationNode], lr: Rate, *, max_norm: float | None = None) -> None:
        self.parameters = _checked(parameters)
        self.slots: list[list[ComputationNode]] = []
        self.numbers: list[ComputationNode] = []
        self.steps = 0  # done so far
        self.rate = parameter(np.float64(0.0), "lr", trainable=False)  # that of the step at hand
        self.lr = lr if callable(lr) else check_positive(lr, "lr")
        self.max_norm = max_norm if max_norm is None else check_positive(max_norm, "max_norm")

    def update(self, parameters: Sequence[Any], gradients: Sequence[Any], state: Sequence[Any], rate: Any) -> Lists:
        """The new parameters and the new state. All arrays, or all nodes: then the result is a graph.

        A subclass writes it.

        parameters: what to change, one array or node for each parameter
        gradients: one for each parameter, of its shape, already clipped
        state: what the rule remembers, in the order of `state`
        rate: the learning rate of this step, a float64 number or a node of one
        Returns two lists: the new parameters and the new state, in the same order and shapes.
        Raises NotImplementedError where no subclass wrote it.

        >>> new, state = tl.SGD([tl.parameter([1.0])], lr=0.1).update([np.ones(1)], [np.ones(1)], [], 0.1)
        >>> new, state
        ([array([0.9])], [])
        """
        method = "update(self, parameters, gradients, state, rate)"
        raise NotImplementedError(f"{type(self).__name__} needs a method {method}")

    def clip(self, gradients: Sequence[Any]) -> list[Any]:
        """The gradients, made shorter if their norm is above `max_norm`. Arrays or nodes, as `update` takes them.

        gradients: arrays or nodes, one for each parameter
        Returns a list of the same shapes and dtypes.
        Source: Pascanu et al. 2013, algorithm 1 (arXiv:1211.5063), as in PyTorch.
        """
        if self.max_norm is None:
            return list(gradients)
        flat = [reshape(g, shape=(-1,)) for g in gradients]
        vectors = [cast(v, dtype="float32") if v.dtype == np.float16 else v for v in flat]  # 256 * 256 is too large
        norm = sqrt(reduce(add, (cast(v @ v, dtype="float64") for v in vectors)))
        factor = self.max_norm / maximum(self.max_norm, norm + 1e-6)
        return [g * _like(g, factor) for g in gradients]

    def step(self) -> None:
        """Update every parameter with the gradient that `backward()` left in it; a missing one counts as zero.

        Raises GradientError if no parameter has a gradient, or one was frozen meanwhile; ShapeError if `update` gives
        another shape. Then nothing is changed.
        """
        self.before_step()
        if all(p.gradient is None for p in self.parameters):
            remedy = "call backward() first (a merged adapter gets none: unmerge it)"
            raise GradientError(f"no parameter has a gradient: {remedy}")
        gradients = [np.zeros(p.shape, p.dtype) if p.gradient is None else p.gradient for p in self.parameters]
        values, remembered = [p.value for p in self.parameters], [s.value for s in self.state]
        new, state = self.update(values, self.clip(gradients), remembered, self.rate.value)
        changes = [*zip(self.parameters, new, strict=True), *zip(self.state, state, strict=True)]
        for node, array in changes:
            if np.shape(array) != node.shape:
                raise ShapeError(f"update() gave {_name(node)} the shape {np.shape(array)}; it has {node.shape}")
        for node, array in changes:
            node.value = array
        self.after_step()

    def before_step(self) -> None:
        """Set the rate of the step to come.

        Raises GradientError if a parameter was frozen meanwhile.

        >>> optimizer = tl.SGD([tl.parameter([1.0])], lr=tl.linear(0.2, 0.0, steps=2))
        >>> optimizer.before_step()
        >>> optimizer.after_step()  # a loop of your own calls the two around an update of its own
        >>> optimizer.steps, optimizer.lr
        (1, 0.1)
        """
        for p in self.parameters:
            if not p.requires_gradient:
                reason = "was frozen after this optimizer was built: build a new one without it"
                raise GradientError(f"{_name(p)} {reason}")
        if self._schedule:
            self.rate._value = np.float64(self.lr)  # past the setter: no graph is kept that could go stale

    def after_step(self) -> None:
        """Count a step that was done."""
        vars(self)["steps"] += 1  # not through `__setattr__`: this is done at every step, and is no setting

    def zero_gradients(self) -> None:
        """Forget the gradients, before the next `backward()` adds to them."""
        for p in self.parameters:
            p.zero_gradient()

    @property
    def lr(self) -> float:
        """The learning rate of the next step. Set it at any time to a number or a function of the number of steps done.

        A compiled step follows. A schedule may end at 0.
        """
        if self._schedule is None:
            return float(self.rate.value)
        return check_number(self._schedule(self.steps), f"the learning rate of step {self.steps}", 0)

    @lr.setter
    def lr(self, new: Rate) -> None:
        if not callable(new):
            self.rate.value, self._schedule = np.float64(check_number(new, "lr", 0)), None
            return
        before, self._schedule = self._schedule, new
        try:
            self.lr  # noqa: B018, the first rate is checked at once
        except Exception:
            self._schedule = before
            raise

    def watch(self, model: Any = None) -> Watch:
        """A function that gives a number: the same as long as `update` and `model` give the same graph.

        model: a layer that the graph depends on as well, or None
        Returns a function without arguments that gives a whole number.

        >>> w = tl.parameter([1.0])
        >>> optimizer = tl.SGD([w], lr=0.1)
        >>> look = optimizer.watch()
        >>> before = look()
        >>> optimizer.momentum = 0.9
        >>> look() == before
        False
        """
        return Watch((self, model))

    @property
    def state(self) -> list[ComputationNode]:
        """What the rule remembers between steps: the slots one after another, then the numbers."""
        return [*(array for slot in self.slots for array in slot), *self.numbers]

    @state.setter
    def state(self, new: Iterable[ComputationNode]) -> None:
        """For a rule that is not elementwise: then there is no need to say what belongs to which parameter."""
        self.slots, self.numbers = [], list(new)

    def _zeros(self, what: str) -> list[ComputationNode]:
        """A zero array for each parameter, to remember something in."""
        return [parameter(np.zeros(p.shape, p.dtype), f"{what}_{_name(p)}", trainable=False) for p in self.parameters]


class SGD(Optimizer):
    r"""$m \leftarrow \mu m + \bar\theta,\; \theta \leftarrow \theta - \eta m$; without momentum $m = \bar\theta$.

    As in PyTorch.

    parameters: a list of trainable parameters, such as `model.parameters()`
    lr: the learning rate $\eta$, a positive number, or a function of the number of steps done
    momentum: $\mu$, from 0 to below 1
    weight_decay: $\lambda$, at least 0; adds $\lambda \theta$ to the gradient, after clipping
    max_norm: the largest norm of all gradients together, a positive number; None does not clip
    Raises ValueError for a number out of range, an empty list or a frozen parameter; TypeError for what is no number or
    no parameter.

    >>> w = tl.parameter([1.0, 2.0])
    >>> optimizer = tl.SGD([w], lr=0.1)
    >>> tl.sum(w * w).backward()
    >>> optimizer.step()
    >>> w.value
    array([0.8, 1.6])
    >>> tl.SGD([w], lr=-0.1)
    Traceback (most recent call last):
        ...
    ValueError: lr must be positive, not -0.1
    """

    elementwise = True

    def __init__(
        self, parameters: Iterable[ComputationNode], lr: Rate, momentum: float = 0.0, weight_decay: float = 0.0, *,
        max_norm: float | None = None,
    ) -> None:  # fmt: skip
        super().__init__(parameters, lr, max_norm=max_norm)
        self.momentum = check_number(momentum, "momentum", 0, 1)
        self.weight_decay = check_number(weight_decay, "weight_decay", 0)
        self.slots = [self._zeros("momentum")] if self.momentum else []

    def update(self, parameters: Sequence[Any], gradients: Sequence[Any], state: Sequence[Any], rate: Any) -> Lists:
        if self.weight_decay:
            gradients = [g + self.weight_decay * p for p, g in zip(parameters, gradients, strict=True)]
        moments = [self.momentum * m + g for m, g in zip(state, gradients, strict=True)] if self.momentum else []
        return [p - _like(p, rate) * m for p, m in zip(parameters, moments or gradients, strict=True)], moments


class Adam(Optimizer):
    r"""$\theta \leftarrow \theta - \eta\,\hat m / (\sqrt{\hat v} + \epsilon)$.

    $m \leftarrow \beta_1 m + (1 - \beta_1) \bar\theta$ is a running mean of the gradient, and
    $v \leftarrow \beta_2 v + (1 - \beta_2) \bar\theta^2$ one of its square. They start at zero;
    $\hat m = m / (1 - \beta_1^t)$ and $\hat v = v / (1 - \beta_2^t)$ make up for that in step t. The slots are m and v,
    the numbers $\beta_1^t$ and $\beta_2^t$.

    parameters: a list of trainable parameters, such as `model.parameters()`
    lr: the learning rate $\eta$, a positive number, or a function of the number of steps done; about the size of a
        first step
    betas: $\beta_1$ and $\beta_2$, two numbers from 0 to below 1
    eps: $\epsilon$, at least 0; keeps the root away from 0
    max_norm: the largest norm of all gradients together, a positive number; None does not clip
    Raises ValueError for a number out of range, an empty list or a frozen parameter; TypeError for what is no number or
    no parameter.
    Source: Kingma and Ba 2014, algorithm 1 (arXiv:1412.6980).

    >>> w = tl.parameter([1.0, -2.0])
    >>> optimizer = tl.Adam([w], lr=0.1)
    >>> tl.sum(w * w).backward()
    >>> optimizer.step()
    >>> w.value.round(6)
    array([ 0.9, -1.9])
    """

    elementwise = True

    def __init__(
        self, parameters: Iterable[ComputationNode], lr: Rate = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8, *, max_norm: float | None = None,
    ) -> None:  # fmt: skip
        super().__init__(parameters, lr, max_norm=max_norm)
        if not isinstance(betas, tuple | list) or len(betas) != 2:
            raise TypeError(f"betas must be two numbers, as in (0.9, 0.999), not {betas!r}")
        self.betas = check_number(betas[0], "betas[0]", 0, 1), check_number(betas[1], "betas[1]", 0, 1)
        self.eps = check_number(eps, "eps", 0)
        self.slots = [self._zeros("mean"), self._zeros("square")]
        self.numbers = [parameter(np.float64(1.0), f"beta{i}_power", trainable=False) for i in (1, 2)]

    def update(self, parameters: Sequence[Any], gradients: Sequence[Any], state: Sequence[Any], rate: Any) -> Lists:
        (b1, b2), n = self.betas, len(parameters)
        power1, power2 = b1 * state[2 * n], b2 * state[2 * n + 1]
        # Numerator and denominator times the root: so the corrections are numbers, and no pass over the arrays.
        root = sqrt(1 - power2)
        step, eps = rate * root / (1 - power1), self.eps * root
        means = [b1 * m + (1 - b1) * g for m, g in zip(state[:n], gradients, strict=True)]
        squares = [b2 * v + (1 - b2) * (g * g) for v, g in zip(state[n : 2 * n], gradients, strict=True)]
        old = zip(parameters, means, squares, strict=True)
        new = [p - _like(p, step) * m / (sqrt(v) + _like(p, eps)) for p, m, v in old]
        return new, [*means, *squares, power1, power2]


class AdamW(Adam):
    r"""$\theta \leftarrow \theta - \eta \lambda \theta$, then the step of Adam: decay is kept out of the means.

    parameters: a list of trainable parameters, such as `model.parameters()`
    lr: the learning rate $\eta$, a positive number, or a function of the number of steps done
    betas: $\beta_1$ and $\beta_2$, two numbers from 0 to below 1
    eps: $\epsilon$, at least 0; keeps the root away from 0
    weight_decay: $\lambda$, at least 0
    max_norm: the largest norm of all gradients together, a positive number; None does not clip
    Raises ValueError for a number out of range, an empty list or a frozen parameter; TypeError for what is no number or
    no parameter.
    Source: Loshchilov and Hutter 2017, algorithm 2 (arXiv:1711.05101), as in PyTorch.

    >>> w = tl.parameter([1.0, -2.0])
    >>> optimizer = tl.AdamW([w], lr=0.1, weight_decay=0.5)
    >>> tl.sum(w * w).backward()
    >>> optimizer.step()
    >>> w.value.round(6)
    array([ 0.85, -1.8 ])
    """

    elementwise = True

    def __init__(
        self, parameters: Iterable[ComputationNode], lr: Rate = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8, weight_decay: float = 0.01, *, max_norm: float | None = None,
    ) -> None:  # fmt: skip
        super().__init__(parameters, lr, betas, eps, max_norm=max_norm)
        self.weight_decay = check_number(weight_decay, "weight_decay", 0)

    def update(self, parameters: Sequence[Any], gradients: Sequence[Any], state: Sequence[Any], rate: Any) -> Lists:
        if self.weight_decay:
            parameters = [p - _like(p, self.weight_decay * rate) * p for p in parameters]
        return super().update(parameters, gradients, state, rate)


def _like(p: Any, number: Any) -> Any:
    """The float64 number in the dtype of p: a float32 parameter stays float32."""
    return cast(number, dtype=str(p.dtype))


def _checked(parameters: Iterable[ComputationNode]) -> list[ComputationNode]:
    """The parameters as a list, if every one is a trainable parameter and is there once."""
    if isinstance(parameters, ComputationNode) or not isinstance(parameters, Iterable):
        wanted = "a list of parameters, such as model.parameters()"
        raise TypeError(f"an optimizer takes {wanted}, not {type(parameters).__name__}")
    nodes = list(parameters)
    if not nodes:
        raise ValueError("there is nothing to train: the list of parameters is empty (are all of them frozen?)")
    for p in nodes:
        if not isinstance(p, ComputationNode):
            raise TypeError(f"an optimizer takes parameters, not {type(p).__name__}: pass model.parameters()")
        if p.op is not PARAMETER:
            remedy = "wrap its array in tl.parameter"
            raise TypeError(f"only a parameter can be trained; this is the result of {p.op}: {remedy}")
        if not p.requires_gradient:
            raise ValueError(f"{_name(p)} is frozen: leave it out, or make it trainable with unfreeze()")
    if len(set(nodes)) < len(nodes):
        raise ValueError("a parameter is in the list twice: it would be updated twice")
    return nodes


def _name(p: ComputationNode) -> str:
    return p.name or "parameter"
