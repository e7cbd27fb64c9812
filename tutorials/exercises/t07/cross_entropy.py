r"""Cross-entropy that does not overflow

The softmax gives each class a probability, $p_j = e^{x_j} / \sum_k e^{x_k}$. The loss of a sample is $-\ln p_t$, where
$t$ is its label; the loss of a batch is the mean of them. In these formulas $e^{x}$ overflows at $x = 710$, and $\ln p$
is infinite where $p$ rounds to 0. Yet the loss itself is an ordinary number.

Write two functions of arrays. `logits` is (samples, classes), `labels` holds a whole number for each sample.

* `cross_entropy(logits, labels)`: the loss, a number. It must be finite for all finite logits.
* `cross_entropy_vjp(g, logits, labels)`: the gradient of the logits, from the number `g` that flows in.
"""

import numpy as np

from tinygrad_lora.learn.authoring import (
    Exercise,
    as_array,
    as_number,
    diagnose,
    example,
    generators,
    number,
    numbers,
    require,
    same,
    tell,
)

HINTS = (
    "Subtract the largest logit of each row from the row: the probabilities stay the same, and no power is above "
    "1. Then write the logarithm of the fraction as a difference, so that no logarithm of 0 is left.",
    "ln p_t = z_t - ln(sum of e^z_k), where z are the shifted logits. The gradient of a row is p, minus 1 at the "
    "label; the mean divides it by the number of samples.",
    "`scores = z - np.log(np.exp(z).sum(axis=1, keepdims=True))`, then `-scores[np.arange(len(labels)), "
    "labels].mean()`. For the gradient: `p[np.arange(len(labels)), labels] -= 1` and `return g * p / len(labels)`.",
)
ABOUT = (
    "Softmax and logarithm belong together: to subtract the largest score changes nothing in the formula, and "
    "everything in the arithmetic. The gradient is then simple, the probabilities minus 1 at the label, divided "
    "by the batch."
)
NEXT = (
    "What is the loss of a network that knows nothing, for ten classes? Compute it, and find it at the start of a "
    "training curve."
)
exercise = Exercise("07-cross-entropy", __doc__, kind="N", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
def cross_entropy(logits, labels):
    """The mean over the samples of -ln p[label]."""
    z = logits - logits.max(axis=1, keepdims=True)
    scores = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    return -scores[np.arange(len(labels)), labels].mean()


@exercise.reference
def cross_entropy_vjp(g, logits, labels):
    """The gradient of the logits, from the gradient g of the loss."""
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    p[np.arange(len(labels)), labels] -= 1
    return g * p / len(labels)


@exercise.another("cross_entropy")
def by_logaddexp(logits, labels):
    """NumPy has a sum of exponentials that does not overflow: ln(e^a + e^b) is `np.logaddexp(a, b)`."""
    scores = logits[np.arange(len(labels)), labels]
    return (np.logaddexp.reduce(logits, axis=1) - scores).mean()


@exercise.another("cross_entropy_vjp")
def by_one_hot_rows(g, logits, labels):
    """Rows of the unit matrix are the labels as probabilities; the gradient is the difference."""
    p = np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))
    return g * (p - np.eye(logits.shape[1])[labels]) / len(labels)


right, rule = cross_entropy, cross_entropy_vjp
LARGE = np.array([[1000.0, 0.0, -1000.0], [0.0, 800.0, 2.0]])
FAR = np.array([[1000.0, 0.0, -1000.0], [-2000.0, -1990.0, -2001.0]])  # rows whose largest logits are far apart


def batches(seed, budget, most=12):
    """Logits and labels, two samples at first."""
    for size, rng in generators(seed, min(budget, most)):
        n, classes = 2 + size % 4, 3 + size % 3
        yield numbers(rng, (n, classes)), rng.integers(0, classes, n)


def softmax(x, axis=1):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def log_softmax(x):
    z = x - x.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def minus_one_in_every_row(g, x, t):
    p = softmax(x)
    p[:, t] -= 1
    return g * p / len(t)


def over_the_samples(g, x, t):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return g * (e / e.sum(axis=0, keepdims=True) - np.eye(x.shape[1])[t]) / len(t)


ONE_A_ROW = "`[np.arange(len(labels)), labels]` picks one number from each row"


def summed_over(axis, log=np.log):
    """The loss with a sum of powers over another axis, or over everything, or with another logarithm."""

    def loss(x, t):
        z = x - x.max(axis=1, keepdims=True)
        return -(z - log(np.exp(z).sum(axis=axis, keepdims=True)))[np.arange(len(t)), t].mean()

    return loss


LOSSES = {
    "every-row": (f"the mean over all labels in every row, as `[:, labels]` gives them: {ONE_A_ROW}",
                  lambda x, t: -log_softmax(x)[:, t].mean()),
    "summed": ("the sum over the samples: take the mean", lambda x, t: right(x, t) * len(t)),
    "sign": ("negative: a probability is at most 1, so its logarithm is at most 0; the loss is minus that",
             lambda x, t: -right(x, t)),
    "all-classes": ("divided by samples and classes: one number for each sample goes into the mean",
                    lambda x, t: right(x, t) / x.shape[1]),
    "mixed-samples": ("wrong because the softmax sums over the samples: its axis is that of the classes",
                      lambda x, t: -np.log(softmax(x, 0))[np.arange(len(t)), t].mean()),
    "mixed-rows": ("wrong because the powers are summed over the samples: sum along axis 1", summed_over(0)),
    "all-summed": ("wrong because all powers are summed, of all rows: sum along axis 1", summed_over(None)),
    "base-of-log": ("wrong because its logarithm has the base 10: np.log has the base e", summed_over(1, np.log10)),
    "no-logarithm": ("minus the probability: take its logarithm",
                     lambda x, t: -softmax(x)[np.arange(len(t)), t].mean()),
}  # fmt: skip


@exercise.check(points=2)
def test_the_loss_of_a_batch(cross_entropy, seed, budget):
    for logits, labels in batches(seed, budget):
        answer = as_array(cross_entropy(logits, labels), "the loss", ())
        expected = np.asarray(right(logits, labels))
        if same(answer, expected):
            continue
        yours = f"your loss is {number(float(answer))} and should be {number(float(expected))}"
        shown = example(answer, expected, logits=logits, labels=labels)
        for code, (sentence, slip) in LOSSES.items():
            slipped = same(answer, np.asarray(slip(logits, labels)))
            require(not slipped, code, f"{yours}: yours is {sentence}", example=shown)
        require(False, "differs", yours, example=shown)


@exercise.check(points=2)
def test_large_logits_give_a_finite_loss(cross_entropy):
    for logits, t in ((LARGE, [0, 1]), (LARGE, [2, 0]), (LARGE, [1, 2]), (FAR, [0, 1]), (FAR, [1, 0])):
        labels = np.array(t)
        answer = as_number(cross_entropy(logits.copy(), labels), "the loss")
        expected = float(right(logits, labels)) + 0.0  # never -0
        yours = f"for logits {logits.tolist()} and labels {t} the loss is {number(expected)}; yours is {number(answer)}"
        finite = bool(np.isfinite(answer))
        far = f"{yours}: one maximum for the whole batch is too large for the other row: subtract from each row its own"
        require(finite or logits is LARGE, "one-maximum", far)
        early = finite or (t != [0, 1] and not np.isnan(answer))
        require(early, "overflow", f"{yours}: e^1000 is infinite; subtract the row's largest first")
        require(finite, "log-of-zero", f"{yours}: a probability rounds to 0; subtract logarithms instead")
        clipped = (
            f"{yours}: a smallest probability stands in for those that round to 0, so the loss cannot grow: subtract "
        )
        require(t != [2, 0] or not 0 < answer < 750, "clipped", f"{clipped}logarithms instead")
        sentence, slip = LOSSES["every-row"]
        require(not same(as_array(answer), as_array(slip(logits, labels))), "every-row", f"{yours}: that is {sentence}")
        require(same(as_array(answer), as_array(expected)), "differs", yours)


SLIPS = {
    "every-row": (f"has the 1 of every label subtracted in every row, as `[:, labels]` does: {ONE_A_ROW}",
                  minus_one_in_every_row),
    "missing-label": ("is p alone: the loss looks at the label, so its gradient must",
                      lambda g, x, t: g * softmax(x) / len(t)),
    "label-and-mean": ("is p alone: the label and the division by the number of samples are missing",
                       lambda g, x, t: g * softmax(x)),
    "mixed-samples": ("comes from a softmax over the samples: sum the powers along axis 1", over_the_samples),
    "label-added": (
        "adds 1 at the label: more of that logit makes the loss smaller, so it is p - 1 there",
        lambda g, x, t: g * (softmax(x) + np.eye(x.shape[1])[t]) / len(t),
    ),
}  # fmt: skip


@exercise.check(points=2)
def test_the_gradient_of_the_logits(cross_entropy_vjp, seed, budget):
    for logits, labels in batches(seed, budget):
        n = {"the number of samples": len(labels)}
        tell(diagnose(
            cross_entropy_vjp, right, logits, labels, reference=rule, arguments="g, logits, labels",
            names=["logits", "labels"], wrt=["logits"], factors=n, alternatives=SLIPS, seed=seed,
        ))  # fmt: skip


@exercise.check(points=1)
def test_large_logits_give_a_finite_gradient(cross_entropy_vjp):
    judge_large(cross_entropy_vjp, LARGE, "overflow", "subtract the row's largest logit first")
    one = "one maximum for the whole batch is too large for the other row: subtract from each row its own"
    judge_large(cross_entropy_vjp, FAR, "one-maximum", one)


def judge_large(cross_entropy_vjp, logits, code, remedy):
    """Raise, and say what is wrong, unless the gradient is right; `code` and `remedy` if it is not finite."""
    labels, g = np.array([2, 1]), 0.25  # not 1 / 2: there are two samples, and each slip shall have a factor of its own
    answer = as_array(cross_entropy_vjp(g, logits.copy(), labels), "the gradient", logits.shape)
    expected = rule(g, logits, labels)
    shown = example(answer, expected, g=g, logits=logits, labels=labels)
    yours = "for large logits your gradient is not right"
    broken = f"for large logits your gradient holds numbers that are not finite: {remedy}"
    require(bool(np.isfinite(answer).all()), code, broken, example=shown)
    if same(answer, expected):
        return
    sentence = f"{yours}: the mean divides by the number of samples, 2"
    require(not same(answer, 2 * expected), "factor", sentence, example=shown)
    sentence = f"{yours}: multiply by the gradient g that flows in, {g}"
    require(not same(answer, expected / g), "missing-upstream", sentence, example=shown)
    for code, (sentence, slip) in SLIPS.items():
        require(not same(answer, slip(g, logits, labels)), code, f"{yours}: it {sentence}", example=shown)
    require(False, "differs", yours, example=shown)
