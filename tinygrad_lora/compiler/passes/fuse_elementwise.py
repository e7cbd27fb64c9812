"""Join elementwise operations into one expression, by putting one operation's NumPy line into the next.

Why it is legal. A result that is used once has no other reader. Its expression can stand right where it is used.
"""

from collections.abc import Iterable

from ...core import ComputationNode as Node, Graph, rebuilt
from ...core.ops import cast, relu
from ..operations import Fused, FusedStep
from ..patterns import uses
from ..text.expressions import Code, X, template_of

LONGEST_LINE = 88  # characters, with operands called x0 to x9; a longer line could not be read


def fuse_elementwise(graph: Graph) -> Graph:
    r"""$g(f(x)) = (g \circ f)(x)$: an elementwise result that is used once moves into the expression that uses it."""
    return _fuse(graph, [node for node in graph.nodes if node.op.elementwise and not node.known])


def fuse_numbers(graph: Graph) -> Graph:
    r"""$g(f(x)) = (g \circ f)(x)$ for results that are single numbers: arrays are written into memory one by one."""
    # The larger of a number and zero, and a number of another dtype, have faster forms as statements of their own.
    numbers = [n for n in graph.nodes if n.op.elementwise and not n.shape and not n.known]
    return _fuse(graph, [n for n in numbers if n.op not in (relu, cast)])


def _fuse(graph: Graph, candidates: Iterable[Node]) -> Graph:
    moved = _moved(candidates, graph)
    operands: dict[Node, tuple[Node, ...]] = {}

    def build(old: Node, parents: tuple[Node, ...]) -> Node:
        operands[old] = parents
        if old in moved:
            return old  # its user asks for its operands
        return rebuilt(old, parents) if moved.isdisjoint(parents) else _fused(old, operands, moved)

    return graph.map(build) if moved else graph


def _moved(candidates: Iterable[Node], graph: Graph) -> set[Node]:
    """The results that move into the line of their user: as many as a line has room for."""
    moved: set[Node] = set()
    lines: dict[Node, tuple[Code, int]] = {}  # how each elementwise operation is written, and how long its line gets
    for node in candidates:
        line = template_of(node.op, node.params)
        code = line.alone(len(node.parents), node.params)
        width = len(code.text)
        for i, parent in enumerate(node.parents):
            # What the user named stays visible.
            if parent in lines and i in line.single and uses(graph, parent) == 1 and not parent.name:
                written_there, length = lines[parent]
                brackets = len(line.put(line.single[i], written_there)) - len(written_there.text)
                if (together := width + length + brackets - len(X.text)) <= LONGEST_LINE:
                    moved.add(parent)
                    width = together
        lines[node] = code, width
    return moved


def _fused(root: Node, operands: dict[Node, tuple[Node, ...]], moved: set[Node]) -> Node:
    """`root` and what moves into it as one operation on what is left."""
    inside: list[Node] = []
    leaves: dict[Node, int] = {}
    stack = [root]
    while stack:
        node = stack.pop()
        if node is root or node in moved:
            inside.append(node)
            stack += reversed(operands[node])
        else:
            leaves.setdefault(node, len(leaves))
    steps: list[FusedStep] = []
    place = dict(leaves)
    for node in reversed(inside):
        values = [place[p] for p in operands[node]]
        if isinstance(node.op, Fused):
            for step in node.op.steps:
                steps.append(step._replace(operands=tuple([values[i] for i in step.operands])))
                values.append(len(leaves) + len(steps) - 1)
        else:
            steps.append(FusedStep(node.op, node.params, tuple(values), node.shape, node.dtype))
        place[node] = len(leaves) + len(steps) - 1
    return Node(Fused(steps, len(leaves)), tuple(leaves), {}, root.shape, root.dtype)
