"""A compiled program is made anew when its graph would change, and asks whether it would at next to no cost."""

import copy
import pickle
import threading

import numpy as np
import pytest
from numpy.testing import assert_allclose

import tinygrad_lora as tl
from tinygrad_lora.nn.watch import STRUCTURE, Watch


class Scaled(tl.Layer):
    """A layer with a setting of each kind."""

    def __init__(self):
        self.input_shape = (3,)
        self.factor = 2.0
        self.powers = (1, 2)
        self.activation = tl.tanh
        self.offset = np.ones(3)
        self.table = tl.constant(np.ones(3))
        self.inner = tl.Linear(3, 3, seed=0)
        self.blocks = [tl.Linear(3, 3, seed=1)]
        self.by_name = {"a": tl.Linear(3, 3, seed=2)}
        self.notes = [1.0, 2.0]
        self._private = 0

    def __call__(self, x):
        for layer in (self.inner, *self.blocks, *self.by_name.values()):
            x = layer(x)
        return self.activation(self.factor * x ** self.powers[1] + self.offset + self.table)


def dropped(layer):
    del layer.blocks[0]


def reordered(layer):
    layer.blocks.append(layer.inner)


CHANGES = {
    "a number": lambda m: setattr(m, "factor", 3.0),
    "its type": lambda m: setattr(m, "factor", 2),
    "a tuple": lambda m: setattr(m, "powers", (1, 3)),
    "a function": lambda m: setattr(m, "activation", tl.relu),
    "an array": lambda m: setattr(m, "offset", np.zeros(3)),
    "a constant": lambda m: setattr(m, "table", tl.constant(np.zeros(3))),
    "a layer": lambda m: setattr(m, "inner", tl.Linear(3, 3, seed=5)),
    "a parameter": lambda m: setattr(m.inner, "weight", tl.parameter(np.eye(3))),
    "a layer in a list": lambda m: m.blocks.__setitem__(0, tl.Linear(3, 3, seed=5)),
    "a layer at the end of a list": lambda m: m.blocks.append(tl.Linear(3, 3, seed=5)),
    "a layer used twice": reordered,
    "a layer less": dropped,
    "a layer in a dict": lambda m: m.by_name.update(b=tl.Linear(3, 3, seed=5)),
    "an attribute less": lambda m: delattr(m, "table") or setattr(m, "table", m.offset),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_a_graph_depends_on_changes_its_number(change):
    model, x = Scaled(), np.random.default_rng(0).normal(size=(4, 3))
    watch, key, compiled = model.watch(), model.graph_key(), tl.compile(model)
    number = watch()
    assert_allclose(compiled(x), model.forward(x), rtol=1e-12)
    change(model)
    assert watch() != number and model.graph_key() != key
    assert_allclose(compiled(x), model.forward(x), rtol=1e-12)


SAME = {
    "a value": lambda m: setattr(m.inner.weight, "value", np.eye(3)),
    "a forward": lambda m: m.forward(np.ones((2, 3))),
    "a private attribute": lambda m: setattr(m, "_private", 1),
    "a record": lambda m: m.notes.append(3.0),
    "a new record": lambda m: setattr(m, "notes", [5.0]),
    "freezing": lambda m: m.freeze(),
    "an equal number": lambda m: setattr(m, "factor", 2.0),
    "a node that was left there": lambda m: setattr(m, "last", tl.constant(np.ones(3)) * 2.0),
    "another layer": lambda m: Scaled(),
}


@pytest.mark.parametrize("change", SAME.values(), ids=SAME)
def test_what_a_graph_does_not_depend_on_leaves_its_number(change):
    model = Scaled()
    watch, key = model.watch(), model.graph_key()
    number = watch()
    change(model)
    assert watch() == number and model.graph_key() == key


def test_a_structure_that_comes_back_has_its_number_again():
    model = tl.adapt(tl.Sequential(tl.Linear(3, 3, seed=0), tl.relu, tl.Linear(3, 2, seed=1)), 1, seed=2)
    watch = model.watch()
    numbers = [watch()]
    with tl.disabled(model):
        numbers.append(watch())
    numbers.append(watch())
    tl.merge_all(model)
    numbers.append(watch())
    tl.unmerge_all(model)
    numbers.append(watch())
    model.members[1] = tl.tanh
    numbers.append(watch())
    model.members[1] = tl.relu
    numbers.append(watch())
    a, b, c, d, e, f, g = numbers
    assert a == c == e == g and len({a, b, d, f}) == 4


def test_nothing_is_looked_at_again_while_nothing_is_assigned():
    looks = []

    class Counted(tl.Linear):
        def _parts(self):
            looks.append(self)
            return super()._parts()

    model = tl.Sequential(Counted(3, 3, seed=0), Counted(3, 3, seed=1))
    watch = model.watch()
    watch()
    looks.clear()
    for _ in range(3):
        model.forward(np.ones(3))
        model.backward(np.ones(3))
        model.update_parameters(0.1)
        looks.clear()
        watch()
        assert looks == []
    model.note = 1
    watch()
    assert looks


def test_a_list_of_arrays_may_change():
    class Listed(tl.Layer):
        def __init__(self):
            self.arrays = [np.zeros(3)]

    model = Listed()
    watch = model.watch()
    number = watch()
    model.arrays[0] = np.zeros(3)
    assert watch() != number


def test_an_optimizer_and_a_model_are_watched_together():
    model = tl.Linear(3, 2, seed=0)
    optimizer = tl.AdamW(model.parameters(), 0.1)
    watch = optimizer.watch(model)
    number = watch()
    optimizer.lr, optimizer.steps = 0.2, 5
    optimizer.lr = lambda step: 0.1
    assert watch() == number
    numbers = [number]
    for name, value in [("weight_decay", 0.5), ("betas", (0.5, 0.5)), ("max_norm", 1.0), ("elementwise", False)]:
        setattr(optimizer, name, value)
        numbers.append(watch())
    del optimizer.parameters[0]
    numbers.append(watch())
    model.bias = None
    numbers.append(watch())
    assert len(set(numbers)) == len(numbers)


def test_a_copy_is_watched_on_its_own():
    model = Scaled()
    del model.table  # constants cannot be copied
    watch = model.watch()
    number = watch()
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        twin.factor = 5.0
        assert watch() == number and model.factor == 2.0


def test_threads_may_ask_at_the_same_time():
    model = Scaled()
    watch = Watch(model)
    wrong = []

    def ask(factor):
        expected = {}
        for i in range(200):
            STRUCTURE.changed += 1  # something was assigned somewhere
            number = watch()
            if expected.setdefault(factor, number) != number:
                wrong.append(i)

    threads = [threading.Thread(target=ask, args=(2.0,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
