"""How compiled functions are called: by position and by name, with containers of arrays, and what they refuse."""

import copy
import gc
import linecache
import traceback
from collections import OrderedDict, defaultdict, namedtuple

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import tinygrad_lora as tl
from tinygrad_lora.compiler.calling import is_container, put_together, taken_apart
from tinygrad_lora.errors import CompileError, DtypeError, RecompileWarning, TraceError

Pair = namedtuple("Pair", "left right")
X = np.array([[1.0, 2.0], [3.0, 4.0]])


# --- By name ---


def affine(x, w, b=1.0, *, factor=2.0, **more):
    return (x @ w + b) * factor + more.get("extra", 0.0)


CALLS = [
    ((X, X), {}),
    ((X,), {"w": X}),
    ((), {"w": X, "x": 2 * X}),
    ((X, X), {"b": 5.0}),
    ((X, X, 5.0), {}),
    ((X, X), {"factor": 3.0}),
    ((X,), {"w": X, "b": np.array([1.0, 2.0]), "factor": np.float64(3), "extra": X}),
    ((X, X), {"extra": 1.0, "factor": 3.0}),
]


@pytest.mark.parametrize(("args", "keywords"), CALLS)
def test_keywords_bind_as_in_python(args, keywords):
    compiled = tl.compile(affine)
    for times in (1, 2):
        inputs = [x * times if isinstance(x, np.ndarray) else x for x in args]
        named = {name: x * times if isinstance(x, np.ndarray) else x for name, x in keywords.items()}
        expected = affine(*map(constant, inputs), **{name: constant(x) for name, x in named.items()})
        assert_array_equal(compiled(*inputs, **named), expected.value)
    assert len(compiled.programs) == 1


def constant(x):
    return tl.constant(x) if isinstance(x, np.ndarray | np.generic) else x


def test_the_same_arguments_share_a_program_however_they_are_given():
    compiled = tl.compile(affine)
    compiled(X, X, 3.0)
    compiled(X, w=X, b=3.0)
    compiled(b=3.0, w=X, x=X)
    assert len(compiled.programs) == 1
    compiled(X, X)
    compiled(X, X, factor=X)
    assert len(compiled.programs) == 3
    assert_array_equal(compiled(X, X), (X @ X + 1) * 2), "and no program is taken for another's arguments"


def test_what_goes_by_name_only_does_not_go_by_position():
    compiled = tl.compile(lambda x, *, factor: x * factor)
    assert_array_equal(compiled(X, factor=X), X * X)
    with pytest.raises(TypeError, match="positional argument"):
        compiled(X, X)


@pytest.mark.parametrize(
    ("args", "keywords", "message"),
    [
        ((X,), {"b": 1.0}, "affine: missing a required argument: 'w'"),
        ((X, X), {"x": X}, "affine: multiple values for argument 'x'"),
        ((X,), {}, "missing 1 required positional argument: 'w'"),
    ],
)
def test_wrong_arguments_are_refused_as_python_does(args, keywords, message):
    with pytest.raises(TypeError, match=message):
        tl.compile(affine)(*args, **keywords)


def test_layers_methods_and_decorated_functions_take_names():
    class Model:
        @tl.compile
        def predict(self, x, factor):
            return x * factor

    layer = tl.Linear(2, 3, seed=0)
    assert_array_equal(tl.compile(layer)(x=X), layer.forward(X))
    assert_array_equal(Model().predict(X, factor=X), X * X)
    assert_array_equal(Model().predict(factor=X, x=X), X * X)
    step = tl.compile_training_step(layer, tl.mse, tl.SGD(layer.parameters(), 0.1))
    assert step(target=np.zeros((2, 3)), x=X) > step(X, np.zeros((2, 3)))


def test_on_nodes_names_reach_the_function():
    x = tl.parameter(X)
    assert_array_equal(tl.compile(affine)(x, w=x, factor=1.0).value, X @ X + 1)
    assert tl.compile(lambda pair: pair["a"] + pair["b"])({"a": x, "b": X}).requires_gradient


def test_preparing_takes_names():
    compiled = tl.compile(affine).prepare(X, w=X)
    assert "x @ w" in compiled.source and len(compiled.programs) == 1
    compiled(X, X)
    assert len(compiled.programs) == 1
    with pytest.raises(CompileError, match="not with nodes"):
        compiled.prepare(tl.constant(X), X)


# --- Containers ---


STRUCTURES = [
    {"a": X, "b": 2 * X},
    OrderedDict(b=X, a=2 * X),
    (X, (2 * X, 3 * X)),
    [X, [2 * X]],
    Pair(X, [2 * X, {"deep": (3 * X,)}]),
    {"pair": Pair(X, 2 * X), 3: (X,), ("a", 1): [X]},
    [(X, 5), {"number": 2.5, "text": "scale", "none": None}],
    (),
    {},
    {"empty": (), "x": X},
]


def leaves(tree):
    return [leaf.value for leaf in taken_apart(tree, is_container)[1]]


def mapped(function, tree):
    form, leaves = taken_apart(tree, is_container)
    return put_together(form, iter([function(leaf.value) for leaf in leaves]))


def assert_same_tree(result, expected):
    assert type(result) is type(expected)
    if is_container(result):
        if isinstance(result, dict):
            assert list(result) == list(expected)
        assert len(result) == len(expected)
        for one, other in zip(
            taken_apart(result, is_container)[1], taken_apart(expected, is_container)[1], strict=True
        ):
            assert one.path == other.path
            assert_same_tree(one.value, other.value)
    else:
        assert_array_equal(result, expected)


@pytest.mark.parametrize("structure", STRUCTURES, ids=repr)
def test_a_structure_goes_in_and_comes_out_as_it_is(structure):
    def double(tree, x):
        return mapped(lambda leaf: leaf * 2.0 if isinstance(leaf, tl.ComputationNode) else tl.constant(0.0), tree), x

    compiled = tl.compile(double)
    for times in (1.0, 3.0):
        argument = mapped(lambda leaf, t=times: leaf * t if isinstance(leaf, np.ndarray) else leaf, structure)
        expected = mapped(lambda leaf: leaf * 2.0 if isinstance(leaf, np.ndarray) else np.array(0.0), argument)
        result = compiled(argument, X)
        assert_same_tree(mapped(np.asarray, result), (expected, X))
    assert len(compiled.programs) == 1
    assert compiled._last.fits(argument, X) == all(type(key) is str for key in keys_of(structure))


def keys_of(tree):
    if not is_container(tree):
        return []
    items = tree.values() if isinstance(tree, dict) else tree
    return [*(tree if isinstance(tree, dict) else ()), *(key for item in items for key in keys_of(item))]


def test_programs_are_told_apart_by_keys_order_lengths_types_and_values():
    compiled = tl.compile(lambda tree: mapped(lambda leaf: leaf * 2.0, tree))
    different = [
        {"a": X, "b": X}, {"b": X, "a": X}, {"a": X, "c": X}, {"a": X}, OrderedDict(a=X), (X,), [X], (X, X), Pair(X, X),
        {"a": X[0]}, {"a": (X,)}, {"a": [X]},
    ]  # fmt: skip
    for count, tree in enumerate(different, 1):
        for _ in range(2):
            assert_same_tree(compiled(tree), mapped(lambda leaf: leaf * 2.0, tree))
        assert len(compiled.programs) == count
    compiled = tl.compile(lambda tree: tree[0] * tree[1])
    for factor in (2, 2.0, True):
        assert_array_equal(compiled((X, factor)), X * factor)
    assert len(compiled.programs) == 3
    one, true = tl.compile(dict), {True: X}
    assert list(map(type, one({1: X}))) == [int] and list(map(type, one(true))) == [bool]


def test_a_list_of_numbers_is_an_array_and_a_tuple_of_numbers_is_a_value():
    compiled = tl.compile(lambda x, axes: tl.sum(x, axes))
    assert compiled([[1.0, 2.0], [3.0, 4.0]], (0, 1)) == 10.0
    assert_array_equal(compiled(X, (np.int64(1),)), [3, 7])
    assert_array_equal(tl.compile(lambda x: x["a"] * 2)({"a": [1, 2]}), [2, 4])


def test_layers_inside_containers_are_watched():
    layers = [tl.adapt(tl.Sequential(tl.Linear(2, 2, seed=i)), 1, seed=i) for i in range(2)]
    for layer in layers:
        layer[0].lora.lora_B.value = np.ones((1, 2))
    for argument in (tuple(layers), layers, {"a": layers[0], "b": layers[1]}):
        compiled = tl.compile(lambda group, x: sum(f(x) for f in leaves(group)))
        for _ in range(2):
            np.testing.assert_allclose(compiled(argument, X), sum(layer.forward(X) for layer in layers))
            with tl.disabled(layers[1]):
                np.testing.assert_allclose(compiled(argument, X), sum(layer.forward(X) for layer in layers))
        assert compiled.programs.generated == 2


def test_a_container_of_nodes_makes_the_function_run_on_nodes():
    x = tl.parameter(X)
    for argument in ({"x": x}, [x, X], (x,), [[x]]):
        result = tl.compile(lambda tree: leaves(tree)[0] * 2.0)(argument)
        assert result.requires_gradient


def test_inputs_are_named_after_their_place():
    compiled = tl.compile(lambda batch, pair: batch["ids"] @ pair.left + batch["mask"])
    compiled.prepare({"ids": X, "mask": X}, Pair(X, X))
    assert [node.name for node in compiled.graph.inputs] == ["batch['ids']", "batch['mask']", "pair.left", "pair.right"]
    assert "def compiled(batch_ids, batch_mask, pair_left, pair_right):" in compiled.source
    assert "batch['ids']" in str(compiled.graph) and compiled.explain() and compiled.report


def test_a_saved_program_takes_the_arrays_one_after_another(tmp_path):
    compiled = tl.compile(lambda tree: {"sum": tree["a"] + tree["b"][0]})
    compiled({"a": X, "b": (X,)})
    namespace = {"__name__": "saved"}
    exec(compiled.save(tmp_path / "program.py").read_text(), namespace)
    assert_array_equal(namespace["compiled"](X, X), 2 * X)


def test_outputs_in_containers_own_their_memory():
    compiled = tl.compile(lambda tree: {"a": tree["x"], "b": [tree["x"], tree["x"].mT]})
    x = np.array(X)
    result = compiled({"x": x})
    arrays = [result["a"], *result["b"], x]
    assert not any(np.shares_memory(a, b) for i, a in enumerate(arrays) for b in arrays[:i])


# --- What is refused ---


ODD = [
    (np.ma.array([1.0, 2.0], mask=[0, 1]), "is a masked array"),
    (np.array([1.0 + 1j]), "not complex128"),
    (np.complex64(1), "not complex64"),
    (np.array(["text"]), "not <U4"),
    (["text"], "not <U4"),
    (np.array([None]), "not object"),
    (np.array([(1, 2.0)], "i4,f8"), "must hold real numbers"),
    (np.array(["2020-01-01"], "M8[D]"), "must hold real numbers"),
]


@pytest.mark.parametrize(("odd", "message"), ODD)
@pytest.mark.parametrize("inside", [False, True])
def test_arrays_of_other_things_are_refused_by_name(odd, message, inside):
    compiled = tl.compile(lambda x: (x["a"] if inside else x) * 2.0)
    compiled({"a": X} if inside else X)
    name = r"argument x\['a'\]" if inside else "argument x"
    with pytest.raises(DtypeError, match=f"^{name} .*{message}"):
        compiled({"a": odd} if inside else odd)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_a_matrix_is_refused_since_its_product_is_another():
    with pytest.raises(DtypeError, match=r"argument x is an np\.matrix"):
        tl.compile(lambda x: x * x)(np.matrix([[1.0]]))


def test_a_step_refuses_them_too():
    layer = tl.Linear(2, 2, seed=0)
    step = tl.compile_training_step(layer, tl.mse, tl.SGD(layer.parameters(), 0.1))
    masked = np.ma.array(X, mask=X > 2)
    with pytest.raises(DtypeError, match="the target is a masked array"):
        step(X, masked)
    with pytest.raises(DtypeError, match="the input is a masked array"):
        step(masked, X)
    with pytest.raises(DtypeError, match="complex"):
        step(X, X + 1j)


def test_subclasses_that_mean_no_more_than_their_numbers_are_taken(tmp_path):
    np.save(tmp_path / "x.npy", X)
    assert_array_equal(tl.compile(lambda x: x * 2.0)(np.load(tmp_path / "x.npy", mmap_mode="r")), 2 * X)


def test_other_mappings_and_values_that_cannot_be_hashed_are_refused():
    with pytest.raises(CompileError, match="argument tree is a defaultdict: pass a plain dict"):
        tl.compile(lambda tree: tree["a"])(defaultdict(list, a=X))
    with pytest.raises(CompileError, match="set cannot be part of a program"):
        tl.compile(lambda tree: tree["a"])({"a": X, "b": {1}})


RESULTS = [
    (lambda x: [x, {"loss": (x, 3)}], r"not int: result\[1\]\['loss'\]\[1\] is 3"),
    (lambda x: Pair(x, None), r"not NoneType: result.right is None"),
    (lambda x: None, r"not NoneType: result is None: does the function lack a return"),
    (lambda x: (x, np.ones(1)), r"not ndarray: result\[1\] is array.*tl\.constant"),
    (lambda x: defaultdict(int, a=x), r"not defaultdict: result.*return plain tuples"),
]


@pytest.mark.parametrize(("function", "message"), RESULTS)
def test_a_result_that_is_no_node_is_told_with_its_place(function, message):
    with pytest.raises(TraceError, match=f"must return nodes, {message}"):
        tl.compile(function)(X)


def test_a_function_of_a_python_number_says_what_to_pass():
    for argument in (3.0, 3):
        with pytest.raises(TraceError, match=r"result is 6.*argument x is a Python number.*pass np.float64\(x\)"):
            tl.compile(lambda x: x * 2)(argument)
    assert tl.compile(lambda x: x * 2)(np.float64(3.0)) == 6.0


# --- Programs come and go ---


def test_nan_is_one_value():
    compiled = tl.compile(lambda x, number, pair: x * 2.0)
    for _ in range(5):
        compiled(X, float("nan"), (1, float("nan")))
    assert len(compiled.programs) == 1
    compiled(X, 1.0, (1, float("nan")))
    compiled(X, np.float64("nan"), (1, 2))
    assert len(compiled.programs) == 3


def test_what_varies_is_told_by_its_place():
    compiled = tl.compile(lambda tree: tree["x"] * tree["n"])
    with pytest.warns(RecompileWarning, match=r"argument 0\['n'\] differs from call to call, and its values"):
        for i in range(16):
            compiled({"x": X, "n": i})
    compiled = tl.compile(lambda tree: sum(tree.values()))
    with pytest.warns(RecompileWarning, match="keys and lengths of containers"):
        for i in range(16):
            compiled({str(i): X})


def test_the_lines_of_programs_that_are_gone_are_forgotten():
    compiled = tl.compile(lambda x: x * 2.0)
    compiled(np.ones(3))
    gc.collect()
    lines = len(linecache.cache)
    for i in range(20):
        tl.compile(lambda x: x * 2.0 + 1.0)(np.ones(i + 2))
    gc.collect()
    assert len(linecache.cache) == lines
    first, second = (tl.compile(lambda x, i: tl.take(x, i)) for _ in range(2))
    for function in (first, second):
        function(np.ones(3), np.array([0, 1]))
    del second
    gc.collect()
    with pytest.raises(IndexError) as caught:
        first(np.ones(3), np.array([0, 5]))
    assert "x[i]" in "".join(traceback.format_exception(caught.value)), "the same text lives on"


def test_a_copy_calls_like_the_original():
    compiled = copy.deepcopy(tl.compile(affine))
    assert_array_equal(compiled(X, w=X), (X @ X + 1) * 2)


def test_an_argument_that_is_left_out_is_not_one_that_is_none():
    def attention(q, mask=None, scale=2.0):
        weights = tl.softmax(q @ q.mT if scale is None else scale * (q @ q.mT))
        return (weights if mask is None else weights * mask) @ q

    q, mask = np.eye(3), np.ones((3, 3))
    fast = tl.compile(attention)
    calls = [(q, None), (q,), (q, None, 2.0), (q,), (q, mask, None), (q, mask), (q, None, None), (q,)]
    for args in calls:
        nodes = [tl.constant(x) if isinstance(x, np.ndarray) else x for x in args]
        np.testing.assert_allclose(fast(*args), attention(*nodes).value)
    np.testing.assert_allclose(fast(q, mask=None), fast(q))


def test_keys_of_a_dict_that_are_equal_and_not_the_same_are_told_apart():
    def scaled(arrays):
        return {key: arrays[key] * key[0] for key in arrays}

    fast = tl.compile(scaled)
    for key in ((2,), (2.0,), (True,)):
        (result,) = fast({key: np.array([3])}).values()
        assert result.dtype == (np.array([3]) * key[0]).dtype


def test_an_argument_may_be_called_self():
    assert np.array_equal(tl.compile(lambda self, x: self * x)(self=np.full(2, 3.0), x=np.ones(2)), [3.0, 3.0])


def test_arrays_in_the_byte_order_of_other_machines_are_taken():
    other = np.arange(12, dtype=">f4" if np.little_endian else "<f4").reshape(3, 4)
    native = other.astype(np.float32)
    assert np.array_equal(tl.compile(lambda x: x @ x.mT)(other), native @ native.T)
    assert tl.parameter(other).dtype.isnative
