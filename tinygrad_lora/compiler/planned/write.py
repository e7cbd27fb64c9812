"""From a graph to NumPy calls that write into planned memory: what runs, one call a line.

    memory = room(24576)
    t0 = np.ndarray((64, 32), np.float32, memory, 0)

    def step(x, W):
        matmul(x, W, t0)      # t0 = x @ W

The program owns its memory, so it serves one call at a time. Another call at the same time runs the text once more, and
has a program of its own.
"""

from collections.abc import Mapping
from typing import NamedTuple

from ...core import ComputationNode as Node
from ..operations import gives_number
from ..text.expressions import expression
from ..text.lines import Statement, commented, module, signature
from ..text.literals import refuse_foreign
from .decide import Lowered
from .order import Unit, needed
from .statements import Statements
from .variables import Variables

ROOM = '''\
def room(size):
    """Bytes of memory that start at a multiple of 64, where a cache line does."""
    memory = np.empty(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size]
'''


class Planned(NamedTuple):
    """Generated source: a function of the given name, and one called `packer`, or "" where nothing is kept."""

    source: str
    packer: str
    variables: dict[Node, str]
    lowered: Lowered
    nodes: tuple[Node | None, ...]  # for each line of the function's body, the last of the source, the node it is for


def emit_planned(lowered: Lowered, name: str, names: Mapping[Node, str] | None = None) -> Planned:
    """The source of a function whose arguments are the inputs of the graph, and then what `pack_<name>` keeps.

    `names` gives variables their names where the nodes' own are not unique. The same graph gives the same text.
    """
    refuse_foreign(lowered.graph)
    variables = Variables(lowered, name, names)
    packing = packed_results(variables)
    body = numbers_among_arguments(variables)
    statements = Statements(variables)
    for unit in lowered.units:
        lines = [statement for node in unit.nodes for statement in statements.of(node, unit)]
        body += loop_over_blocks(variables, unit, lines) if unit.rows else lines
    body += endings(variables)
    lowered.choices["ready_numbers"] = len(variables.words.numbers)
    source = module_source(variables, name, packing, body)
    packer = variables.words.packer if lowered.kept else ""
    return Planned(source, packer, variables.words.names.variables, lowered, tuple([line.node for line in body]))


def packed_results(variables: Variables) -> list[Statement]:
    """The statements that compute what is kept from call to call, as plain expressions."""
    graph, kept = variables.graph, variables.lowered.kept
    lines: list[Statement] = []
    for node in needed(graph, kept):
        text = expression(node, variables.code).text
        if not node.shape:
            text = text if gives_number(node) else f"{text}[()]"
        elif node.op.view and node in kept:
            text = f"np.ascontiguousarray({text})"
        lines.append(Statement(f"{variables.define(node, 'w')} = {text}", f"{node.op} {node.shape}", node))
    return lines


def numbers_among_arguments(variables: Variables) -> list[Statement]:
    """Arguments without axes as NumPy scalars: arithmetic on arrays of one number takes five times as long."""
    graph = variables.graph
    names = [variables.code[leaf].text for leaf in graph.arguments if not leaf.shape and graph.users[leaf]]
    return [Statement(f"{name} = {name}[()]", "a number, even if an array holds it") for name in names]


def loop_over_blocks(variables: Variables, unit: Unit, lines: list[Statement]) -> list[Statement]:
    """The statements of a unit in a loop over blocks of rows. Arrays are made before it."""
    variables.lowered.choices["cache_blocks"] += 1
    start, rows, left = map(variables.words.word, ("start", "rows", "left"))
    head = f"for {start} in range(0, {unit.length}, {unit.rows}):"
    inside = [
        Statement(head, f"{-(-unit.length // unit.rows)} blocks of {unit.rows} rows"),
        Statement(f"    {rows} = slice({start}, {start} + {unit.rows})"),
    ]
    if unit.length % unit.rows:
        shorter = "for the last block, which is shorter"
        inside.append(Statement(f"    {left} = slice({unit.length} - {start})", shorter))
    inside += [line._replace(code=f"    {line.code}") for line in lines if line.node is not None]
    return [line for line in lines if line.node is None] + inside


def endings(variables: Variables) -> list[Statement]:
    """What is left to do: replace arguments that could not be written right away, and return the outputs."""
    lowered, plan, code, words = variables.lowered, variables.plan, variables.code, variables.words
    into, outputs = lowered.into, variables.graph.outputs
    late = {i: code[leaf].text for i, leaf in into.items() if plan.written.get(outputs[i]) is not leaf}
    saved, copies, results = list[Statement](), list[Statement](), list[str]()
    for i, node in enumerate(outputs):
        text, root = code[node].text, lowered.root(node)
        copied = f"{text}.copy()" if node.shape else f"{text}[()]"
        if late and root in variables.graph.inputs and (i in late or i not in into):
            text = words.names.free(f"old_{code[root].text}")
            saved.append(Statement(f"{text} = {copied}", "before an argument is replaced"))
        elif i not in into and (node in outputs[:i] or not lowered.makes(node)):
            text = copied
        if i in late:
            copies.append(Statement(f"{words.use('np.copyto')}({late[i]}, {text})", f"the new {late[i]}"))
        elif i not in into:
            results.append(text)
    return [*saved, *copies, Statement(f"return {', '.join(results)}".rstrip())]


def module_source(variables: Variables, name: str, packing: list[Statement], body: list[Statement]) -> str:
    """The text in the order in which a reader needs it: helpers, constants, packing, memory, and the function."""
    lowered, plan, words, code = variables.lowered, variables.plan, variables.words, variables.code
    kept = [code[node].text for node in lowered.kept]
    pack: list[str] = []
    if kept:
        head = signature(words.packer, [code[node].text for node in lowered.frozen])
        doc = '    """What depends on frozen weights alone: computed again only when one of them changes."""'
        pack = [head, doc, *commented(packing), f"    return {', '.join(kept)},"]
    lines = words.definitions()
    if plan.offsets:
        saving = f"{len(plan.offsets)} arrays; a place for each would take {plan.separate:,} bytes"
        lines.append(f"memory = room({plan.size})  # {saving}")
    head = signature(name, [*(code[node].text for node in variables.graph.inputs), *kept])
    parts = variables.constants, pack, [*lines, *variables.ready], [head, *commented(body)]
    return module(*words.helpers, ROOM if plan.offsets else "", *map("\n".join, parts))
