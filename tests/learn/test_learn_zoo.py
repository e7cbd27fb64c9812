"""The bug zoo and the plug-in points: what is put in the place of a part of the engine, and that it leaves no trace."""

import subprocess
import sys
import time
from types import ModuleType

import numpy as np
import pytest

import tinygrad_lora as tl
from tinygrad_lora import learn
from tinygrad_lora.core import autodiff
from tinygrad_lora.core.graph import topological_order
from tinygrad_lora.core.node import Op
from tinygrad_lora.errors import ExerciseError, ShapeError, StaleGraphError
from tinygrad_lora.learn import Wrong, bug, bugs, using
from tinygrad_lora.learn.checking import exchange
from tinygrad_lora.learn.checking.guard import TookTooLongError, guarded
from tinygrad_lora.learn.using import plug_points

X = np.array([0.5, -1.0, 2.0])


def chain(x):
    return tl.tanh(tl.exp(x))


def diamond(x):
    h = tl.tanh(x)
    return h * (h + 1.0) * h


def leaf_twice(x):
    return x * x


def slope(f, x=0.5):
    """The gradient by `backward()`, and checked to be the same by `gradients`."""
    leaf = tl.parameter(x, "x")
    y = f(leaf)
    y.backward()
    assert np.allclose(tl.gradients(y, leaf).value, leaf.gradient)
    return float(leaf.gradient)


def test_naive_recursion_is_right_on_chains_and_leaves_and_wrong_on_diamonds():
    right = [slope(f) for f in (chain, leaf_twice, diamond)]
    with bug("naive_recursion"):
        wrong = [slope(f) for f in (chain, leaf_twice, diamond)]
        with pytest.raises(RecursionError):
            learn.cases.chain(2_000).backward()
    assert wrong[:2] == right[:2] and abs(wrong[2]) > 1.5 * abs(right[2])


def test_the_stepper_shows_the_naive_recursion_at_work():
    def ready():
        x = tl.parameter(0.5, "x")
        return [line for line in str(tl.step_through(diamond(x))).splitlines() if " ready " in line]

    right = ready()
    with bug("naive_recursion"):
        wrong = ready()
    assert sum(" x " in line for line in right) == 1 and sum(" x " in line for line in wrong) == 3


def test_without_accumulation_the_last_user_wins():
    right = [slope(f) for f in (chain, leaf_twice)]
    with bug("no_accumulate"):
        wrong = [slope(f) for f in (chain, leaf_twice)]
    assert wrong == [right[0], right[1] / 2]


def test_without_unbroadcast_a_bias_gets_a_gradient_for_each_row():
    def train():
        layer = tl.Linear(3, 2, seed=0)
        optimizer = tl.SGD(layer.parameters(), 0.1)
        tl.sum(layer(tl.constant(np.ones((4, 3))))).backward()
        optimizer.step()

    train()
    with bug("no_unbroadcast"), pytest.raises(ShapeError, match=r"update\(\) gave bias the shape \(4, 2\)"):
        train()
    train()


def test_relu_at_zero_differs_at_zero_alone():
    f = tl.grad(lambda x: tl.sum(tl.relu(x)))
    x = np.array([-1.0, 0.0, 2.0])
    with bug("relu_at_zero"):
        assert f(x).tolist() == [0, 1, 1]
        leaf = tl.parameter(x)
        tl.sum(tl.relu(leaf)).backward()
        assert leaf.gradient.tolist() == [0, 1, 1]
    assert f(x).tolist() == [0, 0, 1]


def test_a_stale_graph_mixes_old_results_with_new_weights():
    w = tl.parameter(3.0, "w")
    y = tl.exp(w) * w
    w.value = np.float64(5.0)
    with bug("stale_graph"):
        y.backward()
        assert w.gradient == np.exp(3.0) * 5.0 + np.exp(3.0)
        assert tl.gradients(y, w).value == w.gradient
    with pytest.raises(StaleGraphError):
        y.backward()


def test_merging_twice_counts_twice():
    layer = tl.LoRALinear(tl.Linear(3, 2, seed=0), 2, seed=0)
    layer.lora.lora_B.value = np.ones((2, 2))
    start = layer.base.weight.value
    with bug("double_merge"):
        layer.merge()
        once = layer.base.weight.value - start
        layer.merge()
        assert np.allclose(layer.base.weight.value - start, 2 * once)
        layer.unmerge()
        assert not np.allclose(layer.base.weight.value, start)
    layer = tl.LoRALinear(tl.Linear(3, 2, seed=0), 2, seed=0)
    layer.lora.lora_B.value = np.ones((2, 2))
    layer.merge()
    layer.merge()
    layer.unmerge()
    assert (layer.base.weight.value == start).all()


def test_from_zero_nothing_is_learned():
    def trained():
        layer = tl.LoRALinear(tl.Linear(3, 2, seed=0), 2, seed=0)
        optimizer = tl.SGD(layer.parameters(), 0.1)
        for _ in range(3):
            optimizer.zero_gradients()
            tl.sum(layer(tl.constant(np.ones((4, 3))))).backward()
            optimizer.step()
        return layer.lora.get_parameters()

    assert trained().any()
    with bug("zero_start"):
        assert not trained().any()


@pytest.mark.parametrize("buffers", [True, False])
def test_fusing_a_reused_node_changes_what_its_other_user_reads(buffers):
    def twice(x):
        h = tl.exp(x)
        return h + tl.tanh(h)

    def once(x):
        return tl.tanh(tl.exp(x))

    x = np.linspace(-1, 1, 40)
    right = tl.compile(twice, buffers=buffers)(x)
    with bug("fuse_reused"):
        wrong = tl.compile(twice, buffers=buffers, check=False)  # else its first call would show the bug
        assert np.abs(wrong(x) - right).max() > 0.1
        assert np.allclose(tl.compile(once, buffers=buffers)(x), once(x))
    assert np.abs(wrong(x) - right).max() > 0.1  # what was compiled inside keeps it
    assert (tl.compile(twice, buffers=buffers)(x) == right).all()


def state():
    """Every function and attribute that a bug or a plug may replace."""
    identities = {}
    for name, module in sys.modules.items():
        if name.startswith("tinygrad_lora") and ".learn" not in name:
            identities |= {(name, key): id(value) for key, value in vars(module).items()}
    kinds = [tl.ComputationNode, tl.Optimizer, tl.Linear, tl.LoRALinear, *{type(op) for op in Op.registry.values()}]
    for kind in kinds:
        for base in kind.__mro__:
            identities |= {(base.__qualname__, key): id(value) for key, value in vars(base).items() if callable(value)}
    return identities


@pytest.mark.parametrize("name", [one.name for one in bugs()])
def test_the_engine_is_whole_again_even_after_an_error(name):
    tl.compile(chain)(X)
    before = state()
    with pytest.raises(KeyError, match="inside"), bug(name):
        assert state() != before
        raise KeyError("inside")
    assert state() == before


def test_a_module_loaded_inside_is_whole_again_too(monkeypatch):
    late = ModuleType("tinygrad_lora.late")
    right = autodiff.pulling_back
    with bug("naive_recursion"):
        late.pulling_back = autodiff.pulling_back  # what `from ..core.autodiff import pulling_back` does
        monkeypatch.setitem(sys.modules, late.__name__, late)
        assert late.pulling_back is not right
    assert late.pulling_back is autodiff.pulling_back is right


def test_bugs_may_be_nested():
    right = slope(diamond)
    with bug("relu_at_zero"), bug("naive_recursion"):
        wrong = slope(diamond)
        with bug("no_accumulate"):
            assert slope(diamond) not in (right, wrong)
        assert slope(diamond) == wrong
    assert slope(diamond) == right


def test_the_zoo_is_listed():
    text = str(bugs())
    assert [one.name for one in bugs()] == [
        "naive_recursion", "no_accumulate", "no_unbroadcast", "relu_at_zero", "stale_graph", "double_merge",
        "zero_start", "fuse_reused",
    ]  # fmt: skip
    assert text == repr(bugs()) and all(f"{one.name}: " in text and one.shows and one.hides for one in bugs())
    with bug("no_accumulate") as it:
        assert it.name == "no_accumulate"
    with pytest.raises(ExerciseError, match="there are naive_recursion, no_accumulate"), bug("no_acumulate"):
        pass


# --- Plug-in points ---


def recording(function, calls):
    def recorded(*args):
        calls.append(args)
        return function(*args)

    return recorded


def test_every_plug_is_called_by_the_real_engine():
    calls = {}

    def mine(name, function):
        calls[name] = []
        return recording(function, calls[name])

    def summed(g, shape):
        axes = tuple(range(g.ndim - len(shape)))
        return g.sum(axis=axes)

    def step(parameters, lr):
        for p in parameters:
            p.value = p.value - lr * p.gradient

    functions = {
        "topo_sort": lambda output: topological_order([output]),
        "unbroadcast": summed,
        "tanh_vjp": lambda g, y, x: (g * (1 - y * y),),
        "cross_entropy": lambda logits, labels: tl.mse(logits, np.eye(2)[labels]),
        "optimizer_step": step,
        "clip": lambda gradients, max_norm: [0 * g for g in gradients],
        "linear_weight": lambda rng, n, m: np.ones((n, m)),
        "lora_A": lambda rng, n, r: np.full((n, r), 2.0),
        "merge_duplicates": lambda graph: graph,
        "fuse_elementwise": lambda graph: graph,
    }
    before = state()
    with using(**{name: mine(name, function) for name, function in functions.items()}):
        model = tl.Sequential(tl.Linear(3, 4, seed=0), tl.tanh, tl.Linear(4, 2, seed=1))
        optimizer = tl.SGD(model.parameters(), 0.1, max_norm=1.0)
        loss = tl.cross_entropy(model(tl.constant(np.ones((5, 3)))), np.array([0, 1, 0, 1, 1]))
        loss.backward()
        optimizer.step()
        assert (model[0].weight.value != 1).any() and optimizer.steps == 1
        optimizer.clip([p.gradient for p in model.parameters()])
        assert (tl.LoRALayer(3, 2, 2).lora_A.value == 2).all()
        tl.compile(lambda x: tl.exp(x) + tl.exp(x))(X)
    assert [name for name in functions if not calls[name]] == []
    assert state() == before
    counts = {name: len(made) for name, made in calls.items()}
    tl.sum(tl.tanh(tl.Linear(3, 2, seed=0)(tl.constant(np.ones((5, 3)))))).backward()
    tl.compile(lambda x: tl.exp(x) + tl.exp(x))(X)
    assert {name: len(made) for name, made in calls.items()} == counts


def test_the_students_backward_is_the_nodes():
    def backward(output):
        output.gradient = np.float64(7.0)

    y = tl.exp(tl.parameter(1.0))
    with using(backward=backward):
        y.backward()
    assert y.gradient == 7.0


def test_a_rule_may_leave_out_what_it_does_not_need():
    with using(exp_vjp=lambda g, y: g * y, multiply_vjp=lambda b, a, g: (g * b, g * a), relu_vjp=lambda g, y, x: g * 5):
        x = tl.parameter(2.0)
        (tl.exp(x) * x).backward()
        assert np.isclose(x.gradient, np.exp(2.0) * 3)
        x = tl.parameter(2.0)
        tl.relu(x).backward()
        assert x.gradient == 5


def test_rules_are_for_arrays_and_graphs_keep_the_real_ones():
    with using(tanh_vjp=lambda g, y, x: g * 0):
        assert tl.grad(lambda x: tl.tanh(x))(0.5) != 0
        x = tl.parameter(0.5)
        tl.tanh(x).backward()
        assert x.gradient == 0


def test_two_passes_at_once_are_both_used():
    calls = []
    with using(
        simplify=recording(lambda graph: graph, calls), merge_duplicates=recording(lambda graph: graph, calls)
    ):  # fmt: skip
        program = tl.compile(lambda x: tl.exp(x) + tl.exp(x))
        program(X)
    assert len(calls) >= 2 and program.source.count("exp(x)") == 2


@pytest.mark.parametrize(
    ("functions", "words"),
    [
        ({"topo_sort": lambda output: None}, "topo_sort gave is None"),
        ({"topo_sort": lambda output: [1]}, "all must be nodes"),
        ({"unbroadcast": lambda g, shape: None}, "unbroadcast gave is None"),
        ({"linear_weight": lambda rng, n, m: np.ones((m, n + 1))}, "it must have"),
        ({"simplify": lambda graph: None}, "must give a Graph"),
        ({"clip": lambda gradients, c: None}, "list of 2 gradients"),
    ],
)
def test_a_function_that_gives_nonsense_is_told_so(functions, words):
    with pytest.raises(Wrong, match=words), using(**functions):
        layer = tl.Linear(3, 2, seed=0)
        tl.sum(layer(tl.constant(np.ones((4, 3))))).backward()
        tl.SGD(layer.parameters(), 0.1, max_norm=1.0).step()
        tl.compile(lambda x: x * 1.0)(X)


def test_unknown_names_raise_with_the_list():
    words = r"'topo_sorted' to plug in: choose topo_sort, backward"
    with pytest.raises(ExerciseError, match=words), using(topo_sorted=print):
        pass
    with pytest.raises(TypeError, match="must be a function, not int"), using(topo_sort=3):
        pass
    assert {"tanh_vjp", "matmul_vjp", "cross_entropy", "softmax", "fuse_elementwise", "topo_sort"} <= set(plug_points())


def test_a_time_limit_does_not_leave_the_engine_half_put_back(monkeypatch):
    """The limit rings again and again, also while a mistake is taken out of the engine."""
    replace = exchange._replace

    def slowly(old, new):
        deadline = time.monotonic() + 0.25
        while time.monotonic() < deadline:
            pass
        replace(old, new)

    def never_ends():
        with bug("no_unbroadcast"):
            monkeypatch.setattr(exchange, "_replace", slowly)
            while True:
                pass

    before = {
        name: vars(module).copy() for name, module in sys.modules.items() if name.startswith("tinygrad_lora.core")
    }
    assert isinstance(guarded(never_ends, 0.1).error, TookTooLongError)
    assert {name: vars(sys.modules[name]) for name in before} == before


def test_a_name_that_is_first_asked_for_in_an_exchange_is_put_back():
    code = """
from tinygrad_lora import library
from tinygrad_lora.learn.checking.exchange import Replacement, exchanged
import tinygrad_lora as tl
usual, other = library.softmax, lambda x: x
with exchanged([Replacement(library, "softmax", other)]):
    assert tl.softmax is other
assert tl.softmax is usual
"""
    subprocess.run([sys.executable, "-c", code], check=True)
