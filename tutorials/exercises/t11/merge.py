r"""Merge and unmerge

Here is a layer on arrays, $y = x W + s\,(x A)\,B$. Write three of its methods:

* `merge()`: from now on $W + s A B$ takes the place of W, and the adapter costs nothing. Merging twice does no harm.
* `unmerge()`: the old W is back, exactly, bit for bit. Unmerging twice does no harm.
* `forward(x)`: the same numbers, merged or not. While merged it is one product.

`self.W` is the weight in use. The array that you get must never change: somebody else may use it.
A and B may be trained between an `unmerge()` and the next `merge()`.
"""

from tinygrad_lora.learn.authoring import (
    Exercise,
    as_array,
    example,
    generators,
    largest_difference,
    require,
    same,
    worst,
)

HINTS = (
    "Subtracting what was added does not give the old bits back: numbers are rounded. What gives them back?",
    "Keep the old array aside in `merge()` and take it back in `unmerge()`. `self.W = self.W + ...` makes a new "
    "array; `self.W += ...` changes the old one.",
    "In `merge`: `if self.kept is None: self.kept, self.W = self.W, self.W + self.s * (self.A @ self.B)`. "
    "In `unmerge`: `if self.kept is not None: self.W, self.kept = self.kept, None`.",
)
ABOUT = (
    "A merged adapter costs nothing, since it has become part of the weight. The old weight is kept and not "
    "computed back, because adding and subtracting the same array does not give the same bits."
)
NEXT = (
    "Compute `W + dW - dW` in float32 and compare it with W. How large is the difference, and where does it come from?"
)
exercise = Exercise("11-merge", __doc__, kind="P", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
class Adapted:
    """y = x W + s (x A) B on arrays."""

    def __init__(self, W, A, B, s):
        self.W, self.A, self.B, self.s = W, A, B, s
        self.kept = None  # the old W, while the adapter is merged

    def merge(self):
        """Replace W by W + s A B."""
        # BEGIN SOLUTION
        if self.kept is None:
            self.kept, self.W = self.W, self.W + self.s * (self.A @ self.B)
        # END SOLUTION

    def unmerge(self):
        """Take the old W back."""
        # BEGIN SOLUTION
        if self.kept is not None:
            self.W, self.kept = self.kept, None
        # END SOLUTION

    def forward(self, x):
        """The output for an array x."""
        # BEGIN SOLUTION
        y = x @ self.W
        return y if self.kept is not None else y + self.s * ((x @ self.A) @ self.B)
        # END SOLUTION


@exercise.another()
class WithAFlag:
    """The base never moves: a flag says what is in use, and a new merged weight is made when it is needed."""

    def __init__(self, W, A, B, s):
        self.base = self.W = W
        self.A, self.B, self.s = A, B, s
        self.merged = False

    def merge(self):
        if not self.merged:
            self.W, self.merged = self.base + self.s * (self.A @ self.B), True

    def unmerge(self):
        self.W, self.merged = self.base, False

    def forward(self, x):
        return x @ self.W if self.merged else x @ self.base + (self.s * (x @ self.A)) @ self.B


def examples(seed, budget):
    """Arrays for a layer, an input, and the merged weight."""
    for size, rng in generators(seed, min(budget, 12)):
        n, m, r = 3 + size % 4, 2 + size % 5, 1 + size % 2
        W, A, B, x = (rng.normal(size=shape).round(2) for shape in ((n, m), (n, r), (r, m), (4, n)))
        s = 1.5
        yield (W, A, B, s), x, W + s * (A @ B)


def weight(layer, shape, when):
    require(layer.W is not None, "lost-weight", f"{when} self.W is None")
    return as_array(layer.W, "W", shape)


@exercise.check(points=2)
def test_merged_or_not_the_numbers_are_the_same(Adapted, seed, budget):
    for (W, A, B, s), x, merged in examples(seed, budget):
        layer, right = Adapted(W.copy(), A.copy(), B.copy(), s), x @ merged
        before = as_array(layer.forward(x), "the output", right.shape)
        given = {"W": W, "A": A, "B": B, "s": s}
        sentence, shown = (
            f"before merging the output is off: {worst(before, right)}",
            example(before, right, x=x, **given),
        )
        require(not same(before, x @ W), "adapter-unused", f"{sentence}: it is that of W alone", example=shown)
        require(not same(before, x @ (W + A @ B)), "missing-factor", f"{sentence}: s is missing", example=shown)
        require(same(before, right), "differs", sentence, example=shown)
        sentence = "forward(x) has changed W: only merge() puts the adapter into it"
        require(same(weight(layer, W.shape, "after forward(x)"), W, 0, 0), "merges-in-forward", sentence)
        layer.merge()
        now = weight(layer, W.shape, "after merge()")
        after = as_array(layer.forward(x), "the output", right.shape)
        sentence, shown = f"after merge() W is off: {worst(now, merged)}", example(now, merged, **given)
        require(not same(now, W), "not-merged", f"{sentence}: it is still the old W", example=shown)
        require(not same(now, W + A @ B), "missing-factor", f"{sentence}: s is missing", example=shown)
        require(same(now, merged), "differs", sentence, example=shown)
        sentence, shown = f"after merge() the output is off: {worst(after, right)}", example(after, right, x=x, **given)
        twice = f"{sentence}: W already holds the adapter, and forward adds it again"
        require(not same(after, x @ (merged + s * (A @ B))), "counted-twice", twice, example=shown)
        require(same(after, right), "differs", sentence, example=shown)


@exercise.check(points=2)
def test_unmerging_gives_the_old_bits_back(Adapted, seed, budget):
    for (W, A, B, s), x, _ in examples(seed, budget):
        base, factors = W.copy(), (A.copy(), B.copy())
        layer = Adapted(base, *factors, s)
        layer.forward(x)
        layer.merge()
        alone = all(same(factor, old, 0, 0) for factor, old in zip(factors, (A, B), strict=True))
        require(alone, "changed-argument", "merge() has changed A or B, which are trained later on: make a new array")
        sentence = "merge() has changed the array that was given: write self.W = self.W + ..., not self.W += ..."
        require(same(base, W, 0, 0), "changed-base", sentence)
        layer.unmerge()
        back = weight(layer, W.shape, "after merge() and unmerge()")
        error, _place = largest_difference(back, W)
        sentence, shown = f"after unmerge() W is off by {error:.3g}", example(back, W, A=A, B=B, s=s)
        still = same(back, W + s * (A @ B))
        require(not still, "not-unmerged", f"{sentence}: the adapter is still in it", example=shown)
        require(error < 1e-6, "not-unmerged", f"{sentence}: it is neither the old W nor the merged one", example=shown)
        sentence += ": subtracting is rounded; keep the old array and take it back"
        require(error == 0, "not-exact", sentence, example=shown)
        again = as_array(layer.forward(x), "the output", (len(x), W.shape[1]))
        right = x @ (W + s * (A @ B))
        sentence, shown = "after unmerge() the adapter is not used", example(again, right, x=x, W=W, A=A, B=B, s=s)
        sentence = sentence if same(again, x @ W) else f"after unmerge() the output is off: {worst(again, right)}"
        require(same(again, right), "adapter-unused", sentence, example=shown)


@exercise.check(points=2)
def test_twice_does_no_harm(Adapted, seed, budget):
    for (W, A, B, s), _, merged in examples(seed, budget):
        layer = Adapted(W.copy(), A.copy(), B.copy(), s)
        layer.unmerge()
        unmerged = weight(layer, W.shape, "after unmerge() without a merge() before it")
        require(same(unmerged, W, 0, 0), "not-exact", "unmerge() before any merge() has changed W")
        layer.merge()
        layer.merge()
        now = weight(layer, W.shape, "after two calls of merge()")
        sentence, shown = "after two calls of merge() W holds s A B twice", example(now, merged, W=W, A=A, B=B, s=s)
        require(not same(now, merged + s * (A @ B)), "double-merge", sentence, example=shown)
        sentence = "after two calls of merge() W is not W + s A B"
        require(same(now, merged), "double-merge", sentence, example=shown)
        layer.unmerge()
        layer.unmerge()
        sentence = "after merge, merge, unmerge, unmerge W is not the old one: remember whether it is merged"
        unmerged = weight(layer, W.shape, "after two calls of unmerge()")
        require(same(unmerged, W, 0, 0), "double-merge", sentence)
        layer.A = A * 2.0
        layer.merge()
        sentence = "A was trained after unmerge(), and the next merge() adds the old product"
        now, again = weight(layer, W.shape, "after a second merge()"), W + 2 * s * (A @ B)
        require(not same(now, merged), "stale-product", sentence)
        sentence = f"A was doubled after unmerge(), and after the next merge() W is off: {worst(now, again)}"
        require(same(now, again), "differs", sentence, example=example(now, again, W=W, A=2 * A, B=B, s=s))
