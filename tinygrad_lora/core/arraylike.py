"""How a node behaves where Python or NumPy expects an array: operators and truth. The engine needs none of it.

Operators find their operations by name, in the registry: this module knows no operation, and imports none.
"""

from math import log, prod
from operator import attrgetter
from typing import Any

import numpy as np

from ..boundary.arrays import base_of_power
from ..boundary.lost import NumberLike
from ..boundary.nodes import AdvisingNode, as_matrix, fixed, refuse_ufunc

registry: dict[str, Any] = {}  # every operation by name: `Op.registry`
RESHAPED, TRANSPOSED = "node = node.reshape(shape)", "tl.transpose(node)"  # what makes another node
OPERATORS: dict[np.ufunc, Any] = {}  # what NumPy calls for `array + node`, and the node's two methods for it


def _infix(name: str) -> Any:
    """The two methods of an operator: for `node + other`, and for `other + node`."""
    OPERATORS[getattr(np, name)] = methods = (
        lambda self, other: registry[name].apply(self, other),
        lambda self, other: registry[name].apply(other, self),
    )
    return methods


class ArrayLike(AdvisingNode, NumberLike):
    """What `ComputationNode` inherits so that formulas read as they do on arrays."""

    __slots__ = ()

    __add__, __radd__ = _infix("add")
    __sub__, __rsub__ = _infix("subtract")
    __truediv__, __rtruediv__ = _infix("divide")
    __matmul__, __rmatmul__ = _infix("matmul")
    __gt__, __lt__ = _infix("greater")
    __pow__ = _infix("power")[0]

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, (int, float)):  # a tuple: `int | float` would be built anew, in twice the time of a * b
            return registry["scale"].apply(self, other)
        return registry["multiply"].apply(self, other)

    __rmul__ = __mul__

    def __neg__(self) -> Any:
        return self * -1

    def __rpow__(self, base: Any) -> Any:
        r"""$b^x = e^{x \ln b}$ for numbers b > 0."""
        array = base_of_power(base, self.dtype)
        return registry["exp"](self * (np.log(array) if array.ndim else log(array)))

    OPERATORS.update({np.multiply: (__mul__, __rmul__), np.power: (__pow__, __rpow__), np.less: (__lt__, __gt__)})

    def __abs__(self) -> Any:
        return self * registry["sign"](self)

    def __pos__(self) -> Any:
        return self

    def __getitem__(self, key: Any) -> Any:
        return registry["index"].apply(self, key)

    # What is fixed when a node is made: refused to be set, with what makes another.
    shape: tuple[int, ...] = fixed(attrgetter("_shape"), RESHAPED, "The length of each axis; () for a number.")
    dtype: np.dtype[Any] = fixed(attrgetter("_dtype"), "node = tl.cast(node, dtype)", "The kind of its numbers.")
    ndim: int = fixed(lambda node: len(node.shape), RESHAPED, "The number of axes.")
    size: int = fixed(lambda node: prod(node.shape), RESHAPED, "The number of elements.")
    mT: Any = fixed(lambda node: registry["transpose"](node), TRANSPOSED, "The last two axes swapped.")  # noqa: N815
    T: Any = fixed(lambda node: as_matrix(node).mT, TRANSPOSED, "The transpose of a matrix.")

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a single number has no len(): this node has shape (), and node.size is 1")
        return self.shape[0]

    def __array_ufunc__(self, ufunc: Any, method: str, *operands: Any, **options: Any) -> Any:
        """`array @ node` asks the node, as `node @ array` does; np.exp and `array += node` are refused."""
        if ufunc in (np.equal, np.not_equal):  # `array == node`: equality is identity
            return ufunc is np.not_equal
        if ufunc not in OPERATORS or method != "__call__" or options:
            refuse_ufunc(ufunc, alone=method == "__call__" and not options)
        (a, b), (forward, reflected) = operands, OPERATORS[ufunc]
        return forward(a, b) if isinstance(a, ArrayLike) else reflected(b, a)
