"""A graph: its order, running it, rewriting it, printing it."""

import numpy as np
import pytest
from hypothesis import given
from strategies import assert_same, examples, matmul_chains, random_graphs

import tinygrad_lora as tl
from tinygrad_lora.core import ops
from tinygrad_lora.core.graph import rebuilt, topological_order
from tinygrad_lora.errors import GraphError, ShapeError

programs = given(random_graphs(parameters=True) | matmul_chains())
some = examples(60)


@some
@programs
def test_parents_come_first_and_every_node_comes_once(drawn):
    graph = tl.trace(*drawn[:1], *drawn[1])
    place = {node: i for i, node in enumerate(graph.nodes)}
    assert len(place) == len(graph.nodes)
    assert all(place[parent] < place[node] for node in graph.nodes for parent in node.parents)
    needed, stack = set(graph.inputs), list(graph.outputs)
    while stack:
        if (node := stack.pop()) not in needed:
            needed.add(node)
            stack += node.parents
    assert set(graph.nodes) == needed | set(graph.outputs)


@some
@programs
def test_users_are_parents_read_backwards(drawn):
    graph = tl.trace(drawn[0], *drawn[1])
    assert list(graph.users) == graph.nodes
    uses = [(parent, node) for node in graph.nodes for parent in node.parents]
    assert uses == [(p, n) for n in graph.nodes for p in n.parents if n in graph.users[p]]
    assert sum(len(users) for users in graph.users.values()) == len(uses)


def test_a_node_that_uses_another_twice_is_two_users():
    x = tl.placeholder((2,))
    y = x * x
    assert tl.Graph([x], [y]).users == {x: [y, y], y: []}


@some
@programs
def test_running_is_calling(drawn):
    program, examples = drawn
    graph = tl.trace(program, *examples)
    steps = list(graph.running(*examples))
    assert [node for node, _ in steps] == graph.nodes
    values = dict(steps)
    for node, array in steps:
        assert (np.shape(array), array.dtype) == (node.shape, node.dtype)
    for node, array in zip(graph.outputs, graph(*examples), strict=True):
        assert_same(array, values[node])


def test_running_waits():
    ran = []

    class Watched(tl.Op):
        r"""$y = x$, seen."""

        signature, numpy = "x", "x + 0"

    watched = Watched()
    del tl.Op.registry["watched"]
    watched.forward = lambda x: ran.append(x) or x
    x = tl.placeholder(())
    steps = tl.Graph([x], [watched(watched(x))]).running(np.float64(1.0))
    counts = [len(ran) for _ in steps]
    assert counts == [0, 1, 2]


@some
@programs
def test_mapping_each_node_to_itself_changes_nothing(drawn):
    program, examples = drawn
    graph = tl.trace(program, *examples)
    same = graph.map(rebuilt)
    assert all(a is b for a, b in zip(graph.nodes, same.nodes, strict=True))
    assert graph.rewrite(lambda node: None).nodes == graph.nodes


@some
@programs
def test_rebuilding_every_node_keeps_what_it_means(drawn):
    program, examples = drawn
    graph = tl.trace(program, *examples)
    new = graph.map(lambda old, parents: tl.Op.__call__(old.op, *parents, **old.params))
    assert str(new) == str(graph)
    assert len(new.nodes) == len(graph.nodes) and (new.inputs, new.captured) == (graph.inputs, graph.captured)
    assert not any(n in graph.nodes for n in new.nodes if n.parents)
    for old, array in zip(graph(*examples), new(*examples), strict=True):
        assert_same(array, old)


def doubled(node):
    """$x + x = 2 x$."""
    match node:
        case tl.ComputationNode(ops.add, [a, b]) if a is b:
            return tl.scale(a, factor=2)
    return None


def undone(node):
    r"""$(X^\\top)^\\top = X$."""
    match node:
        case tl.ComputationNode(ops.transpose, [tl.ComputationNode(ops.transpose, [x])]):
            return x
    return None


@pytest.mark.parametrize("rule", [doubled, undone])
@some
@programs
def test_a_rule_that_is_an_equation_keeps_what_the_graph_means(rule, drawn):
    program, examples = drawn
    graph = tl.trace(program, *examples)
    new = graph.rewrite(rule)
    assert all(rule(node) is None for node in new.nodes)
    for old, array in zip(graph(*examples), new(*examples), strict=True):
        assert_same(array, old)


def test_a_rule_is_applied_until_it_gives_none_and_on_parents_first():
    x = tl.placeholder((2, 3))
    y = x
    for _ in range(6):
        y = y.mT
    graph = tl.Graph([x], [y + y]).rewrite(undone).rewrite(doubled)
    assert [n.op for n in graph.nodes] == [x.op, ops.scale]
    assert graph.outputs[0].parents == (x,)


def test_a_rule_may_need_many_steps_at_one_node():
    def count_down(node):
        n = node.params.get("factor", 0)
        return tl.scale(node.parents[0], factor=n - 1) if n > 1 else None

    x = tl.placeholder((2,))
    (y,) = tl.Graph([x], [tl.scale(x, factor=5)]).rewrite(count_down).outputs
    assert y.params == {"factor": 1}


def test_a_rewritten_node_keeps_its_name_and_the_line_it_came_from():
    x = tl.placeholder((2,))
    y = x + x
    y.name = "twice"
    (new,) = tl.Graph([x], [y]).rewrite(doubled).outputs
    assert new is not y and new.name == "twice" and new.origin == y.origin


def test_the_line_a_node_came_from_is_the_users():
    y = tl.softmax(tl.placeholder((2, 2)))
    assert y.origin[0] == __file__


def test_leaves_are_replaced_where_map_is_told_to():
    x, z = tl.placeholder((2,)), tl.placeholder((2,))
    graph = tl.Graph([x], [x * 3]).map(rebuilt, {x: z})
    assert graph.inputs == (z,)
    assert_same(graph(np.ones(2))[0], 3 * np.ones(2))


def test_what_the_outputs_do_not_need_is_not_in_the_graph():
    x = tl.placeholder((2,))
    kept, _dropped = x + 1, tl.exp(x)
    assert [n.op for n in tl.Graph([x], [kept]).nodes] == [x.op, kept.parents[1].op, ops.add]


def test_an_input_that_nothing_uses_is_still_an_input():
    x, z = tl.placeholder((2,)), tl.placeholder(())
    graph = tl.Graph([x, z], [x * 2])
    assert z in graph.nodes
    assert_same(graph(np.ones(2), np.float64(5.0))[0], 2 * np.ones(2))


def test_an_open_graph_is_refused():
    x, z = tl.placeholder((2,), name="x"), tl.placeholder((2,), name="z")
    with pytest.raises(GraphError, match=r"depend on .*input z.*not one of the inputs: list it there"):
        tl.Graph([x], [x + z])
    tl.Graph([x, z], [x + z])


def test_a_graph_is_called_with_as_many_arrays_as_it_has_inputs_in_their_shapes():
    x, z = tl.placeholder((2,), name="x"), tl.placeholder((3,))
    graph = tl.Graph([x, z], [tl.sum(x) * z])
    with pytest.raises(GraphError, match=r"2 inputs \(x, \[3\]\); it was given 1 array"):
        graph(np.ones(2))
    with pytest.raises(ShapeError, match=r"input x has shape \(2,\); the array has \(3,\)"):
        graph(np.ones(3), np.ones(3))


def test_the_cost_of_a_graph_is_the_cost_of_its_operations():
    x, w = tl.placeholder((8, 3)), tl.placeholder((3, 5))
    assert tl.Graph([x, w], [x @ w]).flops == 2 * 8 * 3 * 5
    assert tl.Graph([x, w], [tl.sum(tl.relu(x @ w) + 1.0)]).flops == 240 + 40 + 40 + 40
    assert tl.Graph([x], [x.mT]).flops == 0


def test_an_order_may_be_of_several_outputs_and_of_none():
    x = tl.placeholder((2,))
    a, b = x + 1, x + 2
    order = topological_order([b, a, b])
    assert len(order) == 5 and order.index(b) < order.index(a)
    assert topological_order([]) == []


def test_a_listing(golden):
    def attention(x, mask):
        scores = (x @ wq) @ (x @ wk).mT / 2.0
        return tl.softmax(tl.where(mask > 0, scores, -1e9)) @ x, tl.mean(x[0], axis=-1, keepdims=True)

    wq, wk = (tl.parameter(np.ones((4, 4)), name=name) for name in ("wq", "wk"))
    graph = tl.trace(attention, np.ones((3, 4)), np.ones((3, 3)))
    golden("graph_listing.txt", str(graph))


def test_equal_names_are_told_apart_in_a_listing():
    x, z = tl.placeholder((2,), name="x"), tl.placeholder((2,), name="x")
    lines = str(tl.Graph([x, z], [x - z])).splitlines()
    assert [line.split(" = ")[0].split()[0] for line in lines[:2]] == ["x", "%1"]
    assert "subtract(x, %1)" in lines[2]
