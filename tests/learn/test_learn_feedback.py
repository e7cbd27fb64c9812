"""What an exercise says to answers that are right in another way, or wrong in a way of their own: it must be true."""

import json
import re

import numpy as np
import pytest
from wrong_answers import mutants_of

import tinygrad_lora as tl
from tinygrad_lora.learn import exercise_ids, load_exercise, reference, run_checks
from tinygrad_lora.learn.cases import chain, puzzle
from tinygrad_lora.learn.checking.repetition import require_repeated
from tinygrad_lora.learn.diagnosis import Wrong, example, number, written
from tinygrad_lora.learn.exercises.t01 import values as t01_values
from tinygrad_lora.learn.exercises.t04 import diamond as t04_diamond
from tinygrad_lora.learn.exercises.t09 import fusible as t09_fusible
from tinygrad_lora.learn.exercises.t10 import reuse as t10_reuse
from tinygrad_lora.learn.tutorials import tutorial


def told(id, **values):
    """The report, as a student reads it in a terminal."""
    return str(run_checks(load_exercise(id), reference_values(id) | values))


def reference_values(id):
    return load_exercise(id).references


# --- Right in another way ---


def test_a_counterexample_may_be_built_from_arrays():
    def counterexample():
        a = tl.parameter([1.0, 2.0], "x")
        b = a * a
        return tl.sum(b * b)

    def harmless():
        x = tl.parameter([1.0, 2.0])
        return tl.sum(x * x)

    report = told("04-counterexample", counterexample=counterexample, harmless=harmless)
    assert "3 of 4 points" in report and "yours has 4 nodes" in report
    wrong = told("04-counterexample", counterexample=harmless, harmless=counterexample)
    assert "naive recursion gives the right gradients here (a parameter: [2, 4])" in wrong
    assert "naive recursion gives x the gradient [6, 48], and [4, 32] is right" in wrong


# --- True ---


def wrong_value(name, value):
    return told("01-values", values=reference_values("01-values")["values"] | {name: value})


def test_operands_stand_the_other_way_around_only_where_there_is_an_order():
    assert "other way around" not in wrong_value("a", -5.0)  # y - x, but a is a product
    assert "other way around" not in wrong_value("b", 8.0)  # x - a, but b is a sum
    assert "other way around" in wrong_value("d", -22.0) or "the sign is not" in wrong_value("d", -22.0)


def test_a_constant_used_twice_is_not_denied():
    def harmless():
        c, x = tl.constant(2.0, "c"), tl.parameter(3.0, "x")
        return x * c + c

    report = told("04-counterexample", harmless=harmless)
    assert "no node of your graph is used twice" not in report
    assert "only c is used twice, and it gets no gradient" in report


def test_a_leaf_is_not_said_to_depend_on_no_parameter_and_all_shared_leaves_are_named():
    assert "gave a leaf" in told("04-counterexample", counterexample=lambda: tl.parameter(2.0, "x"))

    def squares():
        x, y = tl.parameter(2.0, "x"), tl.parameter(3.0, "y")
        return x * x + y * y

    assert "only x and y are used twice: leaves" in told("04-counterexample", counterexample=squares)


def test_of_a_name_without_a_value_the_order_is_not_blamed():
    (right,) = reference_values("09-emit").values()

    def forgets(graph):
        return "\n".join(line for line in right(graph).splitlines() if not line.strip().startswith("t0 = "))

    assert "t0 gets a value in no line" in told("09-emit", **{right.__name__: forgets})


def test_the_numbers_of_an_example_have_the_digits_that_a_comparison_by_hand_needs():
    assert example(np.array([18.375, 2.0]), 3.0, x=None, n=7, note="a text") == (
        ("x", "None"), ("n", "7"), ("note", "a text"), ("yours", "[18.375, 2]"), ("should be", "3"),
    )  # fmt: skip
    yours, expected = (numbers for _, numbers in example(1 / 3, 1 / 3 + 1e-9))
    assert yours != expected and yours.startswith("0.33333333")
    assert "-0" not in number(-0.0) and number(True) == "True"
    assert written(np.zeros((2, 2, 2))) == "[[0, 0] [0, 0]] [[0, 0] [0, 0]]"
    assert written(np.ones((7, 7))).startswith("of shape (7, 7): all 1")


def test_the_example_of_a_layer_has_its_input_its_parameters_and_its_factors():
    def relu_added(self, x):
        return tl.relu(x @ self.weight + self.bias)

    (Linear,) = reference_values("06-linear").values()
    report = told("06-linear", Linear=type("Linear", (Linear,), {"__call__": relu_added}))
    assert all(f"  {name} " in report for name in ("x", "weight", "bias", "yours", "should be"))


def test_a_result_that_is_always_zero_is_not_the_slope_for_an_h_of_its_own():
    def zero(f, x, h):
        return 0.0 * h

    report = told("03-central-difference", central_difference=zero)
    assert "of your own" not in report and "f(x - h)" in report


def test_a_remedy_is_given_only_if_it_makes_the_shape_that_is_asked_for():
    assert "transpose" not in told("05-repair", scores=lambda x, W: W @ W)
    assert "transpose the second operand: (2, 3) @ (3, 2)" in told("05-repair", similarities=lambda x: x @ x)


def test_times_n_is_not_a_factor_that_happens_to_be_the_number_of_elements():
    def mean_vjp(g, y, x, axis):
        return np.broadcast_to(np.expand_dims(g, axis), x.shape) * x.shape[axis]

    report = told("05-sum-mean", mean_vjp=mean_vjp)
    assert "multiplied by n" in report and "number of elements" not in report


def test_a_step_of_zero_is_not_said_to_be_unassigned():
    def stays(parameters, lr, memory):
        for p in parameters:
            p.value = p.value - 0.0 * lr

    assert "is what you subtract not 0?" in told("07-momentum", momentum_step=stays)


def test_a_loss_that_becomes_nan_does_not_grow():
    def broken(parameters, lr, memory):
        for p in parameters:
            p.value = p.value * np.nan

    report = told("07-digits", update=broken)
    assert "in batch 2 the loss was nan" in report and "grows" not in report


def test_a_name_must_explain_every_answer_that_is_wrong():
    def low_rank(M, r):
        U, S, _ = np.linalg.svd(M, full_matrices=False)
        return U[:, :r] * S[:r], M[:r]  # on the first matrix this is S twice

    report = told("11-best-rank", low_rank=low_rank)
    assert "can be reached" in report and "in A and in B" not in report
    report = told("11-counts", largest_rank=lambda n, m, share: int(share * n * m // (m + m)))
    assert "round down" not in report and "with share" in report
    smallest = told("12-ship", largest_difference=lambda f, g, x: np.abs(f(x) - g(x)).min())
    assert "that is the smallest" in smallest


def test_nan_is_not_explained_by_another_way_to_nan():
    def adam(t, v):
        def step(parameters, lr, memory):
            n = memory["t"] = memory.get("t", t) + 1
            for p in parameters:
                m, s = memory.get(p, (0.0, v))
                memory[p] = m, s = 0.9 * m + 0.1 * p.gradient, 0.999 * s + 0.001 * p.gradient**2
                p.value = p.value - lr * m / (1 - 0.9**n) / (np.sqrt(s / (1 - 0.999**n)) + 1e-8)

        return step

    assert "if t is 0 in the first step" in told("07-adam", adam_step=adam(-1, 0.0))
    below = told("07-adam", adam_step=adam(0, -1.0))
    assert "to nan" in below and "t is 0" not in below


def test_a_rate_that_changes_is_given_for_each_step():
    def remembers_the_step(parameters, lr, memory):
        for p in parameters:
            memory[p] = 0.9 * memory.get(p, 0.0) + lr * p.gradient
            p.value = p.value - memory[p]

    before, yours, lr, g = -1.625, -0.975, (0.5, 0.25), (1.75, -5.75)
    report = told("07-momentum", momentum_step=remembers_the_step)
    assert f"goes from {before} to {yours}" in report
    assert f"lr is {lr[0]}, then {lr[1]}; its gradient is {g[0]}, then {g[1]}" in report
    assert yours == pytest.approx(before - 0.9 * lr[0] * g[0] - lr[1] * g[1])


def test_the_numbers_of_a_training_step_give_those_of_the_student():
    def decays(model, loss, optimizer, x, target):
        optimizer.zero_gradients()
        value = loss(model(x), target)
        value.backward()
        for p in model.parameters():
            p.value = 0.9 * p.value - 0.25 * p.gradient
        return float(value)

    rows = dict(run_checks(load_exercise("07-step"), {"train_step": decays}).diagnosis.example)
    lr, before, g, yours, right = (float(x) for x in rows.values())
    assert [*rows][-2:] == ["yours", "should be"]
    assert yours == pytest.approx(0.9 * before - lr * g, rel=1e-4) and right == pytest.approx(before - lr * g, rel=1e-4)


def test_a_loss_that_is_not_right_is_shown_with_what_it_is_made_of():
    def doubles(model, loss, optimizer, x, target):
        return 2 * reference_values("07-step")["train_step"](model, loss, optimizer, x, target)

    report = told("07-step", train_step=doubles)
    assert all(f"  {name} " in report for name in ("model(x)", "target", "loss(y, target)", "yours", "should be"))


def test_the_largest_difference_is_not_always_one_half():
    assert "should be  1.5" in told("12-ship", largest_difference=lambda f, g, x: 0.5)


def test_what_is_not_the_old_weight_need_not_hold_the_adapter():
    (Adapted,) = reference_values("11-merge").values()

    def zeroed(self):
        self.W, self.kept = 0.0 * self.W, None

    report = told("11-merge", Adapted=type("Adapted", (Adapted,), {"unmerge": zeroed}))
    assert "still in it" not in report and "neither the old W nor the merged one" in report


def test_an_attribute_that_is_no_parameter_is_not_said_to_be_missing():
    (Linear,) = reference_values("06-linear").values()

    class Bare(Linear):
        def __init__(self, input_size, output_size, seed=0):
            super().__init__(input_size, output_size, seed)
            self.bias = np.zeros(output_size)

    assert "what you assign to it is an array: put it into tl.parameter(...)" in told("06-linear", Linear=Bare)


def test_what_does_not_fit_in_a_traced_function_has_the_names_of_its_arguments():
    def training_step(x, labels, W1, b1, W2, b2):
        return [tl.cross_entropy(tl.tanh(x + b1) @ W2 + b2, labels), W1, b1, W2, b2]

    assert "'x' (7, 4) and b 'b1' (5,)" in told("10-step", training_step=training_step)


def test_a_list_is_not_asked_for_because_of_duplicates_where_nothing_was_returned():
    assert "duplicates" not in told("01-edges", edges=lambda output: None)
    assert "duplicates" in told("01-edges", edges=lambda output: set())


def test_two_results_that_look_alike_are_shown_where_they_differ():
    first = {f"node {i}": 1.0 for i in range(20)}
    with pytest.raises(Wrong, match=r"backward gives 2\.0 for 'node 7', and the first time 1\.0: does it keep"):
        require_repeated("backward", first, first | {"node 7": 2.0})
    with pytest.raises(Wrong, match=r"f gives 5 for 9, and the first time 9: "):
        require_repeated("f", [*range(40)], [*range(9), 5, *range(10, 40)])


def test_random_numbers_of_its_own_are_not_a_memory():
    def initial_weight(rng, input_size, output_size):
        return np.random.default_rng().normal(size=(input_size, output_size))

    report = told("06-init", initial_weight=initial_weight)
    assert "from the generator that is given" in report and "from call to call" not in report


def test_a_trainable_parameter_does_not_depend_on_itself():
    def visited(output):
        return [n for n in reference("06-freezing")[1](output) if n.parents]

    report = told("06-freezing", visited=visited)
    assert "parameter b is missing, and it is a trainable parameter" in report and "parameter b depends" not in report


def test_an_extra_constant_is_a_box():
    def with_a_zero(x, y):
        s = x + y
        t = tl.tanh(s + 0.0)
        return s * t - t

    report = told("02-rebuild", rebuild=with_a_zero)
    assert "the boxes are right" not in report
    assert "constant" in report or "2 add" in report


@pytest.mark.parametrize(
    ("id", "name", "key", "words"),
    [
        ("01-values", "values", "a", "the value of a is of type str; a number is needed"),
        ("04-twice", "twice", "f", "of type str; a number is needed"),
        ("11-zero-gradient", "is_zero", "A", "is_zero['A'] is 'lr'; True or False is needed"),
    ],
)
def test_a_text_is_no_number(id, name, key, words):
    assert words in told(id, **{name: reference_values(id)[name] | {key: "lr"}})


def test_a_place_is_one_number():
    report = told("10-reuse", places=lambda program, outputs: {name: "lr" for name, _, _ in program})
    assert "the place of t0 is of type str; a number is needed" in report


@pytest.mark.parametrize(
    "op, outputs, words",
    [
        ("tanh", ["t2"], "t0 is read last in step 1, and step 1 makes t1, which may stand in its place"),
        ("matmul", ["t2"], "t0 is read last in step 1, and step 2 makes t2, which may stand in its place"),
        ("tanh", ["t0", "t1"], ""),
    ],
)
def test_only_an_array_that_is_not_needed_any_more_gives_its_place(op, outputs, words):
    program = [("t0", "tanh", ("x",)), ("t1", op, ("t0", "x")), ("t2", op, ("t1", "x"))]
    assert t10_reuse.one_that_fits(program, outputs) == words
    own = told("10-reuse", places=lambda program, outputs: {name: i for i, (name, _, _) in enumerate(program)})
    assert "t0 is read last in step 1" in own


def test_the_commonest_slip_with_indices_has_a_name():
    def cross_entropy(logits, labels):
        z = logits - logits.max(axis=1, keepdims=True)
        scores = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        return -scores[:, labels].mean()

    def cross_entropy_vjp(g, logits, labels):
        e = np.exp(logits - logits.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        p[:, labels] -= 1
        return g * p / len(labels)

    exercise = load_exercise("07-cross-entropy")
    report = run_checks(exercise, {"cross_entropy": cross_entropy, "cross_entropy_vjp": cross_entropy_vjp})
    codes = {result.diagnosis.code for result in report.results}
    assert codes == {"every-row"}, str(report)
    assert "np.arange(len(labels))" in str(report)


def test_an_array_that_only_a_frozen_layer_would_need():
    answers = dict.fromkeys(reference_values("10-saved")["only_last"], False) | {"h": True, "d": True}
    why = {"b": "the rule of tanh does not run here", "x": "the gradient of W, which nobody wants here"}
    for name, words in why.items():
        assert words in told("10-saved", only_last=answers | {name: True})


def test_another_network_is_not_rescued():
    def build(seed):
        return tl.Sequential(tl.Linear(64, 128, seed=seed), tl.relu, tl.Linear(128, 10, seed=seed + 1))

    report = told("08-rescue", build=build)
    assert "8 of 8" not in report and "64, 32 and 10" in report


# --- The same graph as in the tutorial ---


def drawn_before(id, monkeypatch):
    """What the last picture before an exercise shows, with its values."""
    cells, drawn = tutorial(id[:2]).cells, []
    marks = [cell["metadata"].get("tinygrad_lora", {}) for cell in cells]
    place = next(i for i, mark in enumerate(marks) if mark.get("exercise") == id and mark.get("role") == "answer")
    cell = [cell for cell in cells[:place] if cell["cell_type"] == "code"][-1]
    monkeypatch.setattr(tl, "draw", lambda thing, **options: drawn.append(thing))
    exec("".join(cell["source"]), {"tl": tl, "np": np})
    return drawn[-1]


@pytest.mark.parametrize(
    ("id", "graph"),
    [
        ("01-values", lambda: t01_values.nodes()["d"]), ("02-rebuild", puzzle),
        ("04-diamond", lambda: t04_diamond.nodes()["f"]), ("09-fusible", t09_fusible.graph),
    ],
)  # fmt: skip
def test_the_graph_of_an_exercise_is_the_one_that_its_tutorial_draws(id, graph, monkeypatch):
    def text(thing):
        return tl.listing(thing, values=True).partition("\n")[2]  # without the title: a function's name is free

    assert text(graph()) == text(drawn_before(id, monkeypatch))


def test_a_chain_is_what_it_says():
    assert float(chain(3)) == 1.0 and str(chain(1).op) in (chain.__doc__ or "")


# --- Grammar ---


MANY = re.compile(r"(?<![.,(])\b1 (?:nodes|edges|operations|groups|rows|arrays|places|gradients|steps)\b")


@pytest.mark.slow
@pytest.mark.parametrize("id", exercise_ids())
def test_one_is_not_many(id):
    exercise = load_exercise(id)
    if exercise.slow:
        pytest.skip("it trains for real")
    for mutant in mutants_of(exercise):
        if mutant.code not in ("too-slow", "recursion"):
            report = run_checks(exercise, exercise.references | mutant.values)
            sentences = [result.diagnosis.sentence for result in report.results if result.diagnosis]
            assert not [sentence for sentence in sentences if MANY.search(sentence)]


def test_the_numbers_of_a_sentence_fit_its_words():
    assert "you listed 1 edge; the graph has 2" in told("01-edges", edges=lambda output: [(output.parents[0], output)])
    assert "your list has 1 node and the graph" in told("04-topo", topo_sort=lambda output: [output])
    assert "parameter x, tanh a, tanh b are missing" in told("04-topo", topo_sort=lambda output: [output])
    groups = told("09-fuse", fuse=lambda graph: [[node] for node in graph.nodes if node.parents])
    assert "you have 2 groups, and 1 would do" in groups
    nothing = told("04-backward", backward=lambda order: dict.fromkeys(order, 0.0))
    assert "yours, 0, comes out as if nothing flowed in" in nothing

    def writes_the_sum_out(x, y):
        return (x + y) * tl.tanh(x + y) - tl.tanh(x + y)

    report = told("02-rebuild", rebuild=writes_the_sum_out)
    assert "add appears 3 times and tanh appears twice" in report


def test_the_list_of_progress_has_the_order_of_the_course(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYGRAD_LORA_PROGRESS", str(tmp_path / "progress.jsonl"))
    ids = [line.id for line in tl.learn.progress().lines]
    assert sorted(ids) == exercise_ids()
    assert ids.index("04-topo") < ids.index("04-backward") and ids.index("01-values") < ids.index("01-count-nodes")
    assert json.dumps(ids)
