r"""Two adapters, one base

Two customers send their samples in one batch. Each has an adapter of his own; the base is the same. Write
`forward(x, W, adapters, names)` on arrays:

* `x` is the batch, (samples, n), and W the base weight, (n, m);
* `adapters` is a dictionary from a name to `(A, B, s)`;
* `names` has a name for each sample, or None for the base alone.

Return the outputs, (samples, m), in the order of the samples: $x_i W + s\,(x_i A)\,B$ with the adapter of sample $i$.
Multiply by W once, for the whole batch. Change none of the arrays that you are given.
"""

import numpy as np

from ...cases import generators
from ...diagnosis import require
from ...exact import as_array, same
from ...exercise import Exercise

exercise = Exercise(
    "12-two-adapters",
    __doc__,
    kind="P",
    hints=(
        "Begin with `y = x @ W`. That is already right for those without an adapter.",
        "For each adapter find its samples, `rows = [i for i, name in enumerate(names) if name == this]`, and add to "
        "`y[rows]`.",
        "`for name, (A, B, s) in adapters.items():` ... `y[rows] += s * ((x[rows] @ A) @ B)`",
    ),
)


@exercise.reference
def forward(x, W, adapters, names):
    """The output of each sample through its own adapter."""
    y = x @ W
    for name, (A, B, s) in adapters.items():
        rows = [i for i, own in enumerate(names) if own == name]
        y[rows] += s * ((x[rows] @ A) @ B)
    return y


class Weight(np.ndarray):
    """A weight that counts how often it is used in a calculation."""

    uses = 0
    __array_priority__ = -1.0  # what is computed with `dot` is a plain array

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **kwargs):
        self.uses += 1
        plain = [np.asarray(i) if isinstance(i, Weight) else i for i in inputs]
        kwargs |= {} if out is None else {"out": tuple(np.asarray(o) for o in out)}
        return getattr(ufunc, method)(*plain, **kwargs)


def batches(seed, budget):
    """Batches, smallest first: arrays, adapters, and a name for each sample."""
    for size, rng in generators(seed, budget):
        n, m, samples = 3 + size % 3, 2 + size % 4, 3 + size
        adapters = {
            name: (rng.normal(size=(n, 2)), rng.normal(size=(2, m)), s) for name, s in (("ada", 0.5), ("bob", 2.0))
        }
        names = [("ada", None, "bob")[int(i)] for i in rng.integers(3, size=samples)]
        names[:3] = ["bob", "ada", None]
        yield rng.normal(size=(samples, n)), rng.normal(size=(n, m)), adapters, names


def one_by_one(x, W, adapters, names, *, scaled=True):
    """The right answer, sample by sample."""
    rows = []
    for row, name in zip(x, names, strict=True):
        A, B, s = adapters[name] if name is not None else (np.zeros((len(W), 1)), np.zeros((1, W.shape[1])), 1.0)
        rows.append(row @ W + (s if scaled else 1.0) * (row @ A) @ B)
    return np.stack(rows)


@exercise.check(points=3)
def test_each_sample_goes_through_its_own_adapter(forward, seed, budget):
    for x, W, adapters, names in batches(seed, budget):
        kept, given_x = W.copy(), x.copy()
        right = one_by_one(x, W, adapters, names)
        given = as_array(forward(given_x, kept, adapters, list(names)), "the output", right.shape)
        unchanged = same(kept, W, 0, 0) and same(given_x, x, 0, 0)
        told = "an array that was given has changed: the next batch gets a wrong base"
        require(unchanged, "changed-base", told)
        if same(given, right):
            continue
        wrong = [i for i in range(len(x)) if not same(given[i], right[i])]
        told = f"for the names {names} the samples {wrong} come out wrong"
        found = one_by_one(x, W, adapters, names, scaled=False)
        require(not same(given, found), "missing-factor", f"{told}: s is missing")
        groups = sorted_by_group(names, (None, *adapters)), sorted_by_group(names, (*adapters, None))
        order = any(same(given, right[rows]) for rows in groups)
        require(not order, "wrong-order", f"{told}: the rows are right, and stand in another order")
        everyone = sum(s * (x @ A) @ B for A, B, s in adapters.values())
        require(not same(given, x @ W + everyone), "mixed", f"{told}: every sample gets both adapters")
        require(not same(given, x @ W), "adapter-unused", f"{told}: no adapter is used")
        nobody = wrong == [i for i in wrong if names[i] is None]
        require(not nobody, "none-not-base", f"{told}: those with None go through the base alone")
        first = all(same(given[i], one_by_one(x, W, adapters, [names[0]] * len(x))[i]) for i in range(len(x)))
        require(not first, "one-for-all", f"{told}: all go through the adapter of the first sample")
        require(False, "differs", told)


def sorted_by_group(names, groups):
    """The numbers of the samples, group by group."""
    return [i for name in groups for i, own in enumerate(names) if own == name]


@exercise.check(points=2)
def test_the_product_with_the_base_is_made_once(forward, seed, budget):
    for x, W, adapters, names in batches(seed, min(budget, 5)):
        counted = W.view(Weight)
        given = as_array(forward(x, counted, adapters, list(names)), "the output", (len(x), W.shape[1]))
        told = f"W is used {counted.uses} times for {len(x)} samples; one product serves the whole batch"
        require(counted.uses <= 1, "base-again", told)
        require(same(given, one_by_one(x, W, adapters, names)), "differs", "the outputs are not right")


@exercise.mutant("changed-base")
def merges_into_the_base(x, W, adapters, names):
    rows = []
    for row, name in zip(x, names, strict=True):
        if name is not None:
            A, B, s = adapters[name]
            W += s * (A @ B)
        rows.append(row @ W)
    return np.stack(rows)


@exercise.mutant("wrong-order")
def gives_them_group_by_group(x, W, adapters, names):
    order = sorted_by_group(names, (None, *adapters))
    return one_by_one(x, W, adapters, names)[order]


@exercise.mutant("one-for-all")
def takes_the_first_name(x, W, adapters, names):
    A, B, s = adapters[names[0]]
    return x @ W + s * ((x @ A) @ B)


@exercise.mutant("mixed")
def adds_all_adapters(x, W, adapters, names):
    return x @ W + sum(s * ((x @ A) @ B) for A, B, s in adapters.values())


@exercise.mutant("missing-factor")
def forgets_the_scaling(x, W, adapters, names):
    return one_by_one(x, W, adapters, names, scaled=False)


@exercise.mutant("base-again")
def goes_one_by_one(x, W, adapters, names):
    rows = []
    for row, name in zip(x, names, strict=True):
        y = row @ W
        if name is not None:
            A, B, s = adapters[name]
            y = y + s * ((row @ A) @ B)
        rows.append(y)
    return np.stack(rows)
