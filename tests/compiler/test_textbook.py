"""Rewrites that stand in textbooks of linear algebra: those that are safe in floats are found, the others refused."""

import itertools

import numpy as np
import pytest

import tinygrad_lora as tl
from tinygrad_lora.compiler.passes.drop_shifts import drop_shifts
from tinygrad_lora.compiler.passes.factor_products import factor_products
from tinygrad_lora.compiler.passes.separate_sums import separate_sums
from tinygrad_lora.compiler.passes.square_powers import square_powers

SHAPES = {
    "A": (60, 50), "B": (60, 50), "C": (50, 40), "D": (50, 40), "S": (50, 50), "X": (8, 60, 50), "Y": (8, 50, 40),
    "v": (60, 1), "u": (1, 50), "w": (50,), "z": (50,), "r": (60,), "a": (12, 10), "b": (12, 10), "c": (10,),
}  # fmt: skip


def whole(name, dtype=np.float64):
    """Whole numbers, so small that no order of the sums matters."""
    shape = SHAPES[name]
    return ((np.arange(np.prod(shape)) * 7 + ord(name)) % 5 - 2).reshape(shape).astype(dtype)


# Each with the most floating-point operations that its shorter form takes, by hand.
FOUND = {
    "A C + B C = (A + B) C": (lambda A, B, C: A @ C + B @ C, 3_000 + 240_000),
    "A C - B C = (A - B) C": (lambda A, B, C: A @ C - B @ C, 3_000 + 240_000),
    "A C + A D = A (C + D)": (lambda A, C, D: A @ C + A @ D, 2_000 + 240_000),
    "2 A C - 3 B C = (2 A - 3 B) C": (lambda A, B, C: 2 * (A @ C) - 3 * (B @ C), 9_000 + 240_000),
    "A w + A z = A (w + z)": (lambda A, w, z: A @ w + A @ z, 50 + 6_000),
    "a c + b c = (a + b) c, where that is cheaper": (lambda a, b, c: a @ c + b @ c, 120 + 240),
    "r A + r B = r (A + B)": (lambda A, B, r: r @ A[:, :5] + r @ B[:, :5], 300 + 600),
    "A C + B C + A C = (2 A + B) C": (lambda A, B, C: A @ C + B @ C + A @ C, 6_000 + 240_000),
    "sum(A C)": (lambda A, C: tl.sum(A @ C), 3_000 + 2_000 + 100),
    "sum(A C) over rows": (lambda A, C: tl.sum(A @ C, 0), 3_000 + 4_000),
    "sum(A C) over columns": (lambda A, C: tl.sum(A @ C, 1), 2_000 + 6_000),
    "sum(A C) with its axis": (lambda A, C: tl.sum(A @ C, 1, keepdims=True), 2_000 + 6_000),
    "mean(A C)": (lambda A, C: tl.mean(A @ C), 3_000 + 2_000 + 101),
    "sum of a transpose": (lambda A, C: tl.sum((A @ C).T, 0), 2_000 + 6_000),
    "sum(X Y) of stacks, over rows": (lambda X, Y: tl.sum(X @ Y, 1), 24_000 + 32_000),
    "sum(X Y) of stacks": (lambda X, Y: tl.sum(X @ Y), 24_000 + 16_000 + 800 + 8),
    "sum(v u)": (lambda v, u: tl.sum(v @ u), 60 + 50 + 2),
    "sum(v u), elementwise": (lambda v, u: tl.sum(v * u), 60 + 50 + 2),
    "sum(v u) over rows": (lambda v, u: tl.sum(v * u, 0), 60 + 50),
    "sum((v u) C)": (lambda v, u, C: tl.sum((v @ u) @ C), 2_000 + 60 + 102),
    "sum((v u) A), elementwise": (lambda v, u, A: tl.sum((v @ u) * A), 6_000 + 120),
    "sum(v u A), elementwise": (lambda v, u, A: tl.sum(v * u * A), 6_000 + 120),
    "S S S S = (S S) (S S)": (lambda S: S @ S @ S @ S, 500_000),
    "S^8": (lambda S: S @ S @ S @ S @ S @ S @ S @ S, 750_000),
    "S^6 w = S (S (S ...))": (lambda S, w: S @ S @ S @ S @ S @ S @ w, 30_000),
    "relu(relu A) = relu A": (lambda A: tl.relu(tl.relu(A)), 3_000),
    "(A^T)^T = A": (lambda A: A.T.T * 2, 3_000),
    "(A C)^T D^T = (D C^T A^T)^T": (lambda A, C: (A @ C).T @ A, 480_000),
    "2 (3 A) = 6 A": (lambda A: 2 * (3 * A), 3_000),
    "A A^T, twice, once": (lambda A: A @ A.T + (A @ A.T), 360_000 + 3_600),
}  # fmt: skip

KEPT = {
    "A / B * B is not A: B may be 0, and digits are lost": lambda A, B: A / B * B,
    "log(exp A) is not A: exp may overflow": lambda A: tl.log(tl.exp(A)),
    "exp(log A) is not A: A may be negative": lambda A: tl.exp(tl.log(A * A + 1)),
    "A - A is not 0: A may be infinite": lambda A: A - A,
    "A / A is not 1: A may be 0": lambda A: A / A,
    "sqrt(A A) is not A: A may be negative": lambda A: tl.sqrt(A * A),
    "(A + B) - B is not A: digits are lost": lambda A, B: (A + B) - B,
    "0 A is not 0: A may be infinite": lambda A: A * 0.0,
    "relu(A + B) is not relu(A) + relu(B)": lambda A, B: tl.relu(A + B),
    "A B is not B A": lambda A, B: (A.T @ B) @ (B.T @ B),
}


def arguments(f, dtype=np.float64):
    return [whole(name, dtype) for name in f.__code__.co_varnames[: f.__code__.co_argcount]]


@pytest.mark.parametrize("buffers", [True, False])
@pytest.mark.parametrize("law", FOUND)
def test_a_safe_rewrite_is_found_and_changes_no_bit(law, buffers):
    f, most = FOUND[law]
    arrays = arguments(f)
    compiled = tl.compile(f, buffers=buffers)
    expected = tl.trace(f, *arrays)(*arrays)[0]
    for _ in range(2):
        result = compiled(*arrays)
        assert (np.shape(result), result.dtype) == (np.shape(expected), expected.dtype)
        assert "softmax" in law or np.array_equal(result, expected)
    if not buffers:  # in planned memory some sums become products with ones, which take more operations and less time
        assert compiled.graph.flops <= most


SHIFTED = {
    "a number": lambda A: tl.softmax(A + 3.0), "a column": lambda A, v: tl.softmax(v + A),
    "less a column": lambda A, v: tl.softmax(A - v), "a row, along the other axis": lambda A, u: tl.softmax(A + u, 0),
    "of a logarithm": lambda A, v: tl.log_softmax(A + v),
}  # fmt: skip


@pytest.mark.parametrize("case", SHIFTED)
def test_what_is_added_to_all_scores_is_not_added(case):
    f, arrays = SHIFTED[case], arguments(SHIFTED[case])
    before = tl.trace(f, *arrays)
    compiled = tl.compile(f, buffers=False)
    np.testing.assert_allclose(compiled(*arrays), before(*arrays)[0], rtol=1e-13)
    assert compiled.graph.flops == before.flops - 3_000


def test_what_differs_along_the_axis_is_added():
    for f in (lambda A, u: tl.softmax(A + u), lambda A, v: tl.softmax(A + v, 0), lambda v, u: tl.softmax(v + u)):
        arrays = arguments(f)
        graph = tl.trace(f, *arrays)
        shifted = next(s for s in tl.compile(f).prepare(*arrays).snapshots if s.name == "simplify").after
        assert drop_shifts(shifted) is shifted
        np.testing.assert_allclose(tl.compile(f)(*arrays), graph(*arrays)[0], rtol=1e-13)


@pytest.mark.parametrize("law", KEPT)
def test_what_is_not_safe_in_floats_is_left_alone(law):
    f, arrays = KEPT[law], arguments(KEPT[law])
    before = tl.trace(f, *arrays)
    compiled = tl.compile(f, buffers=False)
    with np.errstate(all="ignore"):
        assert np.array_equal(compiled(*arrays), before(*arrays)[0], equal_nan=True)
    assert compiled.graph.flops >= before.flops


@pytest.mark.parametrize("law", ["A - A is not 0: A may be infinite", "0 A is not 0: A may be infinite"])
def test_infinities_stay_visible(law):
    infinite = np.full((60, 50), np.inf)
    with np.errstate(invalid="ignore"):
        assert np.isnan(tl.compile(KEPT[law])(infinite)).all()


@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.float16, bool])
@pytest.mark.parametrize("a_pass", [factor_products, separate_sums, square_powers, drop_shifts])
def test_these_laws_are_for_floats_that_are_precise(a_pass, dtype):
    for f, _ in FOUND.values():
        arrays = arguments(f, dtype)
        graph = tl.trace(f, *arrays) if dtype is not bool or "w" in f.__code__.co_varnames else None
        if graph is not None and all(x.dtype == dtype for x in graph.nodes):
            assert a_pass(graph) is graph


def test_a_mixture_of_dtypes_stays():
    A, B, C = whole("A", np.float32), whole("B"), whole("C", np.float32)
    for f in (lambda A, B, C: A @ C + B @ C, lambda A, B, C: tl.sum(B @ C, 0) + tl.sum(A @ C, 0)):
        graph = tl.trace(f, A, B, C)
        compiled = tl.compile(f)
        assert compiled(A, B, C).dtype == np.float64
        assert np.array_equal(compiled(A, B, C), graph(A, B, C)[0])
        assert factor_products(graph) is graph


def test_products_that_others_need_stay():
    def shared(A, B, C):
        p = A @ C
        return p + B @ C, p, tl.sum(p)

    graph = tl.trace(shared, whole("A"), whole("B"), whole("C"))
    assert factor_products(graph) is graph
    assert separate_sums(graph) is graph


def test_a_sum_of_large_matrices_times_one_vector_stays():
    A, B, w = np.ones((600, 500)), np.ones((600, 500)), np.ones(500)
    graph = tl.trace(lambda A, B, w: A @ w + B @ w, A, B, w)
    assert factor_products(graph) is graph  # writing A + B takes longer than reading both


@pytest.mark.parametrize("a_pass", [factor_products, separate_sums, square_powers, drop_shifts])
def test_a_second_time_it_finds_nothing(a_pass):
    for f, _ in FOUND.values():
        graph = tl.trace(f, *arguments(f))
        once = a_pass(graph)
        assert a_pass(once) is once


def test_every_power_of_a_matrix_takes_few_products():
    S = np.array([[1.0, 1.0], [0.0, 1.0]])
    for n in range(1, 40):

        def power(S, n=n):
            result = S
            for _ in range(n - 1):
                result = result @ S
            return result

        graph = square_powers(tl.trace(power, S))
        assert np.array_equal(graph(S)[0], [[1.0, n], [0.0, 1.0]])
        assert sum(node.op is tl.matmul for node in graph.nodes) <= 2 * np.log2(n)


def test_a_power_that_nothing_has_formed_is_formed_on_the_way():
    def sixth(S):
        square = S @ S
        return square @ (square @ square)

    S = np.array([[1.0, 1.0], [0.0, 1.0]])
    graph = square_powers(tl.trace(sixth, S))
    assert np.array_equal(graph(S)[0], [[1.0, 6], [0.0, 1.0]])
    assert sum(node.op is tl.matmul for node in graph.nodes) == 3


def test_all_sums_over_all_products_are_right():
    """Each choice of axes and of broadcast factors, against the sum as it is written."""
    shapes = [(2, 3, 4), (1, 3, 4), (2, 1, 4), (2, 3, 1), (2, 1, 1), (1, 1, 4), (3, 4), (3, 1), (4,), (1,), ()]
    rng = np.random.default_rng(0)
    improved = 0
    for first, second in itertools.combinations_with_replacement(shapes, 2):
        x, y, whole = (rng.integers(-3, 4, shape).astype(float) for shape in (first, second, (2, 3, 4)))
        n = np.ndim(x * y)
        for axes in itertools.chain.from_iterable(itertools.combinations(range(n), k) for k in range(1, n + 1)):
            for keepdims in (False, True):
                for f in (
                    lambda x, y, axes=axes, keepdims=keepdims: tl.sum(x * y, axes, keepdims),
                    lambda x, y, axes=axes, keepdims=keepdims, z=whole: tl.sum(x * y * z, axes, keepdims),
                ):
                    graph = tl.trace(f, x, y)
                    better = separate_sums(graph)
                    improved += better is not graph
                    assert better.outputs[0].shape == graph.outputs[0].shape
                    assert np.array_equal(better(x, y)[0], graph(x, y)[0])
                    assert separate_sums(better) is better
    assert improved > 100
