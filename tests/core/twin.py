"""Reverse-mode differentiation of single numbers, in 40 lines and without NumPy: the engine must agree with it.

A number remembers what it was computed from, and the derivative with respect to each of those. `backward` walks the
numbers from the last made to the first, and adds.
"""

import math
from itertools import count

_made = count().__next__


class Number:
    def __init__(self, value, *parents):
        self.value, self.parents, self.gradient, self.order = float(value), parents, 0.0, _made()

    def __add__(self, other):
        other = number(other)
        return Number(self.value + other.value, (self, 1.0), (other, 1.0))

    def __mul__(self, other):
        other = number(other)
        return Number(self.value * other.value, (self, other.value), (other, self.value))

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self):
        return Number(-self.value, (self, -1.0))

    def __sub__(self, other):
        return self + -number(other)

    def __truediv__(self, other):
        return self * number(other) ** -1

    def __pow__(self, n):
        return Number(self.value**n, (self, n * self.value ** (n - 1) if n else 0.0))

    def apply(self, name):
        """exp, log, sqrt, tanh or relu."""
        y = max(self.value, 0.0) if name == "relu" else getattr(math, name)(self.value)
        slope = {"exp": y, "tanh": 1 - y * y, "relu": float(self.value > 0)}
        return Number(y, (self, slope[name] if name in slope else 1 / self.value if name == "log" else 0.5 / y))

    def backward(self):
        """Fill `gradient` of every number that this one was computed from."""
        by_order, stack, self.gradient = {}, [self], 1.0
        while stack:
            x = stack.pop()
            by_order[x.order] = x
            stack += [parent for parent, _ in x.parents if parent.order not in by_order]
        for order in sorted(by_order, reverse=True):
            for parent, slope in by_order[order].parents:
                parent.gradient += slope * by_order[order].gradient


def number(x):
    return x if isinstance(x, Number) else Number(x)
