r"""Which gradient is zero?

A layer $y = s\,(x A)\,B$ starts with a random A and with $B = 0$. A loss sends the gradient $G$ into $y$. Which of the
gradients are zero in every entry?

Write True or False into the dictionary `is_zero`:

* "A", "B", "x": at the very start;
* "A later", "B later": after one step of gradient descent, with another batch;
* "A from zeros", "B from zeros": at the start, if A were zero as well.

The engine runs it when you check.
"""

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.learn.authoring import Exercise, as_bool, entry, require

HINTS = (
    "Each gradient is a product. Which factors does it have?",
    "The gradient of A is s x.T G B.T, that of B is s (x A).T G, and that of x is s G B.T A.T.",
    "With B = 0, every product that contains B is zero: the gradients of A and x. After one step B is no longer zero. "
    "If A is zero too, then so is the gradient of B.",
)
ABOUT = (
    "The gradient of each factor is multiplied by the other factor: at B = 0 that of A is zero, and that of B is "
    "not, because A is random. After one step B has moved and both learn; with both at zero nothing ever moves."
)
NEXT = "Let A be zero, and B random. Which of the answers change? Hayou et al. (2024) compare the two starts."
exercise = Exercise("11-zero-gradient", __doc__, kind="Q", hints=HINTS, about=ABOUT, next_step=NEXT)

exercise.answer(
    is_zero={
        "A": True,
        "B": False,
        "x": True,
        "A later": False,
        "B later": False,
        "A from zeros": True,
        "B from zeros": True,
    }
)


@exercise.another()
def by_running_it():
    """Ask the engine: one step, and a look at the gradients before and after."""
    rng = np.random.default_rng(0)
    G = rng.normal(size=(5, 3))

    def gradients(A, B):
        leaves = {"A": tl.parameter(A), "B": tl.parameter(B), "x": tl.parameter(rng.normal(size=(5, 4)))}
        tl.sum((leaves["x"] @ leaves["A"]) @ leaves["B"] * G).backward()
        return {name: leaf.gradient for name, leaf in leaves.items()}

    A, B = rng.normal(size=(4, 2)), np.zeros((2, 3))
    start = gradients(A, B)
    later = gradients(A - 0.1 * start["A"], B - 0.1 * start["B"])
    zeros = gradients(0 * A, B)
    every = start | {f"{n} later": later[n] for n in "AB"} | {f"{n} from zeros": zeros[n] for n in "AB"}
    return {name: not gradient.any() for name, gradient in every.items()}


def engine():
    """Which gradients are zero, as the engine computes them."""
    rng, is_zero = np.random.default_rng(0), {}
    batches = rng.normal(size=(2, 5, 4))
    layer = tl.LoRALayer(4, 3, 2, seed=0)
    zeros = tl.LoRALayer.from_arrays(np.zeros((4, 2)), np.zeros((2, 3)))

    def slopes(layer, batch):
        x = tl.parameter(batch)
        layer.reset_state()
        tl.mse(layer(x), np.ones((5, 3))).backward()
        return {"A": layer.lora_A.gradient, "B": layer.lora_B.gradient, "x": x.gradient}

    is_zero |= {name: not g.any() for name, g in slopes(layer, batches[0]).items()}
    layer.update_parameters(0.1)
    is_zero |= {f"{name} later": not g.any() for name, g in slopes(layer, batches[1]).items() if name != "x"}
    return is_zero | {f"{name} from zeros": not g.any() for name, g in slopes(zeros, batches[0]).items() if name != "x"}


WHY = {
    "A": ("wrong-factor", "its gradient is s x.T G B.T, and B is zero"),
    "B": ("wrong-factor", "its gradient is s (x A).T G, and neither A nor G is zero"),
    "x": ("input-passes", "its gradient is s G B.T A.T, and B is zero"),
    "A later": ("stuck", "B has moved in the first step, and with it the gradient of A is not zero any more"),
    "B later": ("stuck", "its gradient is s (x A).T G: it was never zero"),
    "A from zeros": ("zero-start", "its gradient holds B, which is zero"),
    "B from zeros": ("zero-start", "its gradient holds A, which is zero: nothing ever moves"),
}


@exercise.check(points=3)
def test_every_prediction_is_right(is_zero):
    for name, right in engine().items():
        answer, (code, why) = as_bool(entry(is_zero, "is_zero", name), f"is_zero[{name!r}]"), WHY[name]
        said = "zero" if answer else "not zero"
        require(answer == right, code, f"you say that the gradient of {name!r} is {said}: {why}")
