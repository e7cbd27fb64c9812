"""Errors that draw themselves, and the first value that is not finite."""

import base64
import linecache
import os
import pickle
import re
import subprocess
import sys
import traceback
import types
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import assume, given, strategies as st
from strategies import examples

import tinygrad_lora as tl
from tinygrad_lora.core import ops
from tinygrad_lora.errors import ShapeError, TraceError
from tinygrad_lora.view import notebook
from tinygrad_lora.view.errors.excerpt import DEPTH, MOST_BOXES
from tinygrad_lora.view.errors.failure import failure, show_errors
from tinygrad_lora.view.errors.fixes import fix
from tinygrad_lora.view.errors.folding import REFUSALS
from tinygrad_lora.view.errors.nonfinite import first_nonfinite


def failing(f, *args):
    """The error that a call raises."""
    with pytest.raises(ShapeError) as caught:
        f(*args)
    return caught.value


def hidden_layer():
    x = tl.constant(np.ones((3, 4)), "x")
    W = tl.parameter(np.ones((2, 4)))
    h = tl.relu(x * 2.0)
    return h @ W


def image_of(html):
    return base64.b64decode(re.search(r"base64,([^\"]+)", html)[1]).decode()


# --- What a ShapeError tells ---


def test_an_error_knows_the_sizes_the_lines_and_a_remedy():
    explanation = failure(failing(hidden_layer))
    first = hidden_layer.__code__.co_firstlineno
    assert explanation.text == (
        "matmul: a (3, 4) and b (2, 4): the 4 columns of a must match the 2 rows of b; b.mT is (4, 2)\n"
        "  a  h   3  [4]\n"
        "  b  W  [2]  4\n"
        f"  fails in      test_failure.py line {first + 4}: return h @ W\n"
        f"  h is made in  test_failure.py line {first + 3}: h = tl.relu(x * 2.0)\n"
        f"  W is made in  test_failure.py line {first + 2}: W = tl.parameter(np.ones((2, 4)))\n"
        "Fix: transpose the second operand: (3, 4) @ (4, 2)"
    )


def test_symbolic_operands_tell_their_own_lines():
    def f(x, w):
        h = tl.tanh(x @ w)
        return tl.relu(h) @ w

    explanation = failure(failing(tl.trace, f, np.ones((3, 4)), np.ones((4, 5))))
    first = f.__code__.co_firstlineno
    assert explanation.line.number == first + 2
    assert explanation.labels == ("a", "w")
    assert "return tl.relu(h) @ w" in explanation.text


def test_the_message_in_a_terminal_stays_one_line():
    error = failing(hidden_layer)
    assert str(error) == "matmul: a (3, 4) and b (2, 4): the 4 columns of a must match the 2 rows of b; b.mT is (4, 2)"
    assert error.args == (str(error),)


def test_the_failing_node_is_drawn_below_its_operands():
    shown = failure(failing(hidden_layer)).diagram
    assert [(box.label, box.operation) for box in shown.boxes] == [
        ("x", "constant"), ("%1", "scale"), ("h", "relu"), ("W", "parameter"), ("%4", "matmul"),
    ]  # fmt: skip
    assert [(arrow.start, arrow.end, arrow.label) for arrow in shown.arrows][-2:] == [
        ("n2", "failed", "a"), ("n3", "failed", "b"),
    ]  # fmt: skip
    assert "%4 = matmul(h, W, fails=the shapes do not fit)" in shown.alternative


def test_the_page_marks_the_node_and_the_sizes():
    html = failure(failing(hidden_layer)).html
    svg = image_of(html)
    root = ElementTree.fromstring(svg)
    marked = [g for g in root.iter() if "wrong" in g.get("class", "").split()]
    assert [g.get("data-box") for g in marked] == ["failed"]
    assert html.count("color: #D55E00") == 2  # and both stand in brackets as well
    assert "--wrong:#D55E00" in svg and svg.count("<style>") == 1  # the same color in the picture
    assert html.count(">[4]<") == html.count(">[2]<") == 1
    assert 'alt="matmul fails' in html
    assert html == failure(failing(hidden_layer)).html


def test_of_a_large_graph_a_part_is_drawn():
    def f():
        y = tl.parameter(np.ones((2, 3)), "x")
        for _ in range(200):
            y = tl.tanh(y) + y
        return y @ y

    shown = failure(failing(f)).diagram
    assert len(shown.boxes) <= MOST_BOXES
    assert len(shown.boxes) <= 2 * DEPTH + 2
    assert "earlier nodes are not shown" in shown.title


def test_a_vector_is_shown_as_what_it_is():
    def f():
        x, v = tl.parameter(np.ones((3, 4))), tl.parameter(np.ones(3))
        return x @ v

    explanation = failure(failing(f))
    assert explanation.labels == ("x", "v")
    assert explanation.remedy == "transpose the first operand: (4, 3) @ (3, 1)"  # not that of the vector


def test_an_operand_may_be_used_twice():
    x = tl.parameter(np.ones((2, 3)), "x")
    explanation = failure(failing(lambda: x @ x))
    assert explanation.remedy == "transpose the second operand: (2, 3) @ (3, 2)"
    assert [arrow.start for arrow in explanation.diagram.arrows] == ["n0", "n0"]


def test_an_error_without_an_operation_is_only_its_message():
    error = failing(tl.Linear(3, 2, seed=0).set_parameters, np.ones(3))
    assert error.operation is None
    assert failure(error) is None


# --- Functions of the library, and layers ---


def test_a_layer_that_refuses_its_input_is_told_by_name():
    model = tl.Sequential(tl.Linear(4, 3, seed=0), tl.relu, tl.Linear(5, 2, seed=1))

    def f():
        batch = tl.constant(np.ones((6, 4)))
        return model(batch)

    explanation = failure(failing(f))
    first = f.__code__.co_firstlineno
    assert explanation.text == (
        "Input size 3 does not match expected input size 5\n"
        "  a           6  [3]\n"
        "  b  weight  [5]  2\n"
        f"  fails in  test_failure.py line {first + 2}: return model(batch)"
    )
    shown = explanation.diagram
    assert shown.title.startswith("2: Linear fails")
    assert [(a.start != a.end, a.label) for a in shown.arrows if a.end == "failed"] == [(True, "a"), (True, "b")]
    assert shown.boxes[-1].operation == "2: Linear"
    marked = ElementTree.fromstring(image_of(explanation.html))
    assert [g.get("data-box") for g in marked.iter() if "wrong" in g.get("class", "").split()] == ["failed"]


def test_an_adapted_layer_and_a_vector_are_told_too():
    layer = tl.LoRALinear(tl.Linear(4, 3, seed=0), 1, seed=0)
    v = tl.parameter(np.ones(3), "v")
    explanation = failure(failing(lambda: layer(v)))
    assert (explanation.title, explanation.labels, [x.shape for x in explanation.named]) == (
        "LoRALinear",
        ("v", "weight"),
        [(3,), (4, 3)],
    )
    assert failure(failing(lambda: layer.forward(np.ones((2, 3))))).title == "LoRALinear"


def test_in_a_layer_of_the_users_own_its_line_is_shown():
    class Pair(tl.Layer):
        def __call__(self, x):
            return tl.reshape(x, (-1, -1))

    explanation = failure(failing(lambda: Pair()(tl.parameter(np.ones((2, 3)), "x"))))
    assert (explanation.title, explanation.labels) == ("reshape", ("x",))
    assert "return tl.reshape(x, (-1, -1))" in explanation.text


def test_a_loss_that_refuses_its_target_is_told_with_a_remedy():
    def f():
        y, target = tl.parameter(np.ones((3, 1)), "y"), np.ones(3)
        return tl.mse(y, target)

    explanation = failure(failing(f))
    first = f.__code__.co_firstlineno
    assert explanation.text == (
        "mse: y has shape (3, 1) and the target (3,): reshape one of them\n"
        "  y        3  [1]\n"
        "  target      [3]\n"
        f"  fails in           test_failure.py line {first + 2}: return tl.mse(y, target)\n"
        f"  y is made in       test_failure.py line {first + 1}: {CODE}\n"
        f"  target is made in  test_failure.py line {first + 1}: {CODE}\n"
        "Fix: reshape the second operand to (3, 1): mse((3, 1), (3, 1))"
    )
    assert explanation.diagram.alternative.startswith("mse fails: ")
    assert tl.failure is failure


CODE = 'y, target = tl.parameter(np.ones((3, 1)), "y"), np.ones(3)'


@pytest.mark.parametrize(
    ("call", "title"),
    [
        (lambda x: tl.cross_entropy(x, np.array([0, 1])), "cross_entropy"),
        (lambda x: tl.sum(x, 5), "sum"),
        (lambda x: tl.reshape(x, (-1, -1)), "reshape"),
        (lambda x: tl.mean(x[:0]), "mean"),
    ],
)
def test_other_functions_of_the_library_are_drawn_as_one_operation(call, title):
    x = tl.parameter(np.ones((3, 4)), "x")
    explanation = failure(failing(call, x))
    assert (explanation.title, explanation.remedy) == (title, None)
    assert explanation.diagram.boxes[-1].operation == title and "return" not in explanation.text
    assert "<svg" in image_of(explanation.html)


def test_an_error_can_be_sent_to_another_process():
    error = pickle.loads(pickle.dumps(failing(hidden_layer)))
    assert (str(error), error.operation) == (str(failing(hidden_layer)), None)


def test_names_and_code_are_text_whatever_they_hold():
    for name in ("<script>alert(1)</script>", 'a"b', "a&b", "a\nb", "\\x", "$x$", "\N{GRINNING FACE}", "'"):
        x = tl.parameter(np.ones((2, 3)), name)
        explanation = failure(failing(lambda x=x: x @ x))
        html = explanation.html
        assert "<script" not in html
        ElementTree.fromstring(image_of(html))
        ElementTree.fromstring(re.sub(r"<img [^>]*>", "", html))


# --- Remedies ---

REMEDIES = [
    (ops.matmul, [(3, 4), (2, 4)], {}, "transpose the second operand: (3, 4) @ (4, 2)"),
    (ops.matmul, [(4, 3), (4, 2)], {}, "transpose the first operand: (3, 4) @ (4, 2)"),
    (ops.matmul, [(4, 2), (3, 4)], {}, "swap the operands: (3, 4) @ (4, 2)"),
    (ops.matmul, [(2, 3), (4, 5)], {}, None),
    (ops.add, [(3, 4), (3,)], {}, "reshape the second operand to (3, 1): (3, 4) + (3, 1)"),
    (ops.multiply, [(3,), (3, 4)], {}, "reshape the first operand to (3, 1): (3, 1) * (3, 4)"),
    (ops.subtract, [(2, 3), (3, 2)], {}, "transpose the second operand: (2, 3) - (2, 3)"),
    (ops.add, [(2,), (3,)], {}, None),
    (ops.add, [(2, 3), (6,)], {}, "reshape the second operand to (2, 3): (2, 3) + (2, 3)"),
    (ops.concatenate, [(2, 3), (2, 4)], {"axis": 0}, "join them along axis 1: concatenate((2, 3), (2, 4), axis=1)"),
    (ops.reshape, [(3, 4)], {"shape": (5, 2)}, "let axis 0 be what remains, -1: reshape((3, 4), shape=(6, 2))"),
    (ops.reshape, [(3, 4)], {"shape": (5, 7)}, None),
    (ops.transpose, [(3,)], {}, None),
]  # fmt: skip


@pytest.mark.parametrize(("op", "shapes", "params", "expected"), REMEDIES, ids=[f"{o}{s}" for o, s, _, _ in REMEDIES])
def test_a_remedy_is_the_smallest_change_that_works(op, shapes, params, expected):
    assert fix(op, shapes, params) == expected


def test_a_vector_is_not_swapped_with_anything():
    v, w, column = (tl.parameter(np.ones(shape)) for shape in ((3,), (4,), (2, 1)))
    for a, b in ((v, w), (w, column), (column, w)):
        assert failure(failing(lambda a=a, b=b: a @ b)).remedy is None
    matrix = tl.parameter(np.ones((3, 4)))
    assert failure(failing(lambda: w @ matrix)).remedy == "transpose the second operand: (1, 4) @ (4, 3)"


SHAPES = st.lists(st.integers(1, 3), min_size=0, max_size=3).map(tuple)


@examples(200)
@given(st.sampled_from([ops.matmul, ops.add, ops.divide, ops.concatenate, ops.where]), st.data())
def test_a_remedy_works_and_any_failure_can_be_told(op, data):
    shapes = [data.draw(SHAPES) for _ in range(3 if op is ops.where else 2)]
    assume(op is not ops.concatenate or len(shapes[0]) == len(shapes[1]))
    params = {"axis": 0} if op is ops.concatenate else {}
    nodes = [tl.placeholder(shape, bool if op is ops.where and i == 0 else float) for i, shape in enumerate(shapes)]
    try:
        ops.Op.__call__(op, *nodes, **params)
    except ShapeError as error:
        explanation = failure(error)
        assert explanation.html
        assert (explanation.remedy is None) == (fix(op, shapes, params) is None)
        if explanation.remedy and op in (ops.matmul, ops.add, ops.divide):
            a, b = (eval(part) for part in re.split(r" [@+/] ", explanation.remedy.partition(": ")[2]))
            assert isinstance(op.shape(a, b), tuple)
            if explanation.remedy.startswith("swap"):
                assert isinstance(nodes[1] @ nodes[0], tl.ComputationNode)


# --- In a notebook ---


@pytest.fixture
def ipython(monkeypatch):
    """What the drawing needs of IPython: the rest of it is tested where it is installed."""
    shown = []
    table = types.SimpleNamespace(structured_traceback=lambda kind, error, tb, tb_offset: [f"{kind.__name__}: {error}"])
    module, display = types.ModuleType("IPython"), types.ModuleType("IPython.display")
    module.get_ipython = lambda: types.SimpleNamespace(InteractiveTB=table)
    display.display = lambda data, raw: shown.append(data)
    monkeypatch.setitem(sys.modules, "IPython", module)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    monkeypatch.setattr(ShapeError, "_repr_html_", None, raising=False)
    for kind in REFUSALS:
        monkeypatch.setattr(kind, "_render_traceback_", None, raising=False)
    return shown


def test_a_notebook_shows_the_picture_and_then_the_traceback(ipython):
    show_errors()
    error = failing(hidden_layer)
    for _ in range(2):  # IPython asks again when it stores the cell
        assert error._render_traceback_() == [f"ShapeError: {error}"]
    assert ipython == [{"text/plain": failure(error).text, "text/html": failure(error).html}]
    assert error._repr_html_() == failure(error).html


def test_the_lines_may_be_in_different_cells():
    cells = {
        "/tmp/ipykernel_7/1.py": "W = tl.parameter(np.ones((2, 4)))\n",
        "/tmp/ipykernel_7/2.py": "# a note\nh = tl.parameter(np.ones((3, 4)))\nh @ W\n",
        "/tmp/ipykernel_7/3.py": "W = 0\n",
    }
    scope = {"tl": tl, "np": np}
    try:
        for name, source in cells.items():
            linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        exec(compile(cells["/tmp/ipykernel_7/1.py"], "/tmp/ipykernel_7/1.py", "exec"), scope)
        explanation = failure(
            failing(exec, compile(cells["/tmp/ipykernel_7/2.py"], "/tmp/ipykernel_7/2.py", "exec"), scope)
        )
        message = [str(line) for line in (explanation.line, *explanation.lines)]
    finally:
        for name in cells:
            linecache.cache.pop(name, None)
    assert message == [
        "line 3: h @ W", "line 2: h = tl.parameter(np.ones((3, 4)))",
        "an earlier cell, line 1: W = tl.parameter(np.ones((2, 4)))",
    ]  # fmt: skip


def test_an_error_without_a_picture_has_its_traceback(ipython):
    show_errors()
    error = failing(tl.Linear(3, 2, seed=0).set_parameters, np.ones(3))
    assert error._render_traceback_() == [f"ShapeError: {error}"]
    assert ipython == []
    assert error._repr_html_() is None


def test_the_package_asks_for_it_in_notebooks(ipython, monkeypatch):
    for kind in (tl.Graph, tl.Layer, tl.CompiledFunction):
        monkeypatch.setattr(kind, "_repr_mimebundle_", None, raising=False)
    notebook.draw_in_notebooks()
    assert ShapeError._render_traceback_ is not None


def test_elsewhere_an_error_has_no_methods_for_notebooks():
    assert not hasattr(ShapeError, "_render_traceback_")


# --- NaN and infinity ---


def test_the_first_value_that_is_not_finite_is_found():
    x = tl.parameter(np.array([1.0, 0.0, 2.0]), "x")
    with np.errstate(all="ignore"):
        loss = tl.sum(tl.log(x) * 2.0)
    first = first_nonfinite(loss)
    assert str(first) == "log %1 is the first that is not finite: -inf at [1], 1 of 3 numbers; there x is 0"
    assert (first.node.op, first.index, first.line) == (tl.log, (1,), None)


def test_a_function_is_run_and_the_line_is_known():
    def f(x, w):
        h = x @ w
        p = tl.exp(h * 1000.0)
        return tl.mean(p / tl.sum(p))

    explanation = first_nonfinite(f, np.ones((2, 3)), np.ones((3, 2)))
    line = f.__code__.co_firstlineno + 2
    assert str(explanation) == (
        "exp %4 is the first that is not finite: inf at [0, 0], 4 of 4 numbers; there scale %3 is 3000 "
        f"(test_failure.py line {line}: p = tl.exp(h * 1000.0))"
    )
    assert str(first_nonfinite(tl.compile(f), np.ones((2, 3)), np.ones((3, 2)))) == str(explanation)
    assert str(first_nonfinite(tl.trace(f, np.ones((2, 3)), np.ones((3, 2))), np.ones((2, 3)), np.ones((3, 2)))) == str(
        explanation
    )


def test_operations_that_mix_elements_tell_their_operands_whole():
    x = tl.parameter(np.array([[1e308, 1e308]]), "x")
    with np.errstate(all="ignore"):
        first = first_nonfinite(x @ tl.parameter(np.ones((2, 1)), "w"))
    assert str(first) == (
        "matmul %2 is the first that is not finite: inf at [0, 0], 1 of 1 numbers; "
        "x is (1, 2), [1e+308, 1e+308]; w is (2, 1), [1], [1]"
    )


def test_a_leaf_may_be_the_first():
    w = tl.parameter(np.array([[1, np.nan]]), "w")
    assert str(first_nonfinite(w @ np.ones((2, 2)))) == (
        "w is the first that is not finite: nan at [0, 1], 1 of 2 numbers; it is a trainable parameter"
    )
    assert str(first_nonfinite(tl.tanh, np.array([np.inf]))).endswith("it is an input")
    assert str(first_nonfinite(tl.parameter(np.nan))) == (
        "parameter %0 is the first that is not finite: nan; it is a trainable parameter"
    )


def test_all_finite_is_none():
    x = tl.parameter(np.ones(3))
    assert first_nonfinite(tl.sum(x * x)) is None
    assert first_nonfinite(tl.take, np.ones(3), np.array([0, 1])) is None
    assert first_nonfinite(tl.Linear(3, 2, seed=0), np.ones((1, 3))) is None


def test_it_draws_itself():
    x = tl.parameter(np.array([1.0, 0.0]), "x<b>")
    with np.errstate(all="ignore"):
        y = tl.log(x)
        y.name = "y"
    html = first_nonfinite(tl.sum(y))._repr_html_()
    assert "<p>y is the first" in html and "x&lt;b&gt; is 0" in html
    root = ElementTree.fromstring(image_of(html))
    assert [g.get("data-box") for g in root.iter() if "wrong" in g.get("class", "").split()] == ["n1"]
    assert "[0, -inf]" in "".join(root.itertext())


def test_the_picture_and_the_sentence_speak_of_the_same_labels():
    x = tl.parameter(np.array([1.0, 0.0]), "x")
    with np.errstate(all="ignore"):
        y = tl.sum(tl.tanh(x) * 2.0) + tl.sum(tl.log(x))
    first = first_nonfinite(y)
    assert first.text.startswith("log %4 is the first")
    assert [(box.label, box.title) for box in first.diagram.boxes] == [("x", "x"), ("%4", "log")]
    assert "%4 = log" in "".join(ElementTree.fromstring(image_of(first._repr_html_())).itertext())


def test_what_cannot_be_looked_at_is_refused():
    x = tl.placeholder((2,), name="x")
    with pytest.raises(TraceError, match=r"first_nonfinite\(f, \*arrays\)"):
        first_nonfinite(tl.log(x))
    with pytest.raises(TypeError, match="has its values already"):
        first_nonfinite(tl.parameter(1.0), np.ones(2))
    with pytest.raises(TypeError, match="not list"):
        first_nonfinite([1, 2])


# --- Whose frames a traceback shows ---

SCRIPT = """
import numpy as np, tinygrad_lora as tl
tl.fold_tracebacks()
def net(x):
    return tl.mse(tl.relu(x), np.ones((2, 4)))
{}
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "names"),
    [("net(tl.parameter(np.ones((3, 4))))", ["<module>", "net"]), ("bool(tl.placeholder((2,)))", ["<module>"]),
     ("tl.compile(net)(np.ones((3, 4)))", ["<module>", "net"])],
)  # fmt: skip
def test_a_script_can_ask_for_tracebacks_of_its_own_lines(tmp_path, line, names):
    (tmp_path / "lesson.py").write_text(SCRIPT.format(line), encoding="utf-8")

    def shown(**settings):
        command = [sys.executable, str(tmp_path / "lesson.py")]
        root = str(Path(tl.__file__).parents[1])
        environment = {**os.environ, "PYTHONPATH": root, **settings}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60).stderr

    short, full = shown(), shown(TINYGRAD_LORA_TRACEBACK="full")
    assert re.findall(r"line \d+, in (\S+)", short) == names
    assert "TINYGRAD_LORA_TRACEBACK=full" in short and "TINYGRAD_LORA_TRACEBACK" not in full
    assert len(re.findall(r"line \d+, in (\S+)", full)) > len(names)
    assert short.split("\n")[-3] == full.split("\n")[-2]  # the same sentence


def test_importing_the_package_changes_no_hook_and_other_errors_go_to_the_one_before(monkeypatch):
    seen = []
    monkeypatch.setattr(sys, "excepthook", lambda *error: seen.append(error))
    tl.fold_tracebacks()
    error = ZeroDivisionError("x")
    sys.excepthook(type(error), error, None)
    assert seen == [(ZeroDivisionError, error, None)]
    refused = failing(hidden_layer)
    whole = refused.__traceback__
    sys.excepthook(type(refused), refused, whole)
    names = [frame.f_code.co_name for frame, _ in traceback.walk_tb(seen[1][2])]
    assert names[-1] == "hidden_layer" and refused.__traceback__ is whole


def test_a_notebook_folds_every_refusal(ipython, monkeypatch):
    argument = []
    table = types.SimpleNamespace(
        structured_traceback=lambda kind, error, tb, tb_offset: argument.append(tb) or ["frames", str(error)]
    )
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda: types.SimpleNamespace(InteractiveTB=table))
    show_errors()
    try:
        bool(tl.placeholder((2,), name="x"))
    except tl.errors.TraceError as refused:
        lines = refused._render_traceback_()
    assert lines[0] == "frames" and "frames of tinygrad_lora left out: 1" in lines[1] and len(lines) == 3
    assert [frame.f_code.co_name for frame, _ in traceback.walk_tb(argument[0])] == [
        "test_a_notebook_folds_every_refusal"
    ]
