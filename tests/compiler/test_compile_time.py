"""How much work it is to improve a graph, in counts: nodes made, rules asked, costs estimated. Never the clock."""

import ast
from collections import Counter

import numpy as np
import pytest

import tinygrad_lora as tl
from tinygrad_lora.compiler import cost
from tinygrad_lora.compiler.operations import Fused
from tinygrad_lora.compiler.passes import rebracket
from tinygrad_lora.compiler.passes.fuse_elementwise import fuse_elementwise
from tinygrad_lora.compiler.passes.merge_duplicates import merge_duplicates
from tinygrad_lora.compiler.pipeline import DEFAULT, improving

PASSES = [p for row in DEFAULT for p in row]


def chain(n):
    """y = relu(y a + b), n times."""

    def f(y, a, b):
        for _ in range(n):
            y = tl.relu(y * a + b)
        return y

    return tl.trace(f, *[np.ones((4, 4))] * 3)


def chain_and_gradients(n):
    def f(*xs):
        y, a, b = xs
        for _ in range(n):
            y = tl.relu(y * a + b)
        loss = tl.sum(y)
        return loss, *tl.gradients(loss, xs)

    return tl.trace(f, *[np.ones((4, 4))] * 3)


def network(n, rank=0):
    """One step of gradient descent on a network of n layers, or on its adapters."""
    layers = [part for i in range(n) for part in (tl.Linear(8, 8, seed=i), tl.relu)]
    model = tl.Sequential(*layers) if not rank else tl.adapt(tl.Sequential(*layers), rank, seed=0)
    trained = [p for p in model.parameters() if p.requires_gradient]

    def step(x, target):
        loss = tl.mse(model(x), target)
        return loss, *(p - 0.1 * g for p, g in zip(trained, tl.gradients(loss, trained), strict=True))

    return tl.trace(step, np.ones((4, 8)), np.ones((4, 8)))


def adapted_network(n):
    return network(n, rank=2)


def products(n):
    """A chain of n products, and the gradient of each factor: every product of neighbors has several users."""
    weights = [tl.parameter(np.ones((3, 3))) for _ in range(n)]

    def f(y):
        for w in weights:
            y = y @ w
        loss = tl.sum(y)
        return loss, *tl.gradients(loss, weights)

    return tl.trace(f, np.ones((2, 3)))


def many_inputs(n):
    def f(*xs):
        y = xs[0]
        for x in xs[1:]:
            y = y + x * x
        return y

    return tl.trace(f, *[np.ones(2)] * n)


def many_outputs(n):
    return tl.trace(lambda x: [tl.exp(x * float(i)) for i in range(n)], np.ones(2))


def recurrent(n):
    w, u = (tl.parameter(np.ones((4, 4))) for _ in range(2))

    def f(xs):
        h = xs[0]
        for i in range(n):
            h = tl.tanh(xs[i] @ u + h @ w)
        loss = tl.sum(h * h)
        return loss, *tl.gradients(loss, [w, u])

    return tl.trace(f, np.ones((n, 2, 4)))


MAKERS = [
    chain, chain_and_gradients, network, adapted_network, products, many_inputs, many_outputs, recurrent
]  # fmt: skip
EVERY_KIND = pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
# The one choice that grows faster: up to so many shared products are tried one by one. Graphs here have more, or none.
ENOUGH = rebracket.MOST_CHOICES + 4


@pytest.fixture
def made(monkeypatch):
    """Counts the nodes that are made."""
    count = Counter()
    create = tl.ComputationNode.__init__

    def counting(self, *args, **kwargs):
        count["nodes"] += 1
        create(self, *args, **kwargs)

    monkeypatch.setattr(tl.ComputationNode, "__init__", counting)
    return count


@EVERY_KIND
def test_the_work_grows_with_the_graph_and_no_faster(make, made):
    sizes, work = [], []
    for n in (ENOUGH, 2 * ENOUGH, 4 * ENOUGH):
        graph = make(n)
        made.clear()
        list(improving(graph))
        sizes.append(len(graph.nodes))
        work.append(made["nodes"])
    assert 1.9 < sizes[1] / sizes[0] < 2.1 and 1.9 < sizes[2] / sizes[1] < 2.1
    more, still_more = work[1] - work[0], work[2] - work[1]
    assert still_more <= 2.1 * more + 10


@EVERY_KIND
def test_a_rule_is_asked_once_about_a_node(make):
    asked = Counter()

    def rule(node):
        asked[node] += 1

    def asking(graph):
        return graph.rewrite(rule)

    list(improving(make(6), [(asking,), *DEFAULT]))
    assert set(asked.values()) == {1}


@EVERY_KIND
def test_no_pass_sees_a_graph_twice(make):
    seen = []

    def watched(apply):
        def watching(graph):
            seen.append((apply, graph))
            return apply(graph)

        watching.__name__ = apply.__name__
        return watching

    list(improving(make(6), [tuple(map(watched, row)) for row in DEFAULT]))
    assert len({(apply, id(graph)) for apply, graph in seen}) == len(seen)


@EVERY_KIND
def test_the_cost_of_a_graph_counts_each_node_once_also_in_the_graphs_made_of_it(make):
    counted = Counter()

    class Costs(dict):
        def __setitem__(self, node, estimate):
            counted[node] += 1
            super().__setitem__(node, estimate)

    graph = make(6)
    graph.memory[cost.node_cost] = costs = Costs()
    snapshots = list(improving(graph))
    assert set(counted.values()) == {1}
    assert snapshots and all(costs.keys() >= {*s.after.nodes} for s in snapshots)


@pytest.mark.parametrize("apply", PASSES, ids=lambda p: p.__name__)
def test_where_a_pass_finds_nothing_it_makes_nothing(apply, made):
    graph = tl.trace(lambda x, w: tl.tanh(x @ w), np.ones((2, 3)), np.ones((3, 2)))
    made.clear()
    assert apply(graph) is graph
    assert not made["nodes"]


def test_an_elementwise_chain_costs_one_node_for_each_line(made):
    graph = chain(99)
    made.clear()
    (snapshot,) = improving(graph)
    lines = [n for n in snapshot.after.nodes if n.parents]
    assert made["nodes"] == len(lines) < 50
    assert all(isinstance(n.op, Fused) for n in lines)


def test_no_syntax_tree_is_printed_for_a_kind_of_line_that_was_seen_before(monkeypatch):
    list(improving(network(2)))
    monkeypatch.setattr(ast, "unparse", None)
    monkeypatch.setattr(ast, "parse", None)
    *_, last = improving(network(3))
    assert all(n.op.numpy for n in last.after.nodes if n.parents)


def test_equal_layers_ask_only_once_for_the_best_order_of_their_products():
    rebracket._order_of_sizes.cache_clear()
    list(improving(adapted_network(5)))
    few = rebracket._order_of_sizes.cache_info().misses
    list(improving(adapted_network(10)))
    assert rebracket._order_of_sizes.cache_info().misses == few


def test_squares_of_squares_are_no_chain_of_a_million_factors():
    def f(x):
        for _ in range(20):
            x = x @ x
        return x

    graph = tl.trace(f, np.ones((2, 2)))
    assert not list(improving(graph))


def test_large_constants_are_not_compared_digit_by_digit():
    small, large = np.ones(10), np.ones(100_000)

    def f(x, y):
        return x + small, x * small, y + large, y * large

    merged = merge_duplicates(tl.trace(f, small, large))
    assert [n.size for n in merged.nodes if n.known] == [10, 100_000, 100_000]


def test_a_line_is_written_when_it_is_asked_for():
    graph = fuse_elementwise(chain(5))
    written = [n.op for n in graph.nodes if isinstance(n.op, Fused)]
    assert written and not any({"numpy", "forward"} & set(vars(op)) for op in written)


def test_many_readers_of_one_matrix_cost_each_as_little_as_a_few(monkeypatch):
    from tinygrad_lora.compiler.passes import distribute_products as module

    def looked_at(n):
        """How many nodes the pass looks through for transposes."""

        def f(x, y, s):
            for _ in range(n):
                s = x @ s + s @ y
            return s

        graph, calls = tl.trace(f, *[np.ones((4, 4))] * 3), Counter()
        straight = module._straight
        monkeypatch.setattr(module, "_straight", lambda node: (calls.update(["looked"]), straight(node))[1])
        module.distribute_products(graph)
        monkeypatch.setattr(module, "_straight", straight)
        return calls["looked"]

    assert looked_at(80) < 2.5 * looked_at(40)
