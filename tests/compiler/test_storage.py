"""A training step keeps parameters in one vector, and trains as the eager loop does, whatever else touches them."""

import copy
import pickle
import threading

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_lora as tl
from tinygrad_lora.errors import CompileError, GradientError, MergedError, ShapeError, StaleGraphError

SCHEDULE = tl.cosine(0.05, steps=8, warmup=2, end=0.001)
RULES = {
    "sgd": lambda p, **k: tl.SGD(p, SCHEDULE, **k),
    "momentum": lambda p, **k: tl.SGD(p, SCHEDULE, momentum=0.9, **k),
    "weight decay": lambda p, **k: tl.SGD(p, SCHEDULE, momentum=0.9, weight_decay=0.1, **k),
    "adam": lambda p, **k: tl.Adam(p, SCHEDULE, **k),
    "adamw": lambda p, **k: tl.AdamW(p, SCHEDULE, weight_decay=0.1, **k),
}
EACH = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)


def network(dtype=np.float64, rank=0):
    model = tl.Sequential(tl.Linear(6, 8, seed=0, dtype=dtype), tl.tanh, tl.Linear(8, 3, seed=1, dtype=dtype))
    if rank:
        tl.adapt(model, rank, seed=2)
        for layer in tl.adapters(model).values():  # at B = 0 the factors A would get no gradient
            layer.lora.lora_B.value = np.full(layer.lora.lora_B.shape, 0.1, dtype)
    return model


def mixed():
    return tl.Sequential(tl.Linear(6, 8, seed=0, dtype=np.float32), tl.tanh, tl.Linear(8, 3, seed=1))


def data(n=10, dtype=np.float64):
    rng = np.random.default_rng(3)
    return rng.normal(size=(n, 6)).astype(dtype), rng.integers(0, 3, n)


def eager_step(model, optimizer, x, labels, loss=tl.cross_entropy):
    optimizer.zero_gradients()
    value = loss(model(tl.constant(np.asarray(x, model.dtype))), labels)
    value.backward()
    optimizer.step()
    return float(value)


def everything(model, optimizer):
    return [p.value for p in [*model.named_parameters().values(), *optimizer.state]]


def assert_same(pairs, rtol=1e-12):
    (one, two) = pairs
    for a, b in zip(everything(*one), everything(*two), strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        assert_allclose(a, b, rtol=rtol, atol=rtol)
    assert one[1].steps == two[1].steps and one[1].lr == two[1].lr


class Pair:
    """The same model and optimizer twice: one trained by the eager loop, one by a compiled step."""

    def __init__(self, make=network, rule=RULES["adamw"], loss=tl.cross_entropy, rtol=1e-12, buffers=True, **options):
        self.models = make(), make()
        self.optimizers = [rule(model.parameters(), **options) for model in self.models]
        self.loss, self.rtol = loss, rtol
        self.compiled = tl.compile_training_step(self.models[1], loss, self.optimizers[1], buffers=buffers)

    def step(self, n=10, times=1):
        for _ in range(times):
            x, labels = data(n, self.models[0].dtype)
            eager = eager_step(self.models[0], self.optimizers[0], x, labels, self.loss)
            assert_allclose(self.compiled(x, labels), eager, rtol=self.rtol)
        self.check()

    def check(self):
        assert_same(list(zip(self.models, self.optimizers, strict=True)), self.rtol)


@pytest.mark.slow
@EACH
@pytest.mark.parametrize("rank", [0, 2], ids=["dense", "adapted"])
@pytest.mark.parametrize("max_norm", [None, 0.3], ids=["free", "clipped"])
@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-12), (np.float32, 2e-4)], ids=["float64", "float32"])
def test_six_steps_are_those_of_the_eager_loop(rule, rank, max_norm, dtype, rtol):
    pair = Pair(lambda: network(dtype, rank), rule, rtol=rtol, max_norm=max_norm)
    pair.step(times=6)
    assert len(pair.compiled.programs) == 1


@EACH
def test_without_planned_memory_the_results_are_copied_into_the_vectors(rule):
    pair = Pair(lambda: network(rank=2), rule, max_norm=0.3, buffers=False)
    pair.step(times=4)


@EACH
def test_a_model_of_two_dtypes_has_two_vectors(rule):
    pair = Pair(mixed, rule, max_norm=0.3, rtol=1e-6)
    pair.step(times=6)
    storage = pair.compiled.storage
    slots = len(pair.optimizers[1].slots)
    assert [flat.memory.dtype for flat in storage.flats] == [np.float32, np.float64] * (1 + slots)
    assert [flat.memory.size for flat in storage.flats] == [6 * 8 + 8, 8 * 3 + 3] * (1 + slots)


def test_one_update_does_for_all_parameters():
    model = network(rank=2)
    step = tl.compile_training_step(model, tl.cross_entropy, tl.AdamW(model.parameters(), 0.1))
    step(*data())
    total = model.parameter_count
    assert [flat.memory.shape for flat in step.storage.flats] == [(total,)] * 3
    assert sum(node.op is tl.sqrt and node.shape == (total,) for node in step.program.traced.nodes) == 1
    assert not [node for node in step.program.traced.nodes if node.op is tl.sqrt and node.shape not in ((), (total,))]


def test_parameters_and_state_are_read_only_views_of_the_vectors():
    model = network()
    optimizer = tl.SGD(model.parameters(), 0.1, momentum=0.9)
    step = tl.compile_training_step(model, tl.cross_entropy, optimizer)
    step(*data())
    for flat, nodes in zip(step.storage.flats, [optimizer.parameters, *optimizer.slots], strict=True):
        assert flat.nodes == nodes
        assert_array_equal(flat.memory, np.concatenate([node.value.ravel() for node in nodes]))
        for node in nodes:
            assert np.shares_memory(node.value, flat.memory)
            with pytest.raises(ValueError, match="read-only"):
                node.value[...] = 0


@EACH
def test_an_assigned_value_is_taken_over(rule):
    pair = Pair(rule=rule)
    pair.step(times=2)
    for model, optimizer in zip(pair.models, pair.optimizers, strict=True):
        model[0].weight.value = np.ones((6, 8))
        model.set_parameter("2.bias", [1.0, 2.0, 3.0])
        for array in optimizer.state[:1]:
            array.value = np.full(array.shape, 0.5)
    pair.step(times=2)
    for model in pair.models:
        model.load_weights({name: np.array(p.value) for name, p in network().named_parameters().items()})
    pair.step(times=2)
    for model in pair.models:
        model.set_parameters(np.linspace(-1, 1, model.parameter_count))
    pair.step()


def test_a_value_that_another_thread_assigns_while_a_step_runs_is_taken_over_by_the_next(monkeypatch):
    model, twin = network(), network()
    step = tl.compile_training_step(model, tl.cross_entropy, tl.SGD(model.parameters(), 0.1))
    step(*data())
    weights = {name: np.array(p.value) for name, p in twin.named_parameters().items()}
    write = step.storage.write

    def meddle(arrays):
        model.load_weights(weights)
        write(arrays)

    with monkeypatch.context() as patch:
        patch.setattr(step.storage, "write", meddle)
        step(*data())
    step(*data())
    eager_step(twin, tl.SGD(twin.parameters(), 0.1), *data())
    assert_allclose(model.get_parameters(), twin.get_parameters(), rtol=1e-12)


def test_eager_and_compiled_steps_may_take_turns():
    pair = Pair(rule=RULES["momentum"])
    for _ in range(3):
        pair.step()
        eager_step(pair.models[1], pair.optimizers[1], *data())
        eager_step(pair.models[0], pair.optimizers[0], *data())
    pair.check()
    assert pair.optimizers[1].steps == 6


@EACH
def test_two_compiled_steps_of_one_model_may_take_turns(rule):
    pair = Pair(rule=rule)
    _, model = pair.models

    def other(logits, labels):
        return tl.mean(logits * logits)

    second = tl.compile_training_step(model, other, pair.optimizers[1])
    for _ in range(3):
        pair.step()
        second(*data())
        eager_step(pair.models[0], pair.optimizers[0], *data(), loss=other)
        pair.check()


def test_a_step_that_failed_after_taking_over_is_noticed_by_the_other():
    pair = Pair(rule=RULES["adam"])
    second = tl.compile_training_step(pair.models[1], tl.cross_entropy, pair.optimizers[1])
    pair.step(times=2)
    with pytest.raises(IndexError):
        second(data()[0], data()[1] + 7)
    pair.step(times=2)


def test_a_failed_step_changes_nothing_and_counts_nothing():
    pair = Pair(max_norm=0.5)
    pair.step(times=2)
    x, labels = data()
    before = [np.array(a) for a in everything(pair.models[1], pair.optimizers[1])]
    for wrong, error in [
        ((x[:, :5], labels), ShapeError),
        ((x, labels + 9), IndexError),
        ((x, np.where(labels == 2, -1, labels)), ValueError),
        ((x, labels[:4]), ShapeError),
    ]:
        with pytest.raises(error):
            pair.compiled(*wrong)
    for a, b in zip(everything(pair.models[1], pair.optimizers[1]), before, strict=True):
        assert_array_equal(a, b)
    assert pair.optimizers[1].steps == 2
    pair.step(times=2)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["copy", "pickle"])
def test_copies_taken_between_steps_share_nothing_and_train_alike(again):
    pair = Pair(rule=RULES["adam"])
    pair.step(times=3)
    model, optimizer = again((pair.models[1], pair.optimizers[1]))
    flats = pair.compiled.storage.flats
    assert not any(np.shares_memory(a, flat.memory) for a in everything(model, optimizer) for flat in flats)
    before = [np.array(a) for a in everything(model, optimizer)]
    pair.step(times=2)
    for a, b in zip(everything(model, optimizer), before, strict=True):
        assert_array_equal(a, b)
    step = tl.compile_training_step(model, tl.cross_entropy, optimizer)
    for _ in range(2):
        step(*data())
    assert_same([(model, optimizer), (pair.models[1], pair.optimizers[1])])


def test_arrays_handed_out_as_copies_outlive_the_next_step():
    model = network(rank=2)
    step = tl.compile_training_step(model, tl.cross_entropy, tl.SGD(model.parameters(), 0.1))
    step(*data())
    vector, weights, output = model.get_parameters(), tl.adapter_weights(model), model.forward(data()[0])
    kept = vector.copy(), {name: array.copy() for name, array in weights.items()}, output.copy()
    step(*data())
    assert_array_equal(vector, kept[0])
    assert_array_equal(output, kept[2])
    for name, array in weights.items():
        assert_array_equal(array, kept[1][name])
        assert not np.array_equal(array, model.named_parameters()[name].value)


def test_batch_sizes_may_change():
    pair = Pair(max_norm=0.5)
    for n in (10, 7, 10, 1):
        pair.step(n)
    assert len(pair.compiled.programs) == 3


def test_settings_may_change_and_come_back():
    pair = Pair(rule=RULES["adamw"])
    for setting, value in [("weight_decay", 0.3), ("max_norm", 0.1), ("betas", (0.5, 0.6)), ("eps", 1e-3)]:
        pair.step()
        for optimizer in pair.optimizers:
            setattr(optimizer, setting, value)
    pair.step()
    assert len(pair.compiled.programs) == 5
    for optimizer in pair.optimizers:
        optimizer.eps = 1e-8
        optimizer.lr = 0.01
    pair.step(times=2)
    assert len(pair.compiled.programs) == 5


def test_the_learning_rate_and_the_count_are_no_settings():
    pair = Pair()
    pair.step()
    for optimizer in pair.optimizers:
        optimizer.lr = 0.01
    pair.step()
    for optimizer in pair.optimizers:
        optimizer.lr = SCHEDULE
        optimizer.steps = 7
    pair.step()
    assert len(pair.compiled.programs) == 1


def test_a_parameter_frozen_between_steps_is_refused_as_by_the_eager_step():
    pair = Pair()
    pair.step()
    before = [np.array(a) for a in everything(pair.models[1], pair.optimizers[1])]
    pair.models[1][0].weight.requires_gradient = False
    with pytest.raises(GradientError, match="weight was frozen after this optimizer was built"):
        pair.compiled(*data())
    for a, b in zip(everything(pair.models[1], pair.optimizers[1]), before, strict=True):
        assert_array_equal(a, b)
    pair.models[1].unfreeze()
    pair.step()


def test_a_new_list_of_parameters_is_a_new_program():
    pair = Pair(rule=RULES["sgd"])
    pair.step()
    for optimizer in pair.optimizers:
        del optimizer.parameters[0]  # in place: no attribute is assigned
    pair.step(times=2)
    for model, optimizer in zip(pair.models, pair.optimizers, strict=True):
        optimizer.parameters = model.parameters()
    pair.step(times=2)


def test_merging_and_unmerging_between_steps():
    pair = Pair(lambda: network(rank=2))
    pair.step(times=2)
    x, labels = data()
    for model in pair.models:
        tl.merge_all(model)
    assert_allclose(pair.models[1].forward(x), pair.models[0].forward(x), rtol=1e-12)
    with pytest.raises(MergedError, match="unmerge"):
        pair.compiled(x, labels)
    for model in pair.models:
        tl.unmerge_all(model)
    pair.step(times=2)
    assert len(pair.compiled.programs) == 1


def test_training_while_merged_by_another_step_is_noticed_when_the_layer_runs():
    model = network(rank=2)
    factors = [layer.lora.lora_A for layer in tl.adapters(model).values()]

    def penalty(x):
        return tl.sum(factors[0] * factors[0]) * 1.0 + tl.sum(x) * 0.0

    step = tl.compile_training_step(penalty, lambda y, target: y, tl.SGD(factors[:1], 0.1))
    tl.merge_all(model)
    step(np.ones(2), np.ones(2))
    with pytest.raises(MergedError, match="new values while they are merged"):
        model.forward(data()[0])


def test_a_graph_from_before_a_step_is_stale_after_it():
    model = network()
    step = tl.compile_training_step(model, tl.cross_entropy, tl.SGD(model.parameters(), 0.1))
    x, labels = data()
    step(x, labels)
    loss = tl.cross_entropy(model(tl.constant(x)), labels)
    step(x, labels)
    with pytest.raises(StaleGraphError, match="got a new value"):
        loss.backward()
    tl.cross_entropy(model(tl.constant(x)), labels).backward()


def test_threads_that_call_one_step_take_turns():
    pair = Pair(rule=RULES["momentum"])
    pair.step()
    x, labels = data()
    threads = [threading.Thread(target=lambda: [pair.compiled(x, labels) for _ in range(20)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for _ in range(80):
        eager_step(pair.models[0], pair.optimizers[0], x, labels)
    pair.check()


class Lamb(tl.Adam):
    """Adam with a step as long as the parameter: a rule that looks at whole parameters, so it is not elementwise."""

    def update(self, parameters, gradients, state, rate):
        moved, state = super().update(parameters, gradients, state, rate)
        steps = [new - old for new, old in zip(moved, parameters, strict=True)]
        norms = [tl.sqrt(tl.sum(p * p) / (tl.sum(s * s) + 1e-12)) for p, s in zip(parameters, steps, strict=True)]
        pairs = zip(parameters, steps, norms, strict=True)
        return [p + tl.cast(rate, dtype=str(p.dtype)) * n * s for p, s, n in pairs], state


def test_a_rule_that_looks_at_whole_parameters_runs_once_a_parameter():
    assert tl.Adam.elementwise and not Lamb.elementwise  # a rule of its own must promise anew
    pair = Pair(rule=lambda p, **k: Lamb(p, SCHEDULE, max_norm=0.3))
    pair.step(times=6)
    assert not pair.compiled.storage.flats


class Averaged(tl.Optimizer):
    """Steps, and a running mean of the parameters: a state that is assigned as a whole."""

    def __init__(self, parameters, lr):
        super().__init__(parameters, lr)
        self.state = [tl.parameter(p.value, "mean", trainable=False) for p in self.parameters]

    def update(self, parameters, gradients, state, rate):
        new = [p - tl.cast(rate, dtype=str(p.dtype)) * g for p, g in zip(parameters, gradients, strict=True)]
        return new, [0.9 * m + 0.1 * p for m, p in zip(state, new, strict=True)]


def test_a_rule_need_not_say_what_its_state_is():
    pair = Pair(rule=lambda p, **k: Averaged(p, 0.1))
    pair.step(times=4)
    assert not pair.compiled.storage.flats


def test_a_rule_that_is_elementwise_must_say_what_its_state_is():
    class Wrong(Averaged):
        elementwise = True

    model = network()
    step = tl.compile_training_step(model, tl.cross_entropy, Wrong(model.parameters(), 0.1))
    with pytest.raises(CompileError, match="each of its slots must be a list of arrays"):
        step(*data())


@pytest.mark.parametrize("elementwise", [True, False])
def test_a_rule_that_gives_the_wrong_arrays_is_refused(elementwise):
    class Wrong(tl.Optimizer):
        def update(self, parameters, gradients, state, rate):
            return self.result(parameters), []

    model = network()
    optimizer = Wrong(model.parameters(), 0.1)
    optimizer.elementwise = elementwise
    step = tl.compile_training_step(model, tl.cross_entropy, optimizer)
    optimizer.result = lambda parameters: parameters[:-1]
    with pytest.raises(ShapeError, match=r"update\(\) gave \d parameters and 0 arrays of state; it was given"):
        step(*data())
    optimizer.result = lambda parameters: [tl.sum(p) for p in parameters]
    with pytest.raises(ShapeError, match=r"update\(\) gave .* the shape \(\); it has"):
        step(*data())


class Forgetful(tl.Optimizer):
    """A rule that does not look at the old parameters: there is nothing for it to write over."""

    elementwise = True

    def update(self, parameters, gradients, state, rate):
        return [g * tl.cast(rate, dtype=str(g.dtype)) for g in gradients], []


def test_a_rule_need_not_look_at_the_old_values():
    Pair(rule=lambda p, **k: Forgetful(p, 0.1)).step(times=3)


def test_looking_at_the_graph_of_a_step_changes_nothing():
    pair = Pair(rule=RULES["adam"])
    pair.step()
    program = pair.compiled.program
    before = [np.array(a) for a in everything(pair.models[1], pair.optimizers[1])]
    for graph in (program.traced, program.graph):
        graph(*data())
        assert not any(p.value.flags.writeable for p in graph.captured if p.shape)
    for a, b in zip(everything(pair.models[1], pair.optimizers[1]), before, strict=True):
        assert_array_equal(a, b)
    pair.step(times=2)


def test_what_is_no_optimizer_is_refused():
    with pytest.raises(CompileError, match=r"must be one such as tl\.SGD or tl\.Adam, not list"):
        tl.compile_training_step(network(), tl.mse, [])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_input_gradient_is_that_of_backward(dtype):
    model = network(dtype, rank=2)
    optimizer = tl.Adam(model.parameters(), 0.01)
    step = tl.compile_training_step(model, tl.cross_entropy, optimizer, input_gradient=True)
    x, labels = data(dtype=dtype)
    seen = []
    for _ in range(3):
        leaf = tl.parameter(x)
        loss = tl.cross_entropy(model(leaf), labels)
        expected = tl.gradients(loss, leaf).value
        value, gradient = step(x.astype(np.float64), labels)
        assert type(value) is float and value == pytest.approx(float(loss), rel=1e-5)
        assert gradient.dtype == dtype and gradient.flags.writeable and gradient.flags.owndata
        assert_allclose(gradient, expected, rtol=1e-4 if dtype == np.float32 else 1e-12, atol=1e-9)
        seen.append((gradient, gradient.copy()))
    for gradient, before in seen:
        assert_array_equal(gradient, before)  # no later step wrote into it


def test_two_parts_of_a_model_train_through_an_input_gradient():
    x, labels = data()
    whole, (first, _, last) = network(), list(network())
    tail = tl.Sequential(tl.tanh, last)
    step = tl.compile_training_step(tail, tl.cross_entropy, tl.SGD(tail.parameters(), 0.1), input_gradient=True)
    together = tl.compile_training_step(whole, tl.cross_entropy, tl.SGD(whole.parameters(), 0.1))
    for _ in range(3):
        loss, gradient = step(first.forward(x), labels)
        first.backward(gradient)
        first.update_parameters(0.1)
        assert_allclose(loss, together(x, labels), rtol=1e-12)
    assert_allclose(first.get_parameters(), whole[0].get_parameters(), rtol=1e-12)


def test_whole_numbers_have_no_input_gradient():
    class Embedding(tl.Layer):
        takes_indices = True

        def __init__(self):
            self.table = tl.parameter(np.ones((5, 3)))

        def __call__(self, x):
            return tl.take(self.table, x)

    model = Embedding()
    optimizer = tl.SGD(model.parameters(), 0.1)
    step = tl.compile_training_step(model, tl.mse, optimizer, input_gradient=True)
    with pytest.raises(GradientError, match="only floats have a gradient"):
        step(np.array([1, 2]), np.zeros((2, 3)))
    tl.compile_training_step(model, tl.mse, optimizer)(np.array([1, 2]), np.zeros((2, 3)))


def test_labels_are_looked_at_only_where_they_are_indices():
    model = tl.Linear(6, 1, seed=0)
    step = tl.compile_training_step(model, tl.mse, tl.SGD(model.parameters(), 0.01))
    x, _ = data()
    step(x, np.full((10, 1), -2))
    assert step._indexing == {2: False}
    classes = network()
    step = tl.compile_training_step(classes, tl.cross_entropy, tl.SGD(classes.parameters(), 0.01))
    step(*data())
    assert step._indexing == {1: True}
