"""Optimizers: formulas written out in NumPy, PyTorch, and the same rule on arrays and on nodes."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

import tinygrad_lora as tl
from tinygrad_lora.errors import GradientError, ShapeError
from tinygrad_lora.nn import SGD, Adam, AdamW, Linear, LoRALinear, Optimizer, Sequential

STEPS = 6
SHAPES = [(3, 2), (2,), ()]


def gradients_for(steps=STEPS, dtype=np.float64, seed=1):
    rng = np.random.default_rng(seed)
    return [[rng.normal(size=s).astype(dtype) for s in SHAPES] for _ in range(steps)]


def parameters_for(dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    return [tl.parameter(rng.normal(size=s).astype(dtype), f"p{i}") for i, s in enumerate(SHAPES)]


def sgd(p, gradients, lr, momentum=0.0, weight_decay=0.0):
    m = np.zeros_like(p)
    for g in gradients:
        m = momentum * m + (g + weight_decay * p)
        p = p - lr * m
    return p


def adam(p, gradients, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
    m, v = np.zeros_like(p), np.zeros_like(p)
    for t, g in enumerate(gradients, start=1):
        p = p - lr * weight_decay * p
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g**2
        p = p - lr * (m / (1 - betas[0] ** t)) / (np.sqrt(v / (1 - betas[1] ** t)) + eps)
    return p


def adamw(p, gradients, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
    return adam(p, gradients, lr, betas, eps, weight_decay)


CASES = [
    (SGD, sgd, "SGD", {"lr": 0.1}),
    (SGD, sgd, "SGD", {"lr": 0.1, "momentum": 0.9}),
    (SGD, sgd, "SGD", {"lr": 0.1, "weight_decay": 0.2}),
    (SGD, sgd, "SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.2}),
    (Adam, adam, "Adam", {}),
    (Adam, adam, "Adam", {"lr": 0.1, "betas": (0.5, 0.7), "eps": 1e-3}),
    (Adam, adam, "Adam", {"lr": 0.1, "betas": (0.0, 0.0)}),
    (AdamW, adamw, "AdamW", {}),
    (AdamW, adamw, "AdamW", {"lr": 0.1, "weight_decay": 0.3}),
    (AdamW, adamw, "AdamW", {"lr": 0.1, "weight_decay": 0.0}),
]
EACH = pytest.mark.parametrize("optimizer, formula, name, options", CASES, ids=[f"{c[2]} {c[3]}" for c in CASES])


def run(optimizer, parameters, all_gradients):
    for gradients in all_gradients:
        for p, g in zip(parameters, gradients, strict=True):
            p.gradient = g
        optimizer.step()
    return [p.value for p in parameters]


@EACH
def test_steps_are_the_formula(optimizer, formula, name, options):
    parameters = parameters_for()
    start = [p.value for p in parameters]
    result = run(optimizer(parameters, **options), parameters, gradients_for())
    for p, first, gradients in zip(result, start, zip(*gradients_for(), strict=True), strict=True):
        np.testing.assert_allclose(p, formula(first, gradients, **options), rtol=1e-12, atol=1e-15)


@pytest.mark.peers
@EACH
@pytest.mark.parametrize("dtype, rtol", [(np.float64, 1e-12), (np.float32, 2e-6)], ids=["float64", "float32"])
def test_steps_are_those_of_pytorch(optimizer, formula, name, options, dtype, rtol):
    torch = pytest.importorskip("torch", reason="compares with PyTorch where it is installed")
    parameters = parameters_for(dtype)
    theirs = [torch.tensor(np.array(p.value), requires_grad=True) for p in parameters]
    peer = getattr(torch.optim, name)(theirs, **options)
    for gradients in gradients_for(dtype=dtype):
        for p, g in zip(theirs, gradients, strict=True):
            p.grad = torch.tensor(np.array(g))
        peer.step()
    for p, q in zip(run(optimizer(parameters, **options), parameters, gradients_for(dtype=dtype)), theirs, strict=True):
        np.testing.assert_allclose(p, q.detach().numpy(), rtol=rtol, atol=rtol)


@EACH
@given(seed=st.integers(0, 2**32 - 1))
def test_the_rule_is_the_same_on_arrays_on_nodes_and_in_a_graph(optimizer, formula, name, options, seed):
    parameters = parameters_for(seed=seed)
    twin = parameters_for(seed=seed)
    eager, graphed = optimizer(parameters, **options), optimizer(twin, **options)

    def update(*gradients):
        new, state = graphed.update(graphed.parameters, list(gradients), graphed.state, graphed.rate)
        return [*new, *state]

    graph = tl.trace(update, *gradients_for()[0])
    assert {*graph.captured} == {*twin, *graphed.state, graphed.rate}
    for gradients in gradients_for(steps=3, seed=seed):
        run(eager, parameters, [gradients])
        known = [n.value for n in update(*map(tl.constant, gradients))]
        traced = graph(*gradients)
        for node, a, b in zip([*twin, *graphed.state], known, traced, strict=True):
            np.testing.assert_array_equal(a, b)
            assert np.shape(a) == node.shape and a.dtype == node.dtype
            node.value = b
        for ours, theirs in zip([*parameters, *eager.state], [*twin, *graphed.state], strict=True):
            np.testing.assert_array_equal(ours.value, theirs.value)


@EACH
def test_float32_stays_float32(optimizer, formula, name, options):
    parameters = parameters_for(np.float32)
    ours = optimizer(parameters, **options)
    inputs = gradients_for(dtype=np.float32)[0]
    update = ours.update([p.value for p in parameters], inputs, [s.value for s in ours.state], ours.rate.value)
    assert {a.dtype for a in update[0]} == {np.dtype(np.float32)}
    assert [a.dtype for a in update[1]] == [s.dtype for s in ours.state]
    names = {s.name: s.dtype for s in ours.state}
    assert all(dtype == (np.float64 if "power" in name else np.float32) for name, dtype in names.items())
    assert not any(s.requires_gradient for s in ours.state) and ours.rate.dtype == np.float64


@EACH
def test_a_missing_gradient_is_zero_and_none_at_all_an_error(optimizer, formula, name, options):
    parameters, other = parameters_for(), parameters_for()
    ours, theirs = optimizer(parameters, **options), optimizer(other, **options)
    with pytest.raises(GradientError, match=r"call backward\(\) first"):
        ours.step()
    parameters[0].gradient = np.ones((3, 2))
    other[0].gradient = np.ones((3, 2))
    for p in other[1:]:
        p.gradient = np.zeros(p.shape)
    ours.step()
    theirs.step()
    for p, q in zip(parameters, other, strict=True):
        np.testing.assert_array_equal(p.value, q.value)
    ours.zero_gradients()
    assert all(p.gradient is None for p in parameters)


@EACH
def test_a_step_makes_a_loss_smaller(optimizer, formula, name, options):
    model = Sequential(Linear(3, 8, seed=0), tl.tanh, Linear(8, 1, seed=1))
    x = np.random.default_rng(0).normal(size=(20, 3))
    target, ours = tl.constant(x.sum(axis=1, keepdims=True)), optimizer(model.parameters(), **options)
    losses = []
    for _ in range(20):
        ours.zero_gradients()
        loss = tl.mse(model(tl.constant(x)), target)
        loss.backward()
        ours.step()
        losses.append(float(loss))
    assert losses[-1] < losses[0]


def test_the_learning_rate_can_follow_a_schedule():
    [p] = [tl.parameter(np.ones(2))]
    ours = SGD([p], 0.5)
    node = ours.rate
    assert ours.lr == 0.5 and not node.requires_gradient and node.shape == () and node.dtype == np.float64
    ours.lr = 0.25
    assert ours.lr == 0.25 and ours.rate is node
    p.gradient = np.ones(2)
    ours.step()
    np.testing.assert_array_equal(p.value, [0.75, 0.75])
    ours.lr = 0
    ours.step()
    np.testing.assert_array_equal(p.value, [0.75, 0.75])
    for wrong in (-1, float("nan"), "0.1", None, True):
        with pytest.raises((ValueError, TypeError), match="lr must be"):
            ours.lr = wrong
    assert ours.lr == 0


NORMS = [1e-3, 0.5, 3.0, 1e3]


@pytest.mark.parametrize("max_norm", NORMS)
def test_clipping_keeps_the_direction_and_bounds_the_norm_of_all_gradients_together(max_norm):
    gradients = gradients_for(steps=1)[0]
    norm = np.sqrt(sum((g**2).sum() for g in gradients))
    clipped = SGD(parameters_for(), 0.1, max_norm=max_norm).clip(gradients)
    factor = min(1, max_norm / (norm + 1e-6))
    for g, c in zip(gradients, clipped, strict=True):
        np.testing.assert_allclose(c, factor * g, rtol=1e-14)
    np.testing.assert_allclose(np.sqrt(sum((c**2).sum() for c in clipped)), factor * norm, rtol=1e-14)


@pytest.mark.peers
@EACH
@pytest.mark.parametrize("max_norm", NORMS)
@pytest.mark.parametrize("dtype, rtol", [(np.float64, 1e-12), (np.float32, 2e-6)], ids=["float64", "float32"])
def test_clipped_steps_are_those_of_pytorch(optimizer, formula, name, options, max_norm, dtype, rtol):
    torch = pytest.importorskip("torch", reason="compares with PyTorch where it is installed")
    parameters = parameters_for(dtype)
    theirs = [torch.tensor(np.array(p.value), requires_grad=True) for p in parameters]
    peer = getattr(torch.optim, name)(theirs, **options)
    for gradients in gradients_for(dtype=dtype):
        for p, g in zip(theirs, gradients, strict=True):
            p.grad = torch.tensor(np.array(g))
        torch.nn.utils.clip_grad_norm_(theirs, max_norm)
        peer.step()
    ours = run(optimizer(parameters, max_norm=max_norm, **options), parameters, gradients_for(dtype=dtype))
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p, q.detach().numpy(), rtol=rtol, atol=rtol)


def test_clipping_leaves_the_gradients_of_the_parameters_alone_and_their_dtype():
    p, q = tl.parameter(np.zeros(2, np.float32)), tl.parameter(np.zeros((2, 2)))
    p.gradient, q.gradient = np.full(2, 3.0), np.full((2, 2), 4.0)
    optimizer = SGD([p, q], 1.0, max_norm=1.0)
    optimizer.step()
    np.testing.assert_array_equal(p.gradient, [3, 3])
    norm = np.sqrt(2 * 9 + 4 * 16) + 1e-6
    np.testing.assert_allclose(p.value, [-3 / norm] * 2, rtol=1e-6)
    np.testing.assert_allclose(q.value, np.full((2, 2), -4 / norm), rtol=1e-12)
    assert p.value.dtype == np.float32 and q.value.dtype == np.float64


def test_a_gradient_that_is_not_a_number_is_not_hidden_by_clipping():
    clipped = SGD(parameters_for(), 0.1, max_norm=1.0).clip([np.full((3, 2), np.nan), np.ones(2), np.float64(1)])
    assert all(np.isnan(c).all() for c in clipped)  # as in PyTorch


@EACH
def test_the_slots_hold_one_array_a_parameter_and_the_state_is_all_of_it(optimizer, formula, name, options):
    parameters = parameters_for()
    ours = optimizer(parameters, **options)
    assert ours.elementwise
    for slot in ours.slots:
        assert [s.shape for s in slot] == [p.shape for p in parameters]
    assert all(number.shape == () for number in ours.numbers)
    assert ours.state == [*(s for slot in ours.slots for s in slot), *ours.numbers]


@EACH
def test_an_elementwise_rule_gives_the_same_on_all_parameters_joined(optimizer, formula, name, options):
    """That is what `elementwise` promises, and what a compiled training step uses."""
    parameters = parameters_for()
    alone = optimizer(parameters, **options)
    joined = optimizer([tl.parameter(flat(p.value for p in parameters))], **options)
    for gradients in gradients_for():
        run(alone, alone.parameters, [gradients])
        run(joined, joined.parameters, [[flat(gradients)]])
        np.testing.assert_array_equal(joined.parameters[0].value, flat(p.value for p in alone.parameters))
        for one, many in zip(joined.slots, alone.slots, strict=True):
            np.testing.assert_array_equal(one[0].value, flat(s.value for s in many))


def flat(arrays):
    return np.concatenate([np.ravel(a) for a in arrays])


P = tl.parameter(np.ones(2), "w")


@pytest.mark.parametrize(
    "build, error, message",
    [
        (lambda: SGD([], 0.1), ValueError, "the list of parameters is empty"),
        (lambda: SGD([P, P], 0.1), ValueError, "in the list twice"),
        (lambda: SGD(P, 0.1), TypeError, "takes a list of parameters"),
        (lambda: SGD(Linear(2, 2), 0.1), TypeError, r"such as model.parameters\(\), not Linear"),
        (lambda: SGD([np.ones(2)], 0.1), TypeError, "takes parameters, not ndarray"),
        (lambda: SGD(["w"], 0.1), TypeError, "takes parameters, not str"),
        (lambda: SGD([P * 2], 0.1), TypeError, "this is the result of scale"),
        (lambda: SGD([tl.constant(np.ones(2))], 0.1), TypeError, "this is the result of constant"),
        (lambda: SGD([tl.parameter(np.ones(2), "f", trainable=False)], 0.1), ValueError, "f is frozen"),
        (lambda: SGD([P], 0), ValueError, "lr must be positive"),
        (lambda: SGD([P], -0.1), ValueError, "lr must be positive, not -0.1"),
        (lambda: SGD([P], float("nan")), ValueError, "lr must be"),
        (lambda: SGD([P], float("inf")), ValueError, "lr must be"),
        (lambda: SGD([P], "0.1"), TypeError, "lr must be a number"),
        (lambda: SGD([P], 0.1, momentum=1.0), ValueError, "momentum must be"),
        (lambda: SGD([P], 0.1, momentum=-0.1), ValueError, "momentum must be"),
        (lambda: SGD([P], 0.1, weight_decay=-1), ValueError, "weight_decay must be"),
        (lambda: Adam([P], betas=(1.0, 0.9)), ValueError, r"betas\[0\] must be"),
        (lambda: Adam([P], betas=(0.9, -0.1)), ValueError, r"betas\[1\] must be"),
        (lambda: Adam([P], betas=0.9), TypeError, "betas must be two numbers"),
        (lambda: Adam([P], betas=(0.9,)), TypeError, "betas must be two numbers"),
        (lambda: Adam([P], eps=-1e-8), ValueError, "eps must be"),
        (lambda: AdamW([P], weight_decay=float("nan")), ValueError, "weight_decay must be"),
        (lambda: SGD([P], 0.1, max_norm=0), ValueError, "max_norm must be positive"),
        (lambda: Adam([P], 0.1, max_norm=-1.0), ValueError, "max_norm must be positive, not -1.0"),
        (lambda: AdamW([P], 0.1, max_norm="1"), TypeError, "max_norm must be a number"),
        (lambda: SGD([P], 0.1, max_norm=float("inf")), ValueError, "max_norm must be finite"),
    ],
)
def test_what_cannot_be_optimized_is_refused(build, error, message):
    with pytest.raises(error, match=message):
        build()


def test_a_parameter_frozen_later_is_not_moved():
    layer = Linear(2, 2, seed=0)
    ours = SGD(layer.parameters(), 0.1, momentum=0.9)
    layer.forward(np.ones(2))
    layer.backward(np.ones(2))
    layer.freeze()
    before = layer.weight.value
    with pytest.raises(GradientError, match="weight was frozen after this optimizer was built"):
        ours.step()
    assert layer.weight.value is before


def test_a_merged_adapter_gets_no_step():
    layer = LoRALinear(Linear(3, 2, seed=0), 1, seed=0)
    ours = Adam(layer.parameters())
    layer.merge()
    with pytest.raises(GradientError, match="a merged adapter gets none: unmerge it"):
        ours.step()


def test_a_rule_that_fails_changes_nothing():
    class Wrong(Optimizer):
        def __init__(self, parameters, result):
            super().__init__(parameters, 0.1)
            self.result = result

        def update(self, parameters, gradients, state, rate):
            return self.result

    a, b = tl.parameter(np.ones(2)), tl.parameter(np.ones(3))
    a.gradient = np.ones(2)
    for result, error in [
        (([np.zeros(2), np.zeros(2)], []), ShapeError),
        (([np.zeros(2)], []), ValueError),
        (([np.zeros(2), np.zeros(3)], [np.zeros(1)]), ValueError),
    ]:
        with pytest.raises(error):
            Wrong([a, b], result).step()
        np.testing.assert_array_equal(a.value, np.ones(2))
    with pytest.raises(NotImplementedError, match="Optimizer needs a method update"):
        Optimizer([a], 0.1).step()


def test_backward_then_step_trains_an_adapter_and_nothing_else():
    layer = LoRALinear(Linear(3, 2, seed=0), 2, seed=0)
    before = [layer.base.weight.value, layer.base.bias.value]
    ours = AdamW(layer.parameters(), lr=0.05)
    x = np.random.default_rng(0).normal(size=(16, 3))
    target = tl.constant(x[:, :2] * 2)
    losses = []
    for _ in range(100):
        ours.zero_gradients()
        (loss := tl.mse(layer(tl.constant(x)), target)).backward()
        ours.step()
        losses.append(float(loss))
    assert losses[-1] < 0.1 * losses[0]
    assert layer.base.weight.value is before[0] and layer.base.bias.value is before[1]
