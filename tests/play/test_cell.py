"""A cell of the playground runs whatever is typed, and knows from which line each node comes."""

import pytest

from tinygrad_lora.core.graph import topological_order
from tinygrad_lora.core.node import ComputationNode
from tinygrad_lora.play.cell import FILE, run


def lines_of(source):
    return [(str(node.op or "leaf"), node.origin) for node in topological_order([run(source).result])]


def test_each_node_comes_from_the_line_that_made_it():
    source = (
        "def f(a):\n    b = a * 2\n    return tl.tanh(b)\n\n"
        "x = tl.parameter(2.0)\nh = f(x) + 1.0\nfor _ in range(2):\n    h = h * x\n"
    )
    by_operation = [(name, origin[1]) for name, origin in lines_of(source)]
    assert {line for _, line in by_operation} == {2, 3, 5, 6, 8}
    assert ("scale", 2) in by_operation and ("tanh", 3) in by_operation and ("add", 6) in by_operation
    assert by_operation.count(("multiply", 8)) == 2


def test_after_a_call_the_line_of_the_caller_goes_on():
    source = "def f(a):\n    return tl.exp(a)\n\nx = tl.parameter(2.0)\ny = f(x) * x\n"
    assert ("multiply", (FILE, 5)) in lines_of(source) and ("exp", (FILE, 2)) in lines_of(source)


def test_nodes_have_the_names_of_their_variables():
    node = run("x = tl.parameter(2.0)\nloss = x * x\n").result
    assert [n.name for n in topological_order([node])] == ["x", "loss"]


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("a = tl.parameter(1.0)\nb = a + 1.0\nb * b\n", None),  # the last expression
        ("a = tl.parameter(1.0)\nb = a + 1.0\n", "b"),  # else the newest node with a name
        ("a = tl.parameter(1.0)\nb = a + 1.0\na = a * b\n", "a"),
        ("b = 3\n", None),
        ("", None),
    ],
)
def test_the_result_is_the_last_expression_or_the_newest_node(source, name):
    result = run(source).result
    assert (result.name if isinstance(result, ComputationNode) else None) == name
    assert isinstance(result, ComputationNode) == ("parameter" in source)


@pytest.mark.parametrize(
    ("source", "kind", "line"),
    [
        ("x = 1\n1 / 0\n", ZeroDivisionError, 2),
        ("def f():\n    return g()\n\nf()\n", NameError, 2),
        ("x = (\n", SyntaxError, 1),
        ("x = 1\n  y = 2\n", SyntaxError, 2),
        ("import sys\nsys.exit()\n", SystemExit, 2),
        ("raise KeyboardInterrupt\n", KeyboardInterrupt, 1),
        ("x = tl.parameter(1.0)\ntl.exp(x, 2)\n", TypeError, 2),
        ("\0", SyntaxError, 0),
    ],
)
def test_whatever_the_code_raises_is_told_with_its_line(source, kind, line):
    cell = run(source)
    assert isinstance(cell.error, kind) and cell.line == line


def test_endless_recursion_is_an_error_like_any_other():
    assert isinstance(run("def f():\n    return f()\n\nf()\n").error, RecursionError)


def test_what_is_printed_and_warned_is_kept_and_bounded():
    cell = run("import warnings\nprint('a' * 10**6)\nwarnings.warn('look')\n")
    assert len(cell.printed) == 10_000 and cell.warned == ["look"]


def test_nothing_stays_from_one_run_to_the_next():
    run("secret = tl.parameter(1.0)\n")
    assert isinstance(run("secret\n").error, NameError)
