r"""Draw the next letter, with temperature

A model gives a score $s_i$ for each letter. With the **temperature** $T$, letter $i$ has the probability

$$p_i = \frac{e^{s_i / T}}{\sum_j e^{s_j / T}}$$

Chance comes as an argument: `u` is a random number, at least 0 and less than 1. Add up the probabilities from the first
letter on. The letter at which the sum first exceeds `u` is drawn. So a letter with probability 0.3 is drawn in 30 % of
all cases.

Write `draw(scores, temperature, u)`, which returns the number of the letter, counted from 0. At temperature 0 it is the
letter with the highest score. Scores may be as large as 1,000.
"""

import numpy as np

from tinygrad_lora.learn.authoring import Exercise, as_whole, generators, number, refuse, require, written

HINTS = (
    "Try it by hand: the probabilities 0.2, 0.5, 0.3 have the sums 0.2, 0.7, 1.0. Which letter is drawn for u = 0.6?",
    "Divide the scores by T before the softmax, and subtract the largest first. `np.cumsum` makes the sums. And "
    "dividing by 0 has no answer, so treat T = 0 first.",
    "`if temperature == 0: return int(np.argmax(scores))`; `z = (scores - scores.max()) / temperature`; "
    "`sums = np.cumsum(np.exp(z) / np.exp(z).sum())`; `return int(np.argmax(sums > u))`",
)
ABOUT = (
    "The temperature divides the scores, so it raises each probability to the power 1 / T; below 1, what is likely "
    "becomes likelier. At 0 only the best letter is left, and every text begins to repeat itself."
)
NEXT = (
    "Keep only the three most likely letters before you draw. What does that change at temperature 2, and what at 0.5?"
)
exercise = Exercise("14-draw", __doc__, kind="P", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
def draw(scores, temperature, u):
    """The number of the letter that is drawn, for a random number u."""
    if temperature == 0:
        return int(np.argmax(scores))
    z = (scores - scores.max()) / temperature
    sums = np.cumsum(np.exp(z) / np.exp(z).sum())
    return int(np.argmax(sums > u))


@exercise.another()
def by_taking_away(scores, temperature, u):
    """Walk along the letters and take each probability away from u; where nothing is left, you have arrived."""
    weights = np.exp((scores - max(scores)) / max(temperature, 1e-9))
    left = u * weights.sum()
    for i, weight in enumerate(weights):
        left -= weight
        if left < 0:
            return i
    return len(weights) - 1


right = draw


def softmax(z):
    e = np.exp(z - z.max())
    return e / e.sum()


def chosen(probabilities, u):
    return int(np.argmax(np.cumsum(probabilities) > u))


def in_order(p, u):
    """The sums run over the letters from the most probable on."""
    order = np.argsort(-p, kind="stable")
    return int(order[chosen(p[order], u)])


SLIPS = (
    ("highest-always", "You always take the highest score; that is right only at temperature 0",
     lambda s, t, u: int(np.argmax(s))),
    ("no-temperature", "The temperature changes nothing; divide the scores by it",
     lambda s, t, u: chosen(softmax(s), u)),
    ("temperature-multiplied", "You multiply the scores by the temperature; divide them",
     lambda s, t, u: chosen(softmax(s * t), u)),
    ("probabilities-divided", "You divide the probabilities by the temperature; divide the scores, before the softmax",
     lambda s, t, u: chosen(softmax(s) / t, u)),
    ("scores-as-probabilities", "You add up the scores themselves; turn them into probabilities first",
     lambda s, t, u: chosen(s / t, u)),
    ("not-normalized", "The powers of e are not divided by their sum, so they are not probabilities",
     lambda s, t, u: chosen(np.exp((s - s.max()) / t), u)),
    ("no-sums", "You take the first letter whose own probability exceeds u; add the probabilities up",
     lambda s, t, u: int(np.argmax(softmax(s / t) > u))),
    ("always-the-first", "You draw letter 0 whatever u is; look for the first sum that exceeds u", lambda s, t, u: 0),
    ("closest", "You take the letter whose probability is closest to u; add the probabilities up",
     lambda s, t, u: int(np.argmin(abs(softmax(s / t) - u)))),
    ("sorted", "The sums run over sorted probabilities; take the letters in their own order",
     lambda s, t, u: in_order(softmax(s / t), u)),
    ("sorted-places", "That is a place among the sorted probabilities, not the number of the letter",
     lambda s, t, u: chosen(np.sort(softmax(s / t)), u)),
    ("sorted-places", "That is a place among the sorted probabilities, not the number of the letter",
     lambda s, t, u: chosen(-np.sort(-softmax(s / t)), u)),
    ("one-too-few", "That is one letter too early; the sum up to and including the letter must exceed u",
     lambda s, t, u: max(chosen(softmax(s / t), u) - 1, 0)),
    ("one-too-few", "That is the last letter whose sum does not exceed u; take the next one",
     lambda s, t, u: chosen(softmax(s / t), u) - 1),
    ("one-too-many", "That is one letter too late", lambda s, t, u: min(chosen(softmax(s / t), u) + 1, len(s) - 1)),
    ("from-the-end", "You add up the probabilities from the last letter; begin with the first",
     lambda s, t, u: len(s) - 1 - chosen(softmax(s / t)[::-1], u)),
    ("own-chance", "`u` changes nothing; draw with it", lambda s, t, u: chosen(softmax(s / t), 0.5)),
)  # fmt: skip
AGAIN = 40  # so often the same letter would come by chance with one chance in thousands of millions
TO_THE_POINT = 0.02  # so far u keeps away from every sum, and no rounding decides


def examples(seed, budget):
    """Scores, a temperature, and a u that stays away from the sums."""
    yield np.log(np.array([0.2, 0.5, 0.3])), 1.0, 0.6
    yield np.log(np.array([0.2, 0.5, 0.3])), 1.0, 0.1
    yield np.log(np.array([0.9, 0.1])), 0.5, 0.95
    yield np.log(np.array([0.9, 0.1])), 2.0, 0.85
    for size, rng in generators(seed, max(budget, 30)):
        scores = rng.normal(size=2 + size % 5).round(1) * 2
        temperature = (0.5, 1.0, 2.0, 0.25)[size % 4]
        sums = np.cumsum(softmax(scores / temperature))
        for u in rng.random(4).round(2):
            if abs(sums - u).min() > TO_THE_POINT and u < 1:
                yield scores, temperature, float(u)


def judged(draw, cases, slips):
    """Raise, and say what is wrong, unless the right letter is drawn in each case."""
    wrong, right_ones = [], []
    for scores, temperature, u in cases:
        with np.errstate(all="ignore"):
            answer = as_whole(draw(np.array(scores), temperature, u), "the letter")
        (right_ones if answer == right(scores, temperature, u) else wrong).append((scores, temperature, u, answer))
    if not wrong:
        return
    scores, temperature, u, answer = wrong[0]
    expected = right(scores, temperature, u)
    sentence = f"for scores {written(scores, 4)}, temperature {number(temperature)} and u = {number(u)}"
    if temperature:
        p = softmax(scores / temperature)
        sentence = f"{sentence} the probabilities add up to {written(np.cumsum(p), 4)}, so"
    sentence = f"{sentence} letter {expected} is drawn; yours is {answer}"
    with np.errstate(all="ignore"):
        again = [as_whole(draw(np.array(scores), temperature, u), "the letter") for _ in range(AGAIN)]
    other = next((letter for letter in again if letter != answer), answer)
    why = f"asked again it is {other}, so something other than u decides: draw only with u"
    require(other == answer, "own-chance", f"{sentence}, and {why}")
    for code, why, slip in slips:
        with np.errstate(all="ignore"):
            fits = all(slip(*case) == answer for *case, answer in wrong + right_ones)
        require(not fits, code, f"{sentence}. {why}")
    raise refuse("differs", sentence)


@exercise.check(points=3)
def test_letters_are_drawn_as_their_probabilities_say(draw, seed, budget):
    judged(draw, examples(seed, budget), SLIPS)


@exercise.check(points=1)
def test_temperature_0_and_large_scores(draw, seed, budget):
    judged(draw, examples(seed, 1), SLIPS)
    largest = np.array([1000.0, 999.0, 0.0])
    for scores, u in ((np.array([2.9, 3.0, 1.0]), 0.9), (np.array([2.9, 3.0, 1.0]), 0.1), (-largest, 0.3)):
        expected = int(np.argmax(scores))
        sentence = f"for scores {written(scores)} and temperature 0 the letter is {expected}"
        try:
            with np.errstate(all="ignore"):
                answer = as_whole(draw(scores.copy(), 0, u), "the letter")
        except ZeroDivisionError:
            raise refuse("zero-temperature", f"{sentence}; yours divides by 0: treat this case first") from None
        require(answer == expected, "zero-temperature", f"{sentence}, whatever u is; yours is {answer} for u = {u}")
    for u in (0.5, 0.9):
        with np.errstate(all="ignore"):
            answer = as_whole(draw(largest.copy(), 1.0, u), "the letter")
        expected = right(largest, 1.0, u)
        sentence = (
            f"for scores {written(largest)}, temperature 1 and u = {u} the letter is {expected}; yours is {answer}"
        )
        require(answer == expected, "overflow", f"{sentence}. e^1000 is infinite; subtract the largest score first")
