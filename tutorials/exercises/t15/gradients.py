r"""Gradients through frozen codes

A layer has its weight in codes, and an adapter beside it:

$$y = x\,W + s\,(x A)\,B \qquad W = \mathrm{levels}[\mathrm{codes}] \cdot \mathrm{scales}$$

`codes` has the shape (n, m), and `scales` has (n, 1): one scale for each row of the weight. Codes, scales and levels
are frozen, so they need no gradients.

Write `qlora_vjp(g, x, codes, scales, levels, A, B, s)`: the gradients of `x`, `A` and `B`, in this order, from the
gradient `g` of `y`.
"""

import numpy as np

from tinygrad_lora.learn.authoring import (
    Exercise,
    as_array,
    example,
    explanation,
    generators,
    kind_of,
    numbers,
    refuse,
    same,
    worst,
)

from ._levels import NF4

HINTS = (
    "First compute W from the codes, as on the way forward. Then it is a layer like that of tutorial 11.",
    "x is used twice: by W and by A. So its gradient has two shares. The share that comes through W is g @ W.T.",
    "`back = s * (g @ B.T)`; then `g @ W.T + back @ A.T`, `x.T @ back` and `s * (x @ A).T @ g`.",
)
ABOUT = (
    "Frozen means that the weight itself gets no gradient; the gradient passes through it to the layers below, so "
    "the weight is read on the way back, too. A code could not be trained anyway: moved a little, it is not a code."
)
NEXT = "Full fine-tuning makes three products with arrays as large as W: x W, g W.T and x.T g. Which two are left?"
exercise = Exercise("15-gradients", __doc__, kind="N", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
def qlora_vjp(g, x, codes, scales, levels, A, B, s):
    """The gradients of x, A and B, from the gradient g of the output."""
    W = levels[codes] * scales
    back = s * (g @ B.T)
    return g @ W.T + back @ A.T, x.T @ back, s * (x @ A).T @ g


@exercise.another()
def by_one_weight(g, x, codes, scales, levels, A, B, s):
    """Merge first: the gradient of the merged weight, x.T g, leads to A and B. It needs an array as large as W."""
    W = levels[codes] * scales + s * A @ B
    dW = x.T @ g
    return g @ W.T, s * dW @ B.T, s * A.T @ dW


def weight(codes, scales, levels):
    return levels[codes] * scales


def right_gradients(g, x, codes, scales, levels, A, B, s):
    """Those of x, A and B by name, from the merged weight."""
    W, dW = weight(codes, scales, levels) + s * A @ B, x.T @ g
    return {"x": g @ W.T, "A": s * dW @ B.T, "B": s * A.T @ dW}


def of_x(W, share=1.0):
    """The gradient of x with something else for the weight, and of the adapter this share."""
    return lambda g, x, codes, scales, levels, A, B, s: (
        g @ W(codes, scales, levels).T + (share(s) if callable(share) else share * s) * (g @ B.T) @ A.T
    )


BLOCKED = "Frozen means that W does not change; the gradient still passes through it, and g @ W.T is missing"
MISTAKES = {
    "x": (
        ("base-blocked", BLOCKED, of_x(lambda c, scales, levels: 0.0 * c)),
        ("adapter-forgotten", "The input x also goes through the adapter; s * g @ B.T @ A.T is missing",
         of_x(weight, 0.0)),
        ("codes-for-weight", "You use the codes in place of the weight; the weight is levels[codes] * scales",
         of_x(lambda c, *_: c)),
        ("scales-forgotten", "The levels are not multiplied by the scales", of_x(lambda c, scales, levels: levels[c])),
        ("levels-forgotten", "A code is an index; look up its level", of_x(lambda c, scales, levels: c * scales)),
        ("missing-factor", "The factor s is missing in the share of the adapter", of_x(weight, lambda s: 1.0)),
        ("factor-twice", "The factor s is in the share of the adapter twice", of_x(weight, lambda s: s * s)),
        ("factor-on-base", "The factor s belongs to the adapter alone, not to W",
         lambda *case: case[-1] * of_x(weight, lambda s: 1.0)(*case)),
        ("wrong-sign", "Add the two shares, do not subtract one", of_x(weight, -1.0)),
    ),
    "A": (
        ("missing-factor", "The factor s is missing", lambda *case: right_gradients(*case)["A"] / case[-1]),
        ("mean-over-batch", "You divide by the number of rows; the mean belongs to the loss, and is already in g",
         lambda *case: right_gradients(*case)["A"] / len(case[1])),
        ("factor-twice", "The factor s is in it twice", lambda *case: right_gradients(*case)["A"] * case[-1]),
        ("zero", "The adapter is trained, so its gradient is not zero", lambda *case: 0 * right_gradients(*case)["A"]),
        ("wrong-sign", "The sign is wrong", lambda *case: -right_gradients(*case)["A"]),
        ("missing-upstream", "The gradient that flows in, g, is missing",
         lambda g, *rest: right_gradients(np.ones_like(g), *rest)["A"]),
    ),
    "B": (
        ("missing-factor", "The factor s is missing", lambda *case: right_gradients(*case)["B"] / case[-1]),
        ("mean-over-batch", "You divide by the number of rows; the mean belongs to the loss, and is already in g",
         lambda *case: right_gradients(*case)["B"] / len(case[1])),
        ("factor-twice", "The factor s is in it twice", lambda *case: right_gradients(*case)["B"] * case[-1]),
        ("zero", "The adapter is trained, so its gradient is not zero", lambda *case: 0 * right_gradients(*case)["B"]),
        ("wrong-sign", "The sign is wrong", lambda *case: -right_gradients(*case)["B"]),
        ("missing-upstream", "The gradient that flows in, g, is missing",
         lambda g, *rest: right_gradients(np.ones_like(g), *rest)["B"]),
    ),
}  # fmt: skip


def layers(seed, budget):
    """All arguments: sizes that differ first, so that the wrong order shows in a shape; then squares."""
    sizes = [(2, 3, 4, 1), (3, 4, 2, 2), (2, 2, 2, 2)]
    for i, (size, rng) in enumerate(generators(seed, max(4, min(budget, 10)))):
        batch, n, m, r = sizes[i] if i < len(sizes) else (1 + size % 4, *(int(k) for k in rng.integers(1, 5, 3)))
        codes, scales = rng.integers(0, 16, (n, m)), numbers(rng, (n, 1), positive=True)
        shapes = (batch, m), (batch, n), (n, r), (r, m)
        g, x, A, B = (numbers(rng, shape) for shape in shapes)
        yield g, x, codes, scales, NF4, A, B, (0.5, 2.0, 4.0)[i % 3]


def judge(qlora_vjp, names, seed, budget):
    """Raise, and name the mistake, unless these gradients are right."""
    wrong = {name: [] for name in names}
    for case in layers(seed, budget):
        answer, right = qlora_vjp(*case), right_gradients(*case)
        if type(answer) not in (tuple, list) or len(answer) != 3:
            given = kind_of(answer) if type(answer) not in (tuple, list) else f"{len(answer)} values"
            code = "no-return" if answer is None else "count"
            raise refuse(code, f"qlora_vjp returns {given}; return three arrays, the gradients of x, A and B")
        gradients = dict(zip("xAB", answer, strict=True))
        for name in names:
            gradient = as_array(gradients[name], f"the gradient of {name}", right[name].shape)
            if not same(gradient, right[name]):
                wrong[name].append((gradient, case))
    for name, cases in wrong.items():
        if cases:
            gradient, case = cases[0]
            right = right_gradients(*case)[name]
            g, x, codes, scales, levels, A, B, s = case
            arrays = {"W": weight(codes, scales, levels), "A": A, "B": B, "x": x, "g": g}
            sentence = f"the gradient of {name} is off for s = {s:g}: {worst(gradient, right)}"
            code, why = explanation(cases, MISTAKES[name]) or ("differs", "Write down its product, with all factors")
            raise refuse(code, f"{sentence}. {why}", example(gradient, right, **arrays))


@exercise.check(points=3)
def test_the_gradient_passes_through_the_frozen_weight(qlora_vjp, seed, budget):
    judge(qlora_vjp, ["x"], seed, budget)


@exercise.check(points=2)
def test_the_adapter_gets_its_gradients(qlora_vjp, seed, budget):
    judge(qlora_vjp, ["A", "B"], seed, budget)
