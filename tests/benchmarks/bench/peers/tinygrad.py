"""tinygrad on the processor, each step through its TinyJit. It needs a compiler, such as clang."""

from __future__ import annotations

from typing import Any

from ..workloads import ADAM_BETAS, ADAM_EPS, NORM_EPS, SCALE, Case
from . import Prepared, UnableError, chosen


def prepare(name: str, case: Case) -> Prepared:
    from tinygrad import Device

    try:
        _ = Device.DEFAULT
    except RuntimeError as error:
        raise UnableError(f"tinygrad found no way to compile for this processor ({error}): it needs clang") from None
    return chosen(WAYS, case, "not written")


def _tensors(case: Case, names: str) -> list[Any]:
    from tinygrad import Tensor

    return [Tensor(array).contiguous().realize() for array in case[names]]


def _jitted(f: Any, arguments: list[Any], names: str, updated: Any = ()) -> Prepared:
    """A step that waits for its results. `f` gives the tensors of these names, and new values for those `updated`."""
    from tinygrad import Device, Tensor, TinyJit

    kept = names.split()

    def run(*tensors: Any) -> Any:
        outputs = f(*tensors)
        new = [p.assign(value) for p, value in zip(updated, outputs[len(kept) :], strict=True)]
        Tensor.realize(*outputs[: len(kept)], *new)
        return outputs[: len(kept)]

    jitted = TinyJit(run)

    def step() -> Any:
        outputs = jitted(*arguments)
        Device[Device.DEFAULT].synchronize()
        return outputs

    return Prepared(step, lambda outputs: {name: t.numpy() for name, t in zip(kept, outputs, strict=True)})


def adapted(x: Any, W: Any, A: Any, B: Any) -> Any:
    return x @ W + SCALE * ((x @ A) @ B)


def delta(case: Case) -> Prepared:
    return _jitted(lambda x, A, B: (SCALE * ((x @ A) @ B),), _tensors(case, "x A B"), "y")


def linear(case: Case) -> Prepared:
    return _jitted(lambda *tensors: (adapted(*tensors),), _tensors(case, "x W A B"), "y")


def lora_step(case: Case) -> Prepared:
    x, W, t, A, B = _tensors(case, "x W t A B")

    def f(x: Any, W: Any, t: Any) -> Any:
        y = adapted(x, W, A, B)
        loss = ((y - t) ** 2).mean() if case.workload == "W3" else y.sparse_categorical_crossentropy(t)
        dx, dA, dB = loss.gradient(x, A, B)
        return loss, dx, A - case.rate * dA, B - case.rate * dB

    return _with_parameters(_jitted(f, [x, W, t], "loss dx", [A, B]), case, [A, B])


def mlp(case: Case) -> Prepared:
    from tinygrad import Tensor

    x, t, *frozen = _tensors(case, "x t W1 b1 W2 b2 W3 b3")
    factors = _tensors(case, " ".join(case.updated))
    means, squares = ([Tensor.zeros(*p.shape).contiguous().realize() for p in factors] for _ in range(2))
    powers = [Tensor.ones(1).contiguous().realize() for _ in range(2)]
    b1, b2 = ADAM_BETAS

    def f(y: Any, t: Any) -> Any:
        for i in range(3):
            y = adapted(y, frozen[2 * i], *factors[2 * i : 2 * i + 2]) + frozen[2 * i + 1]
            y = y.gelu() if i < 2 else y
        loss = y.sparse_categorical_crossentropy(t)
        gradients = loss.gradient(*factors)
        new_powers = [powers[0] * b1, powers[1] * b2]
        m = [b1 * m + (1 - b1) * g for m, g in zip(means, gradients, strict=True)]
        v = [b2 * v + (1 - b2) * (g * g) for v, g in zip(squares, gradients, strict=True)]
        rate, root = case.rate / (1 - new_powers[0]), (1 - new_powers[1]).sqrt()
        new = [p - rate * a / (c.sqrt() / root + ADAM_EPS) for p, a, c in zip(factors, m, v, strict=True)]
        return loss, *new, *m, *v, *new_powers

    run = _jitted(f, [x, t], "loss", [*factors, *means, *squares, *powers])
    return _with_parameters(run, case, factors)


def _with_parameters(run: Prepared, case: Case, parameters: list[Any]) -> Prepared:
    """The same step, whose outcome includes the parameters."""

    def outcome(outputs: Any) -> dict[str, Any]:
        return run.outcome(outputs) | {name: p.numpy() for name, p in zip(case.updated, parameters, strict=True)}

    return Prepared(run.step, outcome)


def functions(case: Case) -> Prepared:
    def f(x: Any, w: Any, b: Any, g: Any) -> Any:
        y = (x.layernorm(eps=NORM_EPS) * w + b).gelu().softmax()
        return y, *y.gradient(x, w, b, gradient=g)

    return _jitted(f, _tensors(case, "x w b g"), "y dx dw db")


WAYS = {"W1": delta, "W2": linear, "W3": lora_step, "W3ce": lora_step, "W4": mlp, "W5": functions}
