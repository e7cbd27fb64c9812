"""A student's function leaves its arguments as they are: in every exercise, whatever it gives."""

import functools
import inspect
from dataclasses import replace

import numpy as np
import pytest

import tinygrad_lora as tl
from tinygrad_lora.learn import Wrong, exercise_ids, load_exercise, run_checks
from tinygrad_lora.learn.checking.arguments import on_copies

QUICK = (  # one for each tutorial; the others are slow together
    "01-count-nodes", "02-valid", "03-repair", "04-topo", "05-sum-mean", "06-linear", "07-momentum", "08-clip",
    "09-fuse", "10-liveness", "11-best-rank", "12-attach", "13-weights",
)  # fmt: skip
FUNCTIONS = [
    pytest.param(id, name, marks=[] if id in QUICK else [pytest.mark.slow])
    for id in exercise_ids() for name, thing in load_exercise(id).references.items() if callable(thing)
]  # fmt: skip


def leaves_of(x):
    """The parameters that an argument holds: those of a node, of a layer, of a list or a dictionary."""
    if isinstance(x, tl.Layer):
        return [*x.named_parameters().values()]
    if isinstance(x, tl.Graph):
        return [node for node in x.nodes if str(node.op) == "parameter"]
    if isinstance(x, tl.ComputationNode):
        return leaves_of(tl.Graph([], [x])) if x.known else []
    if isinstance(x, (list, tuple, dict)):
        return [p for part in (x.values() if isinstance(x, dict) else x) for p in leaves_of(part)]
    return []


def changes_an_array(arguments):
    for x in arguments:
        for array in x if isinstance(x, list) else [x]:
            if isinstance(array, np.ndarray) and array.any():
                array *= 0
                return True
    return False


def changes_a_list(arguments):
    for x in arguments:
        if isinstance(x, (list, dict)) and x:
            x.clear()
            return True
    return False


def rebinds_a_value(arguments):
    for p in [p for x in arguments for p in leaves_of(x)]:
        p.value = 2.0 * np.asarray(p.value) + 1.0
        return True
    return False


def cuts_a_graph(arguments):
    for x in arguments:
        node = x.outputs[0] if isinstance(x, tl.Graph) else x
        if isinstance(node, tl.ComputationNode) and node.parents:
            node.parents = ()
            return True
    return False


def freezes_a_parameter(arguments):
    for p in [p for x in arguments for p in leaves_of(x)]:
        p.requires_gradient = not p.requires_gradient
        return True
    return False


def spoiling(thing, spoil, spoiled, may_change=()):
    """The right answer, which then spoils one of the arguments that it must leave alone."""

    @functools.wraps(thing, updated=())
    def function(*args, **kwargs):
        result = thing(*args, **kwargs)
        named = inspect.signature(thing).bind(*args, **kwargs).arguments
        spoiled.append(spoil([x for name, x in named.items() if name not in may_change]))
        return result

    return function


def spoiling_class(thing, spoil, spoiled):
    """The class with methods that spoil their arguments, themselves apart."""
    methods = {name: spoiling(f, spoil, spoiled, ("self",)) for name, f in vars(thing).items() if inspect.isfunction(f)}
    return type(thing.__name__, (thing,), methods)


# In the training of this exercise another function of the student calls it: what it spoils shows in what comes out.
CALLED_BY_ANOTHER = {("08-rescue", "measure")}


@pytest.mark.parametrize(
    "spoil", [changes_an_array, changes_a_list, rebinds_a_value, cuts_a_graph, freezes_a_parameter]
)
@pytest.mark.parametrize(("id", "name"), FUNCTIONS)
def test_a_right_answer_that_changes_an_argument_is_wrong(id, name, spoil):
    exercise, spoiled = load_exercise(id), []
    thing, may_change = exercise.references[name], exercise.changes.get(name, ())
    if isinstance(thing, type):
        answer = spoiling_class(thing, spoil, spoiled)
    else:
        answer = spoiling(thing, spoil, spoiled, may_change)
    seen = []
    for check in exercise.checks:
        diagnosis = run_checks(replace(exercise, checks=[check]), exercise.references | {name: answer}).diagnosis
        seen += [diagnosis] if diagnosis else []
        if diagnosis and diagnosis.code == "changed-argument":
            break
    else:
        assert bool(seen) == any(spoiled), seen
        assert not seen or (id, name) in CALLED_BY_ANOTHER, seen


@pytest.mark.parametrize(("id", "name"), FUNCTIONS)
def test_what_may_change_is_an_argument(id, name):
    changes = load_exercise(id).changes
    assert changes.keys() <= load_exercise(id).references.keys()
    assert set(changes.get(name, ())) <= set(inspect.signature(load_exercise(id).references[name]).parameters)


COPY, NODE = "work on a copy, such as {}", "make a new node"
W = tl.parameter(2.0, "w")


@pytest.mark.parametrize(
    ("spoil", "argument", "change", "remedy"),
    [
        (lambda x: x.fill(0), np.array([1.0, 2.0]), "x was [1, 2] and became [0, 0]", COPY.format("x.copy()")),
        (list.clear, [1, 2], "the length of x was 2 and became 0", COPY.format("list(x)")),
        (list.reverse, [1, 2], "x[0] was 1 and became 2", COPY.format("list(x)")),
        (lambda x: x.update(b=2), {"a": 1}, "the length of x was 1 and became 2", COPY.format("dict(x)")),
        (lambda x: x.update(a=2), {"a": 1}, "x['a'] was 1 and became 2", COPY.format("dict(x)")),
        (lambda x: x[0].fill(0), [np.ones(2)], "x[0] was [1, 1] and became [0, 0]", COPY.format("x[0].copy()")),
        (lambda x: setattr(x, "value", 3.0), W, "the value of w was 2 and became 3", NODE),
        (lambda x: setattr(x.parents[0], "value", 2.0), 2 * W, "the value of w was 3 and became 2", NODE),
        (lambda x: x.params.update(factor=3.0), W * 2.0, "scale.params['factor'] was 2.0 and became 3.0", NODE),
        (lambda x: x.freeze(), tl.Linear(1, 1), "weight.requires_gradient was True and became False", NODE),
        (lambda x: x.nodes.clear(), tl.Graph([], [W]), "the length of x['nodes'] was 1 and became 0", "on a copy"),
    ],
)  # fmt: skip
def test_a_change_is_named_with_what_was_and_what_became(spoil, argument, change, remedy):
    with pytest.raises(Wrong) as wrong:
        on_copies(spoil, ["x"])(argument)
    assert wrong.value.diagnosis.code == "changed-argument"
    assert str(wrong.value).startswith(f"your function changes x in place: {change}; leave it as it is, and ")
    assert str(wrong.value).endswith(remedy)


def test_arrays_lists_and_dictionaries_are_copies_and_the_rest_is_itself():
    array, node = np.ones(2), tl.parameter(1.0)
    own_list, own_array, own_node = on_copies(lambda *x: x, ["x"])([array], array, node)
    assert own_list[0] is not array and own_array is not array and own_node is node
    on_copies(lambda x, y: y.fill(0), ["x", "y"], changes=["y"])(array, y=array)
    assert not array.any()
