r"""Merge, compile, prove it

Write two functions:

* `ship(model)`: a compiled function, a `tl.compile(...)`, that computes what the adapted model computes now, and costs
  no more than the model without adapters. The model itself must stay as it is, with its adapters beside the base: copy
  it before you merge.
* `largest_difference(f, g, x)`: the largest absolute difference between the outputs of two functions for the array x.
  This is the proof that you send along.
"""

import copy
from functools import partial

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.learn.authoring import (
    Evaluated,
    Exercise,
    are,
    as_array,
    as_number,
    example,
    have,
    kind_of,
    number,
    require,
    same,
)
from tinygrad_lora.learn.exact import largest_difference as difference

HINTS = (
    "`copy.deepcopy(model)` shares nothing with the model. `tl.merge_all` merges every adapter of a model.",
    "Copy, merge the copy, compile the copy. For the proof: subtract, take the absolute value, then the largest.",
    "`merged = copy.deepcopy(model)`, `tl.merge_all(merged)`, `return tl.compile(merged)`, and "
    "`return np.abs(f(x) - g(x)).max()`",
)
IMPORTS = "import copy\n\nimport numpy as np\n\nimport tinygrad_lora as tl\n"
ABOUT = (
    "Merging is arithmetic, so it can be proved with numbers: the shipped function and the adapted model agree up "
    "to rounding. A copy is merged, and the model goes on learning with its adapters."
)
NEXT = (
    "Ship it with the adapters unmerged as well, and time both for one sample and for a thousand. What does an "
    "adapter cost?"
)
exercise = Exercise(
    "12-ship",
    __doc__,
    kind="P",
    hints=HINTS,
    about=ABOUT,
    next_step=NEXT,
    preamble=IMPORTS,
    changes={"ship": ["model"]},
)


@exercise.reference
def ship(model):
    """The model with its adapters merged, compiled."""
    merged = copy.deepcopy(model)
    tl.merge_all(merged)
    return tl.compile(merged)


@exercise.reference
def largest_difference(f, g, x):
    """The largest absolute difference of the outputs."""
    return np.abs(f(x) - g(x)).max()


@exercise.another("ship")
def from_merged_weights(model):
    """No copy and no merging: plain layers, made from the sums of base and adapter."""

    def plain(member):
        if not isinstance(member, tl.LoRALinear):
            return member
        weight = member.base.weight.value + member.lora.merge_weights()
        layer = tl.Linear(*weight.shape, dtype=weight.dtype)
        layer.weight, layer.bias = tl.parameter(weight), member.base.bias
        return layer

    return tl.compile(tl.Sequential(*map(plain, model.members)))


@exercise.another("largest_difference")
def by_a_norm(f, g, x):
    """The largest absolute entry is the norm of order infinity."""
    return np.linalg.norm((f(x) - g(x)).ravel(), np.inf)


def adapted(seed, scale=1.0):
    """A network with adapters that were trained (here: drawn), and an input."""
    rng = np.random.default_rng([seed, 12])
    model = tl.Sequential(tl.Linear(24, 32, seed=rng), tl.relu, tl.Linear(32, 10, seed=rng))
    tl.adapt(model, 3, alpha=6, seed=0)
    for layer in tl.adapters(model).values():
        layer.lora.lora_B.value = scale * rng.normal(size=layer.lora.lora_B.shape)
    return model, rng.normal(size=(16, 24))


def judge(ship, seed):
    """Raise, and say what is wrong, unless what is shipped gives the outputs of the adapted model."""
    model, x = adapted(seed)
    right = model.forward(x)
    with tl.disabled(model):
        without = model.forward(x)
    shipped = checked(ship(model))
    answer = as_array(shipped(x), "the output", right.shape)
    sentence = f"the outputs differ by {difference(answer, right)[0]:.3g}"
    require(not same(answer, without), "switched-off", f"{sentence}: those are the outputs without the adapters")
    require(same(answer, right, 1e-9), "differs", sentence)


@exercise.check(points=2)
def test_what_is_shipped_gives_the_same_numbers(ship, seed):
    judge(ship, seed)


@exercise.check(points=2)
def test_the_model_stays_as_it_is(ship, seed):
    judge(ship, seed)
    model, x = adapted(seed)
    before = {name: np.array(p.value) for name, p in model.named_parameters().items()}
    shipped = checked(ship(model))
    first = np.array(shipped(x))
    layers = tl.adapters(model)
    require(bool(layers), "unloaded", "your model has no adapters any more: merge a copy of it")
    merged = [name for name, layer in layers.items() if layer.merged]
    names = f"the layer{'s' * (len(merged) != 1)} {' and '.join(merged)}"
    sentence = f"{names} of the model {are(merged)} merged now, so the model cannot be trained: "
    sentence += "merge a copy that has layers of its own, as copy.deepcopy makes"
    require(not merged, "left-merged", sentence)
    changed = [name for name, p in model.named_parameters().items() if not same(np.array(p.value), before[name], 0, 0)]
    require(not changed, "left-merged", f"{', '.join(changed)} of the model {have(changed)} changed")
    for layer in layers.values():
        layer.lora.lora_B.value = 2.0 * layer.lora.lora_B.value
    sentence = "the model was trained on, and with it what you shipped has changed: it must be a copy"
    require(same(np.array(shipped(x)), first, 0, 0), "shared", sentence)


@exercise.check(points=2)
def test_the_adapters_cost_nothing(ship, seed):
    judge(ship, seed)
    model, x = adapted(seed)
    shipped = checked(ship(model))
    shipped(x)
    with tl.disabled(model):
        base = Evaluated(model).prepare(x).graph.flops
    flops = Evaluated(shipped.function).prepare(x).graph.flops
    sentence = f"what you ship takes {flops:,} operations, and the base alone {base:,}"
    require(flops <= base, "not-merged", f"{sentence}: the adapters are still beside the weights; merge them first")


def checked(shipped):
    """What the student ships, if it is a compiled function."""
    require(shipped is not None, "no-return", "ship gave None: does it end with `return`?")
    sentence = f"ship gave {kind_of(shipped)}; it must give tl.compile(...)"
    require(isinstance(shipped, tl.CompiledFunction), "not-compiled", sentence)
    return shipped


@exercise.check(points=1)
def test_the_proof_finds_the_largest_difference(largest_difference, seed):
    rng = np.random.default_rng([seed, 4])
    x, shift = rng.normal(size=(5, 3)).round(2), np.zeros((5, 3))
    shift[1, 2], shift[3, 0] = 0.5, -0.25
    everywhere = np.where(shift == 0, 0.125, shift)  # all outputs are off, the least by 0.125
    least = as_number(largest_difference(lambda x: 2 * x, lambda x: 2 * x + everywhere, x), "the number")
    for size in (1.0, -1.0, 3.0):
        yours = largest_difference(lambda x: 2 * x, lambda x, size=size: 2 * x + size * shift, x)
        answer, right = as_number(yours, "the number"), 0.5 * abs(size)
        case = f"one output is off by {number(-0.5 * size)} and one by {number(0.25 * size)}"
        sentence = f"{case}, so the answer is {number(right)}; yours is {answer:.4g}"
        shown = example(answer, right, **{"x": x, "f(x)": 2 * x, "g(x)": 2 * x + size * shift})
        insist = partial(require, example=shown)
        near = [value for value in (0.5, -0.5, -1.0) if abs(answer - value * right) < 1e-9]
        insist(not near, "no-absolute-value", f"{sentence}: take absolute values before the largest")
        average = abs(answer - float(np.abs(size * shift).mean())) < 1e-9
        insist(not average, "mean", f"{sentence}: that is the mean, which hides a single large one")
        insist(abs(answer - 1.5 * right) > 1e-9, "sum-for-largest", f"{sentence}: that is the sum; take the largest")
        smallest = abs(answer) < 1e-9 and abs(least - 0.125) < 1e-9
        insist(not smallest, "smallest", f"{sentence}: that is the smallest; take the largest")
        insist(abs(answer) > 1e-9, "one-function", f"{sentence}: are both functions called?")
        insist(abs(answer - right) < 1e-9, "differs", sentence)
