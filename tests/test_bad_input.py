"""Every refusal: what is wrong, the kind of error, the words that help, and nothing changed."""

# ruff: noqa: E501, because a row of a table is one line

import ast
import copy
import functools
import inspect
import pickle
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lora as tl
from tinygrad_lora import errors
from tinygrad_lora.errors import DtypeError, GradientError, GraphError, ShapeError, TraceError

PACKAGE = Path(tl.__file__).parent


class World:
    """What a refused line may use, and must leave alone."""

    def __init__(self):
        self.np, self.tl, self.pickle, self.copy = np, tl, pickle, copy
        self.a = tl.parameter(np.arange(6.0).reshape(2, 3), name="a")
        self.b = tl.parameter(np.ones((2, 3)), name="b")
        self.v = tl.parameter(np.ones(3), name="v")
        self.k = tl.parameter(2.0, name="k")
        self.s = tl.placeholder((2, 3), name="s")
        self.whole = tl.constant(np.array([0, 1]))
        self.loss = tl.sum(self.a * self.b)
        self.loss.backward()

    def state(self):
        nodes = [x for x in vars(self).values() if isinstance(x, tl.ComputationNode)]
        return [
            (n.op, n.shape, n.dtype, n.name, n.requires_gradient, n.known, repr(n), n.created, np.array(n.gradient))
            for n in nodes
        ]


def refuses(line, error, words):
    world = World()
    before = world.state()
    with pytest.raises(error, match=words) as caught:
        exec(line, vars(world))
    for old, new in zip(before, world.state(), strict=True):
        assert old[:-1] == new[:-1] and np.array_equal(old[-1], new[-1])
    assert "\n" not in str(caught.value), "one line in a terminal"


def table(rows):
    return pytest.mark.parametrize("line, error, words", rows, ids=[row[0] for row in rows])


@table([
    ("a @ b", ShapeError, r"matmul: a 'a' \(2, 3\) and b 'b' \(2, 3\): the 3 columns of a must match the 2 rows of b; b.mT is \(3, 2\)"),
    ("b.mT @ np.ones((3, 1))", ShapeError, r"matmul: a \(3, 2\) and b \(3, 1\): the 2 columns of a .* a.mT is \(2, 3\)"),
    ("a @ np.ones((4, 5))", ShapeError, r"a 'a' \(2, 3\) and b \(4, 5\): the 3 columns of a must match the 4 rows of b$"),
    ("s @ a", ShapeError, r"matmul: a 's' \(2, 3\) and b 'a' \(2, 3\): the 3 columns of a must match the 2 rows of b"),
    ("v @ a", ShapeError, r"the 3 columns of a must match the 2 rows of b"),
    ("k @ a", ShapeError, r"matmul: a 'k' \(\).*a number has no rows or columns: @ takes arrays"),
    ("tl.placeholder((2, 2, 3)) @ tl.placeholder((3, 3, 1))", ShapeError, r"\(2, 2, 3\) and b \(3, 3, 1\): from the right"),
    ("a + np.ones(4)", ShapeError, r"add: a 'a' \(2, 3\) and b \(4,\): from the right, each axis must be equal.* or 1"),
    ("s + np.ones(4)", ShapeError, r"add: a 's' \(2, 3\) and b \(4,\): from the right, each axis must be equal.* or 1"),
    ("a - b.mT", ShapeError, r"subtract: a 'a' \(2, 3\) and b \(3, 2\): from the right"),
    ("a * np.ones(2)", ShapeError, r"multiply: a 'a' \(2, 3\) and b \(2,\): from the right"),
    ("a / np.ones(2)", ShapeError, r"divide: a 'a' \(2, 3\) and b \(2,\): from the right"),
    ("a > np.ones(2)", ShapeError, r"greater: a 'a' \(2, 3\) and b \(2,\): from the right"),
    ("tl.where(a > 0, a, np.ones(5))", ShapeError, r"where: condition \(2, 3\) and a 'a' \(2, 3\) and b \(5,\): from the right"),
    ("tl.where(s > 0, a, np.ones(5))", ShapeError, r"where: condition \(2, 3\) and a 'a' \(2, 3\) and b \(5,\): from the right"),
    ("tl.maximum(a, np.ones(5))", ShapeError, r"greater: a 'a' \(2, 3\) and b \(5,\): from the right"),
    ("tl.transpose(v)", ShapeError, r"transpose: x 'v' \(3,\): only an array of two or more axes.*reshape a vector to \(1, n\)"),
    ("tl.transpose(tl.placeholder((3,)))", ShapeError, r"transpose: x \(3,\): only an array of two or more axes"),
    ("v.T", ShapeError, r".T is for matrices; this node has shape \(3,\)"),
    ("tl.placeholder((2, 3, 4)).T", ShapeError, r"shape \(2, 3, 4\): .mT swaps the last two axes"),
    ("tl.reshape(a, (4,))", ShapeError, r"reshape: x 'a' \(2, 3\): 6 elements do not fill the shape \(4,\)"),
    ("tl.reshape(s, (4,))", ShapeError, r"reshape: x 's' \(2, 3\): 6 elements do not fill the shape \(4,\)"),
    ("tl.reshape(a, (-1, 4))", ShapeError, r"6 elements do not fill the shape"),
    ("tl.reshape(s, (-1, -1))", ShapeError, r"at most one may be -1"),
    ("tl.broadcast(a, (3, 3))", ShapeError, r"broadcast: x 'a' \(2, 3\): from the right"),
    ("tl.broadcast(s, (3,))", ShapeError, r"broadcast: x 's' \(2, 3\): cannot be repeated to the shape \(3,\): only axes of length 1"),
    ("tl.concatenate([a, np.ones((2, 4))])", ShapeError, r"concatenate: arrays\[0\] 'a' \(2, 3\) and arrays\[1\] \(2, 4\): all axes but axis 0"),
    ("tl.concatenate([s, v])", ShapeError, r"concatenate: arrays\[0\] 's' \(2, 3\) and arrays\[1\] 'v' \(3,\): all axes but axis 0"),
    ("tl.concatenate([])", ShapeError, r"nothing to concatenate"),
    ("tl.concatenate([k, k])", ShapeError, r"there is no axis 0"),
    ("tl.sum(a, 2)", ShapeError, r"there is no axis 2: an array of shape \(2, 3\) has 2 axes"),
    ("tl.Op.registry['reduce_sum'](s, axis=(2,), keepdims=False)", ShapeError, r"reduce_sum: x 's' \(2, 3\): there is no axis 2"),
    ("tl.mean(np.ones((0, 2)))", ShapeError, r"mean of no elements"),
    ("a[2]", ShapeError, r"index: x 'a' \(2, 3\): index 2 is out of bounds for axis 0 with size 2"),
    ("s[2]", ShapeError, r"index: x 's' \(2, 3\): index 2 is out of bounds for axis 0 with size 2"),
    ("a[0, 0, 0]", ShapeError, r"too many indices"),
    ("tl.take(a, np.array([2]))", IndexError, r"index 2 is out of bounds for axis 0 with size 2"),
    ("tl.take(a, *3 * [np.array([0])])", ShapeError, r"take: x 'a' \(2, 3\).*3 index arrays for an array of 2 axes"),
    ("tl.take(s, *3 * [np.array([0])])", ShapeError, r"take: x 's' \(2, 3\).*3 index arrays for an array of 2 axes"),
    ("tl.mse(a, np.ones(3))", ShapeError, r"y has shape \(2, 3\) and the target \(3,\)"),
])  # fmt: skip
def test_shapes_that_do_not_fit_are_named_with_their_operands(line, error, words):
    refuses(line, error, words)


@table([
    ("tl.parameter(np.array([1, 2]))", DtypeError, r"must hold floats, not int64: pass np.asarray\(array, dtype=float\)"),
    ("tl.parameter([1, 2])", DtypeError, r"must hold floats, not int64"),
    ("tl.parameter(3)", DtypeError, r"must hold floats, not int64"),
    ("tl.parameter(True)", DtypeError, r"must hold floats, not bool"),
    ("tl.parameter(np.array([1j]))", DtypeError, r"a parameter must hold real numbers, not complex128: gradients are real numbers, so pass .real and .imag"),
    ("tl.parameter('x')", DtypeError, r"parameter: array is the text 'x': pass an array of numbers, or a number"),
    ("tl.parameter(None)", DtypeError, r"parameter: array is None: pass an array of numbers, or a number"),
    ("tl.parameter(np.array([object()]))", DtypeError, r"must hold real numbers, not object"),
    ("tl.parameter([[1.0], [1.0, 2.0]])", ShapeError, r"parameter: array is a list with rows of different lengths"),
    ("tl.constant('x')", DtypeError, r"constant: array is the text 'x'"),
    ("tl.constant(None)", DtypeError, r"constant: array is None"),
    ("tl.placeholder((2,), object)", DtypeError, r"numbers"),
    ("tl.placeholder((2,), str)", DtypeError, r"numbers"),
    ("tl.placeholder((-1, 2))", ShapeError, r"-1"),
    ("a + 'x'", DtypeError, r"add: b is the text 'x': pass an array of numbers, or a number"),
    ("a * None", DtypeError, r"multiply: b is None: pass an array of numbers, or a number"),
    ("a @ None", DtypeError, r"matmul: b is None"),
    ("tl.scale(a, factor=np.ones(3))", DtypeError, r"scale: the factor must be a real number, not ndarray: use multiply"),
    ("tl.scale(a, factor=np.array(2.0))", DtypeError, r"scale: the factor must be a real number, not ndarray"),
    ("tl.scale(a, factor=b)", DtypeError, r"scale: the factor must be a real number, not ComputationNode"),
    ("tl.scale(np.ones(3), factor=np.ones(3))", DtypeError, r"scale: the factor must be a real number"),
    ("tl.scale(a, factor=1j)", DtypeError, r"scale: the factor must be a real number, not complex"),
    ("tl.scale(a, factor='x')", DtypeError, r"scale: the factor must be a real number, not str"),
    ("a ** np.ones(3)", DtypeError, r"power: the exponent must be a number; for an array write exp\(exponent \* log\(x\)\)"),
    ("a ** b", DtypeError, r"power: the exponent must be a number"),
    ("a ** 'x'", DtypeError, r"power: the exponent must be a number"),
    ("a ** 1j", DtypeError, r"power: the exponent must be a number"),
    ("tl.cast(a, 'U5')", DtypeError, r"cast: dtype is 'U5': pass a dtype of real numbers, such as 'float32'"),
    ("tl.cast(a, object)", DtypeError, r"cast: dtype is <class 'object'>: pass a dtype of real numbers"),
    ("tl.cast(s, complex)", DtypeError, r"cast: dtype is <class 'complex'>: pass a dtype of real numbers"),
    ("tl.cast(a, None)", DtypeError, r"cast: dtype is None: pass a dtype of real numbers"),
    ("tl.take(a, np.array([0.5]))", DtypeError, r"take: indices must be whole numbers; convert them with .astype\(int\)"),
    ("tl.take(s, np.array([0.5]))", DtypeError, r"take: indices must be whole numbers"),
    ("tl.take(a, np.array([True, False]))", DtypeError, r"take: indices must be whole numbers"),
    ("tl.take(s, np.array([True, False]))", DtypeError, r"take: indices must be whole numbers"),
    ("a[np.array([0])]", DtypeError, r"index: only numbers and slices; for an array of indices use take\(x, indices\)"),
    ("a[[0, 1]]", DtypeError, r"index: only numbers and slices"),
    ("a['x']", DtypeError, r"index: only numbers and slices"),
    ("a[b]", DtypeError, r"index: only numbers and slices"),
    ("tl.cross_entropy(a, np.array([0.0, 1.0]))", DtypeError, r"labels must be whole numbers, not float64"),
    ("tl.cross_entropy(a, 'ab')", DtypeError, r"cross_entropy: labels is the text 'ab'"),
    ("tl.cross_entropy(a, [0, 3])", ValueError, r"label 3 is not a class; 3 logits stand for classes 0 to 2"),
    ("tl.cross_entropy(a, [0, 1], [True])", ShapeError, r"labels \(2,\) need a mask of that shape, not \(1,\)"),
    ("tl.cross_entropy(tl.sum(a), 0)", ShapeError, r"cross_entropy: logits is a single number: pass an array"),
    ("tl.cross_entropy(a, [0])", ShapeError, r"need labels of shape \(2,\), not \(1,\)"),
])  # fmt: skip
def test_what_is_not_numbers_of_the_right_kind_is_refused(line, error, words):
    refuses(line, error, words)


@table([
    ("s.value", TraceError, r"input s.*is symbolic: it has a shape, and no value until the graph is run on arrays"),
    ("float(s)", TraceError, r"is symbolic"),
    ("np.asarray(s)", TraceError, r"is symbolic"),
    ("tl.constant(s)", TraceError, r"is symbolic"),
    ("bool(s)", TraceError, r"neither true nor false while it is traced: use tl.where\(condition, a, b\)"),
    ("s > 0 and s", TraceError, r"use tl.where"),
    ("tl.sum(s).backward()", TraceError, r"symbolic, so it has no numbers to send back: use tl.gradients\(output, wrt\)"),
    ("tl.sum(s * k).backward()", TraceError, r"use tl.gradients"),
    ("tl.trace(lambda x: 3, np.ones(2))", TraceError, r"must return nodes, not int"),
    ("a[0] = 1.0", TypeError, r"read-only: build a new one with tl.where\(mask, a, b\) or tl.concatenate"),
    ("s[0] = 1.0", TypeError, r"read-only"),
    ("a.value[0] = 1.0", ValueError, r"read-only"),
    ("a.gradient[0] = 1.0", ValueError, r"read-only"),
    ("list(a)", TypeError, r"not iterable: write \[node\[i\] for i in range\(len\(node\)\)\]"),
    ("len(k)", TypeError, r"a single number has no len\(\)"),
    ("float(a)", TypeError, r"float\(\) is for a single number \(a scalar\), and this node has shape \(2, 3\)"),
    ("np.exp(a)", TypeError, r"np.exp does not work on nodes.*function of tinygrad_lora"),
    ("np.add.reduce(a)", TypeError, r"np.add does not work on nodes, since the gradient"),
    ("np.ones(3).__iadd__(a)", TypeError, r"np.add does not work on nodes"),
    ("tl.sum([a, a])", TypeError, r"a list of nodes would become an array.*tl.concatenate"),
    ("tl.softmax([[a], [a]])", TypeError, r"a list of nodes would become an array"),
    ("a * [a, 1.0]", TypeError, r"a list of nodes would become an array"),
    ("tl.parameter([tl.sum(a)])", TypeError, r"a list of nodes would become an array"),
    ("tl.sum(a) @ tl.sum(a)", ShapeError, r"a number has no rows or columns"),
    ("tl.reshape(a, 2.5)", TypeError, r"reshape: shape is the float 2.5: pass a whole number"),
    ("tl.placeholder((2.7,))", TypeError, r"shape is the tuple \(2.7,\): pass a whole number, or a tuple of them"),
    ("a.made_up = 1", AttributeError, r"made_up"),
])  # fmt: skip
def test_what_a_node_is_not_for_is_refused(line, error, words):
    refuses(line, error, words)


@table([
    ("a.value = np.ones(3)", ShapeError, r"parameter a has shape \(2, 3\); the new value has \(3,\)"),
    ("a.value = 1.0", ShapeError, r"parameter a has shape \(2, 3\); the new value has \(\)"),
    ("a.value = np.ones((2, 3), complex)", DtypeError, r"parameter a must hold float64, not complex128"),
    ("a.value = 'x'", DtypeError, r"parameter a is the text 'x': pass an array of numbers"),
    ("a.value = None", DtypeError, r"parameter a is None: pass an array of numbers"),
    ("loss.value = 1.0", TypeError, r"only a parameter can get a new value; this is the result of reduce_sum"),
    ("whole.value = np.array([1, 2])", TypeError, r"only a parameter can get a new value"),
    ("s.value = np.ones((2, 3))", TypeError, r"only a parameter can get a new value"),
    ("a.gradient = 'x'", DtypeError, r"a gradient is the text 'x'"),
    ("a.gradient = np.ones(3)", ShapeError, r"gradient.*\(3,\)"),
])  # fmt: skip
def test_a_value_that_does_not_fit_is_not_taken(line, error, words):
    refuses(line, error, words)


@table([
    ("a.backward()", GradientError, r"backward\(\) starts at a number.*shape \(2, 3\): take tl.sum or tl.mean first, or pass seed="),
    ("tl.gradients(a, a)", GradientError, r"gradients\(\) starts at a number"),
    ("whole.backward(seed=np.ones(2))", GradientError, r"nothing to train"),
    ("a.backward(seed=np.ones((3, 2)))", ShapeError, r"the seed has shape \(3, 2\); the output has \(2, 3\)"),
    ("loss.backward(seed=np.ones(2))", ShapeError, r"the seed has shape \(2,\); the output has \(\)"),
    ("a.backward(seed='x')", DtypeError, r"backward: seed is the text 'x'"),
    ("a.backward(seed=1j)", DtypeError, r"seed must hold real numbers, not complex128: gradients are real numbers"),
    ("tl.grad(lambda x: x)(np.ones(3))", GradientError, r"starts at a number"),
    ("tl.grad(lambda x: 3.0)(1.0)", GradientError, r"must return a node computed from its argument, not float"),
    ("tl.grad(lambda x: tl.sum(x))('x')", DtypeError, r"argument 0 is the text 'x'"),
    ("tl.check_gradients(lambda x: x * x, np.ones(2))", GradientError, r"starts at a number"),
    ("tl.Graph([s], [s + tl.placeholder((2, 3), name='z')])", GraphError, r"depend on .*input z.*list it there"),
    ("tl.Graph([s], [s])()", GraphError, r"1 inputs \(s\); it was given 0 arrays"),
    ("tl.Graph([s], [s])(np.ones((2, 3)), 1.0)", GraphError, r"1 inputs \(s\); it was given 2 arrays"),
    ("tl.Graph([s], [s])(np.ones(3))", ShapeError, r"input s has shape \(2, 3\); the array has \(3,\)"),
])  # fmt: skip
def test_gradients_and_graphs_refuse_what_they_cannot_do(line, error, words):
    refuses(line, error, words)


@table([
    (f"{how}({what})", TypeError, r"only parameters can be copied or pickled, not results: copy the arrays, or build it again")
    for how in ("pickle.dumps", "copy.copy", "copy.deepcopy")
    for what in ("loss", "s", "whole")
])  # fmt: skip
def test_results_are_neither_pickled_nor_copied(line, error, words):
    refuses(line, error, words)


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda w: pickle.loads(pickle.dumps(w))])
def test_a_parameter_is_copied_with_its_name_and_without_its_gradient(again):
    w = tl.parameter(np.ones(3, np.float32), name="w", trainable=False)
    w.gradient = np.ones(3, np.float32)
    twin = again(w)
    assert twin is not w and twin.op is w.op and twin.gradient is None
    assert (twin.name, twin.dtype, twin.requires_gradient) == ("w", np.float32, False)
    twin.value = twin.value + 1
    assert w.value.tolist() == [1, 1, 1] and twin.value.tolist() == [2, 2, 2]


def test_a_leaf_holds_a_copy():
    array = np.ones(3)
    nodes = tl.parameter(array), tl.constant(array)
    array[:] = 7
    assert all(node.value.tolist() == [1, 1, 1] for node in nodes)


# Legal, although it looks like one of the above.
LEGAL = {
    "take(a, 0)": (lambda a: tl.take(a, 0), (3,)),
    "take(a, [1, 0])": (lambda a: tl.take(a, [1, 0]), (2, 3)),
    "a[np.int64(1)]": (lambda a: a[np.int64(1)], (3,)),
    "a ** np.float64(2)": (lambda a: a ** np.float64(2), (2, 3)),
    "scale by np.float32": (lambda a: tl.scale(a, factor=np.float32(2)), (2, 3)),
    "a + [1, 2, 3]": (lambda a: a + [1.0, 2.0, 3.0], (2, 3)),
}


@pytest.mark.parametrize("f, shape", LEGAL.values(), ids=LEGAL)
def test_what_is_legal_is_not_refused(f, shape):
    assert f(tl.parameter(np.ones((2, 3)))).shape == shape


# --- The help pages ---

REFUSALS = [
    c for name, c in inspect.getmembers(errors, inspect.isclass) if c.__module__ == errors.__name__ and name[0] != "_"
]


@functools.cache
def raised():
    """The names of everything that the package raises, or warns of."""
    names = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Raise) and node.exc is not None:
                exc = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
                names.add(exc.attr if isinstance(exc, ast.Attribute) else getattr(exc, "id", None))
            elif isinstance(node, ast.Return) and isinstance(node.value, ast.Call):  # made here, raised by the caller
                names.add(getattr(node.value.func, "id", None))
            elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("warnings.warn", "warnings.warn_explicit"):
                names.add(ast.unparse(node.args[1]))
    return names


@pytest.mark.parametrize("error", REFUSALS, ids=lambda e: e.__name__)
def test_an_error_says_what_happened_and_shows_wrong_and_right(error):
    words = error.__doc__
    assert words and words.index("\n\n") < words.index("Wrong:  ") < words.index("Right:  ")
    usual = (ValueError, TypeError, RuntimeError, UserWarning)
    assert issubclass(error, usual), "so that a reader who catches those catches it"


@pytest.mark.parametrize("error", REFUSALS, ids=lambda e: e.__name__)
def test_an_error_that_nothing_raises_is_taken_out(error):
    assert error.__name__ in raised()
