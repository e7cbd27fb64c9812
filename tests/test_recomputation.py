"""Checkpoints: the numbers of the plain function, from less memory."""

import gc
import weakref

import numpy as np
import pytest

import tinygrad_lora as tl
from tinygrad_lora.core.graph import topological_order
from tinygrad_lora.recomputation import Checkpoint, later

WIDTH, LAYERS = 16, 6


def weights(seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return [tl.parameter(rng.normal(size=(WIDTH, WIDTH)).astype(dtype) / 4, name=f"w{i}") for i in range(LAYERS)]


def deep(ws, around, each=2):
    """The mean of a deep network, in parts of `each` layers: `around` is called on each part."""

    def part(start):
        def layers(x):
            for w in ws[start : start + each]:
                x = tl.tanh(x @ w)
            return x

        return layers

    def loss(x):
        for start in range(0, LAYERS, each):
            x = around(part(start))(x)
        return tl.mean(x * x)

    return loss


def plainly(f):
    return f


def points(n=40, dtype=np.float64):
    return np.random.default_rng(1).normal(size=(n, WIDTH)).astype(dtype)


def assert_same(results, expected, tolerance=0):
    for x, y in zip(results, expected, strict=True):
        assert x.dtype == y.dtype
        np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance / 1000)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_backward_gives_the_same_gradients_bit_for_bit(dtype):
    gradients = []
    for around in (plainly, tl.checkpoint):
        ws = weights(dtype=dtype)
        x = tl.parameter(points(dtype=dtype))
        deep(ws, around)(x).backward()
        gradients.append([p.gradient for p in [x, *ws]])
    assert_same(*gradients)


def test_gradients_and_their_gradients_are_the_same():
    results = []
    for around in (plainly, tl.checkpoint):
        ws = weights()
        x = tl.constant(points(5))
        slopes = tl.gradients(deep(ws, around)(x), [x, *ws])
        total = sum((tl.sum(slope * slope) for slope in slopes), tl.constant(0.0))
        total.backward()
        results.append([slope.value for slope in slopes + tl.gradients(total, ws)] + [w.gradient for w in ws])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("settings", [{}, {"buffers": False}, {"passes": ()}, {"check": True}], ids=str)
def test_a_compiled_function_gives_the_numbers_of_eager_code(settings):
    ws, x = weights(), points()
    results = []
    for around in (plainly, tl.checkpoint):
        loss = deep(ws, around)

        @tl.compile(**settings)
        def slopes(x, loss=loss):
            y = loss(x)
            return [y, *tl.gradients(y, [x, *ws])]

        results += [slopes(x), slopes(x)]
    for result in results[1:]:  # passes may add up in another order
        assert_same(result, results[0], 0 if "passes" in settings else 1e-11)


def test_whole_derivatives_pass_through():
    ws = weights()

    def functions(around):
        f = deep(ws, around, each=3)
        x, v = points(2)[:, :], np.ones((2, WIDTH))
        y, pull = tl.vjp(f, x)
        jvp = tl.jvp(f, x, v)
        return [y, pull(1.0), *jvp, tl.hvp(f, x, v), tl.grad(f)(x), *tl.value_and_grad(f)(x), tl.jacobian(f)(x)]

    for a, b in zip(functions(plainly), functions(tl.checkpoint), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-15)


def test_what_a_function_uses_from_outside_gets_its_gradient():
    gradients = []
    for around in (plainly, tl.checkpoint):
        w, v = weights()[:2]
        outer = tl.tanh(v * 2.0)  # a result, and v is used inside as well
        f = around(lambda x, outer=outer, w=w, v=v: tl.tanh(x @ w) * tl.sum(outer @ v) + outer[0])
        tl.sum(f(tl.constant(points())) ** 2).backward()
        gradients.append([w.gradient, v.gradient, outer.gradient])
    for a, b in zip(*gradients, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13)


def test_checkpoints_nest():
    gradients = []
    for around in (plainly, tl.checkpoint):
        ws = weights()

        def half(x, ws=ws, around=around):
            for w in ws[:3]:
                x = around(lambda x, w=w: tl.tanh(x @ w) + x)(x)
            return x

        loss = tl.mean(around(half)(around(half)(tl.constant(points()))))
        loss.backward()
        compiled = tl.compile(lambda x, ws=ws, half=half, around=around: tl.gradients(
            tl.mean(around(half)(around(half)(x))), ws[:3]))  # fmt: skip
        gradients.append(([w.gradient for w in ws[:3]], compiled(points())))
    assert_same(gradients[0][0], gradients[1][0])
    assert_same(gradients[0][1], gradients[1][1], 1e-11)


def test_several_results_of_several_kinds():
    def f(x, w):
        y = tl.tanh(x @ w)
        return y, tl.cast(y * y, dtype=np.float32), y > 0.0, x, tl.sum(y)

    def loss_of(around, x, w):
        y, narrow, positive, same, total = around(f)(x, w)
        assert same is x
        assert (narrow.dtype, positive.dtype, total.shape) == (np.float32, np.bool_, ())
        return tl.sum(tl.where(positive, y, y * 2.0)) + total * tl.sum(narrow)

    results = []
    for around in (plainly, tl.checkpoint):
        w, x = weights()[0], tl.parameter(points())
        loss = loss_of(around, x, w)
        loss.backward()
        compiled = tl.compile(lambda x, w=w, around=around: tl.gradients(loss_of(around, x, w), [x, w]))
        results.append([loss.value, x.gradient, w.gradient, *compiled(points())])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    assert isinstance(tl.checkpoint(lambda x: [x * 2.0])(tl.constant(1.0)), list)


def test_a_result_that_nobody_uses_costs_no_gradient():
    x = tl.parameter(points())
    used, _ = tl.checkpoint(lambda x: (tl.tanh(x), tl.exp(x)))(x)
    tl.sum(used).backward()
    np.testing.assert_array_equal(x.gradient, 1 - np.tanh(points()) ** 2)


@pytest.mark.parametrize("seed", [7, np.array(7)], ids=["number", "argument"])
def test_dropout_drops_the_same_elements_the_second_time(seed):
    results = []
    for around in (plainly, tl.checkpoint):
        w = weights()[0]

        def loss(x, seed, w=w, around=around):
            return tl.sum(around(lambda x: tl.tanh(tl.dropout(x @ w, 0.5, seed)) ** 3)(x))

        loss(tl.constant(points()), seed).backward()
        compiled = tl.compile(lambda x, seed, w=w, loss=loss: tl.gradients(loss(x, seed), w))
        results.append([w.gradient, compiled(points(), seed)])
    np.testing.assert_array_equal(results[0][0], results[1][0])
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-12)


def test_eager_code_keeps_no_array_on_the_way():
    kept = []

    def f(x):
        y = tl.exp(x)
        kept.append(weakref.ref(y.value))
        return tl.tanh(y)

    x = tl.parameter(points())
    y = tl.checkpoint(f)(x)
    gc.collect()
    assert kept[0]() is None
    assert [node.op for node in topological_order([y]) if node.parents] == [y.op]
    y.backward(seed=np.ones(y.shape))
    assert len(kept) == 1, "f is called once: its operations are computed again"


def test_a_second_backward_adds_and_a_new_value_makes_the_old_result_stale():
    w = weights()[0]
    loss = tl.sum(tl.checkpoint(lambda: tl.tanh(w @ w))())
    loss.backward()
    once = w.gradient
    loss.backward()
    np.testing.assert_array_equal(w.gradient, 2 * once)
    w.value = w.value * 2.0
    with pytest.raises(tl.errors.StaleGraphError):
        loss.backward()


def test_frozen_weights_cost_no_product():
    w = weights()[0]
    frozen = tl.parameter(w.value, trainable=False)
    tl.sum(tl.checkpoint(lambda x: (x @ frozen) @ w)(tl.constant(points()))).backward()
    assert frozen.gradient is None and w.gradient is not None


def test_a_compiled_function_follows_the_parameters_of_a_result_from_outside():
    w = weights()[0]
    outside = tl.checkpoint(lambda: tl.tanh(w))()
    compiled = tl.compile(lambda x: x @ outside)
    for _ in range(2):
        np.testing.assert_allclose(compiled(points()), points() @ np.tanh(w.value), rtol=1e-12)
        w.value = w.value * 2.0


def test_what_is_no_function_and_what_is_no_node_is_refused():
    with pytest.raises(TypeError, match="pass a function"):
        tl.checkpoint(3)
    with pytest.raises(TypeError, match=r"gave an object of type dict.*tuple or list"):
        tl.checkpoint(lambda x: {"y": x})(tl.constant(1.0))
    assert tl.checkpoint(np.tanh)(0.0) == 0.0  # arrays in, arrays out


def test_sequential_refuses_a_layer_that_it_could_not_see():
    with pytest.raises(TypeError, match="checkpoint"):
        tl.Sequential(tl.checkpoint(tl.Linear(2, 2)))


def test_the_second_time_is_marked_in_the_graph_of_the_gradient():
    ws = weights()
    graph = tl.trace(lambda x: tl.gradients(deep(ws, tl.checkpoint)(x), ws), points())
    marks = [node for node in graph.nodes if node.op is later]
    assert marks and not any(isinstance(node.op, Checkpoint) for node in graph.nodes)
    assert sum(node.op is tl.ops.tanh for node in graph.nodes) == 2 * LAYERS


def test_pictures_and_steps_show_a_checkpoint():
    ws = weights()
    loss = deep(ws, tl.checkpoint)(tl.constant(points()))
    loss.backward()
    assert tl.explain(ws[0], loss)
    slope = tl.gradients(deep(ws, tl.checkpoint)(tl.placeholder((3, WIDTH))), ws[0])
    for node in (loss, slope):
        for show in (tl.draw, tl.listing, tl.diagram, tl.formula, repr):
            assert str(show(node))
    assert tl.step_through(loss) is not None


# --- Memory ---


def planned(f, *arrays, **settings):
    return tl.compile(f, **settings).prepare(*arrays).memory.size


@pytest.mark.parametrize("each", [1, 2, 3])
def test_a_deep_network_needs_less_memory(each):
    """Of the plain network all activations wait for the backward pass, in whichever order it runs."""
    ws, x = weights(), points(2000)

    def step(around):
        loss = deep(ws, around, each)
        return lambda x: tl.gradients(loss(x), ws)

    layer = x.nbytes
    kept = planned(step(tl.checkpoint), x)
    for order in ({}, {"memory": 10**12}):
        assert planned(step(plainly), x, **order) >= LAYERS * layer
    assert kept <= (LAYERS / each + each + 2) * layer
    assert kept < LAYERS * layer or each == 1


class Block(tl.Layer):
    """A block of a transformer: attention and a network, each on top of x."""

    def __init__(self, size, seed):
        self.q, self.k, self.v, self.o = (tl.Linear(size, size, seed=seed + i) for i in range(4))
        self.up, self.down = tl.Linear(size, 4 * size, seed=seed + 4), tl.Linear(4 * size, size, seed=seed + 5)
        self.norms = [tl.LayerNorm(size), tl.LayerNorm(size)]

    def __call__(self, x):
        y = self.norms[0](x)
        weights = tl.softmax(self.q(y) @ self.k(y).mT * 0.3)
        x = x + self.o(weights @ self.v(y))
        return x + self.down(tl.gelu(self.up(self.norms[1](x))))


class Transformer(tl.Layer):
    def __init__(self, blocks, size, around):
        self.blocks, self.around = [Block(size, 10 * i) for i in range(blocks)], around

    def __call__(self, x):
        for block in self.blocks:
            x = self.around(block)(x)
        return x


@pytest.mark.slow
def test_blocks_of_a_transformer_wait_for_the_backward_pass_as_their_inputs_alone():
    """The compiled step, with all passes: each block more costs its input, and not all that is computed in it."""
    x = np.random.default_rng(0).normal(size=(4, 16, 8))

    def trained(around, blocks, **settings):
        model = Transformer(blocks, 8, around)
        optimizer = tl.SGD(model.parameters(), 0.1)
        step = tl.compile_training_step(model, tl.mse, optimizer, **settings)
        losses = [step(x, x[::-1]) for _ in range(3)]
        return step.memory.size - sum(p.value.nbytes for p in model.parameters()), losses, model.get_parameters()

    (two, *_), (four, losses, parameters) = (trained(tl.checkpoint, n) for n in (2, 4))
    plain, expected, wanted = trained(plainly, 4, memory=10**12)
    assert four - two <= 3 * x.nbytes
    assert four < plain / 2
    np.testing.assert_allclose(losses, expected, rtol=1e-12)
    np.testing.assert_allclose(parameters, wanted, rtol=1e-9, atol=1e-12)
