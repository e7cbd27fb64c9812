r"""Learn the new task

A network reads upright digits, and 10 % or so of the rotated ones. Write `fine_tune(model, x, labels)`: teach it the
rotated digits with adapters, and return the model. `x` are 1,438 images, one in a row of 64 numbers.

* On images that it has not seen, at least 93 % must be right.
* Less than 15 % as many numbers may be trained as the network has.
* With the adapters switched off, it must give exactly what it gave before.

`tl.adapt`, `tl.AdamW` and `tl.compile_training_step` do the work. You choose rank, learning rate, batches and epochs.
It may take some seconds.
"""

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.learn.authoring import Exercise, refuse, require, same

from ._digits import TURNED, UPRIGHT, accuracy, base_weights, before, checked_model, pretrained

HINTS = (
    "Rank 4 on every linear layer has 12 % of the numbers. Too few epochs are the usual reason for a low score.",
    "Adapters like a larger learning rate than whole networks: 0.01 with AdamW, in batches of 64, for 30 epochs. "
    "Draw a new order of the images in each epoch.",
    "`tl.adapt(model, rank=4, seed=0)`, `optimizer = tl.AdamW(model.parameters(), lr=0.01, weight_decay=0.3)`, "
    "`step = tl.compile_training_step(model, tl.cross_entropy, optimizer)`, then `step(x[rows], labels[rows])`",
)
ABOUT = (
    "Adapters learn the new task with a small part of the numbers, and the base stays as it was, so the old skill "
    "is back as soon as they are switched off. Rank, rate and epochs trade accuracy against time, and held-out "
    "images decide."
)
NEXT = "Train ranks 1, 2, 4 and 8 with the same plan, and plot the accuracy against the numbers that were trained."
exercise = Exercise(
    "12-new-task",
    __doc__,
    kind="T",
    hints=HINTS,
    about=ABOUT,
    next_step=NEXT,
    slow=True,
    limit=30.0,
    changes={"fine_tune": ["model"]},
)

LEAST, MOST = 0.93, 0.15


@exercise.reference
def fine_tune(model, x, labels):
    """The model with adapters that were trained on these images."""
    tl.adapt(model, rank=4, seed=0)
    optimizer = tl.AdamW(model.parameters(), lr=0.01, weight_decay=0.3)
    step = tl.compile_training_step(model, tl.cross_entropy, optimizer)
    rng = np.random.default_rng(0)
    for epoch in range(40):
        optimizer.lr = 0.01 * (1 - epoch / 40)
        order = rng.permutation(len(x))
        for i in range(0, len(x) - 63, 64):
            rows = order[i : i + 64]
            step(x[rows], labels[rows])
    return model


@exercise.another()
def in_a_plain_loop(model, x, labels):
    """Nothing compiled: forward, backward and update one after another, with Adam and a constant rate."""
    tl.adapt(model, rank=4, seed=0)
    optimizer = tl.AdamW(model.parameters(), lr=0.005, weight_decay=0.1)
    rng = np.random.default_rng(0)
    for _ in range(30):
        for rows in np.array_split(rng.permutation(len(x)), len(x) // 64):
            optimizer.zero_gradients()
            tl.cross_entropy(model(x[rows]), labels[rows]).backward()
            optimizer.step()
    return model


@exercise.check(points=6)
def test_it_learns_the_new_task_and_keeps_the_old(fine_tune):
    model = pretrained()
    total, old = model.parameter_count, model.forward(UPRIGHT.x_test)
    model = checked_model(fine_tune(model, TURNED.x_train, TURNED.y_train), "fine_tune")
    names = {name for name, p in model.named_parameters().items() if p.requires_gradient}
    trained = sum(p.size for name, p in model.named_parameters().items() if name in names)
    if not tl.adapters(model):
        raise refuse("no-adapter", f"the model has no adapters, and {trained:,} of {total:,} numbers are trained")
    sentence = f"{trained:,} numbers are trained, {trained / total:.1%} of {total:,}; less than {MOST:.0%} is allowed"
    require(trained < MOST * total, "too-many-trained", f"{sentence}: take a smaller rank, and freeze the rest")
    changed = [name for name, array in base_weights(model).items() if not same(array, before()[name], 0, 0)]
    require(not changed, "base-changed", f"{', '.join(changed)}: the base has changed; only adapters may")
    with tl.disabled(model):
        same_as_before = same(model.forward(UPRIGHT.x_test), old, 0, 0)
    require(same_as_before, "base-changed", "with the adapters off the output is not what it was")
    right = accuracy(model, TURNED)
    sentence = f"{right:.1%} of the rotated digits are right; at least {LEAST:.0%} must be"
    moved = any(layer.lora.lora_B.value.any() for layer in tl.adapters(model).values())
    require(moved, "not-trained", f"{sentence}: B is 0 in every adapter, as at the start: nothing was trained")
    start = f"{sentence}, and untrained it is {accuracy(pretrained(), TURNED):.1%}: does each image get its own label?"
    require(right > 0.2, "not-trained", start)
    require(right >= LEAST, "below-threshold", f"{sentence}: more epochs, or another learning rate")
