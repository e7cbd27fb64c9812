"""Text that is joined is the text that `ast.unparse` prints, brackets and all, and computes the same."""

import ast

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_array_equal
from strategies import FACTORIES, examples, matmul_chains, random_graphs

import tinygrad_lora as tl
from tinygrad_lora.compiler.operations import Fused
from tinygrad_lora.compiler.passes.fuse_elementwise import fuse_elementwise
from tinygrad_lora.compiler.text.expressions import Code, expression, literal, name, template_of, written

LONGEST = 300  # characters; longer expressions get a variable, as a user would do


def parsed(text):
    return ast.parse(text, mode="eval").body


def coded(text):
    """An expression as its author would hand it over: as `ast.unparse` prints it."""
    tree = parsed(text)
    return Code(ast.unparse(tree), type(getattr(tree, "op", tree)).__name__)


class Putting(ast.NodeTransformer):
    """The slow and simple way: put trees in the place of names, and write calls and indices as people do."""

    def __init__(self, trees):
        self.trees = trees

    def visit_Name(self, tree):
        return self.trees.get(tree.id, tree)

    def visit_Call(self, tree):
        tree = self.generic_visit(tree)
        tree.keywords = [k for k in tree.keywords if (k.arg, ast.unparse(k.value)) != ("keepdims", "False")]
        for k in tree.keywords:
            if k.arg == "axis" and isinstance(k.value, ast.Tuple) and len(k.value.elts) == 1:
                k.value = k.value.elts[0]
        return tree

    def visit_Subscript(self, tree):
        tree = self.generic_visit(tree)
        if isinstance(tree.slice, ast.Subscript):  # np.s_[...]
            tree.slice = tree.slice.slice
        if isinstance(tree.slice, ast.Tuple) and len(tree.slice.elts) == 1:
            tree.slice = tree.slice.elts[0]
        return tree


def source_of(value):
    """A parameter's value as source, without any shortcut."""
    if isinstance(value, tuple) and any(isinstance(k, slice) for k in value):
        return f"np.s_[{', '.join(map(part_of, value))},]"
    return f"({''.join(f'{part_of(k)}, ' for k in value)})" if isinstance(value, tuple) else repr(value)


def part_of(k):
    if isinstance(k, slice):
        return ":".join("" if n is None else repr(n) for n in (k.start, k.stop, k.step)).removesuffix(
            ":" * (not k.step)
        )
    return "..." if k is ... else repr(k)


def printed(op, params, operands):
    """The line of an operation as `ast.unparse` prints it, with these texts as operands."""
    names = op.signature.split("*, ")[0].replace(" ", "").strip(",").split(",")
    trees = {k: parsed(source_of(v)) for k, v in params.items()}
    left = [parsed(x) for x in operands]
    for n in names:
        if n.startswith("*"):
            trees[n[1:]] = ast.Tuple(left, ast.Load())
            break
        trees[n] = left.pop(0)
    return ast.unparse(Putting(trees).visit(parsed(op.numpy)))


OPERANDS = st.sampled_from("""
x; 2; 0.5; -1.5; -x; x + y; x - y; x * y; x / y; x @ y; x % y; x**2; x > y; f(x); x.mT; x[0]; not x; ~x
x if y else z; np.exp(-x) * y; (x + y) ** 2; (x > y) * z; x * (y + z); -(x + y)
""".strip().replace("\n", "; ").split("; "))  # fmt: skip


@examples(400)
@given(st.data())
def test_an_expression_is_what_unparse_prints(data):
    op = tl.Op.registry[data.draw(st.sampled_from(sorted(FACTORIES)))]
    case = data.draw(FACTORIES[op.name])
    texts = [data.draw(OPERANDS) for _ in case.operands]
    code = written(op, case.params, [coded(x) for x in texts])
    assert code.text == printed(op, case.params, texts)
    assert code.level == coded(code.text).level


@examples(100)
@given(random_graphs() | matmul_chains())
def test_an_expression_of_expressions_is_what_unparse_prints_and_computes_the_same(program):
    function, arrays = program
    graph = tl.trace(function, *arrays)
    helpers = {}
    exec("\n".join(op.prelude for op in tl.Op.registry.values()), {"np": np}, helpers)
    values = {"np": np, **helpers}
    codes, texts = {}, {}
    for i, (node, array) in enumerate(graph.running(*arrays)):
        if node.parents:
            codes[node] = expression(node, codes)
            texts[node] = printed(node.op, node.params, [texts[p] for p in node.parents])
            assert codes[node].text == texts[node]
            assert_array_equal(eval(codes[node].text, values), array)
        if not node.parents or len(codes[node].text) > LONGEST:
            codes[node], texts[node] = name(f"v{i}"), f"v{i}"
            values[f"v{i}"] = array


@examples(100)
@given(random_graphs())
def test_a_fused_operation_is_its_steps_one_by_one(program):
    function, arrays = program
    graph = fuse_elementwise(tl.trace(function, *arrays))
    for node in (n for n in graph.nodes if isinstance(n.op, Fused)):
        n, steps = len(node.parents), node.op.steps
        assert len(steps) > 1 and (steps[-1].shape, steps[-1].dtype) == (node.shape, node.dtype)
        values = [np.full(p.shape, i + 1, p.dtype) for i, p in enumerate(node.parents)]
        codes = [name(f"x{i}") for i in range(n)]
        for j, step in enumerate(steps):
            assert all(i < n + j for i in step.operands), "a step reads what is there already"
            values.append(np.asarray(step.op.forward(*(values[i] for i in step.operands), **step.params)))
            codes.append(written(step.op, step.params, [codes[i] for i in step.operands]))
            assert (values[-1].shape, values[-1].dtype) == (step.shape, step.dtype)
        with np.errstate(all="ignore"):
            assert_array_equal(node.op.forward(*values[:n]), values[-1])
        assert node.op.numpy == codes[-1].text
        assert sorted(i for step in steps for i in step.operands if i >= n) == list(range(n, n + len(steps) - 1))


@pytest.mark.parametrize(
    ("value", "text", "level"),
    [
        (2, "2", "Constant"),
        (-2, "-2", "USub"),
        (0.1, "0.1", "Constant"),
        (-0.0, "-0.0", "USub"),
        (1e22, "1e+22", "Constant"),
        (True, "True", "Constant"),
        (None, "None", "Constant"),
        ("float32", "'float32'", "Constant"),
        (np.float32(0.1), "0.1", "Constant"),
        (np.float16(-0.1), "-0.1", "USub"),
        (float("inf"), "np.inf", "Attribute"),
        (-np.float32("inf"), "-np.inf", "USub"),
        (float("nan"), "np.nan", "Attribute"),
        ((), "()", "Tuple"),
        ((3,), "(3,)", "Tuple"),
        ((2, -1), "(2, -1)", "Tuple"),
        ((slice(None), slice(0, 2)), "np.s_[:, 0:2]", "Subscript"),
        ((slice(None, None, -1),), "np.s_[::-1,]", "Subscript"),
        ((0, ..., slice(1, None, 2), None), "np.s_[0, ..., 1::2, None]", "Subscript"),
    ],
)
def test_a_literal_is_the_value_as_source(value, text, level):
    assert literal(value) == (text, level)
    if isinstance(value, tuple):
        assert eval(text, {"np": np}) == value
    elif value is not None and not isinstance(value, str):
        assert_array_equal(np.asarray(eval(text, {"np": np}), np.asarray(value).dtype), value)


def test_a_flag_that_says_nothing_is_left_out_and_a_single_axis_has_no_brackets():
    x, ops = [name("x")], tl.Op.registry
    assert written(ops["reduce_sum"], {"axis": (0,), "keepdims": False}, x).text == "x.sum(axis=0)"
    assert written(ops["reduce_max"], {"axis": (0, 1), "keepdims": True}, x).text == "x.max(axis=(0, 1), keepdims=True)"
    assert written(ops["index"], {"key": (slice(None), slice(0, 2))}, x).text == "x[:, 0:2]"
    assert written(ops["index"], {"key": (0, ...)}, x).text == "x[0, ...]"
    assert written(ops["take"], {}, [name("x"), name("i")]).text == "x[i]"
    assert written(ops["concatenate"], {"axis": 1}, [name("a"), name("b")]).text == "np.concatenate((a, b), axis=1)"


def test_a_percent_sign_in_a_line_is_a_percent_sign():
    class Remainder(tl.Op):
        r"""$y = a \\bmod b$."""

        signature, numpy = "a, b", "a % b"

    remainder = Remainder()
    del tl.Op.registry["remainder"]
    assert written(remainder, {}, [coded("x + y"), name("z")]) == ("(x + y) % z", "Mod")


def test_a_place_learns_only_once_what_its_operands_need(monkeypatch):
    add, negative = tl.Op.registry["add"], {"factor": -2.0}
    lines = [(tl.Op.registry["scale"], negative, ["x + y"]), (add, {}, ["x * y", "x + y"]), (add, {}, ["x ** 2", "-x"])]
    first = [written(op, params, [coded(x) for x in texts]) for op, params, texts in lines]
    others = [[coded(x.replace("x", "long_name")) for x in texts] for _, _, texts in lines]
    monkeypatch.setattr(ast, "unparse", None)
    again = [written(op, params, codes) for (op, params, _), codes in zip(lines, others, strict=True)]
    assert [code.text.replace("long_name", "x") for code in again] == [code.text for code in first]
    assert template_of(add, {}) is template_of(add, {})
