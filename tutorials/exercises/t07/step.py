"""A training step, in order

Write `train_step(model, loss, optimizer, x, target)`. It makes one step of training on the arrays `x` and `target`, and
returns the loss as a Python number: the one that was minimized, before the update.

You need these five, each once, in the right order: `loss(model(x), target)`, which returns a node; `.backward()`
of that node; `optimizer.step()`, which changes the parameters; `optimizer.zero_gradients()`, which forgets the
gradients; and `float(...)` of the node.
"""

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.errors import GradientError
from tinygrad_lora.learn.authoring import Exercise, diagnose_step, require, same, tell

HINTS = (
    "backward() adds to the gradients that are there. So what must come before it?",
    "Forget, go forward, go backward, update, return. The node of the loss keeps its value.",
    "`optimizer.zero_gradients()`, `value = loss(model(x), target)`, `value.backward()`, `optimizer.step()`, "
    "`return float(value)`",
)
ABOUT = (
    "Each line needs what another has made: the update needs gradients, the gradients need a loss, the loss needs "
    "the model's output. Zeroing must come between one update and the next `backward()`, or else gradients of old "
    "batches stay in the sum."
)
NEXT = (
    "Return the loss after the update as well. How much does one step lower it, and what does the second "
    "`model(x)` cost?"
)
exercise = Exercise(
    "07-step",
    __doc__,
    kind="S",
    hints=HINTS,
    about=ABOUT,
    next_step=NEXT,
    changes={"train_step": ["model", "optimizer"]},
)


@exercise.reference
def train_step(model, loss, optimizer, x, target):
    """One step of training; the loss before it."""
    optimizer.zero_gradients()
    value = loss(model(x), target)
    value.backward()
    optimizer.step()
    return float(value)


@exercise.another()
def zeroing_at_the_end(model, loss, optimizer, x, target):
    """Clean up afterwards instead of before: right as long as nobody else leaves gradients behind."""
    value = loss(model(x), target)
    value.backward()
    optimizer.step()
    optimizer.zero_gradients()
    return float(value)


@exercise.check(points=3)
def test_the_parameters_go_where_they_should(train_step, seed):
    tell(diagnose_step(train_step, seed=seed))


@exercise.check(points=1)
def test_the_model_runs_once(train_step, seed):
    model = tl.Sequential(tl.Linear(3, 2, seed=seed))
    calls, before = [], model.get_parameters()

    def counted(x):
        calls.append(1)
        return model(x)

    rng = np.random.default_rng(seed)
    optimizer = tl.SGD(model.parameters(), lr=0.1)
    try:
        train_step(counted, tl.mse, optimizer, rng.normal(size=(4, 3)), rng.normal(size=(4, 2)))
    except GradientError:
        tell(diagnose_step(train_step, seed=seed))
        raise
    sentence = "no parameter was changed: is optimizer.step() called?"
    require(not same(model.get_parameters(), before, 0, 0), "not-updated", sentence)
    sentence = f"one step ran the model {len(calls)} times; keep the node, it has the value and the way back"
    require(len(calls) == 1, "runs-twice", sentence)
