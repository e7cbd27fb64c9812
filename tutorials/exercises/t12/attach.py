r"""Attach and freeze

Write `attach(model, rank, places, seed=0)`. `model` is a `tl.Sequential`, whose `members` are a list of layers and
functions. Change the model and return it:

* each number in `places` is the place of a `tl.Linear`; replace it by `tl.LoRALinear(layer, rank, seed=seed)`;
* nothing but the adapters may be trainable: freeze every other parameter.

`tl.adapt` does this for any model. Here you do it by hand, without it.
"""

import copy
from itertools import pairwise

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.learn.authoring import Exercise, as_array, generators, require, same

from ._digits import checked_model

HINTS = (
    "`model.members[i]` can be read and set. And `model.freeze()` freezes all that is there at that moment.",
    "Freeze first, then attach: a new adapter is trainable. LoRALinear freezes its base by itself.",
    "`model.freeze()`, then `for i in places: model.members[i] = tl.LoRALinear(model.members[i], rank, seed=seed)`",
)
ABOUT = (
    "To adapt is surgery: freeze everything, then put adapters in the places of the layers that they wrap. The "
    "order matters, because freezing afterwards would freeze the adapters, too."
)
NEXT = "How many numbers are trainable at rank 4 with one place, and with all? Compare with `tl.adapt` on a copy."
exercise = Exercise(
    "12-attach", __doc__, kind="S", hints=HINTS, about=ABOUT, next_step=NEXT, changes={"attach": ["model"]}
)


@exercise.reference
def attach(model, rank, places, seed=0):
    """Adapters at these places; only they are trained."""
    model.freeze()
    for i in places:
        model.members[i] = tl.LoRALinear(model.members[i], rank, seed=seed)
    return model


@exercise.another()
def parameter_by_parameter(model, rank, places, seed=0):
    """Adapters first; then freeze by hand whatever was there before."""
    before = list(model.named_parameters().values())
    for i in places:
        model.members[i] = tl.LoRALinear(model.members[i], rank, seed=seed)
    for p in before:
        p.requires_gradient = False
    return model


def network(rng):
    """Linear layers with functions between them, and which of them are to be adapted."""
    sizes = [int(n) for n in rng.integers(4, 9, size=int(rng.integers(3, 6)))]
    members = []
    for n, m in pairwise(sizes):
        members += [tl.Linear(n, m, seed=rng), tl.relu]
    numbers = [i for i in range(0, len(members) - 1, 2) if rng.integers(2)] or [0]
    return tl.Sequential(*members[:-1]), numbers, sizes[0]


@exercise.check(points=3)
def test_adapters_stand_where_they_should_and_nothing_else_is_trained(attach, seed, budget):
    for size, rng in generators(seed, min(budget, 10)):
        model, places, _ = network(rng)
        rank, linear = 1 + size % 3, list(range(0, len(model.members), 2))
        bases = {i: model.members[i] for i in linear}
        adapted = checked_model(attach(model, rank, places, seed=size), "attach")
        have = [i for i in linear if type(adapted.members[i]) is tl.LoRALinear]
        sentence = f"there must be adapters at {places}; there are {f'some at {have}' if have else 'none'}"
        require(have == places, "wrong-places", sentence)
        for i in places:
            layer = adapted.members[i]
            require(layer.base is bases[i], "another-base", f"the base at {i} is not the layer that was there")
            require(layer.lora.rank == rank, "wrong-rank", f"the adapter at {i} has rank {layer.lora.rank}, not {rank}")
            right = tl.LoRALinear(copy.deepcopy(bases[i]), rank, seed=size).lora.lora_A.value
            sentence = f"the adapter at {i} starts with other numbers than one with the seed {size}: pass seed=seed"
            require(same(as_array(layer.lora.lora_A.value), as_array(right)), "seed-ignored", sentence)
        trained = [name for name, p in adapted.named_parameters().items() if p.requires_gradient]
        expected = [name for name in adapted.named_parameters() if "lora" in name]
        sentence = f"with adapters at {places} these are trained: {', '.join(trained) or 'none'}"
        require(bool(trained), "all-frozen", f"{sentence}; freeze before you attach")
        base = [name for name in trained if ".base." in name]
        require(not base, "base-trained", f"{sentence}; {base[0] if base else ''} belongs to a base")
        others = [name for name in trained if name not in expected]
        require(not others, "others-trained", f"{sentence}; {others[0] if others else ''} is no adapter")
        require(trained == expected, "adapter-frozen", f"{sentence}; every A and B must be")


@exercise.check(points=1)
def test_the_output_is_as_before(attach, seed):
    model, places, width = network(np.random.default_rng([seed, 1]))
    x = np.random.default_rng([seed, 2]).normal(size=(4, width))
    right = model.forward(x)
    adapted = checked_model(attach(model, 2, places, seed=1), "attach")
    require(bool(tl.adapters(adapted)), "wrong-places", f"there must be adapters at {places}; there are none")
    answer = as_array(adapted.forward(x), "the output", right.shape)
    sentence = "with fresh adapters the model gives other numbers than without: they must start at zero"
    require(same(answer, right, 0, 0), "changed-output", sentence)
