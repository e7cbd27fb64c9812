"""The typed refusals of the package. The docstring of a class is its help page: what happened, wrong, right, remedy.

Here stand those of the engine, which core and library raise; all others stand in `tools`.
"""

from typing import Any, cast


class _NodeError(Exception):
    """An error that holds nodes. They stay in the process that made them: what is pickled is the message."""

    def __init__(self, message: str = "", **held: Any) -> None:
        super().__init__(message)
        vars(self).update(held)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.args


class ShapeError(_NodeError, ValueError):
    """Two arrays do not fit together.

    Wrong:  `parameter(np.ones((2, 3))) @ parameter(np.ones((2, 3)))`
    Right:  `parameter(np.ones((2, 3))) @ parameter(np.ones((2, 3))).T`

    The columns of the first matrix must be as many as the rows of the second. The message names both operands.
    `operation` holds the operation, its operands and its parameters, if an operation refused them.
    """

    operation: Any = None


class DtypeError(TypeError):
    """An array holds something that cannot be used here.

    Wrong:  `parameter(np.array([1, 2, 3]))`
    Right:  `parameter(np.array([1.0, 2.0, 3.0]))`

    A gradient is a real number, so a parameter must hold floats. Text and Python objects are never arrays of numbers.
    """


class TraceError(TypeError):
    """A symbolic node was asked for a value that it does not have yet.

    Wrong:  `if x > 0: y = x`  inside a traced function
    Right:  `y = tl.where(x > 0, x, 0.0)`

    While a function is traced its inputs are placeholders: shape and dtype are known, numbers are not.
    """


class GradientError(RuntimeError):
    """A gradient was asked for where there is none, or where it is not one number's.

    Wrong:  `tl.parameter(np.ones(3)).backward()`
    Right:  `tl.sum(tl.parameter(np.ones(3))).backward()`

    A gradient belongs to a scalar. For an array, say which weighted sum of it is meant: `backward(seed=...)`.
    """


class StaleGraphError(GradientError):
    """A parameter got a new value after the graph that is being differentiated was built.

    Wrong:  `loss = f(w); w.value = w.value - 0.1; loss.backward()`
    Right:  `loss = f(w); loss.backward(); w.value = w.value - 0.1`

    The old results in the graph do not belong to the new value. Build the graph again, then differentiate it.
    """


class LostGradientWarning(UserWarning):
    """Gradients are zero because the output depends on none of the nodes, one of which was turned into a number.

    Wrong:  `y = math.exp(x) * w; tl.gradients(y, x)`
    Right:  `y = tl.exp(x) * w; tl.gradients(y, x)`

    `float(x)`, `math.exp(x)` and `np.asarray(x)` give numbers, and no gradient passes a number. The message names the
    line. If the numbers were only printed, the zeros are right, and nothing needs to be done.
    """


class GraphError(ValueError):
    """A graph is not closed, or is called with the wrong inputs.

    Wrong:  `Graph([x], [x + z])` where z is another placeholder
    Right:  `Graph([x, z], [x + z])`

    Every placeholder that the outputs depend on must be listed as an input.
    """


class PassError(_NodeError, RuntimeError):
    """A pass of the compiler gave something that cannot take the place of what it was given.

    Wrong:  `graph.rewrite(lambda node: node.parents[0] if node.op is ops.reduce_sum else None)`
    Right:  `graph.rewrite(lambda node: node.parents[0] if node.op is ops.identity else None)`

    A pass takes a graph and gives a graph with the same inputs and the same outputs, and whatever takes the place of a
    node has its shape and its dtype. The message names the pass and the node. `replaced` and `replacement` are both
    nodes, `before` is the graph that the pass was given and `after` what it made, each None where it is not known.
    """

    replaced = replacement = before = after = cast(Any, None)


from .tools import *  # noqa: E402, F403, so that all are found in one place
