"""Which examples a step learns from: decided by the seed and the number of the step alone."""

from typing import Any

import numpy as np


def batch_of(step: int, size: int, count: int, seed: int) -> Any:
    """The numbers of the examples of this step: `size` of `count`, each once before any comes again.

    The order is drawn anew for every round through the examples. A training that is continued at some step draws
    what it would have drawn.

    >>> sorted(int(i) for step in range(3) for i in batch_of(step, 2, 6, seed=0))
    [0, 1, 2, 3, 4, 5]
    """
    if size >= count:
        return np.arange(count)
    places = np.arange(step * size, (step + 1) * size)
    orders = {r: np.random.default_rng([seed, r]).permutation(count) for r in np.unique(places // count)}
    return np.array([orders[place // count][place % count] for place in places])
