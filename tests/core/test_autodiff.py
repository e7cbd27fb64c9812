"""Reverse mode: what it gives, what it visits, what it refuses, and that it nests."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from strategies import arrays, assert_same, broadcastable, examples, matmul_chains, random_graphs

import tinygrad_lora as tl
from tinygrad_lora.core import ops
from tinygrad_lora.core.autodiff import pulling_back, unbroadcast
from tinygrad_lora.errors import GradientError, ShapeError, StaleGraphError, TraceError


def weighted(outputs):
    """One number of all outputs, in which every element counts differently."""
    outputs = outputs if isinstance(outputs, list) else [outputs]
    return sum((tl.sum(y * np.arange(1.0, 1 + y.size).reshape(y.shape)) for y in outputs), tl.constant(0.0))


def leaves_of(program):
    return [tl.parameter(a) for a in program.arrays]


# --- backward() and gradients() ---


@examples(60)
@given(random_graphs() | matmul_chains())
def test_backward_and_gradients_agree(drawn):
    program, _ = drawn
    xs = leaves_of(program)
    loss = weighted(program(*xs))
    nodes = tl.gradients(loss, xs)
    if loss.requires_gradient:
        loss.backward()
    for x, node in zip(xs, nodes, strict=True):
        assert_same(node.value, np.zeros(x.shape) if x.gradient is None else x.gradient)


@examples(60)
@given(random_graphs() | matmul_chains())
def test_a_gradient_is_a_graph_that_runs(drawn):
    program, examples = drawn

    def derivative(*xs):
        return tl.gradients(weighted(program(*xs)), list(xs))

    expected = [g.value for g in derivative(*map(tl.constant, examples))]
    for result, g in zip(tl.trace(derivative, *examples)(*examples), expected, strict=True):
        assert_same(result, g)


def test_backward_twice_doubles_and_zero_gradient_forgets():
    x = tl.parameter([1.0, 2.0])
    y = tl.sum(x * x)
    assert x.gradient is None
    y.backward()
    once = x.gradient.copy()
    assert_same(once, np.array([2.0, 4.0]))
    y.backward()
    assert_same(x.gradient, 2 * once)
    x.zero_gradient()
    assert x.gradient is None and y.gradient == 2.0
    y.backward()
    tl.zero_gradients(y)
    assert not any(node.gradient is not None for node in tl.Graph([], [y]).nodes)
    y.backward()
    assert_same(x.gradient, once)


def test_every_node_on_the_way_gets_its_gradient():
    x = tl.parameter(3.0)
    square = x * x
    y = 2 * square
    y.backward()
    assert (y.gradient, square.gradient, x.gradient) == (1.0, 2.0, 12.0)


def test_a_seed_weighs_the_elements():
    x = tl.parameter([1.0, 2.0, 3.0])
    seed = np.array([1.0, 0.0, -2.0])
    (x * x).backward(seed=seed)
    assert_same(x.gradient, 2 * x.value * seed)
    for given_seed in (seed, tl.constant(seed), [1.0, 0.0, -2.0]):
        assert_same(tl.gradients(x * x, x, seed=given_seed).value, x.gradient)


def test_a_seed_is_copied():
    x, seed = tl.parameter([1.0, 2.0]), np.ones(2)
    tl.identity(x).backward(seed=seed)
    seed[:] = 7
    assert_same(x.gradient, np.ones(2))


def test_an_output_that_is_not_a_number_needs_a_seed():
    x = tl.parameter(np.ones((2, 3)))
    for ask in (lambda: (x * x).backward(), lambda: tl.gradients(x * x, x)):
        with pytest.raises(GradientError, match=r"shape \(2, 3\): take tl.sum or tl.mean first, or pass seed="):
            ask()
    assert x.gradient is None


@pytest.mark.parametrize("seed", [np.ones(3), np.ones((3, 2)), 1.0])
def test_a_seed_has_the_shape_of_the_output(seed):
    x = tl.parameter(np.ones((2, 3)))
    for ask in (
        lambda: (x * x).backward(seed=seed),
        lambda: tl.gradients(x * x, x, seed=seed),
        lambda: tl.gradients(x * x, x, seed=tl.constant(seed)),
    ):
        with pytest.raises(ShapeError, match="seed has shape"):
            ask()
    assert x.gradient is None


def test_backward_needs_numbers_and_something_to_train():
    with pytest.raises(TraceError, match=r"symbolic.*tl.gradients"):
        tl.sum(tl.placeholder((2,)) * tl.parameter([1.0, 2.0])).backward()
    with pytest.raises(GradientError, match="nothing to train"):
        tl.sum(tl.constant([1.0])).backward()
    with pytest.raises(GradientError, match="nothing to train"):
        tl.sum(tl.parameter([1.0], trainable=False)).backward()
    with pytest.raises(GradientError, match="nothing to train"):
        tl.sum(tl.stop_gradient(tl.parameter([1.0]))).backward()


def test_what_the_output_does_not_depend_on_has_gradient_zero():
    x, other = tl.parameter(np.ones((2, 3), np.float32)), tl.parameter(np.ones(4, np.float32))
    of_x, of_other = tl.gradients(tl.sum(x), [x, other])
    assert_same(of_x.value, np.ones((2, 3), np.float32))
    assert_same(of_other.value, np.zeros(4, np.float32))


def test_a_gradient_with_respect_to_a_result_stops_there():
    x = tl.parameter(2.0)
    y = x * x
    z = y * y
    assert tl.gradients(z, y).value == 8.0
    assert tl.gradients(z, z).value == 1.0
    assert [g.value for g in tl.gradients(z, [x, y])] == [32.0, 8.0]


def test_an_operand_used_twice_gets_both_gradients():
    x = tl.parameter([1.0, 2.0])
    for y, expected in ((x + x, 2), (x * x, 2 * x.value), (x - x, 0), (tl.concatenate([x, x]), 2)):
        assert_same(tl.gradients(tl.sum(y), x).value, np.ones(2) * expected)


def test_gradients_cannot_be_written_to():
    x = tl.parameter(np.ones(3))
    y = x * x
    y.backward(seed=np.ones(3))
    for node in (x, y):
        with pytest.raises(ValueError, match="read-only"):
            node.gradient[0] = 5.0


def test_a_gradient_may_be_set_and_is_then_added_to():
    x = tl.parameter([1.0, 2.0])
    x.gradient = [10, 20]
    tl.sum(x).backward()
    assert_same(x.gradient, np.array([11.0, 21.0]))


# --- Broadcasting is undone ---

TWO = broadcastable(2)


@examples(60)
@given(TWO, st.data())
def test_the_gradient_of_what_was_repeated_is_a_sum(pair, draw):
    a, b = (draw.draw(arrays(s)) for s in pair)
    seed = draw.draw(arrays(np.broadcast_shapes(*pair)))
    x, y = tl.parameter(a), tl.parameter(b)
    (x * y + x).backward(seed=seed)
    # Repeat each of them by hand, then sum by hand what belongs to one element.
    for node, whole in ((x, seed * b + seed), (y, seed * a)):
        expected = np.zeros(node.shape)
        for index in np.ndindex(seed.shape):
            mine = index[len(index) - node.ndim :]
            expected[tuple(0 if n == 1 else i for i, n in zip(mine, node.shape, strict=True))] += whole[index]
        assert_same(node.gradient, expected)


@examples(30)
@given(TWO.filter(lambda p: np.broadcast_shapes(*p) == p[1]))
def test_unbroadcast_is_the_transpose_of_broadcasting(pair):
    small, whole = pair
    assert_same(unbroadcast(np.ones(whole), small), np.ones(small) * (np.prod(whole) / max(np.prod(small), 1)))


def test_a_batch_of_products_sums_the_gradient_of_the_matrix_they_share():
    x, w = np.arange(24.0).reshape(4, 2, 3), np.arange(6.0).reshape(3, 2)
    node = tl.parameter(w)
    tl.sum(tl.constant(x) @ node).backward()
    assert_same(node.gradient, sum(part.T @ np.ones((2, 2)) for part in x))


# --- Only the way to what is trained is walked ---


class Counting(np.ndarray):
    """An array that counts the matrix products it takes part in; so does what is computed from it."""

    products = 0

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        Counting.products += ufunc is np.matmul
        plain = [np.asarray(x) if isinstance(x, Counting) else x for x in inputs]
        return np.asarray(getattr(ufunc, method)(*plain, **kwargs)).view(Counting)


def products(output, wrt=None):
    """How many matrix products it takes to differentiate this."""
    Counting.products = 0
    list(pulling_back(output, np.ones(output.shape).view(Counting), wrt))
    return Counting.products


def lora(x, w, a, b):
    return x @ w + 2.0 * (x @ a @ b)


SHAPES = {"x": (8, 6), "w": (6, 5), "a": (6, 2), "b": (2, 5)}


def test_a_frozen_weight_costs_no_product():
    x = tl.constant(np.ones(SHAPES["x"]))
    w, a, b = (tl.parameter(np.ones(SHAPES[k]), trainable=k != "w") for k in "wab")
    assert products(lora(x, w, a, b)) == 3  # for b, for x @ a, and for a; none for w and none for x
    w, a, b = (tl.parameter(np.ones(SHAPES[k])) for k in "wab")
    assert products(lora(x, w, a, b)) == 4
    assert products(lora(x, w, a, b), [a]) == 2
    assert products(lora(x, w, a, b), [x]) == 3


def test_a_gradient_graph_holds_only_the_products_it_needs():
    x, w, a, b = (tl.placeholder(s) for s in SHAPES.values())
    y = lora(x, w, a, b)
    forward = set(tl.Graph([x, w, a, b], [y]).nodes)

    def added(wrt):
        graph = tl.Graph([x, w, a, b], tl.gradients(y, wrt, seed=np.ones(y.shape)))
        return sum(n.op is ops.matmul and n not in forward for n in graph.nodes)

    assert [added([b]), added([a]), added([a, b]), added([w])] == [1, 2, 3, 1]


def test_rules_run_only_on_the_way_to_what_is_trained(monkeypatch):
    ran = []
    rule = ops.Multiply.vjp
    monkeypatch.setattr(ops.Multiply, "vjp", lambda self, g, y, a, b: ran.append(y) or rule(self, g, y, a, b))
    frozen, w = tl.parameter(-1.0, trainable=False), tl.parameter(3.0)
    base = frozen
    for _ in range(10):
        base = base * base
    loss = base * w
    loss.backward()
    assert len(ran) == 1
    assert frozen.gradient is None and base.gradient is None and w.gradient == base.value
    ran.clear()
    tl.gradients(loss, w)
    assert len(ran) == 1


def test_stop_gradient_cuts_the_way():
    x = tl.parameter(3.0)
    (x * tl.stop_gradient(x)).backward()
    assert x.gradient == 3.0
    assert tl.gradients(x * tl.stop_gradient(x), x).value == 3.0


def test_pulling_back_yields_a_gradient_when_it_is_complete():
    x = tl.parameter(2.0)
    a, b = x * 3, x * x
    y = a + b
    steps = list(pulling_back(y, np.float64(1.0)))
    assert steps[0][0] is y and steps[-1][0] is x
    assert len(steps) == 4 and {n: float(g) for n, g in steps} == {y: 1.0, a: 1.0, b: 1.0, x: 7.0}


# --- Deep and wide ---


@pytest.mark.slow
def test_a_chain_of_100_000_nodes_needs_no_recursion():
    n = 100_000
    x = tl.parameter(np.ones(2), name="x")
    y = x
    for _ in range(n):
        y = y + 1.0 if y.op is ops.scale else y * 1.0
    assert y.value[0] == 1 + n // 2
    y.backward(seed=np.ones(2))
    assert_same(x.gradient, np.ones(2))
    assert len(tl.Graph([], [y]).nodes) >= n
    assert_same(tl.gradients(y, x, seed=np.ones(2)).value, np.ones(2))
    assert repr(y).startswith("ComputationNode(")
    del y  # taking it apart does not recurse either


@pytest.mark.slow
def test_a_symbolic_chain_of_100_000_nodes_is_traced_run_and_printed():
    def f(x):
        for _ in range(100_000):
            x = -x
        return x

    graph = tl.trace(f, np.ones(2))
    assert_same(graph(np.array([1.0, 2.0]))[0], np.array([1.0, 2.0]))
    assert len(str(graph).splitlines()) == 100_002
    assert graph.flops == 200_000
    assert len(graph.rewrite(lambda node: None).nodes) == 100_001


def test_two_to_the_sixty_paths_are_walked_once():
    x = y = tl.parameter(1.0)
    for _ in range(60):
        y = y + y
    y.backward()
    assert y.value == x.gradient == 2.0**60
    assert tl.gradients(y, x).value == 2.0**60
    free = z = tl.placeholder(())
    for _ in range(60):
        z = z + z
    assert tl.Graph([free], [tl.gradients(z, free), z])(np.float64(3.0)) == [2.0**60, 3 * 2.0**60]


def test_a_ladder_of_diamonds_is_walked_once():
    x = y = tl.parameter(1.5)
    for _ in range(60):
        y = 0.5 * tl.tanh(y) + 0.25 * y * y
    assert len(list(pulling_back(y, np.float64(1.0)))) == len(tl.Graph([], [y]).nodes)
    y.backward()
    assert np.isfinite(x.gradient)


# --- Derivatives of derivatives ---


def test_grad_of_grad_of_grad():
    def cube(x):
        return x**3

    assert cube(2.0) == 8.0
    assert tl.grad(cube)(2.0) == 12.0
    assert tl.grad(tl.grad(cube))(2.0) == 12.0
    assert tl.grad(tl.grad(tl.grad(cube)))(2.0) == 6.0
    assert tl.grad(tl.grad(tl.grad(tl.grad(cube))))(2.0) == 0.0


def test_derivatives_of_a_sine_made_of_exponentials_go_round():
    f = tl.tanh
    y = np.tanh(0.3)
    expected = [1 - y**2, -2 * y * (1 - y**2), (1 - y**2) * (6 * y**2 - 2)]
    for value in expected:
        f = tl.grad(f)
        assert f(0.3) == pytest.approx(value, rel=1e-14)


# Siskind and Pearlmutter 2005, "Perturbation confusion and referential transparency"; Manzyuk et al. 2019
# (arXiv:1211.4892).
CONFUSIONS = {
    "x * d/dy(x y)": (lambda: tl.grad(lambda x: x * tl.grad(lambda y: x * y)(2.0))(3.0), 6.0),
    "x * d/dy(x + y)": (lambda: tl.grad(lambda x: x * tl.grad(lambda y: x + y)(1.0))(1.0), 1.0),
    "x * d/dy(y y)": (lambda: tl.grad(lambda x: x * tl.grad(lambda y: y * y)(3.0))(2.0), 6.0),
    "d/dy(x y y) at x": (lambda: tl.grad(lambda x: tl.grad(lambda y: x * y * y)(x))(3.0), 12.0),
    "d/dy(y y y) at x x": (lambda: tl.grad(lambda x: tl.grad(lambda y: y**3)(x * x))(2.0), 96.0),
    "two deep": (
        lambda: tl.grad(lambda x: x * tl.grad(lambda y: y * tl.grad(lambda z: x * y * z)(4.0))(3.0))(2.0),
        24.0,
    ),
    "two deep, at the outer": (
        lambda: tl.grad(lambda x: tl.grad(lambda y: tl.grad(lambda z: x * y * z * z)(y))(x))(2.0),
        16.0,
    ),
    "not of its argument": (lambda: tl.grad(lambda x: tl.grad(lambda y: x * x)(5.0) + x)(2.0), 1.0),
    "shifted": (lambda: tl.grad(lambda u: tl.grad(lambda x: (x + u) ** 3)(2.0))(0.0), 12.0),
    "the same name twice": (lambda: tl.grad(lambda x: tl.grad(lambda x: x**3)(x) * x)(2.0), 36.0),
    "of a value": (lambda: tl.grad(lambda x: x * tl.value_and_grad(lambda y: x * y)(2.0)[0])(3.0), 12.0),
}


@pytest.mark.parametrize("compute, expected", CONFUSIONS.values(), ids=CONFUSIONS)
def test_a_derivative_inside_a_derivative_is_not_confused_with_it(compute, expected):
    assert float(compute()) == expected


@pytest.mark.parametrize("compute", [compute for compute, _ in CONFUSIONS.values()], ids=CONFUSIONS)
def test_a_derivative_at_a_number_is_a_number_whatever_was_differentiated_inside(compute):
    assert not isinstance(compute(), tl.ComputationNode)


def test_the_outer_variable_is_still_a_variable_in_a_derivative_that_is_traced():
    def f(x):
        return tl.grad(lambda y: tl.sum(x * y * y))(x)  # 2 x y at y = x

    x = np.array([1.0, 2.0])
    (result,) = tl.trace(f, x)(x)
    assert_same(result, 2 * x * x)
    hessian_diagonal = tl.trace(lambda x: tl.grad(lambda z: tl.sum(f(z)))(x), x)
    assert_same(hessian_diagonal(x)[0], 4 * x)


def test_a_derivative_of_something_that_uses_a_parameter():
    w = tl.parameter(3.0)
    assert tl.grad(lambda x: w * x * x)(2.0) == 12.0
    x = tl.parameter(2.0)
    slope = tl.grad(lambda x: w * x * x)(x)
    assert slope.value == 12.0
    slope.backward()
    assert (w.gradient, x.gradient) == (4.0, 6.0)


@pytest.mark.parametrize("x", [np.array([1.0, 2.0]), np.array([1.0, 2.0], np.float32), [1.0, 2.0], np.array([1, 2])])
def test_on_arrays_value_and_grad_give_arrays(x):
    value, g = tl.value_and_grad(lambda x: tl.sum(x * x))(x)
    assert not isinstance(value, tl.ComputationNode) and isinstance(g, np.ndarray)
    dtype = x.dtype if getattr(x, "dtype", None) == np.float32 else np.float64
    assert_same(value, dtype(5.0) if isinstance(dtype, type) else dtype.type(5.0))
    assert_same(g, np.array([2.0, 4.0], dtype))


def test_on_nodes_value_and_grad_give_nodes():
    x = tl.constant([1.0, 2.0])
    value, g = tl.value_and_grad(lambda x: tl.sum(x * x))(x)
    assert isinstance(value, tl.ComputationNode) and isinstance(g, tl.ComputationNode)
    assert_same(g.value, np.array([2.0, 4.0]))


def test_the_argument_to_differentiate_is_chosen_by_its_place():
    def f(x, n, y):
        return tl.sum(x**n * y)

    x, y = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    assert_same(tl.grad(f)(x, 2, y), 2 * x * y)
    assert_same(tl.grad(f, argnum=2)(x, 2, y), x**2)
    value, g = tl.value_and_grad(f, argnum=2)(x, 2, y)
    assert_same(value, np.float64(19.0))
    assert_same(g, x**2)


def test_a_hessian_times_a_vector():
    # f(x) = sum(x^3) + (sum x)^2 has the Hessian diag(6 x) + 2.
    def f(x):
        return tl.sum(x * x * x) + tl.sum(x) * tl.sum(x)

    x, v = np.array([1.0, -2.0, 3.0]), np.array([2.0, 1.0, -1.0])
    product = tl.grad(lambda x: tl.sum(tl.grad(f)(x) * v))(x)
    assert_same(product, (np.diag(6 * x) + 2) @ v)
    node = tl.parameter(x)
    (g,) = tl.gradients(f(node), [node])
    tl.sum(g * v).backward()
    assert_same(node.gradient, product)


# --- What changed, and what failed ---


def stale_graphs():
    def direct(w):
        return w * tl.parameter(3.0)

    def through_a_result(w):
        return tl.tanh(w) * tl.parameter(3.0)

    def far_away(w):
        y = w * tl.parameter(3.0)
        for _ in range(5):
            y = tl.tanh(y) + 1.0
        return y

    return {f.__name__: f for f in (direct, through_a_result, far_away)}


@pytest.mark.parametrize("trainable", [True, False], ids=["trained", "frozen"])
@pytest.mark.parametrize("f", stale_graphs().values(), ids=stale_graphs())
@pytest.mark.parametrize("how", ["backward", "gradients"])
def test_a_graph_older_than_a_parameter_is_not_differentiated(how, f, trainable):
    w = tl.parameter(2.0, name="w", trainable=trainable)
    y = f(w)
    other = next(n for n in tl.Graph([], [y]).nodes if n.op is tl.parameter(0.0).op and n is not w)
    y.backward()
    before = w.gradient, other.gradient, y.gradient
    w.value = w.value + 1.0
    with pytest.raises(StaleGraphError, match="parameter w got a new value after"):
        if how == "backward":
            y.backward()
        else:
            tl.gradients(y, other)
    assert (w.gradient, other.gradient, y.gradient) == before
    f(w).backward()  # built again, it is differentiated


# backward() does not look at what is below a frozen node, and so does not see that it is old; gradients() looks at all.
@pytest.mark.parametrize("how, trainable", [("backward", True), ("gradients", True), ("gradients", False)])
def test_a_graph_that_was_half_built_when_a_parameter_changed_is_not_differentiated(how, trainable):
    w, other = tl.parameter(2.0, name="w", trainable=trainable), tl.parameter(3.0)
    old = tl.tanh(w)
    w.value = w.value + 1.0
    y = old * w * other
    with pytest.raises(StaleGraphError, match="parameter w got a new value after"):
        if how == "backward":
            y.backward()
        else:
            tl.gradients(y, other)
    assert other.gradient is None


def test_a_value_may_change_before_the_graph_is_built():
    w = tl.parameter(2.0)
    w.value = 3.0
    y = w * w
    tl.parameter(1.0).value = 2.0  # some other parameter
    y.backward()
    assert w.gradient == 6.0


def test_an_ordinary_training_loop_is_never_stale():
    w = tl.parameter(5.0)
    for _ in range(50):
        tl.zero_gradients(w)
        (w * w).backward()
        w.value = w.value - 0.25 * w.gradient
    assert w.value == 5.0 / 2**50


def test_a_rule_that_fails_leaves_every_gradient_as_it_was(monkeypatch):
    x, w = tl.parameter([1.0, 2.0]), tl.parameter([3.0, 4.0])
    y = tl.sum(tl.tanh(tl.exp(x) * w))
    y.backward()
    nodes = tl.Graph([], [y]).nodes
    before = [None if n.gradient is None else n.gradient.copy() for n in nodes]

    def fail(*args, **kwargs):
        raise RuntimeError("in the middle of it")

    monkeypatch.setattr(ops.Exp, "vjp", fail)
    with pytest.raises(RuntimeError, match="in the middle"):
        y.backward()
    for node, gradient in zip(nodes, before, strict=True):
        assert (node.gradient is None) == (gradient is None)
        assert gradient is None or np.array_equal(node.gradient, gradient)


def test_an_operation_without_a_rule_says_so():
    class Floor(tl.Op):
        r"""$y = \\lfloor x \\rfloor$."""

        signature, numpy, elementwise = "x", "np.floor(x)", True

    floor = Floor()
    del tl.Op.registry["floor"]
    x = tl.parameter([1.5])
    y = floor(x)
    assert_same(y.value, np.array([1.0]))
    with pytest.raises(GradientError, match="floor has no gradient rule: give its class a method vjp"):
        y.backward(seed=np.ones(1))
    assert x.gradient is None and y.gradient is None
