r"""Read 95 % of the digits

Write an update rule and choose how to train, so that a network of 64, 32 and 10 units reads at least 95 % of the
digits that it has not seen.

* `update(parameters, lr, memory)` gives every parameter a new value, as in the exercises before. Take any rule: SGD,
  momentum, Adam, or one of your own.
* `plan` says how: the learning rate `"lr"`, the number of images in a batch, `"batch"` (8 or more), and the number of
  times that all images are seen, `"epochs"` (20 or fewer).

The check trains two such networks from different starts, in the engine's own loop with your rule in it, and takes the
mean of the two. Hidden checks start from other random numbers, so leave a margin.
"""

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.data import digits
from tinygrad_lora.learn.authoring import Exercise, as_number, as_whole, entry, require, using

HINTS = (
    "Watch the first losses. If they grow, the learning rate is too large. If they hardly fall, it is too small.",
    "Adam likes rates around 0.003 here. SGD with momentum 0.9 likes 0.05, plain SGD ten times that. Batches of 32 "
    "are fine.",
    'Your `adam_step` as `update`, and `plan = {"lr": 0.005, "batch": 32, "epochs": 15}`.',
)
ABOUT = (
    "Rule and plan belong together: several rules reach the same accuracy, each with a rate of its own. What "
    "counts is measured on images that were not used for training, with a margin for other random numbers."
)
NEXT = (
    "Plot the accuracy of your rule against the rate, from 0.0001 to 1 on a logarithmic axis. How wide is the "
    "range that works?"
)
exercise = Exercise(
    "07-digits",
    __doc__,
    kind="T",
    hints=HINTS,
    about=ABOUT,
    next_step=NEXT,
    slow=True,
    limit=30.0,
    changes={"update": ["parameters", "memory"]},
)
LEAST, MOST_EPOCHS, SMALLEST_BATCH = 0.95, 20, 8


@exercise.reference
def update(parameters, lr, memory):
    """One step of a rule of your choice."""
    t = memory["t"] = memory.get("t", 0) + 1
    for p in parameters:
        m, v = memory.get(p, (0.0, 0.0))
        m = 0.9 * m + 0.1 * p.gradient
        v = 0.999 * v + 0.001 * p.gradient**2
        memory[p] = m, v
        mean, square = m / (1 - 0.9**t), v / (1 - 0.999**t)
        p.value = p.value - lr * mean / (np.sqrt(square) + 1e-8)


exercise.answer(plan={"lr": 0.005, "batch": 32, "epochs": 15})


@exercise.another("update")
def momentum(parameters, lr, memory):
    """SGD with momentum: one memory in place of two, and no step size of its own for each number."""
    for p in parameters:
        memory[p] = 0.9 * memory.get(p, 0.0) + p.gradient
        p.value = p.value - lr * memory[p]


@exercise.another("plan")
def plan_for_momentum():
    """Its rate is ten times as large as Adam's here."""
    return {"lr": 0.05, "batch": 32, "epochs": 20}


def checked(plan):
    """The three numbers of a plan."""
    lr, batch, epochs = (entry(plan, "plan", name) for name in ("lr", "batch", "epochs"))
    lr, batch, epochs = as_number(lr, "lr"), as_whole(batch, "batch"), as_whole(epochs, "epochs")
    require(lr > 0, "rate-not-positive", f"lr is {lr:g}; it must be above 0")
    require(batch >= SMALLEST_BATCH, "batch-too-small", f"batch is {batch}; it must be at least {SMALLEST_BATCH}")
    require(0 < epochs <= MOST_EPOCHS, "too-many-epochs", f"epochs is {epochs}; 1 to {MOST_EPOCHS} are allowed")
    return lr, batch, epochs


def trained(update, plan, seed):
    """The accuracy on images that were not seen, the losses of all batches, and how far the parameters went."""
    lr, batch, epochs = checked(plan)
    data, rng, memory = digits(), np.random.default_rng(seed), {}
    model = tl.Sequential(tl.Linear(64, 32, seed=seed), tl.relu, tl.Linear(32, 10, seed=seed + 1))
    start, losses = model.get_parameters(), []
    optimizer = tl.SGD(model.parameters(), lr=lr)
    with np.errstate(all="ignore"), using(optimizer_step=lambda parameters, lr: update(parameters, lr, memory)):
        for _ in range(epochs):
            order = rng.permutation(len(data.x_train))
            for i in range(0, len(order), batch):
                rows = order[i : i + batch]
                optimizer.zero_gradients()
                loss = tl.cross_entropy(model(tl.constant(data.x_train[rows])), data.y_train[rows])
                loss.backward()
                optimizer.step()
                losses.append(float(loss))
                if not np.isfinite(losses[-1]):
                    return 0.0, losses, np.inf
        right = float((model.forward(data.x_test).argmax(axis=1) == data.y_test).mean())
    return right, losses, float(np.abs(model.get_parameters() - start).max())


@exercise.check(points=1)
def test_the_plan_keeps_to_the_rules(plan):
    checked(plan)


@exercise.check(points=3)
def test_at_least_95_percent_of_the_digits(update, plan, seed):
    right, losses, moved = trained(update, plan, 2 * seed)
    require(moved > 0, "not-updated", "no parameter has changed: is p.value assigned, and is what you subtract not 0?")
    stopped = f"in batch {len(losses)} the loss was {losses[-1]:g}; it was {losses[0]:.3g} at the start"
    why = "is something divided by 0, a root taken of less than 0, or lr far too large?"
    require(bool(np.isfinite(losses[-1])), "diverged", f"{stopped}: {why}")
    right = (right + trained(update, plan, 2 * seed + 1)[0]) / 2
    n = min(20, len(losses))
    first, last = float(np.mean(losses[:n])), float(np.mean(losses[-n:]))
    sentence = f"{right:.1%} of the digits are right; the loss went from {losses[0]:.3g} to {last:.3g}"
    if right >= LEAST:
        return
    grows = f"{sentence}: it grows; is the direction right, and is lr small enough?"
    require(last <= 2 * losses[0], "diverged", grows)
    slow = f"{sentence}: it learns too slowly; a larger lr, or more steps, may help"
    require(last < 0.5 * first or last < 0.5, "too-slow-learning", slow)
    require(False, "below-threshold", f"{sentence}; {LEAST:.0%} are needed")
