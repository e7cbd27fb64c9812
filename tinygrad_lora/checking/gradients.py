"""Gradients beside central differences: what a new operation or a composite is compared with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..boundary.arguments import explained
from ..core.autodiff import gradients
from ..core.node import ComputationNode, Operand, constant
from ..errors import GradientError


@explained
def check_gradients(
    f: Callable[..., ComputationNode], *arrays: Operand, rtol: float = 1e-5, step: float = 1e-6
) -> float:
    r"""Compare the gradients of f with $\frac{f(x + h) - f(x - h)}{2h}$, entry by entry.

    f: a function of nodes that gives a scalar node
    *arrays: its arguments, arrays of float64 of any shape; keep away from kinks such as `relu` at 0
    rtol: the largest difference that is allowed, relative to the largest entry of that gradient, or absolute where it
        is below 1
    step: h for a number x is this times |x| + 1
    Returns the largest difference, a float.
    Raises GradientError that names the argument, the entry and both numbers if one exceeds `rtol`.

    >>> tl.check_gradients(lambda x: tl.sum(tl.tanh(x)), np.array([0.5, -1.0])) < 1e-8
    True
    """
    points = [np.array(a, dtype=np.float64) for a in arrays]
    leaves = [constant(p) for p in points]
    worst = 0.0
    for k, (point, gradient) in enumerate(zip(points, gradients(f(*leaves), leaves), strict=True)):
        largest = np.abs(gradient.value).max(initial=1.0)
        for entry in np.ndindex(point.shape):
            h = step * (abs(center := point[entry]) + 1)
            values = []
            for moved in (center + h, center - h):
                point[entry] = moved
                values.append(float(f(*map(constant, points))))
            point[entry] = center
            numeric, slope = (values[0] - values[1]) / (2 * h), float(gradient.value[entry])
            difference = abs(slope - numeric) / largest
            if not difference <= rtol:
                sides = f"the gradient is {slope:.8g}, central differences give {numeric:.8g}"
                raise GradientError(f"argument {k}, entry {entry}: {sides}")
            worst = float(np.maximum(worst, difference))
    return worst
