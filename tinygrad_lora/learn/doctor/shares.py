"""Mistakes that show in what each output sends back: only the last of several shares was kept, or only the first."""

from functools import partial

import numpy as np

from ...core.node import Array
from ..diagnosis import Diagnosis
from .evidence import GradientCase, RuleTrial, quietly

MOST_OUTPUTS = 64  # of each, the gradient is measured alone


def overwritten(case: GradientCase) -> Diagnosis | None:
    """`=` for `+=`: of what several outputs send to one element, one share is left."""
    if not 1 < case.first.values["y"].size <= MOST_OUTPUTS:
        return None
    measured = [quietly(partial(_shares, case, trial)) for trial in case.trials]
    sent = [shares for shares in measured if shares is not None]
    if len(sent) < len(measured) or not (np.count_nonzero(sent[0], axis=0) > 1).any():
        return None
    shares_of = dict(zip(map(id, case.trials), sent, strict=True))
    for which, order in (("last", -1), ("first", 1)):
        if case.explains(lambda trial, order=order: _one(shares_of[id(trial)][::order])):  # type: ignore[misc]
            clause = f"keeps only the {which} of several contributions; it is their sum: add (+=), do not overwrite (=)"
            return case.say("overwritten", clause, which)
    return None


def _shares(case: GradientCase, trial: RuleTrial) -> Array:
    """What each output element alone sends back, one after another."""
    g, shares = trial.values["g"], []
    for i in np.ndindex(g.shape):
        alone = np.zeros_like(g)
        alone[i] = g[i]
        share = case.subject.truth({**trial.values, "g": alone})[case.name]
        shares.append(np.where(np.abs(share) > 1e-9 * np.abs(share).max(), share, 0.0))
    return np.array(shares)


def _one(shares: Array) -> Array:
    """For each element the first share that is not 0."""
    first = (shares != 0).argmax(axis=0)
    return np.take_along_axis(shares, first[None], axis=0)[0]
