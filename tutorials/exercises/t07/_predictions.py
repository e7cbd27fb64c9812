"""What to predict in tutorial 07, in its order."""

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.learn.predictions.prediction import prediction


@prediction("07-no-idea", n=(10, 4, 100))
def no_idea(n):
    """A network has no idea: each of {n} classes gets the same probability. What is its loss, $-\\ln p$? Give three
    digits."""
    yield float(tl.cross_entropy(np.zeros((1, n)), [0])), "If a first loss is far from this, look for a mistake"
    yield "no-logarithm", 1 / n, "that is the probability; the loss is minus its logarithm"
    yield "other-base", float(np.log10(n)), "that is the logarithm to base 10, but $\\ln$ has base $e$"
    yield "other-base", float(np.log2(n)), "that is the logarithm to base 2, but $\\ln$ has base $e$"


SMALLER, SAME, LARGER = "it becomes much smaller", "it stays as it is", "it becomes larger, with the logit"


@prediction("07-sure", logit=(6, 7, 8))
def sure_and_right(logit):
    """Three classes have the logits 2, 1 and 0, and the first class is right. Let the 2 be a {logit}. What happens to
    the gradient?"""

    def size(first):
        logits = tl.parameter([[first, 1.0, 0.0]])
        tl.cross_entropy(logits, np.array([0])).backward()
        return np.abs(logits.gradient).max()

    ratio = size(logit) / size(2.0)
    yield (
        SMALLER if ratio < 0.5 else LARGER,
        "It is probability minus truth: a network that is sure and right has little to learn",
    )
    yield "no-softmax", SAME, "the probabilities change with the logits, and the gradient is probability minus truth"
    yield "logit-for-gradient", LARGER, "the probability of the right class comes closer to 1, which is the truth"


@prediction("07-downhill", w=(2, 6, 7), lr=(0.1, 0.2, 0.3))
def one_step_down(w, lr):
    """The loss is $(w - 3)^2$. You are at w = {w}, and the learning rate is {lr}. Where are you after one step?"""
    p = tl.parameter(float(w))
    ((p - 3) * (p - 3)).backward()
    tl.SGD([p], lr=lr).step()
    yield float(p.value), "The slope is 2 (w - 3); go against it, rate times slope"
    yield "uphill", w + lr * 2 * (w - 3), "that is the way up: a gradient points up the slope"
    yield "no-rate", w - 2 * (w - 3), "that is a step as long as the slope; the rate makes it shorter"
    yield "loss-for-slope", w - lr * (w - 3) ** 2, "you multiply by the height; multiply by the slope"
    yield "factor", w - lr * (w - 3), "the slope of a square has a factor of 2"


@prediction("07-more-images", n=(600, 1000))
def more_images(n):
    """A network is trained on 60 images. On images kept aside the loss falls, turns, and rises. Train it on {n}
    instead of 60, for as many steps. Where is the turn?"""
    yield "later, or not at all", "With more images there is more to learn, and less can be learned by heart"
    yield "less-overfitting", "earlier", "more images are harder to learn by heart, so this begins later"
    yield "less-overfitting", "at the same step", "there learning by heart begins: how much is there to learn?"
