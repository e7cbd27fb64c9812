"""Two sides of data: samples that are on both, and columns that tell the label."""

import numpy as np

CLOSE = 1e-6  # of the range of a column: ten times what float32 rounds, and less than what tells samples apart
SINGLE = float(np.finfo(np.float32).eps)
RARE = 3  # so few samples may be apart from all others by chance
FIRST = 50  # rows that rule out most blocks of columns


def together(x, x_test):
    """The rows of both sides in one array of float64."""
    return np.concatenate([np.reshape(side, (len(side), -1)).astype(np.float64) for side in (x, x_test)])


def in_steps(rows, count):
    """The rows in steps so small that two numbers less than a step apart differ by rounding alone.

    A column that is constant in the first `count` rows, or in the others, tells no samples apart, and is 0.
    """
    largest = np.abs(rows).max(axis=0)
    rows = rows / np.where(largest > 0, largest, 1)
    span = np.minimum(np.ptp(rows[:count], axis=0), np.ptp(rows[count:], axis=0))
    return rows / np.where(span > 0, np.maximum(CLOSE * span, SINGLE), np.inf)


def in_both(x, x_test):
    """How many rows of x_test are in x, too, up to rounding; and the first of them, with the row of x that it is."""
    rows, count = in_steps(together(x, x_test), len(x)), len(x)
    direction = np.random.default_rng(0).normal(size=rows.shape[1])  # equal rows are at equal places along it
    places, reach = rows @ direction, np.abs(direction).sum()
    order = np.argsort(places[:count])
    starts, stops = (np.searchsorted(places[order], places[count:] + side) for side in (-reach, reach))
    pairs = []
    for i, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        near = order[start:stop]
        near = near[np.abs(rows[near] - rows[count + i]).max(axis=1, initial=0) <= 1]
        pairs += [(i, int(near.min()))] if len(near) else []
    return len(pairs), *(pairs[0] if pairs else (0, 0))


def label_inside(x, x_test, labels, labels_test):
    """Which columns tell the label on both sides, in words; "" if none do.

    Either a column has one value for each class, and not one for all; or in a block of as many columns as there are
    classes, the largest number is at the place of the label.
    """
    rows, labels = together(x, x_test), np.concatenate([labels, labels_test])
    steps, width = in_steps(rows, len(x)), int(labels.max()) + 1
    spreads = [np.ptp(steps[labels == one], axis=0) for one in np.unique(labels)]
    apart = (np.abs(steps - np.median(steps, axis=0)) > 1).sum(axis=0)
    columns = np.flatnonzero((np.max(spreads, axis=0) <= 1) & (apart > RARE))
    if len(columns):
        return f"column {columns[0]}"
    some = np.random.default_rng(0).permutation(len(rows))[:FIRST]
    for start in range(rows.shape[1] - width + 1):
        block = rows[:, start : start + width]
        if all((block[part].argmax(axis=1) == labels[part]).all() for part in (some, slice(None))):
            return f"the largest of columns {start} to {start + width - 1}"
    return ""
