"""What is asked of a compiled training step: the loss, the gradient, the parameters and the state of the eager step.

It needs the package and the file `harness.py` alone: the file of a fault begins with both.
"""

import warnings

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.compiler.checks.agreement import disagreement

from .harness import fill, fill_memory, listed


def batch(rows, width, dtype, loss, seed):
    """Inputs, and what is wanted of them: labels for a cross entropy, else numbers."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-2, 2, (rows, width)).astype(dtype)
    return x, rng.integers(0, width, rows) if loss == "cross_entropy" else rng.uniform(-1, 1, (rows, width)).astype(
        dtype
    )


def fault_of_steps(make, compiled, batches, *, input_gradient=False, rates=(), poison=False, disturb=False):
    """A sentence that says what is wrong first, or None.

    `make()` gives a model, a loss and an optimizer; `compiled(model, loss, optimizer)` the step. `rates` are learning
    rates for the first steps. `poison` and `disturb` are those of `fault_of`.
    """
    (model, loss, optimizer), (twin, _, eager) = make(), make()
    step, twins = compiled(model, loss, optimizer), dict(zip(nodes(model, optimizer), nodes(twin, eager), strict=True))
    for number, (x, target) in enumerate(batches):
        where = f" in step {number + 1}" if number else ""
        if number < len(rates):
            optimizer.lr = eager.lr = rates[number]
        for node, other in twins.items():
            other.value = np.array(node.value)
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("error")
            right = eager_step(twin, loss, eager, x, target)
            try:
                program = step.prepare(x, target).program
                arrays = [x.copy(), target.copy(), *(np.array(p._value) for p in program.captured)]
                old = stored(step)
                if poison:
                    fill_memory(step)
                results = [*listed(step(x, target)), *stored(step)]
            except Warning as warning:
                return f"a warning{where}: {type(warning).__name__}: {warning}"
            except Exception as error:
                return f"an error{where}: {type(error).__name__}: {error}"
            results[0] = np.asarray(results[0], program.traced.outputs[0].dtype)
            expected = [right[0], *right[1:][:input_gradient], *stored(step, twins)]
            before = dict(enumerate(old, 1 + input_gradient))
            for who, result in (("different", results), ("different, before it was compiled", expected)):
                if wrong := disagreement(program.traced, arrays, result, previous=before):
                    return f"{who}: {wrong}{where}"
        if disturb:
            fill(x)
            for y in results[1 : 1 + input_gradient]:
                fill(y)
    return None


def nodes(model, optimizer):
    """All that a step may read or change."""
    return [*model.named_parameters().values(), *optimizer.state]


def stored(step, twins=None):
    """Copies of what the step keeps: each vector, then each array that stays alone; or the same of other nodes."""

    def value(node):
        return np.array(twins[node].value if twins else node._value)

    flats = [np.concatenate([value(node).reshape(-1) for node in flat.nodes]) for flat in step.storage.flats]
    return [*flats, *map(value, step.storage.single)]


def eager_step(model, loss, optimizer, x, target):
    """The loss and the gradient of the input; the optimizer has done its step."""
    optimizer.zero_gradients()
    x = tl.parameter(x)
    value = loss(model(x), target)
    value.backward()
    optimizer.step()
    return np.array(value.value), np.zeros_like(x.value) if x.gradient is None else np.array(x.gradient)
