"""Whole derivatives: forward mode, Jacobians and Hessians agree with differences, with each other and with PyTorch."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import tinygrad_lora as tl
from tinygrad_lora.errors import GradientError, ShapeError

X = np.random.default_rng(0).normal(size=(2, 3))
W = np.random.default_rng(1).normal(size=(3, 2))


def product(x, w):
    return tl.tanh(x @ w) * tl.sum(x, 1, True)


def bowl(x):
    return tl.sum(tl.exp(x) * x.T.T) + tl.sum(x @ x.T)


def differences(f, x, step=1e-6):
    """The Jacobian of a function of arrays, by central differences."""
    columns = []
    for i in range(x.size):
        move = np.zeros(x.size)
        move[i] = step
        move = move.reshape(x.shape)
        columns.append((f(x + move) - f(x - move)) / (2 * step))
    return np.stack(columns, -1).reshape(np.shape(columns[0]) + x.shape)


def values(f, *others):
    return lambda x: f(tl.constant(x), *map(tl.constant, others)).value


def test_a_jacobian_is_what_differences_say():
    assert_allclose(tl.jacobian(product)(X, W), differences(values(product, W), X), atol=1e-8)
    by_w = differences(lambda w: product(tl.constant(X), tl.constant(w)).value, W)
    assert_allclose(tl.jacobian(product, 1)(X, W), by_w, atol=1e-8)


def test_a_hessian_is_the_jacobian_of_the_gradient():
    hessian = tl.hessian(bowl)(X)
    assert hessian.shape == (2, 3, 2, 3)
    assert_allclose(hessian, differences(tl.grad(bowl), X), atol=1e-6)
    assert_allclose(hessian, tl.jacobian(tl.grad(bowl))(X), atol=1e-12)
    matrix = hessian.reshape(6, 6)
    assert_allclose(matrix, matrix.T, atol=1e-12)


def test_forward_mode_is_the_jacobian_times_the_tangents():
    dx, dw = np.random.default_rng(2).normal(size=(2, 6))
    y, moves = tl.jvp(product, (X, W), (dx.reshape(2, 3), dw.reshape(3, 2)))
    expected = tl.jacobian(product)(X, W).reshape(4, 6) @ dx + tl.jacobian(product, 1)(X, W).reshape(4, 6) @ dw
    assert_allclose(y, values(product, W)(X))
    assert_allclose(moves, expected.reshape(2, 2), atol=1e-12)


def test_reverse_mode_is_the_seed_times_the_jacobian():
    y, pull = tl.vjp(product, X, W)
    for seed in np.random.default_rng(3).normal(size=(2, 2, 2)):
        by_x, by_w = pull(seed)
        assert_allclose(by_x, np.einsum("ij,ijkl->kl", seed, tl.jacobian(product)(X, W)), atol=1e-12)
        assert_allclose(by_w, np.einsum("ij,ijkl->kl", seed, tl.jacobian(product, 1)(X, W)), atol=1e-12)
    assert y.shape == (2, 2)


def test_a_product_with_the_hessian_needs_no_hessian():
    v = np.random.default_rng(4).normal(size=X.shape)
    assert_allclose(tl.hvp(bowl, X, v), np.einsum("ijkl,kl->ij", tl.hessian(bowl)(X), v), atol=1e-12)
    both = tl.hvp(lambda x, w: tl.sum(product(x, w) ** 2), (X, W), (v, np.zeros_like(W)))
    first = tl.hvp(lambda x: tl.sum(product(x, tl.constant(W)) ** 2), X, v)
    assert_allclose(both[0], first, atol=1e-12)
    assert both[1].shape == W.shape and np.any(both[1]), "the arguments act together"


@pytest.mark.parametrize(
    "f",
    [
        lambda x: tl.jacobian(tl.tanh)(x),
        lambda x: tl.hessian(bowl)(x),
        lambda x: tl.hvp(bowl, x, np.ones((2, 3))),
        lambda x: tl.jvp(lambda x: tl.exp(x) * x, x, x)[1],
        lambda x: tl.vjp(tl.tanh, x)[1](np.ones((2, 3))),
    ],
)
def test_they_compile(f):
    assert_allclose(tl.compile(f, check=True)(X), f(X), rtol=1e-12)


def test_they_nest():
    third = tl.jacobian(tl.hessian(lambda x: tl.sum(x**4)))(np.array([1.0, 2.0]))
    assert_allclose(third[[0, 1], [0, 1], [0, 1]], [24.0, 48.0])
    assert np.count_nonzero(third) == 2
    inner = tl.grad(lambda x: tl.sum(tl.jvp(lambda y: x * y, np.ones(2), np.ones(2))[1]))(np.array([3.0, 4.0]))
    assert_allclose(inner, [1.0, 1.0], err_msg="the derivative inside is a function of x")


@pytest.mark.filterwarnings("error")
def test_a_move_of_infinity_is_infinite_and_warns_of_nothing():
    assert_allclose(tl.jvp(lambda x: x * x, np.array([np.inf, 1.0]), np.ones(2))[1], [np.inf, 2.0])


def test_a_linear_function_is_its_own_derivative():
    y, moves = tl.jvp(lambda x: 3.0 * x, X, W.T)
    assert_allclose(moves, 3 * W.T)
    assert not tl.hvp(lambda x: tl.sum(3.0 * x), X, X).any()
    assert not tl.jacobian(lambda x: tl.constant(np.ones(2)) + 0 * tl.sum(x))(X).any()
    assert y.dtype == np.float64


def test_numbers_of_other_kinds():
    assert tl.jacobian(lambda x: x * x)(3) == 6.0, "a number, and a whole one"
    assert tl.jacobian(tl.exp)(X.astype(np.float32)).dtype == np.float32
    assert tl.jacobian(lambda x: x[:0])(np.ones(3)).shape == (0, 3)
    assert tl.jacobian(tl.exp)(np.ones((0, 2))).shape == (0, 2, 0, 2)


def test_a_result_of_no_numbers_and_a_seed_that_is_a_node_stay_nodes():
    empty = tl.compile(lambda x: tl.jacobian(lambda y: y[:0])(x), check=True)(np.ones(3))
    assert empty.shape == (0, 3)
    seed = tl.parameter(np.ones(3))
    tl.sum(tl.vjp(tl.exp, np.zeros(3))[1](seed)).backward()
    assert_allclose(seed.gradient, 1)


def test_a_move_is_not_named_as_a_gradient():
    x = tl.constant(np.ones(3))
    assert "d%" not in str(tl.listing(tl.jvp(lambda y: y * tl.tanh(y), x, x)[1]))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: tl.jacobian(tl.exp, 1)(X), GradientError, "there is no argument 1: the function was called with 1"),
        (lambda: tl.jacobian(lambda x: 3)(X), GradientError, "must return a node"),
        (lambda: tl.hessian(tl.exp)(X), GradientError, "seed"),
        (lambda: tl.hessian(bowl, 1)(X), GradientError, "there is no argument 1"),
        (lambda: tl.hvp(tl.exp, X, X), GradientError, "seed"),
        (lambda: tl.jvp(tl.exp, X, (X, X)), GradientError, "1 arguments and 2 directions"),
        (lambda: tl.jvp(tl.exp, X, X.T), ShapeError, r"tangent 0 has shape \(3, 2\), but argument 0 has \(2, 3\)"),
        (lambda: tl.hvp(bowl, X, X.T), ShapeError, r"vector 0 has shape \(3, 2\), but argument 0 has \(2, 3\)"),
        (lambda: tl.vjp(tl.exp, X)[1](X.T), ShapeError, r"the seed has shape \(3, 2\), but the result has \(2, 3\)"),
        (lambda: tl.vjp(tl.exp), GradientError, "there is no argument"),
        (lambda: tl.jacobian(tl.exp, (0, 1))(X), GradientError, r"there is no argument \(0, 1\)"),
        (lambda: tl.hessian(None)(X), TypeError, "a derivative is that of a function, not of None"),
    ],
)
def test_what_means_nothing_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")  # PyTorch's own, when forward mode starts
def test_pytorch_agrees():
    torch = pytest.importorskip("torch")
    x, w = torch.tensor(X), torch.tensor(W)

    def same(x, w):
        return torch.tanh(x @ w) * x.sum(1, keepdim=True)

    def scalar(x):
        return (torch.exp(x) * x).sum() + (x @ x.T).sum()

    for i in range(2):
        assert_allclose(tl.jacobian(product, i)(X, W), torch.func.jacrev(same, i)(x, w), rtol=1e-12, atol=1e-12)
    assert_allclose(tl.hessian(bowl)(X), torch.func.hessian(scalar)(x), rtol=1e-12, atol=1e-12)
    for ours, theirs in zip(tl.jvp(product, (X, W), (W.T, X.T)), torch.func.jvp(same, (x, w), (w.T, x.T)), strict=True):
        assert_allclose(ours, theirs, rtol=1e-12)
    assert_allclose(tl.hvp(bowl, X, W.T), torch.func.jvp(torch.func.grad(scalar), (x,), (w.T,))[1], rtol=1e-12)
