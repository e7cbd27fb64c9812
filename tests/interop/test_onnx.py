"""ONNX files: each operation and whole models give there what they give here."""

import sys
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from strategies import examples, inputs_for, random_graphs

import tinygrad_lora as tl
from tinygrad_lora.core.node import Op
from tinygrad_lora.errors import DtypeError, ExportError
from tinygrad_lora.interop.onnx import export, save_onnx
from tinygrad_lora.interop.onnx.export import IR_VERSION, OPSET
from tinygrad_lora.interop.onnx.rules import RULES

onnx = pytest.importorskip("onnx", reason="needs the extra interop")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra test")
onnxruntime.set_default_logger_severity(3)

# ONNX has no generator that gives the same numbers.
OPERATIONS = [
    op for op in Op.registry.values()
    if type(op).__module__.startswith("tinygrad_lora") and op.name != "random_uniform"
]  # fmt: skip


def session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def run(written, *arrays, **more):
    """What onnxruntime computes."""
    feed = dict(zip(written.inputs, map(np.asarray, arrays), strict=True))
    return session(written.path).run(None, feed | more)


def assert_close(result, expected, rtol=1e-6):
    result, expected = np.asarray(result), np.asarray(expected)
    assert (result.shape, result.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_allclose(result, expected, rtol=rtol, atol=rtol)


def adapted(dtype=np.float64):
    layers = [tl.Linear(4, 6, seed=0, dtype=dtype), tl.relu, tl.Linear(6, 3, seed=1, dtype=dtype)]
    model = tl.adapt(tl.Sequential(*layers), 2, seed=2)
    rng = np.random.default_rng(3)
    model.set_parameters(rng.normal(size=model.parameter_count))
    return model


def x_of(*shape, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


# --- Operations ---


def test_each_operation_is_in_the_table():
    assert {op.name for op in OPERATIONS} | {"later"} == set(RULES), "which the gradient of a checkpoint has"


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("op", [op for op in OPERATIONS if op.name in RULES], ids=str)
def test_an_operation_gives_the_same_there(op, dtype, tmp_path):
    @settings(max_examples=12, deadline=None, database=None)
    @given(inputs_for(op))
    def compare(case):
        operands = [x.astype(dtype) if x.dtype.kind == "f" else x for x in map(np.asarray, case.operands)]
        nodes = [tl.placeholder(x.shape, x.dtype, f"x{i}") for i, x in enumerate(operands)]
        y = op(*nodes, **case.params)
        written = save_onnx(tl.Graph(nodes, [y]), tmp_path / "op.onnx")
        assert_close(run(written, *operands)[0], op(*operands, **case.params))

    compare()


@pytest.mark.parametrize(
    "f",
    [
        lambda x, i: x * i, lambda x, i: x + i, lambda x, i: i / (i + 1), lambda x, i: i * 2, lambda x, i: i * 0.5,
        lambda x, i: tl.sum(i), lambda x, i: tl.sum(i > 1), lambda x, i: (x > 0) * x, lambda x, i: (x > 0) * (i > 1),
        lambda x, i: (x > 0) + (i > 1), lambda x, i: (x > 0) > (i > 1), lambda x, i: tl.where(i, x, i),
        lambda x, i: tl.exp(i), lambda x, i: i**2, lambda x, i: i**3, lambda x, i: i**0.5, lambda x, i: tl.max(i > 1),
        lambda x, i: i @ tl.transpose(i), lambda x, i: x @ tl.transpose(i), lambda x, i: tl.concatenate([x, i]),
        lambda x, i: tl.relu(i), lambda x, i: tl.cast(x, np.int64), lambda x, i: tl.cast(x, np.float32) * x,
        lambda x, i: tl.max(i, 0), lambda x, i: tl.sign(i), lambda x, i: tl.cast(i > 1, np.float32),
        lambda x, i: x[0, 1],
        lambda x, i: tl.sum(x, ()), lambda x, i: tl.max(x, ()),
    ],
)  # fmt: skip
def test_dtypes_mix_there_as_here(f, tmp_path):
    x, i = x_of(2, 3), np.array([[1, 2, 3], [0, 1, 4]])
    written = save_onnx(f, tmp_path / "f.onnx", x, i)
    assert_close(run(written, x, i)[0], tl.trace(f, x, i)(x, i)[0])


@examples(40)
@given(random_graphs(parameters=True), st.booleans())
def test_random_programs_give_the_same_there(tmp_path_factory, drawn, swappable):
    program, arrays = drawn
    arrays = [*map(np.asarray, arrays)]
    folder = tmp_path_factory.mktemp("random")
    written = save_onnx(program, folder / "f.onnx", *arrays, swappable=swappable)
    for result, expected in zip(run(written, *arrays), tl.trace(program, *arrays)(*arrays), strict=True):
        assert_close(result, expected)


def test_what_onnx_does_not_have_is_named_with_its_place(tmp_path):
    class Cube(Op):
        r"""$y = x^3$."""

        signature, numpy = "x", "x**3"

    cube = Cube()
    try:
        with pytest.raises(ExportError, match=r"%1 = cube\(\.\.\.\) \(test_onnx.py line \d+\) has no form in ONNX"):
            save_onnx(lambda x: cube(x) * 2.0, tmp_path / "f.onnx", np.ones(3))
        RULES["cube"] = lambda paper, node, x: paper.add("Mul", x, paper.add("Mul", x, x))
        written = save_onnx(lambda x: cube(x) * 2.0, tmp_path / "f.onnx", np.ones(3))
        assert_close(run(written, x_of(3))[0], 2.0 * x_of(3) ** 3)
    finally:
        del Op.registry["cube"]
        RULES.pop("cube", None)


def test_a_graph_that_the_compiler_made_is_refused_and_the_function_is_not(tmp_path):
    compiled = tl.compile(lambda x: tl.mean(tl.gelu(x), -1), buffers=False)
    x = x_of(2, 3)
    expected = compiled(x)
    with pytest.raises(ExportError, match=r"fused\(\.\.\.\).* has no form in ONNX"):
        save_onnx(compiled.graph, tmp_path / "f.onnx")
    assert [*tmp_path.iterdir()] == []
    assert_close(run(save_onnx(compiled, tmp_path / "f.onnx", x), x)[0], expected)


def test_complex_numbers_are_refused(tmp_path):
    with pytest.raises(DtypeError, match="complex128"):
        save_onnx(lambda x: x + 1.0, tmp_path / "f.onnx", np.ones(3, complex))


# --- Models ---


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
def test_an_adapted_model_gives_the_same_there_for_any_batch(dtype, tmp_path):
    model = adapted(dtype)
    written = save_onnx(model, tmp_path / "model.onnx", x_of(5, 4))
    assert (written.inputs, written.outputs, written.fixed) == ({"x": ("batch", 4)}, {"output": ("batch", 3)}, "")
    for n in (1, 2, 3, 8):
        x = x_of(n, 4, dtype=dtype, seed=n)
        assert_close(run(written, x)[0], model.forward(x))


def test_a_merged_adapter_is_part_of_the_weights(tmp_path):
    model, x = adapted(), x_of(3, 4)
    before = save_onnx(model, tmp_path / "before.onnx", x)
    tl.merge_all(model)
    after = save_onnx(model, tmp_path / "after.onnx", x)
    assert_close(run(after, x)[0], run(before, x)[0])
    kinds = [[n.op_type for n in onnx.load(w.path).graph.node] for w in (before, after)]
    assert kinds[0].count("MatMul") == 6 and kinds[1].count("MatMul") == 2
    assert not [t.name for t in onnx.load(after.path).graph.initializer if "lora" in t.name]


def test_another_adapter_needs_no_other_file(tmp_path):
    model, x = adapted(), x_of(3, 4)
    written = save_onnx(model, tmp_path / "model.onnx", x, swappable=True)
    assert set(written.swappable) == {name for name in model.named_parameters() if "lora_" in name}
    assert list(written.inputs) == ["x"]
    assert_close(run(written, x)[0], model.forward(x))  # what is not fed is what was written
    first = model.get_parameters()
    model.set_parameters(first[::-1])
    swapped = {name: p.value for name, p in model.named_parameters().items() if p.requires_gradient}
    assert_close(run(written, x, **swapped)[0], model.forward(x))
    one = "0.lora.lora_B"
    model.set_parameters(first)
    assert_close(run(written, x, **{one: 0 * swapped[one]})[0], save_and_run_without(model, one, x, tmp_path))


def save_and_run_without(model, name, x, folder):
    model.named_parameters()[name].value = 0 * model.named_parameters()[name].value
    return run(save_onnx(model, folder / "without.onnx", x), x)[0]


def test_swappable_parameters_are_chosen_by_name(tmp_path):
    model = adapted()
    written = save_onnx(model, tmp_path / "model.onnx", swappable=["2.base.weight"])  # one sample is the example
    assert written.swappable == {"2.base.weight": (6, 3)}
    with pytest.raises(ExportError, match=r"no parameter is called 'lora'; there are .*0\.lora\.lora_A"):
        save_onnx(model, tmp_path / "other.onnx", swappable="lora")
    assert not (tmp_path / "other.onnx").exists()


def test_the_file_says_which_layer_made_what(tmp_path):
    written = save_onnx(adapted(), tmp_path / "model.onnx")
    made = onnx.load(written.path)
    assert {"0/base/MatMul", "0/lora/MatMul", "0/Add", "Relu", "2/Add"} <= {n.name for n in made.graph.node}
    assert {"0.base.weight", "2.lora.lora_A"} <= {t.name for t in made.graph.initializer}
    assert (made.opset_import[0].version, made.ir_version) == (OPSET, IR_VERSION) == (17, 8)


@pytest.mark.parametrize("axes", [1, 2])
def test_gradients_are_graphs_and_go_there_too(axes, tmp_path):
    model = adapted()
    x, target = x_of(*(2, 5)[:axes], 4), x_of(*(2, 5)[:axes], 3)

    def slopes(x, target):
        loss = tl.mse(model(x), target)
        return [loss, *tl.gradients(loss, model.parameters())]

    written = save_onnx(slopes, tmp_path / "f.onnx", x, target)
    for result, expected in zip(run(written, x, target), tl.compile(slopes)(x, target), strict=True):
        assert_close(result, expected)
    assert written.fixed.startswith("The batch size is fixed: the factor of scale depends on the batch size")


def test_functions_of_the_library_go_there_for_any_batch(tmp_path):
    w, b = tl.parameter(x_of(6), "w"), tl.parameter(x_of(6, seed=1), "b")

    def block(x):
        h = tl.layer_norm(tl.gelu(x) + tl.sigmoid(x), w, b)
        rows = tl.reshape(h, (-1, 6))
        scores = tl.softmax(h @ h.mT) @ h
        grown = tl.concatenate([scores, tl.broadcast(b, (x.shape[0], 1, 6))], 1)
        return tl.log_softmax(scores), rows, grown, tl.maximum(x[:, -1, ::-2], 0.5), tl.sum(rows, 0), x

    written = save_onnx(block, tmp_path / "f.onnx", x_of(2, 3, 6))
    assert written.fixed == "" and written.outputs["output_2"] == ("3*batch", 6)
    for n in (1, 2, 5):
        x = x_of(n, 3, 6, seed=n)
        for result, expected in zip(run(written, x), tl.trace(block, x)(x), strict=True):
            assert_close(result, expected)


@pytest.mark.parametrize(
    ("f", "examples", "reason"),
    [
        (lambda x: tl.mean(x), [np.ones((4, 2))], "the factor of scale depends on the batch size"),
        (lambda x: tl.reshape(x, (8,)), [np.ones((4, 2))], "another one gives ShapeError"),
        (lambda x, y: x @ y, [np.ones((4, 2)), np.ones((2, 3))], "not all inputs have a first axis"),
        (lambda x: tl.sum(x[0] * len(x.shape)) * float(x.shape[0]), [np.ones((4, 2))], "the factor of scale"),
        (lambda x: sum_of_rows(x), [np.ones((4, 2))], "more or fewer nodes"),
        (lambda x: x * tl.constant(np.arange(x.shape[0])), [np.ones(4)], "an array that the function holds"),
        (lambda x: tl.reshape(x @ x.mT, (x.shape[0] ** 2,)), [np.ones((4, 2))], "no multiple of the batch size"),
        (lambda x: x * 1.0, [np.float64(1.0)], "not all inputs"),
    ],
)
def test_a_batch_that_cannot_be_left_open_is_fixed_and_the_file_says_why(f, examples, reason, tmp_path):
    written = save_onnx(f, tmp_path / "f.onnx", *examples)
    assert written.fixed.startswith("The batch size is fixed: ") and reason in written.fixed
    assert_close(run(written, *examples)[0], tl.trace(f, *examples)(*examples)[0])


@pytest.mark.parametrize(
    "f, reason",
    [
        (lambda x: x * (10.0 if x.shape[0] == 1 else 1.0), "factor of scale depends on the batch size"),
        (lambda x: tl.exp(x) if x.shape[0] == 1 else x, "has more or fewer nodes"),
        (lambda x: tl.reshape(x, (3, 1) if x.shape[0] == 1 else x.shape), "a size of reshape is no multiple of"),
    ],
    ids=["factor", "nodes", "size"],
)  # fmt: skip
def test_the_example_is_one_of_the_batches_that_must_agree(f, reason, tmp_path):
    x = x_of(1, 3)
    written = save_onnx(f, tmp_path / "f.onnx", x)
    assert reason in written.fixed and written.inputs == {"x": (1, 3)}
    assert_close(run(written, x)[0], tl.trace(f, x)(x)[0])


@pytest.mark.parametrize("f", [lambda x: x[: x.shape[0] // 2], lambda x: x if x.shape[0] < 4 else x * 2.0])
def test_what_holds_for_two_and_three_rows_must_hold_for_more(f, tmp_path):
    assert save_onnx(f, tmp_path / "f.onnx", x_of(2, 4)).fixed


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_an_example_of_any_length_leaves_the_batch_open(n, tmp_path):
    model = adapted()
    written = save_onnx(model, tmp_path / "f.onnx", x_of(n, 4))
    assert written.fixed == "" and written.inputs == {"x": ("batch", 4)}


def sum_of_rows(x):
    total = x[0]
    for i in range(1, x.shape[0]):
        total = total + x[i]
    return total


def test_the_batch_is_fixed_on_request(tmp_path):
    written = save_onnx(adapted(), tmp_path / "f.onnx", x_of(5, 4), dynamic=False)
    assert str(written).splitlines() == [
        "f.onnx: ONNX opset 17", "  input      x (5, 4)", "  output     output (5, 3)",
        "  The batch size is fixed: dynamic=False.",
    ]  # fmt: skip


def test_an_output_may_be_an_input_or_come_twice(tmp_path):
    w = tl.parameter(x_of(3), "w")

    def f(x):
        y = x * w
        return x, y, y, tl.identity(y), tl.identity(w)

    written = save_onnx(f, tmp_path / "f.onnx", x_of(2, 3))
    for result, expected in zip(run(written, x_of(2, 3)), tl.trace(f, x_of(2, 3))(x_of(2, 3)), strict=True):
        assert_close(result, expected)


def test_a_name_that_comes_twice_gets_a_number(tmp_path):
    w, v = tl.parameter(x_of(3), "x"), tl.parameter(x_of(3), "x")
    written = save_onnx(lambda x: x * w + v, tmp_path / "f.onnx", x_of(2, 3), swappable=True)
    assert len({*written.inputs, *written.swappable}) == 3
    assert_close(run(written, x_of(2, 3))[0], x_of(2, 3) * w.value + v.value)


def test_what_has_no_name_is_called_what_it_is(tmp_path):
    w, x = tl.parameter(x_of(3)), tl.placeholder((3,))
    written = save_onnx(tl.Graph([x], [x * w + x_of(3)]), tmp_path / "f.onnx", swappable=True)
    assert (list(written.inputs), list(written.swappable), list(written.outputs)) == (
        ["input"],
        ["parameter"],
        ["output"],
    )
    assert {t.name for t in onnx.load(written.path).graph.initializer} == {"parameter", "constant"}


def test_a_parameter_may_be_an_input(tmp_path):
    w = tl.parameter(x_of(3), "w")
    written = save_onnx(tl.Graph([w], [w * 2.0]), tmp_path / "f.onnx", swappable=True)
    assert (list(written.inputs), dict(written.swappable)) == (["w"], {})
    assert_close(run(written, np.ones(3))[0], 2 * np.ones(3))


def test_the_same_model_gives_the_same_bytes(tmp_path):
    contents = {save_onnx(adapted(), tmp_path / f"{i}" / "m.onnx").path.read_bytes() for i in range(2)}
    assert len(contents) == 1


# --- Transformers ---

ENCODER = {
    "vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 32,
    "max_position_embeddings": 12, "type_vocab_size": 2, "layer_norm_eps": 1e-12, "hidden_act": "gelu",
}  # fmt: skip
DECODER = {
    "vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 32, "max_position_embeddings": 12, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
    "tie_word_embeddings": True, "hidden_act": "silu",
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "config", "modules"),
    [
        ("bert.BertModel", ENCODER, ["query", "value"]),
        ("llama.LlamaForCausalLM", DECODER, ["q_proj", "v_proj"]),
    ],
)
def test_a_transformer_with_an_adapter_gives_the_same_there(kind, config, modules, tmp_path):
    module, _, name = kind.partition(".")
    model = getattr(import_module(f"tinygrad_lora.models.{module}"), name).from_config(config, seed=0)
    model = tl.adapt(model, 2, target_modules=modules, seed=1)
    model.set_parameters(np.random.default_rng(2).normal(size=model.parameter_count) / 4)
    tokens, mask = np.random.default_rng(3).integers(0, 40, (5, 6)), np.ones((5, 6), np.int64)
    mask[1, 4:] = 0
    examples = (tokens,) if config is DECODER else (tokens, mask)
    written = save_onnx(model, tmp_path / "model.onnx", *examples, swappable=True)
    assert written.fixed == "" and [*written.inputs] == ["tokens", "attention_mask"][: len(examples)]
    assert {name.rpartition(".")[2] for name in written.swappable} == {"lora_A", "lora_B"}
    for n in (1, 5):
        arrays = [x[:n] for x in examples]
        result, expected = run(written, *arrays)[0], tl.trace(model, *arrays)(*arrays)[0]
        assert result.dtype == np.float32 and result.shape == expected.shape
        assert np.abs(result - expected).max() <= 1e-6 * np.abs(expected).max()


# --- Refusals ---


def test_a_file_is_whole_or_not_there(tmp_path, monkeypatch):
    monkeypatch.setattr(export, "LARGEST", 100)
    with pytest.raises(ExportError, match=r"the arrays hold 720 bytes; an ONNX file holds up to 2 GB"):
        save_onnx(adapted(), tmp_path / "m.onnx")
    assert [*tmp_path.iterdir()] == []


def test_a_graph_takes_no_examples(tmp_path):
    graph = tl.trace(adapted(), x_of(3, 4))
    with pytest.raises(ExportError, match="takes no examples"):
        save_onnx(graph, tmp_path / "m.onnx", x_of(3, 4))
    assert "a Graph has the shapes that it was made with" in save_onnx(graph, tmp_path / "m.onnx").fixed


def test_without_the_package_the_error_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r'pip install "tinygrad-lora\[interop\]"'):
        save_onnx(adapted(), tmp_path / "m.onnx")


def test_it_is_a_public_name():
    assert tl.save_onnx is save_onnx
