r"""A training step for names

Each row of `rows` holds a name as 13 numbers: a dot, its letters, another dot, and then 27, which fills the row up. For
".ada." it is 0, 1, 4, 1, 0, 27, 27 ... The network returns scores for 12 places, and each place is a question: which
letter comes next?

Write `train_step(model, loss, optimizer, rows)`. It makes one step of training, and returns the loss before the step as
a Python number. `loss(scores, letters)` compares the scores of all places with the letters that came next. It ignores
places where that letter is 27.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.learn.authoring import Exercise, apart, as_number, refuse, require
from tinygrad_lora.models.names import NameModel, encode, letter_loss

HINTS = (
    "What goes in, and what is the truth? For .ada. the network sees .ada and should say ada., the same moved by one.",
    "`rows[:, :-1]` leaves out the last number of each row, and `rows[:, 1:]` the first. Then come the five parts of a "
    "step, as in tutorial 07.",
    "`optimizer.zero_gradients()`, `value = loss(model(rows[:, :-1]), rows[:, 1:])`, `value.backward()`, "
    "`optimizer.step()`, `return float(value)`",
)
ABOUT = (
    "A text is its own label: moved by one place, it says what comes next. With the causal mask, one pass asks all "
    "questions of a row at once, so a name of five letters trains six predictions."
)
NEXT = "Train on rows that are moved the other way. What does the model learn then, and what does it write?"
exercise = Exercise(
    "14-step",
    __doc__,
    kind="S",
    hints=HINTS,
    about=ABOUT,
    next_step=NEXT,
    changes={"train_step": ["model", "optimizer"]},
)


@exercise.reference
def train_step(model, loss, optimizer, rows):
    """One step of training; the loss before it."""
    optimizer.zero_gradients()
    value = loss(model(rows[:, :-1]), rows[:, 1:])
    value.backward()
    optimizer.step()
    return float(value)


@exercise.another()
def without_backward(model, loss, optimizer, rows):
    """Ask for the gradients as values, and hand them to the parameters: nothing is left over from before."""
    before, after = rows[:, : rows.shape[1] - 1], np.roll(rows, -1, axis=1)[:, :-1]
    value, parameters = loss(model(before), after), model.parameters()
    for p, gradient in zip(parameters, tl.gradients(value, parameters), strict=True):
        p.gradient = gradient.value
    optimizer.step()
    return float(value)


right = train_step
WORDS = (["ada", "bo", "eva"], ["noor", "abe"])


def start(seed):
    """A small model in double precision, an optimizer that remembers, and the rows of two steps."""
    model = NameModel(4, 2, seed=seed % 1000, dtype=np.float64)
    return model, tl.SGD(model.parameters(), lr=0.5, momentum=0.5), [encode(words) for words in WORDS]


def taken(step, seed, looks=letter_loss):
    """The losses of two steps, and where all parameters are after each."""
    model, optimizer, batches = start(seed)
    losses, places = [], []
    for rows in batches:
        losses.append(step(model, looks, optimizer, rows))
        places.append(np.concatenate([np.array(p.value).ravel() for p in model.parameters()]))
    return losses, places


def with_other(
    before=slice(0, -1), after=slice(1, None), zero=True, update=True, backward=True, late=False, all_27=False
):
    """A step with something else in one place."""

    def step(model, loss, optimizer, rows):
        if zero:
            optimizer.zero_gradients()
        x, truth = rows[:, before], rows[:, after]
        if all_27:
            truth = np.where(truth == 27, 0, truth)
        value = loss(model(x), truth)
        if backward:
            value.backward()
        if update:
            optimizer.step()
        return float(loss(model(x), truth)) if late else float(value)

    return step


def summed(model, loss, optimizer, rows):
    """A step for each name."""
    values = []
    for row in rows:
        values.append(right(model, loss, optimizer, row[None]))
    return float(np.mean(values))


def up_the_hill(model, loss, optimizer, rows):
    optimizer.zero_gradients()
    value = loss(model(rows[:, :-1]), rows[:, 1:])
    (-value).backward()
    optimizer.step()
    return float(value)


Slips = Sequence[tuple[str, str, Any]]
SLIPS: Slips = (
    ("not-shifted", "Your truth is the letter that the network sees, so it learns to repeat it; take `rows[:, 1:]`",
     with_other(after=slice(0, -1))),
    ("shifted-back", "The network sees the later letter and is asked for the earlier one; swap the two",
     with_other(slice(1, None), slice(0, -1))),
    ("repeats", "Both parts begin with the first letter of the name; the dot must go in, to ask for that letter",
     with_other(slice(1, None), slice(1, None))),
    ("not-zeroed", "The gradients of the step before are still in the sum; zero them first", with_other(zero=False)),
    ("not-updated", "No parameter has moved; call optimizer.step() after backward()", with_other(update=False)),
    ("loss-after", "You measured the loss after the step; measure it before", with_other(late=True)),
    ("padding-counts", "You turned the padding into dots, so it counts; leave it 27",
     with_other(all_27=True)),
    ("one-step-a-name", "You make a step for each name; make one step for all rows", summed),
    ("uphill", "The step goes uphill; send back the loss, not its negative", up_the_hill),
)  # fmt: skip


def close(a, b):
    """Whether two runs gave the same losses and led to the same place."""
    (losses, places), (others, elsewhere) = a, b
    pairs = [(np.array(losses), np.array(others)), *zip(places, elsewhere, strict=True)]
    return all(bool((np.abs(x - y) <= 1e-7).all()) for x, y in pairs)


@exercise.check(points=4)
def test_the_network_learns_what_comes_next(train_step, seed):
    expected = taken(right, seed)
    given = taken(copy_of(train_step), seed)
    answer = [as_number(loss, "the loss") for loss in given[0]], given[1]
    if close(answer, expected):
        return
    for code, why, slip in SLIPS:
        try:
            fits = close(answer, taken(slip, seed))
        except Exception:  # the slip does not get that far
            fits = False
        require(not fits, code, f"{told(answer, expected)}. {why}")
    stays = np.abs(answer[1][0] - start_of(seed)).max() == 0
    require(not stays, "not-updated", f"{told(answer, expected)}. No parameter has moved")
    raise refuse("differs", told(answer, expected))


def copy_of(step):
    """The student's step; what it raises where it gives the network too much is said in words."""

    def careful(model, loss, optimizer, rows):
        try:
            return step(model, loss, optimizer, rows)
        except tl.errors.GradientError as error:
            if "no parameter has a gradient" not in str(error):
                raise
            sentence = "optimizer.step() finds no gradients: call zero_gradients(), then backward(), then step()"
            raise refuse("no-gradient", sentence) from None
        except ValueError as error:
            if "has no row" not in str(error):
                raise
            sentence = "the network has 12 places, and a row has 13 numbers: 12 go in, and 12 are the truth"
            raise refuse("whole-row", f"{sentence}: `rows[:, :-1]` and `rows[:, 1:]` ({error})") from None

    return careful


def start_of(seed):
    return np.concatenate([np.array(p.value).ravel() for p in start(seed)[0].parameters()])


def told(answer, expected):
    """The first loss that is wrong; or that the losses are right and the parameters are not."""
    for i, (yours, right) in enumerate(zip(answer[0], expected[0], strict=True)):
        if abs(yours - right) > 1e-6 * abs(right) + 1e-9:
            a, b = apart(yours, right)
            return f"for the names {', '.join(WORDS[i])} the loss of step {i + 1} is {a}, and should be {b}"
    i = next((i for i in range(2) if np.abs(answer[1][i] - expected[1][i]).max() > 1e-7), 0)
    far = np.abs(answer[1][i] - expected[1][i]).max()
    return f"the losses are right, but after step {i + 1} a parameter is off by {far:.2g}"
