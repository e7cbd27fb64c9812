"""What nodes and functions say to a call that can mean nothing: the cause, and what to write instead."""

import collections.abc
import copy
import gc
import inspect
import math
import re
import sys
import warnings
import weakref
from fractions import Fraction

import numpy as np
import pytest

import tinygrad_lora as tl
from tinygrad_lora import library, nn
from tinygrad_lora.boundary.arrays import real_array
from tinygrad_lora.boundary.words import INSTEAD, OPERATORS_REFUSED
from tinygrad_lora.core import ops
from tinygrad_lora.errors import DtypeError, GradientError, LostGradientWarning, ShapeError, TraceError


@pytest.fixture
def p():
    return tl.parameter(np.arange(1.0, 7.0).reshape(2, 3), name="p")


def message(call, *args, error=Exception, **kwargs):
    with pytest.raises(error) as caught:
        call(*args, **kwargs)
    text = str(caught.value)
    assert "\n" not in text, "one line in a terminal"
    return text


# --- Calls ---

COMPOSITES = [f for name, f in sorted(vars(library).items()) if name in tl.__all__ and inspect.isfunction(f)]
COMPOSITES = [f for f in COMPOSITES if f.__module__ == library.__name__]
GRADIENTS = [tl.gradients, tl.grad, tl.value_and_grad, tl.zero_gradients, tl.trace]
LEAVES = [tl.parameter, tl.constant, tl.placeholder]
OPERATIONS = sorted(tl.Op.registry.values(), key=str)
FUNCTIONS = [*OPERATIONS, *COMPOSITES, nn.exact_gelu, nn.silu, *GRADIENTS, *LEAVES]
WHAT_TO_PASS = r"pass (an? |one |the |np\.)"


def name_of(function):
    return function.name if isinstance(function, tl.Op) else function.__name__


def operands_of(function):
    """The positional arguments that a call needs, with the annotation of each."""
    if isinstance(function, tl.Op):
        own = inspect.signature(function)
        function = function.forward if any(q.kind == q.VAR_KEYWORD for q in own.parameters.values()) else function
    parameters = inspect.signature(function).parameters.values()
    return [q for q in parameters if q.default is q.empty and q.kind == q.POSITIONAL_OR_KEYWORD]


def good(parameter):
    """An argument that is as asked for."""
    examples = {
        "factor": 2.0, "exponent": 2, "key": 0, "dtype": "float32", "shape": (3, 2), "f": lambda x: tl.sum(x * x),
        "arrays": [np.ones((2, 3))], "output": tl.sum(tl.parameter(np.ones(2))), "wrt": tl.parameter(np.ones(2)),
        "labels": np.array([0, 1]), "axis": (0,), "keepdims": False,
    }  # fmt: skip
    return examples.get(parameter.name, np.ones((2, 3)))


every_function = pytest.mark.parametrize("function", FUNCTIONS, ids=name_of)


@every_function
def test_a_call_that_lacks_an_argument_is_told_its_name_and_how_to_write_it(function):
    needed = operands_of(function)
    for n, missing in enumerate(needed):
        text = message(function, *map(good, needed[:n]), error=TypeError)
        assert text.startswith(f"{name_of(function)}: missing a required argument '{missing.name}'; write ")
        assert re.search(rf"write {name_of(function)}\(.*\b{missing.name}\b", text)


@pytest.mark.parametrize("function", [f for f in FUNCTIONS if "*" not in getattr(f, "signature", "")], ids=name_of)
def test_a_call_with_an_argument_too_many_is_told_how_to_write_it(function):
    if any(q.kind == q.VAR_POSITIONAL for q in inspect.signature(function).parameters.values()):
        return
    parameters = inspect.signature(function).parameters.values()
    positional = [good(q) for q in parameters if q.kind == q.POSITIONAL_OR_KEYWORD]
    for first in (lambda x: x, lambda x: tl.constant(x) if isinstance(x, np.ndarray) else x):
        text = message(function, *map(first, positional), np.ones(2), error=TypeError)
        assert text.startswith(f"{name_of(function)}: too many positional arguments; write {name_of(function)}(")


@every_function
def test_a_keyword_that_a_function_does_not_know_is_named(function):
    needed = [q.name for q in operands_of(function)]
    named = inspect.signature(function.forward).parameters.values() if isinstance(function, tl.Op) else ()
    named = {q.name: good(q) for q in named if q.kind == q.KEYWORD_ONLY and q.name not in needed}
    text = message(function, *map(good, operands_of(function)), **named, made_up=1, error=TypeError)
    assert f"{name_of(function)}" in text and "got an unexpected keyword argument 'made_up'" in text
    assert f"write {name_of(function)}(" in text


@every_function
@pytest.mark.parametrize("bad, words", [(None, "is None: "), ("x", "is the text 'x': "), (object(), "type object: ")])
def test_what_is_no_array_is_named_with_its_function_and_argument(function, bad, words):
    needed = operands_of(function)
    for n, parameter in enumerate(needed):
        arguments = [*map(good, needed)]
        arguments[n] = bad
        if parameter.name == "key":  # x[None] is a new axis, and the sentence for the others tells of take and where
            continue
        text = message(function, *arguments, error=(TypeError, ValueError))
        named = f"{name_of(function)}: {parameter.name} {words}"
        assert (text.startswith(named) and re.search(WHAT_TO_PASS, text)) or (
            text.startswith(f"{name_of(function)}: ") and parameter.name in text.replace("the ", "")
        ), text


def test_operands_may_be_named(p):
    condition, b = p > 2.0, -p
    assert tl.where(condition=condition, a=p, b=b).value.tolist() == tl.where(condition, p, b).value.tolist()
    assert tl.add(b=p, a=b).parents == (b, p)
    assert message(tl.add, b=p).startswith("add: missing a required argument 'a'")
    assert str(inspect.signature(tl.where)) == "(condition, a, b)"


def test_an_argument_of_many_is_counted(p):
    assert message(tl.concatenate, [p, None]).startswith("concatenate: arrays[1] is None")
    assert message(tl.concatenate, p).startswith(
        "concatenate: arrays is an object of type ComputationNode: pass a list"
    )
    assert message(tl.gradients, tl.sum(p), [p, None]) == (
        "gradients() takes nodes, not None: wrap arrays in tl.parameter first"
    )


def test_a_function_that_failed_for_a_reason_of_its_own_says_that(p):
    assert message(tl.matmul, p, p).startswith("matmul: a 'p' (2, 3)")
    assert "there is no axis 5" in message(tl.sum, p, 5)

    def f(x):
        raise TypeError("of the function itself")

    assert message(tl.trace, f, np.ones(2)) == "of the function itself"
    assert message(tl.check_gradients, f, np.ones(2)) == "of the function itself"
    assert message(tl.grad(f), np.ones(2)) == "of the function itself"


def test_functions_keep_their_names_signatures_and_pickles():
    import pickle

    for function in COMPOSITES:
        assert pickle.loads(pickle.dumps(function)) is function
        assert function.__doc__ and function.__module__ == library.__name__
    assert str(inspect.signature(tl.softmax)) == "(x: 'Operand', axis: 'int' = -1) -> 'Any'"


# --- Operators ---

REFUSED = {
    "p >= 1": "nodes compare with > and < only.*tl.where(b > a, no, yes)",
    "p <= 1": "nodes compare with > and < only",
    "1 >= p": "nodes compare with > and < only",
    "np.ones((2, 3)) >= p": "nodes compare with > and < only",
    "p // 2": "no //, % and divmod.*node.value",
    "2 // p": "no //, % and divmod",
    "p % 2": "no //, % and divmod",
    "divmod(p, 2)": "no //, % and divmod",
    "np.ones(3) % p": "no //, % and divmod",
    "p & p": "for conditions write tl.where(a, b, False)",
    "True | p": "for conditions write tl.where(a, b, False)",
    "p ^ p": "for conditions write tl.where(a, b, False)",
    "~p": "for conditions write tl.where(a, b, False)",
    "0 ** p": "the base must be finite and greater than 0",
    "(-2) ** p": "the base must be finite and greater than 0",
    "math.inf ** p": "the base must be finite and greater than 0",
    "np.array([1.0, 0.0, 2.0]) ** p": "the base must be finite and greater than 0",
    "2 ** whole": "write base ** tl.cast(node, float)",
    "p ** p": "power: the exponent must be a number; for an array write exp(exponent * log(x))",
    "'x' ** p": "the base of ** is the text 'x'",
    "len(s)": "a single number has no len(): this node has shape ()",
    "list(p)": "write [node[i] for i in range(len(node))]",
    "sum(p)": "or tl.sum for Python's sum",
    "1 in p": "not searched with `in`",
    "bool(p)": "tl.where(condition, a, b)",
    "0 < p < 9": "(a < b) * (b < c) for a < b < c",
    "float(p)": "float() is for a single number (a scalar), and this node has shape (2, 3)",
    "int(p)": "int() is for a single number",
    "round(p)": "round() is for a single number",
    "math.exp(p)": "float() is for a single number",
    "f'{p:.2f}'": "the format '.2f' is for a single number",
    "f'{x:.2f}'": "is symbolic",
    "bool(x)": "neither true nor false while it is traced",
    "int(x)": "is symbolic",
    "p.__setitem__(0, 1.0)": "nodes are read-only: build a new one",
    "p.__delitem__(0)": "nodes are read-only: build a new one",
    "setattr(p, 'shape', (3, 2))": "the structure of a node is fixed when it is made: node = node.reshape(shape)",
    "setattr(p, 'dtype', float)": "the structure of a node is fixed when it is made: node = tl.cast(node, dtype)",
    "setattr(p, 'T', 1)": "the structure of a node is fixed when it is made",
    "setattr(p, 'mT', 1)": "the structure of a node is fixed when it is made",
    "setattr(p, 'ndim', 1)": "the structure of a node is fixed when it is made",
    "setattr(p, 'size', 1)": "the structure of a node is fixed when it is made",
    "delattr(p, 'shape')": "the structure of a node is fixed when it is made",
    "setattr(p + 1, 'value', 1.0)": "(w -= step makes such a result; w.value = w.value - step does not)",
    "p.sum(dtype=float)": "sum: got an unexpected keyword argument 'dtype'; write sum(axis=None, *, keepdims=False)",
    "p.sum(0, float)": "sum: too many positional arguments",
    "p.mean('x')": "axis is the text 'x': pass a whole number",
    "p.reshape()": "6 elements do not fill the shape ()",
    "p.reshape(4, -1)": "6 elements do not fill the shape",
    "p.reshape(2, 1.5)": "pass a whole number, or a tuple of them",
    "p.T.T.T[0].T": ".T is for matrices",
}


@pytest.mark.parametrize("line, words", REFUSED.items(), ids=REFUSED)
def test_what_a_node_does_not_do_is_refused_with_what_to_write(p, line, words):
    names = {"p": p, "s": tl.parameter(2.0), "x": tl.placeholder((2, 3)), "whole": tl.constant([1, 2])}
    text = message(eval, line, {**names, "np": np, "tl": tl, "math": math})
    assert re.search(".*".join(map(re.escape, words.split(".*"))), text), text


def test_the_advice_for_greater_or_equal_is_right(p):
    a, b = tl.constant([1.0, 2.0, 3.0]), tl.constant([2.0, 2.0, 2.0])
    assert tl.where(b > a, 0, 1).value.tolist() == np.where(a.value >= b.value, 1, 0).tolist()


@pytest.mark.parametrize("table", [OPERATORS_REFUSED])
def test_every_refused_operator_raises_a_sentence(p, table):
    for names in table:
        for name in names.split():
            method = getattr(p, f"__{name}__")
            assert len(message(method, *[p] * (name != "invert"), error=TypeError)) > 40


def test_equality_is_identity(p):
    twin = tl.parameter(p.value)
    assert (p == p) is True and (p == twin) is False and (p != twin) is True and (p == 1) is False
    assert p in [twin, p] and {p: 1}[p] == 1


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("base", [2, 0.5, np.float64(3.0), True, 10**30, np.array([1.0, 2.0, 3.0])])
def test_a_number_to_the_power_of_a_node_is_an_exponential(base, dtype):
    exponent = tl.parameter(np.array([-1.2, 0.0, 1.2], dtype))
    y = base**exponent
    expected = np.asarray(base, float) ** exponent.value.astype(float)
    np.testing.assert_allclose(y.value, expected, rtol=1e-13 if dtype is np.float64 else 1e-5)
    assert y.dtype == (np.float64 if isinstance(base, np.ndarray) else dtype)
    if dtype is np.float64:
        tl.check_gradients(lambda x: tl.sum(base**x), exponent.value, rtol=1e-4)


def test_the_absolute_value_has_the_sign_as_its_gradient():
    x = tl.parameter(np.array([-2.0, 0.0, 3.0, -np.inf]))
    y = abs(x)
    tl.sum(y).backward()
    assert y.value.tolist() == [2, 0, 3, np.inf] and x.gradient.tolist() == [-1, 0, 1, -1]
    assert +x is x


# --- Methods and attributes ---


@pytest.mark.parametrize("name", ["sum", "mean", "max"])
@pytest.mark.parametrize(
    "options", [{}, {"axis": 0}, {"axis": -1, "keepdims": True}, {"axis": (0, 1)}, {"keepdims": True}]
)
def test_a_reduction_is_a_method_as_in_numpy(p, name, options):
    y = getattr(p, name)(**options)
    np.testing.assert_allclose(y.value, getattr(p.value, name)(**options), rtol=1e-15)
    assert str(tl.Graph([], [y])) == str(tl.Graph([], [getattr(tl, name)(p, **options)])), "the same graph"


@pytest.mark.parametrize("shape", [(3, 2), (-1,), (6,), (1, -1), (2, 1, 3)])
def test_reshape_is_a_method_with_sizes_one_by_one_or_as_a_tuple(p, shape):
    expected = p.value.reshape(shape)
    for y in (p.reshape(shape), p.reshape(*shape), p.reshape(list(shape))):
        assert y.shape == expected.shape and np.array_equal(y.value, expected)
    assert tl.parameter(1.0).reshape(()).shape == tl.parameter([1.0]).reshape().shape == ()


def test_methods_work_while_symbolic_and_carry_the_gradient(p):
    f = lambda x: (x.reshape(3, -1).T.sum(0) * x.max()).mean()  # noqa: E731
    tl.check_gradients(f, p.value)
    np.testing.assert_allclose(tl.compile(f)(p.value), float(f(p)), rtol=1e-15)


@pytest.mark.parametrize("name", INSTEAD)
def test_an_attribute_of_other_libraries_is_absent_and_says_what_to_write(p, name):
    assert not hasattr(p, name) and not hasattr(tl.ComputationNode, name) and name not in dir(p)
    text = message(getattr, p, name, error=AttributeError)
    assert text.startswith(f"a node has no .{name}: write ")
    assert message(setattr, p, name, 1, error=AttributeError) == text
    assert getattr(p, name, "default") == "default"


def test_the_words_that_newcomers_type_have_advice():
    typed = (
        "item numpy detach clip std var argmax flatten ravel squeeze transpose dot astype copy min prod cumsum view "
        "grad unsqueeze permute data backward_ exp log tanh tolist clone requires_grad zero_grad"
    )
    assert set(typed.split()) <= set(INSTEAD)


@pytest.mark.parametrize("name, remedy", INSTEAD.items(), ids=INSTEAD)
def test_the_advice_names_what_there_is(name, remedy):
    for function in re.findall(r"\btl\.(\w+)", remedy):
        assert function in tl.__all__
    for attribute in re.findall(r"\bnode\.(\w+)", remedy):
        assert hasattr(tl.ComputationNode, attribute)


ADVISED = {
    "tl.mean((node - tl.mean(node)) ** 2)": np.var,
    "tl.sqrt(tl.mean((node - tl.mean(node)) ** 2))": np.std,
    "-tl.max(-node)": np.min,
    "tl.sqrt(tl.sum(node * node))": np.linalg.norm,
    "tl.exp(tl.sum(tl.log(node)))": np.prod,
    "node @ np.triu(np.ones((n, n)))": lambda x: np.cumsum(x, -1),
    "-tl.maximum(-tl.maximum(node, low), -high)": lambda x: np.clip(x, 2.0, 5.0),
    "node.reshape(-1)": np.ravel,
}


@pytest.mark.parametrize("code, function", ADVISED.items(), ids=ADVISED)
def test_the_advice_gives_the_same_numbers(p, code, function):
    assert any(code in remedy for remedy in INSTEAD.values()) or "low" in code, "clip is told in two halves"
    y = eval(code, {"tl": tl, "np": np, "node": p, "n": 3, "low": 2.0, "high": 5.0})
    np.testing.assert_allclose(y.value, function(p.value), rtol=1e-14)


def test_other_attributes_are_absent_as_usual(p):
    assert message(getattr, p, "made_up", error=AttributeError) == "'ComputationNode' object has no attribute 'made_up'"
    assert message(setattr, p, "made_up", 1, error=AttributeError)


def test_a_node_is_not_taken_for_a_container_by_others(p):
    assert not np.iterable(p) and not isinstance(p, collections.abc.Sequence)
    assert copy.copy(p).name == "p" and repr(p).startswith("ComputationNode(parameter p")
    assert np.asarray(p).shape == (2, 3) and np.array([p, p]).shape == (2, 2, 3)
    assert message(reversed, p, error=TypeError)


def test_a_known_number_is_formatted_counted_and_converted(p):
    s = tl.parameter(2.25, "s")
    assert f"{s:.1f} {s:>6}|{tl.parameter([2.5]):.3f}" == "2.2   2.25|2.500"
    assert f"{s}" == str(s) and f"{p}" == str(p)
    assert len(p) == 2 and len(p.T) == 3 and len(tl.placeholder((0, 2))) == 0
    assert (float(s), int(s), round(s), round(s, 1), complex(s), math.sqrt(s)) == (2.25, 2, 2, 2.2, 2.25 + 0j, 1.5)
    assert bool(tl.constant([[0.0]])) is False and bool(s > 1.0) is True
    assert isinstance(int(s), int) and isinstance(round(s), int)


def test_adding_in_place_makes_a_result_and_leaves_the_parameter(p):
    w = p
    w += 1
    assert w is not p and p.value[0, 0] == 1.0 and w.parents[0] is p


# --- Arrays at the door ---

with warnings.catch_warnings():
    warnings.simplefilter("ignore", PendingDeprecationWarning)
    MATRIX = np.matrix([[1.0, 2.0, 3.0]])
MASKED = np.ma.array([1.0, 2.0, 3.0], mask=[True, False, False])
STRANGE = {
    "a matrix": (MATRIX, "np.matrix.*np.asarray(matrix)"),
    "a masked array": (MASKED, "masked array, and its mask would be lost.*tl.where(array.mask, 0.0, array.data)"),
    "masked": (np.ma.masked, "masked array"),
    "complex": (np.array([1j, 2.0, 3.0]), "not complex128: gradients are real numbers, so pass .real and .imag"),
    "objects": (np.array([1.0, None, 3.0]), "not object: np.asarray(data, dtype=float) converts"),
    "fractions": (np.array([Fraction(1, 2)] * 3), "not object"),
    "text": (np.array(["1", "2", "3"]), "not <U1: np.asarray(data, dtype=float) reads"),
    "bytes": (np.array([b"1", b"2", b"3"]), "not |S1: np.asarray(data, dtype=float) reads"),
    "records": (np.zeros(3, [("a", float)]), "pass one field, as in array['name']"),
    "dates": (np.array([1, 2, 3], "M8[s]"), "not datetime64[s]: subtract a date and divide by np.timedelta64(1, 's')"),
    "times": (np.array([1, 2, 3], "m8[s]"), "not timedelta64[s]: divide by np.timedelta64(1, 's')"),
}


def after_forward():
    layer = tl.Linear(2, 3)
    layer.forward(np.ones(2))
    return layer


DOORS = {
    "parameter": tl.parameter,
    "constant": tl.constant,
    "placeholder": lambda a: tl.placeholder(a.shape, a.dtype),
    "trace": lambda a: tl.trace(lambda x: x, a),
    "node * array": lambda a: tl.parameter(np.ones((2, 3))) * a,
    "array + node": lambda a: a + tl.parameter(np.ones((2, 3))),
    "where": lambda a: tl.where(a, tl.parameter(np.ones((2, 3))), 0.0),
    "symbolic": lambda a: tl.placeholder((2, 3)) * a,
    "maximum": lambda a: tl.maximum(tl.parameter(np.ones((2, 3))), a),
    "mse": lambda a: tl.mse(tl.parameter(np.ones(np.shape(a))), a),
    "value": lambda a: setattr(tl.parameter(np.ones(np.shape(a))), "value", a),
    "gradient": lambda a: setattr(tl.parameter(np.ones(np.shape(a))), "gradient", a),
    "seed": lambda a: tl.parameter(np.ones(np.shape(a))).backward(a),
    "grad": lambda a: tl.grad(tl.sum)(a),
    "graph": lambda a: tl.trace(lambda x: x * 2.0, np.ones(np.shape(a)))(a),
    "a layer": lambda a: tl.Linear(3, 2).forward(a),
    "a layer's gradient": lambda a: after_forward().backward(a),
    "a layer's weight": lambda a: tl.Linear.from_arrays(np.ones((3, 3)), a),
    "set_parameter": lambda a: tl.Linear(3, 3).set_parameter("bias", a),
    "load_weights": lambda a: tl.Linear(3, 3).load_weights({"bias": a}, strict=True),
}


# A placeholder is given the dtype alone. For `masked + node`, np.ma takes the node's values before the node is asked.
UNSEEN = {("placeholder", kind) for kind in ("a matrix", "a masked array", "masked")}
MORE = {"a matrix", "a masked array", "masked"}
UNSEEN |= {(door, kind) for door in ("set_parameter", "load_weights") for kind in {*STRANGE} - MORE}  # a WeightsError
UNSEEN |= {("graph", "complex")}  # a rule can be checked with a complex step
UNSEEN |= {("array + node", kind) for kind in ("a masked array", "masked")}


@pytest.mark.parametrize("door, kind", sorted({(door, kind) for door in DOORS for kind in STRANGE} - UNSEEN))
def test_an_array_that_is_more_or_less_than_real_numbers_does_not_come_in(door, kind):
    array, words = STRANGE[kind]
    text = message(DOORS[door], array, error=DtypeError)
    assert re.search(".*".join(map(re.escape, words.split(".*"))), text), text


def test_a_list_with_a_masked_array_or_with_unequal_rows_does_not_come_in():
    assert "masked array" in message(tl.constant, [MASKED, MASKED], error=DtypeError)
    for door in (tl.parameter, tl.constant, lambda a: tl.parameter(1.0) + a):
        assert "is a list with rows of different lengths" in message(door, [[1.0], [1.0, 2.0]], error=ShapeError)


class Frame:
    """Something like a table of another library."""

    def __array__(self, dtype=None, copy=None):
        return np.array([1.0, 2.0, 3.0], dtype)


class Tagged(np.ndarray):
    pass


@pytest.mark.parametrize("array", [Frame(), np.ones(3).view(Tagged), np.ones(3, np.float16), (1.0, 2.0, 3.0)])
def test_what_stands_for_an_array_comes_in_as_a_plain_one(array):
    assert type(real_array(array, "it")) is np.ndarray
    for node in (tl.parameter(array), tl.constant(array)):
        assert type(node.value) is np.ndarray and node.shape == (3,)
    assert (tl.parameter(np.ones(3)) * array).shape == (3,)


def test_a_plain_array_passes_the_door_uncopied_and_rules_take_complex_numbers():
    array = np.ones(3)
    assert real_array(array, "it") is array
    assert tl.exp(np.array([1j])).dtype == ops.exp.vjp(np.ones(1), np.array([1j]), array)[0].dtype == complex


# --- A node that became a number ---


def lines_of(text):
    return [int(n) for n in re.findall(rf"{re.escape(__file__.rpartition('/')[2])}:(\d+)", text)]


def this_line():
    return sys._getframe(1).f_lineno


CONVERSIONS = {
    "float": lambda x: float(tl.sum(x)),
    "math.exp": lambda x: math.exp(tl.sum(x)),
    "np.asarray": lambda x: np.asarray(x * 2.0),
    "np.array": lambda x: np.array([tl.sum(x), tl.sum(x)]),
    "int": lambda x: int(tl.sum(x)),
    "round": lambda x: round(tl.sum(x), 3),
}


@pytest.mark.parametrize("convert", CONVERSIONS.values(), ids=CONVERSIONS)
def test_an_output_without_a_parameter_says_where_a_node_became_a_number(convert):
    w = tl.parameter(np.ones(2), "w")
    line = convert.__code__.co_firstlineno
    output = tl.sum(tl.constant(np.ones(2)) * convert(w))
    text = message(output.backward, error=GradientError)
    assert text.startswith("nothing to train") and "became a number in" in text and lines_of(text) == [line]
    assert "use functions of nodes there" in text


def test_a_number_that_nothing_trainable_flowed_into_is_no_cause():
    output = tl.sum(tl.constant(np.ones(2)) * float(tl.sum(tl.constant(np.ones(2)))))
    assert "became a number" not in message(output.backward, error=GradientError)
    printed = tl.sum(tl.parameter(np.ones(2)))
    output = tl.constant(3.0) * 2.0
    float(tl.sum(printed))
    assert "became a number" not in message(output.backward, error=GradientError), "that was later"


def test_gradients_that_are_all_zero_name_the_line():
    x, w = tl.constant(np.ones(2)), tl.parameter(np.ones(2))
    number, line = math.exp(tl.sum(x)), this_line()
    y = tl.sum(w * number)
    with pytest.warns(LostGradientWarning, match="the output depends on none of these nodes") as caught:
        assert tl.gradients(y, x).value.tolist() == [0, 0]
    assert lines_of(str(caught[0].message)) == [line] and caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        zero, other = tl.gradients(y, [x, w])
    assert zero.value.tolist() == [0, 0] and other.value[0] == number, "another node is reached"


def test_gradients_that_are_zero_for_no_such_reason_are_silent():
    float(tl.sum(tl.parameter(np.ones(2))))
    x, w = tl.constant(np.ones(2)), tl.parameter(np.ones(2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert tl.gradients(tl.sum(w), x).value.tolist() == [0, 0], "that node is older than x"
        assert tl.grad(tl.grad(lambda x: 3.0 * x))(1.0) == 0.0


def test_a_function_that_returns_a_number_is_told_where_it_made_it():
    f = lambda x: math.exp(x)  # noqa: E731
    text = message(tl.grad(f), 1.0, error=GradientError)
    assert "must return a node computed from its argument, not float" in text
    assert lines_of(text) == [f.__code__.co_firstlineno]


def test_the_note_of_a_conversion_keeps_no_array_alive():
    array = np.ones(2).view(Tagged)
    w = tl.parameter(array)
    alive = weakref.ref(w.value.base if w.value.base is not None else w.value.view(Tagged))
    float(tl.sum(w))
    del w
    gc.collect()
    assert alive() is None


def test_a_symbolic_node_becomes_no_number():
    for convert in (float, int, round, np.asarray, math.exp):
        assert "is symbolic" in message(convert, tl.placeholder(()), error=TraceError)
