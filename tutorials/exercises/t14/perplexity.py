r"""Perplexity below 9

The **perplexity** is $e^{\text{loss}}$. It says among how many letters a model hesitates, on average. The table of
pairs has 10.7 on names that it has never seen.

Write `fit(model, rows)`: train the network and return it. `rows` are the 4,630 names to learn from, as in `train_step`,
and `letter_loss(scores, letters)` ignores the padding. On 500 other names the perplexity must be at most 9. You choose
the optimizer, the learning rate, the size of the batches and the number of steps. It may take some seconds.
"""

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.data import names
from tinygrad_lora.learn.authoring import Exercise, refuse, require, returned
from tinygrad_lora.learn.exercise import PREAMBLE
from tinygrad_lora.models.names import NameModel, encode, letter_loss

HINTS = (
    "`tl.compile_training_step(model, letter_loss, optimizer)` makes one fast step of the five parts: "
    "`step(rows[:, :-1], rows[:, 1:])`.",
    "Adam with 0.02, 16 names in a batch, and 800 steps or more. A rate that falls to 0 settles the network: "
    "`tl.linear(0.02, 0.0, steps)`.",
    "`for batch, in tl.batches(rows, size=16, epochs=3, seed=0): step(batch[:, :-1], batch[:, 1:])`, after "
    "`step = tl.compile_training_step(model, letter_loss, tl.Adam(model.parameters(), lr=0.01))`",
)
ABOUT = (
    "A network that sees the whole beginning hesitates among fewer letters than a table that sees one letter. What "
    "counts is the perplexity on names that were kept aside, because the others could be learned by heart."
)
NEXT = "Train for ten times as many steps. When does the perplexity of the other names begin to rise, and why?"
exercise = Exercise(
    "14-perplexity",
    __doc__,
    kind="T",
    hints=HINTS,
    about=ABOUT,
    next_step=NEXT,
    slow=True,
    limit=30.0,
    changes={"fit": ["model"]},
    preamble=f"{PREAMBLE}from tinygrad_lora.models.names import letter_loss\n",
)
MOST, PAIRS = 9.0, 10.7


@exercise.reference
def fit(model, rows):
    """The network, trained on these rows."""
    optimizer = tl.Adam(model.parameters(), lr=tl.linear(0.02, 0.0, 1160))
    step = tl.compile_training_step(model, letter_loss, optimizer)
    for (batch,) in tl.batches(rows, size=16, epochs=4, seed=0):
        step(batch[:, :-1], batch[:, 1:])
    return model


@exercise.another()
def in_a_plain_loop(model, rows):
    """Nothing compiled, larger batches, and the rate by hand: half of it after half of the steps."""
    optimizer, rng = tl.AdamW(model.parameters(), lr=0.02), np.random.default_rng(0)
    for i in range(500):
        optimizer.lr = 0.02 if i < 300 else 0.005
        batch = rows[rng.integers(0, len(rows), 32)]
        optimizer.zero_gradients()
        letter_loss(model(batch[:, :-1]), batch[:, 1:]).backward()
        optimizer.step()
    return model


def perplexity(model, rows):
    with np.errstate(all="ignore"):
        return float(np.exp(letter_loss(model(rows[:, :-1]), rows[:, 1:]).value))


@exercise.check(points=5)
def test_it_hesitates_among_few_letters(fit):
    train, test = names()
    untrained, kept = NameModel(seed=1), encode(test)
    model = returned(fit(NameModel(seed=1), encode(train)), tl.Layer, "fit", "it must return the network")
    if type(model) is not NameModel:
        raise refuse("another-network", "fit must return the network that it was given, trained")
    reached, at_first = perplexity(model, kept), perplexity(untrained, kept)
    sentence = f"on 500 other names the perplexity is {reached:.1f}; it must be at most {MOST}"
    require(np.isfinite(reached), "diverged", f"{sentence}. The training exploded; take a smaller learning rate")
    moved = any(
        (new.value != old.value).any() for new, old in zip(model.parameters(), untrained.parameters(), strict=True)
    )
    require(moved, "not-trained", f"{sentence}. No number of the network has changed")
    worse = f"{sentence}. It was {at_first:.1f} before: is the rate too large, or the truth not `rows[:, 1:]`?"
    require(reached < at_first, "worse-than-before", worse)
    table = f"{sentence}. The table of pairs has {PAIRS}; train longer, or with another learning rate"
    require(reached < PAIRS, "worse-than-pairs", table)
    require(reached <= MOST, "above-threshold", f"{sentence}. Take more steps, or let the rate fall to 0")
