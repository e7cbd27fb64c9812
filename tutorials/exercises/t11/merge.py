r"""Merge and unmerge

Here is a layer on arrays, $y = x W + s\,(x A)\,B$. Write three of its methods:

* `merge()`: from now on $W + s A B$ takes the place of W, and the adapter costs nothing. Merging twice does no harm.
* `unmerge()`: the old W is back, exactly, bit for bit. Unmerging twice does no harm.
* `forward(x)`: the same numbers, merged or not. While merged it is one product.

`self.W` is the weight in use. The array that was given must never change: somebody else may use it.
A and B may be trained between an `unmerge()` and the next `merge()`.
"""

from tinygrad_lora.learn.authoring import Exercise, apart, as_array, generators, largest_difference, require, same

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
        W, A, B, s = rng.normal(size=(n, m)), rng.normal(size=(n, r)), rng.normal(size=(r, m)), 1.5
        yield (W, A, B, s), rng.normal(size=(4, n)), W + s * (A @ B)


def weight(layer, shape):
    return as_array(layer.W, "W", shape)


def compared(a, b):
    """Where two arrays differ most, in words."""
    _, place = largest_difference(a, b)
    yours, right = apart(float(a[place]), float(b[place]))
    return f"off: at {list(place)} it is {yours}, and should be {right}"


@exercise.check(points=2)
def test_merged_or_not_the_numbers_are_the_same(Adapted, seed, budget):
    for (W, A, B, s), x, merged in examples(seed, budget):
        layer, right = Adapted(W.copy(), A.copy(), B.copy(), s), x @ merged
        before = as_array(layer.forward(x), "the output", right.shape)
        sentence = f"before merging the output is {compared(before, right)}"
        require(not same(before, x @ W), "adapter-unused", f"{sentence}: it is that of W alone")
        require(not same(before, x @ (W + A @ B)), "missing-factor", f"{sentence}: s is missing")
        require(same(before, right), "differs", sentence)
        sentence = "forward(x) has changed W: only merge() puts the adapter into it"
        require(same(weight(layer, W.shape), W, 0, 0), "merges-in-forward", sentence)
        layer.merge()
        now, after = weight(layer, W.shape), as_array(layer.forward(x), "the output", right.shape)
        sentence = f"after merge() W is {compared(now, merged)}"
        require(not same(now, W), "not-merged", f"{sentence}: it is still the old W")
        require(not same(now, W + A @ B), "missing-factor", f"{sentence}: s is missing")
        require(same(now, merged), "differs", sentence)
        sentence = f"after merge() the output is {compared(after, right)}"
        twice = same(after, x @ (merged + s * (A @ B)))
        require(not twice, "counted-twice", f"{sentence}: W already holds the adapter, and forward adds it again")
        require(same(after, right), "differs", sentence)


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
        back = weight(layer, W.shape)
        error, _place = largest_difference(back, W)
        sentence = f"after unmerge() W is off by {error:.1g}"
        require(error < 1e-6, "not-unmerged", f"{sentence}: the adapter is still in it")
        require(error == 0, "not-exact", f"{sentence}: subtracting is rounded; keep the old array and take it back")
        again = as_array(layer.forward(x), "the output", (len(x), W.shape[1]))
        require(same(again, x @ (W + s * (A @ B))), "adapter-unused", "after unmerge() the adapter is not used")


@exercise.check(points=2)
def test_twice_does_no_harm(Adapted, seed, budget):
    for (W, A, B, s), _, merged in examples(seed, budget):
        layer = Adapted(W.copy(), A.copy(), B.copy(), s)
        layer.unmerge()
        require(same(weight(layer, W.shape), W, 0, 0), "not-exact", "unmerge() before any merge() has changed W")
        layer.merge()
        layer.merge()
        sentence = "after two calls of merge() W holds s A B twice"
        require(not same(weight(layer, W.shape), merged + s * (A @ B)), "double-merge", sentence)
        require(same(weight(layer, W.shape), merged), "double-merge", "after two calls of merge() W is not W + s A B")
        layer.unmerge()
        layer.unmerge()
        sentence = "after merge, merge, unmerge, unmerge W is not the old one: remember whether it is merged"
        require(same(weight(layer, W.shape), W, 0, 0), "double-merge", sentence)
        layer.A = A * 2.0
        layer.merge()
        sentence = "A was trained after unmerge(), and the next merge() adds the old product"
        require(not same(weight(layer, W.shape), merged), "stale-product", sentence)
        require(same(weight(layer, W.shape), W + 2 * s * (A @ B)), "differs", "after a second training W is wrong")
