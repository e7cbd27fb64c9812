r"""It sees the future

Somebody wrote causal attention. Its loss falls lower than is possible, and the text that it writes is nonsense: the
model has learned to peek. Every weight of a later token is 0, so how does it see the future? There are **two**
mistakes.

Repair `attention(x, A, B, C)`. `x` is (tokens, width), a row for each token. `A`, `B` and `C` make queries, keys and
values. It should:

* bring each token, by itself, to mean 0 and standard deviation 1;
* give each token the average of the values of all tokens up to it, weighted by the softmax of its scores.

Do not only read the code. Change the last row of `x`, and see which rows of the result move.
"""

import numpy as np

from tinygrad_lora.learn.authoring import Exercise, as_array, example, number, numbers, refuse, require, same, worst

HINTS = (
    "Run it twice, the second time with another number in the last row of x. Only the last row of the result may move.",
    "A mean over the tokens depends on all tokens. And a softmax divides by a sum: what is in that sum?",
    "`x.mean(axis=1, keepdims=True)` and `x.std(axis=1, keepdims=True)` are those of each token. Mask the scores with "
    "minus infinity before the softmax, not the weights after it.",
)
ABOUT = (
    "The future leaks through every number that is computed over all tokens: here a mean, and the sum in the softmax. "
    "No error tells you, so change a later token and see whether an earlier result moves."
)
NEXT = "Write that test for the network of this tutorial: change all letters after a place, and compare the scores."
exercise = Exercise("14-future", __doc__, kind="M", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
def attention(x, A, B, C):
    """Causal attention of normalized tokens, (tokens, width of C)."""
    x = (x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, keepdims=True)
    q, k, v = x @ A, x @ B, x @ C
    scores = q @ k.T / np.sqrt(k.shape[1])
    scores = np.where(np.tri(len(x)) == 1, scores, -np.inf)
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    weights = e / e.sum(axis=1, keepdims=True)
    return weights @ v


@exercise.another()
def token_by_token(x, A, B, C):
    """Give each token only the rows up to it: what is not there cannot be seen, and no mask is needed."""
    rows = []
    for t in range(len(x)):
        seen = x[: t + 1]
        seen = (seen - seen.mean(axis=1, keepdims=True)) / seen.std(axis=1, keepdims=True)
        scores = (seen @ B) @ (seen[-1] @ A) / np.sqrt(B.shape[1])
        e = np.exp(scores - scores.max())
        rows.append(e / e.sum() @ (seen @ C))
    return np.array(rows)


@exercise.starter("mean-over-tokens")
def peeking(x, A, B, C):
    """Causal attention of normalized tokens, (tokens, width of C)."""
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    q, k, v = x @ A, x @ B, x @ C
    scores = q @ k.T / np.sqrt(k.shape[1])
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    weights = e / e.sum(axis=1, keepdims=True)
    weights = np.where(np.tri(len(x)) == 1, weights, 0.0)
    return weights @ v


right = attention


def normalized(x, axis=1):
    return (x - x.mean(axis=axis, keepdims=True)) / x.std(axis=axis, keepdims=True)


def with_other(norm=normalized, mask=lambda s: np.where(np.tri(len(s)) == 1, s, -np.inf), after=None, scale=True):
    """The attention with something else in one place. `after` is done to the weights."""

    def function(x, A, B, C):
        x = norm(x)
        q, k, v = x @ A, x @ B, x @ C
        scores = mask(q @ k.T / (np.sqrt(k.shape[1]) if scale else 1.0))
        e = np.exp(scores - scores.max(axis=1, keepdims=True))
        weights = e / e.sum(axis=1, keepdims=True)
        return (weights if after is None else after(weights)) @ v

    return function


def tokens_normed(x):
    return normalized(x, 0)


def all_normed(x):
    return (x - x.mean()) / x.std()


def keep(s):
    return s


def zeroed(w):
    return np.where(np.tri(len(w)) == 1, w, 0.0)


def renormed(w):
    w = zeroed(w)
    return w / w.sum(axis=1, keepdims=True)


MEAN = "The mean and the spread run over the tokens, so each row depends on all others; take axis=1"
SUM = "The weights are masked after the softmax, so its sum still contains later tokens; mask the scores before it"
LEAKS = (
    ("mean-over-tokens", MEAN, with_other(tokens_normed, keep, zeroed)),
    ("mean-over-tokens", MEAN, with_other(tokens_normed)),
    ("mean-over-tokens", MEAN, with_other(tokens_normed, keep, renormed)),
    ("mean-over-everything", "Mean and spread are those of all numbers together; take those of each row, axis=1",
     with_other(all_normed)),
    ("mean-over-everything", "Mean and spread are those of all numbers together; take those of each row, axis=1",
     with_other(all_normed, keep, zeroed)),
    ("masked-after-softmax", SUM, with_other(mask=keep, after=zeroed)),
    ("no-mask", "There is no mask any more; put it before the softmax", with_other(mask=keep)),
    ("no-mask", "There is no mask any more; put it before the softmax", with_other(tokens_normed, mask=keep)),
    ("past-hidden", "The mask hides the wrong triangle; hide the later tokens",
     with_other(mask=lambda s: np.where(np.tri(len(s)).T == 1, s, -np.inf))),
    ("one-too-far", "The mask lets each token see one later token",
     with_other(mask=lambda s: np.where(np.tri(len(s), k=1) == 1, s, -np.inf))),
    ("zero-is-no-mask", "A score of 0 hides nothing: e^0 = 1, so the token has a weight; write -np.inf",
     with_other(mask=lambda s: np.where(np.tri(len(s)) == 1, s, 0.0))),
)  # fmt: skip
CHANGED = (
    ("not-normalized", "The tokens are not normalized any more; each must have mean 0 and standard deviation 1",
     with_other(keep)),
    ("not-normalized", "The tokens are not divided by their spread",
     with_other(lambda x: x - x.mean(axis=1, keepdims=True))),
    ("not-normalized", "The mean of each token is not subtracted",
     with_other(lambda x: x / x.std(axis=1, keepdims=True))),
    ("unscaled", "The scores are not divided by the root of their width any more", with_other(scale=False)),
    ("diagonal-hidden", "A token does not see itself, and the first token sees nothing; keep the diagonal",
     with_other(mask=lambda s: np.where(np.tri(len(s), k=-1) == 1, s, -np.inf))),
    ("scores-lost", "The scores are gone; only the mask is left, so every visible token has the same weight",
     with_other(mask=lambda s: np.where(np.tri(len(s)) == 1, 0.0, -np.inf))),
)  # fmt: skip


def texts(seed, budget):
    """Tokens and three matrices."""
    for i in range(min(budget, 8)):
        rng = np.random.default_rng([seed, i])
        n, width = 3 + i % 3, 4
        yield (numbers(rng, (n, width)), *(rng.normal(size=(width, 3)).round(1) for _ in "ABC"))


def result(attention, given):
    x, *matrices = given
    with np.errstate(all="ignore"):
        answer = attention(np.array(x), *map(np.array, matrices))
    return as_array(answer, "the result", (len(x), matrices[2].shape[1]))


def explains(slip, attention, cases):
    with np.errstate(all="ignore"):
        return all(same_or_nan(result(attention, given), slip(*given)) for given in cases)


def same_or_nan(a, b):
    nan = np.isnan(a)
    return not nan.all() and bool((nan == np.isnan(b)).all()) and same(np.where(nan, 0.0, a), np.where(nan, 0.0, b))


@exercise.check(points=4)
def test_no_row_moves_when_a_later_token_changes(attention, seed, budget):
    cases = list(texts(seed, budget))
    for given in cases:
        x, *matrices = given
        for t in range(1, len(x)):
            later = x.copy()
            later[t:] = later[t:][:, ::-1] + np.arange(x.shape[1])
            before, after = result(attention, given), result(attention, (later, *matrices))
            moved = np.abs(after[:t] - before[:t]).max(axis=1) > 1e-9
            if not moved.any():
                continue
            row = int(np.argmax(moved))
            column = int(np.argmax(np.abs(after[row] - before[row])))
            numbers_ = f"from {number(before[row, column])} to {number(after[row, column])}"
            which = f"another row {t}" if t == len(x) - 1 else f"other rows from {t} on"
            sentence = f"with {which} in x, the result at {[row, column]} changes {numbers_}"
            for code, why, slip in LEAKS:
                require(not explains(slip, attention, cases), code, f"{sentence}. {why}")
            raise refuse("sees-the-future", sentence)
    judge_numbers(attention, cases)


@exercise.check(points=1)
def test_nothing_else_has_changed(attention, seed, budget):
    judge_numbers(attention, list(texts(seed + 1, budget)))


def judge_numbers(attention, cases):
    """Raise, and say what is wrong, unless the results are those of causal attention."""
    for given in cases:
        answer, expected = result(attention, given), right(*given)
        if same(answer, expected):
            continue
        sentence = f"the result is off: {worst(answer, expected)}"
        shown = example(answer, expected, **dict(zip(["x", "A", "B", "C"], given, strict=True)))
        for code, why, slip in (*CHANGED, *LEAKS):
            require(not explains(slip, attention, cases), code, f"{sentence}. {why}", example=shown)
        raise refuse("differs", sentence, shown)
