"""A gradient as a sum over paths: what is shown adds up to what the engine computes."""

import os
import re
import subprocess
import sys
from html import escape
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from strategies import examples, random_graphs

import tinygrad_lora as tl
from tinygrad_lora.errors import GradientError, TraceError
from tinygrad_lora.view.paths import explain

ROOT = Path(__file__).resolve().parents[2]


def square_plus_product():
    x, y = tl.parameter(3.0, "x"), tl.parameter(4.0, "y")
    z = x * y + x * x
    z.name = "z"
    return x, y, z


def test_a_gradient_is_told_path_by_path():
    x, _, z = square_plus_product()
    z.backward()
    assert str(explain(x)) == (
        "dz/dx = 10, the sum over 3 paths from x to z\n"
        "  x -> multiply %2 -> z  4 * 1 = 4\n"
        "  x -> multiply %3 -> z  3 * 1 = 3\n"
        "  x -> multiply %3 -> z  3 * 1 = 3"
    )


def test_it_is_told_as_a_formula():
    x, y, z = square_plus_product()
    assert explain(y, z).latex == (
        r"\frac{\partial z}{\partial y} = \underbrace{3 \cdot 1}_{y \to \mathrm{multiply}_{2} \to z} = 3"
    )
    assert f">{escape(explain(x, z).text)}</pre>" in explain(x, z)._repr_html_()
    assert explain(x, z)._repr_latex_().startswith("$$\n\\frac{\\partial z}{\\partial x} = \\underbrace{4 \\cdot 1}")


@examples(60)
@given(st.lists(st.tuples(st.sampled_from("+*-t"), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=8))
def test_the_products_of_a_scalar_graph_add_up_to_its_gradient(steps):
    nodes = [tl.parameter(0.5, "x"), tl.parameter(-1.25, "y")]
    for sign, i, j in steps:
        a, b = nodes[i % len(nodes)], nodes[j % len(nodes)]
        nodes.append({"+": a + b, "*": a * b, "-": a - b, "t": tl.tanh(a)}[sign])
    y = nodes[-1]
    y.backward()
    explanation = explain(nodes[0], y, most=1_000)
    assert explanation.count == len(explanation.paths)
    for path in explanation.paths:
        np.testing.assert_allclose(np.prod(path.factors), path.product)
        assert (path.nodes[0], path.nodes[-1]) == (nodes[0], y)
        assert len(path.factors) == len(path.nodes) - 1
        assert all(a in b.parents for a, b in zip(path.nodes, path.nodes[1:], strict=False))
    expected = 0.0 if nodes[0].gradient is None else nodes[0].gradient
    np.testing.assert_allclose(sum(path.product for path in explanation.paths), expected, atol=1e-12)
    np.testing.assert_allclose(explanation.total, expected, atol=1e-12)
    np.testing.assert_allclose(explanation.rest, 0, atol=1e-12)


@examples(30)
@given(random_graphs(max_steps=6))
def test_the_parts_of_an_array_add_up_to_its_gradient(case):
    program, arrays = case
    inputs = [tl.parameter(np.asarray(a, float)) for a in arrays]
    outputs = program(*inputs)
    y = tl.sum((outputs if isinstance(outputs, tl.ComputationNode) else outputs[0]) * 1.0)
    explanation = explain(inputs[0], y, most=500)
    expected = tl.gradients(y, inputs[0]).value
    np.testing.assert_allclose(explanation.total, expected, rtol=1e-9, atol=1e-9)
    if explanation.count <= 500:
        total = np.zeros(inputs[0].shape) + sum(path.product for path in explanation.paths)
        np.testing.assert_allclose(total, expected, rtol=1e-9, atol=1e-9)


def test_paths_are_counted_without_walking_them():
    x = tl.parameter(0.5, "x")
    y = x
    for _ in range(200):
        y = y + y
    y.name = "y"
    explanation = explain(x, y, most=2)
    assert explanation.count == 2**200
    assert len(explanation.paths) == 2
    assert (
        "and 1,606,938,044,258,990,275,541,962,092,341,162,602,522,202,993,782,792,835,301,374 more paths"
        in explanation.text
    )
    assert r"\text{1,606" in explanation.latex
    first = explanation.text.split("\n")[1]
    assert " -> ... -> " in first and len(first) < 200


def test_of_arrays_the_shapes_on_the_way_are_told():
    x, W = tl.constant(np.ones((4, 3)), "x"), tl.parameter(np.arange(6.0).reshape(3, 2), "W")
    y = tl.sum(x @ W)
    y.name = "y"
    assert explain(W, y).text.split("\n") == [
        "dy/dW = [4, 4]; [4, 4]; [4, 4], the sum over 1 path from W to y",
        "  W -> matmul %2 -> y  [4, 4]; [4, 4]; [4, 4]   shapes (3, 2) <- (4, 2) <- scalar",
    ]
    assert r"\underbrace{\text{an array (3, 2)}}" in explain(W, y).latex


def test_no_path_is_no_gradient():
    x, other = tl.parameter(1.0, "x"), tl.parameter(2.0, "other")
    y = tl.tanh(x)
    y.name = "y"
    assert explain(other, y).text == "dy/dother = 0: no path leads from other to y"
    assert (explain(other, y).count, explain(other, y).total) == (0, 0)
    blocked = tl.stop_gradient(x) * 2.0
    assert explain(x, blocked).count == 0


def test_a_node_explains_itself():
    x = tl.parameter(1.0, "x")
    assert explain(x, x).text == "dx/dx = 1, the sum over 1 path from x to x\n  x  1"


def test_negative_factors_stand_in_brackets():
    x = tl.parameter(2.0, "x")
    y = -(x * x * -1.0)
    y.name = "y"
    assert "2 * (-1) * (-1) = 2" in explain(x, y).text
    assert r"2 \cdot (-1) \cdot (-1)" in explain(x, y).latex


# --- Which output ---


def test_the_output_is_the_node_on_which_backward_was_called():
    x, _, z = square_plus_product()
    z.backward()
    assert explain(x).output is z


def test_the_output_is_found_by_the_variables_of_all_callers():
    x, _, z = square_plus_product()
    losses = [tl.tanh(z)]
    losses[0].backward()
    del z
    assert (lambda: explain(x))().output is losses[0]


def test_an_output_that_no_variable_holds_is_asked_for():
    x = tl.parameter(3.0, "x")
    (x * x).backward()
    with pytest.raises(GradientError, match=r"no variable holds what x got its gradient from: say explain\(x, y\)"):
        explain(x)


def test_where_it_is_not_clear_the_output_is_asked_for():
    x = tl.parameter(3.0, "x")
    a, b = x * x, tl.tanh(x)
    with pytest.raises(GradientError, match=r"nothing was sent back to x yet: call backward\(\).*explain\(x, y\)"):
        explain(x)
    a.backward()
    b.backward()
    with pytest.raises(GradientError, match=r"x got its gradient from 2 outputs .*explain\(x, y\)"):
        explain(x)
    assert explain(x, a).total == 6
    assert "it also has parts from other outputs" in explain(x, a).text


def test_calling_backward_twice_is_seen():
    x, _, z = square_plus_product()
    z.backward()
    z.backward()
    explanation = explain(x)
    assert explanation.total == x.gradient == 20
    assert explanation.text.endswith("2 was sent into z, the last factor of every path")
    assert "4 * 1 * 2 = 8" in explanation.text


def test_an_output_that_is_an_array_needs_a_seed():
    x = tl.parameter(np.ones(3), "x")
    y = x * 2.0
    with pytest.raises(GradientError, match=r"explain\(\) starts at a number, and the output has shape"):
        explain(x, y)
    y.backward(seed=np.array([1.0, 2.0, 3.0]))
    np.testing.assert_array_equal(explain(x).total, [2, 4, 6])


# --- Refusals and names ---


def test_what_cannot_be_explained_is_refused():
    x = tl.placeholder((), name="x")
    with pytest.raises(TraceError, match=r"formula\(tl.gradients\(output, node\)\)"):
        explain(x, x * 2.0)
    with pytest.raises(TypeError, match="takes nodes, not float"):
        explain(tl.parameter(1.0), 2.0)
    with pytest.raises(ValueError, match="at least one path"):
        explain(tl.parameter(1.0), tl.parameter(1.0), most=0)


def test_a_name_is_text_whatever_it_holds():
    for name in ("<b>", "$x$", "a\\b", "a\nb", "%7", "{", "\N{GRINNING FACE}"):
        x = tl.parameter(2.0, name)
        explanation = explain(x, x * x)
        assert len(explanation.text.split("\n")) == 3
        assert "$" not in explanation.latex.replace(r"\$", "") and "<" not in explanation.latex
        rest = re.sub(r"\\[{}\\$]", "", explanation.latex)
        assert rest.count("{") == rest.count("}")


def test_the_same_graph_is_explained_alike_in_every_process():
    code = """
import tinygrad_lora as tl
from tinygrad_lora.view.paths import explain
x = tl.parameter(0.5, "x"); y = tl.tanh(x * x + x) * x; y.backward()
print(explain(x)); print(explain(x).latex)
"""
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("0", "1", "2")
    }  # fmt: skip
    assert len(outputs) == 1
