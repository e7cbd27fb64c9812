"""The programs that the compiler's golden files pin: each a function, and the arrays to call it with."""

from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_lora as tl


def _arrays(*shapes: tuple[int, ...], dtype: Any = np.float64) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


def _weights(**shapes: tuple[int, ...]) -> list[tl.ComputationNode]:
    rng = np.random.default_rng(1)
    return [tl.parameter(rng.normal(size=shape), name) for name, shape in shapes.items()]


def affine() -> tuple[Callable[..., Any], list[np.ndarray]]:
    def affine(x, w, b):
        return x @ w + b

    return affine, _arrays((4, 3), (3, 2), (2,))


def lora_forward() -> tuple[Callable[..., Any], list[np.ndarray]]:
    weight, a, b = _weights(weight=(32, 16), A=(32, 2), B=(2, 16))

    def lora_forward(x):
        return x @ weight + 2 * (x @ (a @ b))

    return lora_forward, _arrays((8, 32))


def naive_lora_step() -> tuple[Callable[..., Any], list[np.ndarray]]:
    """The paper's formula, its squared loss and both adapter gradients, with nothing done by hand."""
    weight, bias, a, b = _weights(W=(256, 128), b=(128,), A=(256, 4), B=(4, 128))

    def naive_lora_step(x, target):
        y = x @ weight + bias + 2 * (x @ (a @ b))
        loss = tl.mse(y, target)
        return loss, *tl.gradients(loss, [a, b])

    return naive_lora_step, _arrays((64, 256), (64, 128))


def softmax_classifier() -> tuple[Callable[..., Any], list[np.ndarray]]:
    weight, bias = _weights(weight=(6, 3), bias=(3,))

    def softmax_classifier(x, labels):
        loss = tl.cross_entropy(x @ weight + bias, labels)
        return loss, *tl.gradients(loss, [weight, bias])

    return softmax_classifier, [*_arrays((5, 6)), np.array([0, 2, 1, 1, 0])]


def gelu_and_slope() -> tuple[Callable[..., Any], list[np.ndarray]]:
    def gelu_and_slope(x):
        y = tl.gelu(x)
        return y, tl.gradients(tl.sum(y), x)

    return gelu_and_slope, _arrays((4, 5))


def normalized() -> tuple[Callable[..., Any], list[np.ndarray]]:
    def normalized(x, weight, bias):
        return tl.softmax(tl.layer_norm(x, weight, bias))

    return normalized, _arrays((4, 6), (6,), (6,), dtype=np.float32)


def parts() -> tuple[Callable[..., Any], list[np.ndarray]]:
    def parts(x, rows):
        both = tl.concatenate([x[:, 1:3], tl.take(x, rows)[:, :2]], axis=1)
        return both, tl.gradients(tl.sum(both * both), x)

    return parts, [*_arrays((4, 5)), np.array([3, 3, 0, 1])]


def hessian_vector_product() -> tuple[Callable[..., Any], list[np.ndarray]]:
    def hessian_vector_product(x, v):
        slope = tl.gradients(tl.sum(tl.exp(x) * x), x)
        return tl.gradients(tl.sum(slope * v), x)

    return hessian_vector_product, _arrays((3,), (3,))


def numbers_and_choices() -> tuple[Callable[..., Any], list[np.ndarray]]:
    def numbers_and_choices(x):
        y = tl.where(x > 0.5, 3.0 * x, x / 4.0) + 1.0
        return y, -tl.sum(tl.maximum(y, 0.25) ** 3), tl.sigmoid(x)

    return numbers_and_choices, _arrays((2, 3))


def nothing_to_do() -> tuple[Callable[..., Any], list[np.ndarray]]:
    """Outputs that are inputs, views of inputs, and each other: each must come back as an array of its own."""

    def nothing_to_do(x):
        return x, x.T, tl.reshape(x, (-1,)), x, tl.broadcast(tl.constant(0.0), (2, 2))

    return nothing_to_do, _arrays((2, 3))


def paper_formula() -> tuple[Callable[..., Any], list[np.ndarray]]:
    """The same step with the adapter added to the weight, as the paper writes it."""
    weight, bias, a, b = _weights(W=(256, 128), b=(128,), A=(256, 4), B=(4, 128))

    def paper_formula(x, target):
        y = x @ (weight + 2 * (a @ b)) + bias
        loss = tl.mse(y, target)
        return loss, *tl.gradients(loss, [a, b])

    return paper_formula, _arrays((64, 256), (64, 128))


PROGRAMS = {
    make.__name__: make
    for make in (
        affine, lora_forward, naive_lora_step, softmax_classifier, gelu_and_slope, normalized, parts,
        hessian_vector_product, numbers_and_choices, nothing_to_do, paper_formula,
    )
}  # fmt: skip


# --- Small ones, for passes that nothing above needs ---


def quartic_loss() -> tuple[Callable[..., Any], list[np.ndarray]]:
    """A loss that large residuals dominate. (expand_powers)"""

    def quartic_loss(y, target):
        loss = tl.mean((y - target) ** 4)
        return loss, tl.gradients(loss, y)

    return quartic_loss, _arrays((64, 128), (64, 128))


def projected_tokens() -> tuple[Callable[..., Any], list[np.ndarray]]:
    """A weight for all tokens of all sentences, and its gradient. (flatten_products)"""
    (weight,) = _weights(weight=(32, 8))

    def projected_tokens(x, seed):
        y = x @ weight
        return y, tl.gradients(y, weight, seed)

    return projected_tokens, _arrays((8, 16, 32), (8, 16, 8))


def attention_scores() -> tuple[Callable[..., Any], list[np.ndarray]]:
    """Queries against keys, scaled as Transformers do. (fold_scales)"""

    def attention_scores(q, k):
        return tl.scale(q @ k.T, factor=8**-0.5)

    return attention_scores, _arrays((64, 8), (96, 8))


def eight_steps() -> tuple[Callable[..., Any], list[np.ndarray]]:
    """Where a random walk is after eight steps. (square_powers)"""

    def eight_steps(p):
        after = p
        for _ in range(7):
            after = after @ p
        return after

    return eight_steps, _arrays((32, 32))


def two_weights() -> tuple[Callable[..., Any], list[np.ndarray]]:
    """A layer beside the change of its weight. (factor_products)"""

    def two_weights(x, weight, change):
        return x @ weight + x @ change

    return two_weights, _arrays((64, 32), (32, 16), (32, 16))


def column_totals() -> tuple[Callable[..., Any], list[np.ndarray]]:
    """The sum over a batch of what a layer gives. (separate_sums)"""

    def column_totals(x, weight):
        return tl.sum(x @ weight, axis=0)

    return column_totals, _arrays((64, 32), (32, 16))


def shifted_softmax() -> tuple[Callable[..., Any], list[np.ndarray]]:
    """Scores with a number for each row added, which cancels. (drop_shifts)"""

    def shifted_softmax(scores, shift):
        return tl.softmax(scores + shift)

    return shifted_softmax, _arrays((16, 32), (16, 1))


def written_twice() -> tuple[Callable[..., Any], list[np.ndarray]]:
    """An exponential that the formula mentions twice. (merge_duplicates)"""

    def written_twice(x):
        return tl.exp(x) / (tl.exp(x) + 1.0)

    return written_twice, _arrays((64, 128))


def turned_product() -> tuple[Callable[..., Any], list[np.ndarray]]:
    """The transpose of a low-rank matrix times a vector. (sink_transposes)"""

    def turned_product(a, b, v):
        return (a @ b).T @ v

    return turned_product, _arrays((64, 4), (4, 96), (64, 1))


def loss_of_numbers() -> tuple[Callable[..., Any], list[np.ndarray]]:
    """Arithmetic on single numbers. (fuse_elementwise)"""

    def loss_of_numbers(x, penalty, rate):
        return tl.sum(x * x) * penalty + rate * penalty

    return loss_of_numbers, [*_arrays((8, 8)), np.array(0.5), np.array(0.1)]


def adapted_step() -> tuple[Callable[..., Any], list[np.ndarray]]:
    """A training step with frozen biases. (repeat_rows)"""
    model = tl.Sequential(tl.Linear(32, 32, seed=0), tl.gelu, tl.Linear(32, 32, seed=1))
    tl.adapt(model, 2, seed=2)

    def adapted_step(**options):
        return tl.compile_training_step(model, tl.mse, tl.SGD(model.parameters(), 0.1), **options)

    return adapted_step, _arrays((32, 32), (32, 32))


def short_rows() -> tuple[Callable[..., Any], list[np.ndarray]]:
    """Attention as it is mostly written, with the largest score of each row. (largest_by_index)"""

    def short_rows(q, k, v):
        return tl.softmax(q @ k.mT) @ v

    return short_rows, _arrays((2, 16, 4), (2, 16, 4), (2, 16, 4))


PASS_PROGRAMS = {
    make.__name__: make
    for make in (
        quartic_loss, projected_tokens, attention_scores, eight_steps, two_weights, column_totals, shifted_softmax,
        written_twice, turned_product, loss_of_numbers, adapted_step, short_rows,
    )
}  # fmt: skip


def prepared(name: str, **options: Any) -> tuple[Any, list[np.ndarray]]:
    """One of the programs, compiled for its arrays with these options of `compile`; and the arrays."""
    function, arrays = (PROGRAMS | PASS_PROGRAMS)[name]()
    compiled = function(**options) if name == "adapted_step" else tl.compile(function, **options)
    return compiled.prepare(*arrays), arrays
