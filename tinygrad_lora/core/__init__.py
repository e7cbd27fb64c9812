"""The engine. Read its files in this order:

1. `source`: from text to function.
2. `node`: what a computation is made of: an operation, and a node of the graph.
3. `graph`: a graph in the order in which it can be computed: run, rewritten, printed.
4. `ops`: the primitive operations, one class each: forward, shape, backward.
5. `autodiff`: gradients, from the output back to the leaves.
6. `trace`: from a Python function to a graph.
7. `arraylike`: how a node meets Python and NumPy.
8. `eager`, read last: it makes calls faster and changes nothing else.

Where the user's code meets the engine is `tinygrad_lora/boundary`: what refuses and says what to write instead, and
what knows the user's line. The engine computes the same without it.

The names below are those that nearly all of the package needs.
"""

from . import eager  # noqa: F401, before the operations are made: each gets its fast call
from .graph import Graph, rebuilt, topological_order
from .node import Array, ComputationNode, Op, Shape, constant

__all__ = ["Array", "ComputationNode", "Graph", "Op", "Shape", "constant", "rebuilt", "topological_order"]
