"""Only exact plain values are written into source: what has a `repr` of its own is refused before anything runs."""

import contextlib
import functools
import os

import numpy as np
import pytest
from held import settings

import tinygrad_lora as tl
from tinygrad_lora.compiler.operations import Fused, FusedStep
from tinygrad_lora.compiler.text.expressions import literal
from tinygrad_lora.compiler.text.literals import is_plain, refuse_foreign
from tinygrad_lora.compiler.text.names import program_name
from tinygrad_lora.compiler.text.plain import emit
from tinygrad_lora.core import ops
from tinygrad_lora.core.node import INPUT, ComputationNode
from tinygrad_lora.errors import CompileError
from tinygrad_lora.grading.grading import GradingWorker, job_of
from tinygrad_lora.grading.process.known import identifier
from tinygrad_lora.grading.process.packing import Packer
from tinygrad_lora.grading.process.peer import Peer
from tinygrad_lora.grading.process.wire import Misbehaved
from tinygrad_lora.grading.submissions import submissions
from tinygrad_lora.learn import load_exercise
from tinygrad_lora.learn.checking.evaluated import Evaluated
from tinygrad_lora.learn.checking.run import run_checks

RAN = []  # what the code below puts there, if it is ever executed
CODE = "__import__('sys').modules['test_source_literals'].RAN.append(1) or 2"
LINE = f"\n    {CODE}\n    #"


def as_code(self, how=""):
    return CODE


class Float(float):
    __repr__ = __str__ = __format__ = as_code


class Int(int):
    __repr__ = __str__ = __index__ = __format__ = as_code


class Text(str):
    __repr__ = __str__ = __format__ = as_code
    isidentifier = isdigit = isprintable = lambda self: True


class Tuple(tuple):
    __repr__ = __str__ = lambda self: CODE


class Dict(dict):
    __repr__ = __str__ = lambda self: CODE


class Number64(np.float64):
    __repr__ = __str__ = lambda self: CODE


class Number32(np.float32):
    __repr__ = __str__ = lambda self: CODE


class Complex(complex):
    __repr__ = __str__ = lambda self: CODE


class Object:
    """Behaves as a number wherever one is needed, and writes itself as code."""

    __repr__ = __str__ = __format__ = as_code
    __int__ = __index__ = __float__ = lambda self: 2
    __mul__ = __rmul__ = __add__ = __radd__ = lambda self, other: other
    __lt__ = __gt__ = __le__ = __ge__ = lambda self, other: False
    __abs__ = __neg__ = lambda self: self

    def __eq__(self, other):
        return True

    def __hash__(self):
        return hash(2)


class Type(type):
    __repr__ = __str__ = lambda self: CODE
    __name__ = CODE


Class = Type("Class", (), {"__repr__": lambda self: CODE})

PARAMETERS = {
    "a float of one's own": ("scale", {"factor": Float(2.0)}),
    "a whole number of one's own": ("scale", {"factor": Int(2)}),
    "NumPy's float64 as a base": ("scale", {"factor": Number64(2.0)}),
    "NumPy's float32 as a base": ("scale", {"factor": Number32(2.0)}),
    "a complex number of one's own": ("scale", {"factor": Complex(2.0)}),
    "an object that behaves as a number": ("scale", {"factor": Object()}),
    "a class with a metaclass": ("scale", {"factor": Class}),
    "an object of such a class": ("scale", {"factor": Class()}),
    "a partial function": ("scale", {"factor": functools.partial(Object)}),
    "an exponent": ("power", {"exponent": Int(2)}),
    "an exponent that is an object": ("power", {"exponent": Object()}),
    "an axis in a tuple": ("reduce_sum", {"axis": (Int(0),), "keepdims": False}),
    "a tuple of one's own": ("reduce_sum", {"axis": Tuple((0,)), "keepdims": False}),
    "a flag": ("reduce_sum", {"axis": (0,), "keepdims": Object()}),
    "a flag that is a number": ("reduce_max", {"axis": (0,), "keepdims": Int(1)}),
    "a shape": ("reshape", {"shape": (Int(4),)}),
    "a shape that is a tuple of one's own": ("reshape", {"shape": Tuple((4,))}),
    "a shape to repeat to": ("broadcast", {"shape": Tuple((2, 2))}),
    "a key": ("index", {"key": (Int(0),)}),
    "the start of a slice": ("index", {"key": (slice(Int(0), 1),)}),
    "the stop of a slice": ("index", {"key": (slice(0, Object()),)}),
    "the step of a slice": ("index", {"key": (slice(0, 1, Int(1)),)}),
    "a slice in tuples": ("index", {"key": ((slice(None, Object()),),)}),
    "the text of a dtype": ("cast", {"dtype": Text("float64")}),
    "a dtype that is an object": ("cast", {"dtype": Object()}),
    "where to place": ("place", {"key": (slice(Int(0), 2),), "shape": (2, 2)}),
    "the shape of a place": ("place", {"key": (slice(0, 2),), "shape": Tuple((2, 2))}),
    "the name of a parameter": ("scale", {Text("factor"): 2.0}),
    "one parameter too many": ("scale", {"factor": 2.0, f"x): pass{LINE}": 1}),
    "parameters in a dictionary of one's own": ("scale", Dict(factor=2.0)),
    "a frozen set": ("index", {"key": (frozenset({Object()}),)}),
    "a list": ("index", {"key": ([Object()],)}),
    "bytes": ("scale", {"factor": b"2"}),
}  # fmt: skip


def hand_made(op="scale", params=None, **attributes):
    """A function whose result is a node that was put together by hand, with these attributes."""
    op = tl.Op.registry.get(op, op)

    shape = {"reduce_sum": (2,), "reduce_max": (2,), "reshape": (4,)}.get(op.name, (2, 2))

    def f(x):
        made = ComputationNode(op, (x,), {"factor": 2.0} if params is None else params, shape, np.dtype(float))
        for name, value in attributes.items():
            setattr(made, {"shape": "_shape", "dtype": "_dtype"}.get(name, name), value)
        return made

    return f


X = np.ones((2, 2))


def refused(f):
    """No writer takes what `f` gives, and nothing of it runs as source, whatever a pass makes of it before."""
    RAN.clear()
    with pytest.raises(CompileError, match="cannot be written as source") as caught:
        emit(tl.trace(f, X), "f")
    assert CODE not in str(caught.value)
    for options in ({}, {"buffers": False}, {"passes": ()}, {"passes": (), "buffers": False}):
        with contextlib.suppress(CompileError, TypeError, ValueError, AttributeError):
            tl.compile(f, **options)(X)
    assert not RAN


@pytest.mark.parametrize("kind", PARAMETERS)
def test_a_parameter_that_writes_itself_is_never_source(kind):
    refused(hand_made(*PARAMETERS[kind]))


@pytest.mark.parametrize("kind", ["an object that behaves as a number", "a flag", "a slice in tuples"])
def test_the_writer_of_loops_refuses_it_too(kind):
    pytest.importorskip("numba")
    with pytest.raises(CompileError, match="cannot be written as source"):
        tl.compile(hand_made(*PARAMETERS[kind]), passes=(), engine="numba")(X)


ATTRIBUTES = {
    "a shape": {"shape": Tuple((2, 2))}, "a size in a shape": {"shape": (Int(2), 2)}, "a dtype": {"dtype": Object()},
    "a name": {"name": Text("y")},
}  # fmt: skip


@pytest.mark.parametrize("what", ATTRIBUTES)
def test_what_stands_in_a_comment_is_as_plain(what):
    leaf = ComputationNode(INPUT, (), {}, (2, 2), np.dtype(float))
    with pytest.raises(CompileError, match="cannot be written as source"):
        emit(tl.Graph([leaf], [hand_made(**ATTRIBUTES[what])(leaf)]), "f")
    with contextlib.suppress(CompileError, TypeError, ValueError, AttributeError):
        tl.compile(hand_made(**ATTRIBUTES[what]))(X)
    assert not RAN


@pytest.mark.parametrize("origin", [(Text("a.py"), 1), ("a.py", Int(1)), ["a.py", Object()]])
def test_a_line_that_is_no_number_is_left_out_of_a_comment(origin):
    compiled = tl.compile(hand_made(origin=origin))
    assert np.array_equal(compiled(X), 2 * X) and not RAN
    assert CODE not in compiled.source


def test_the_name_of_an_operation_is_a_word():
    op = object.__new__(ops.Scale)
    op.name = f"scale{LINE}"
    refused(hand_made(op))


def test_a_line_break_in_the_name_of_a_file_does_not_end_a_comment():
    source = "import tinygrad_lora as tl\ndef f(x):\n    return tl.exp(x)\n"
    scope = {}
    exec(compile(source, f"notes{LINE}.py", "exec"), scope)
    compiled = tl.compile(scope["f"])
    RAN.clear()
    assert np.array_equal(compiled(X), np.exp(X)) and not RAN


@pytest.mark.parametrize("name", [f"x{LINE}", "x): pass", Text("import os"), "class", "é", "\u2028"])
def test_the_name_of_a_node_or_a_function_becomes_a_word(name):
    def f(x):
        return tl.exp(tl.parameter(np.ones((2, 2)), str.__str__(name)) * x)

    f.__name__ = str.__str__(name)
    RAN.clear()
    assert np.array_equal(tl.compile(f)(X), np.exp(X)) and not RAN
    assert program_name(name).isidentifier()


def test_a_step_of_a_fused_operation_is_as_plain():
    step = FusedStep(ops.scale, {"factor": Object()}, (0,), (2, 2), np.dtype(float))
    leaf = ComputationNode(INPUT, (), {}, (2, 2), np.dtype(float))
    graph = tl.Graph([leaf], [ComputationNode(Fused([step], 1), (leaf,), {}, (2, 2), np.dtype(float))])
    with pytest.raises(CompileError, match="factor"):
        refuse_foreign(graph)
    with pytest.raises(CompileError):
        graph(X)
    assert not RAN


def test_a_literal_is_exactly_of_a_plain_type():
    for value in (1, -1.5, True, None, "a", ..., slice(1, None, 2), (1, (2.0, "b"), slice(None)), float("-inf")):
        assert is_plain(value) and literal(value).text
    for value in (Float(1.0), Int(1), Text("a"), Tuple(()), Object(), [1], {1}, b"a", (1, [2]), slice([1])):
        assert not is_plain(value)
        with pytest.raises(CompileError, match="cannot be written as source"):
            literal(value)


# --- Of others: a graph that came in is evaluated ---

HOSTILE = """
import numpy as np
import tinygrad_lora as tl
from tinygrad_lora.core.node import ComputationNode

CODE = "[setattr(m, 'same', lambda *a, **k: True) for m in [*__import__('sys').modules.values()] if hasattr(m, 'same')]"

class Evil:
    def __repr__(self):
        return CODE

def node(x):
    return ComputationNode(tl.scale, (x,), {"factor": %s}, x.shape, x.dtype)

def training_step(x, labels, W1, b1, W2, b2):
    return [node(tl.sum(x)), W1, b1, W2, b2]

def ship(model):
    return tl.compile(lambda x: node(x))

def largest_difference(f, g, x):
    return np.abs(f(x) - g(x)).max()
"""
FACTORS = (
    "Evil()",
    "Evil",
    "type(CODE, (), {})()",
    "type('E', (float,), {'__repr__': lambda s: CODE})(2)",
    "(Evil(),)",
)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the limits are those of POSIX")
@pytest.mark.parametrize("factor", FACTORS)
def test_a_graph_of_a_submission_earns_what_it_computes(factor, tmp_path):
    (tmp_path / "mallory.py").write_text(HOSTILE % factor, encoding="utf-8")
    worker = GradingWorker()
    try:
        ids = ("10-step", "12-ship")
        result = worker.judge(job_of(submissions(tmp_path)[0], ids, settings(cpu=30, memory=1 << 30, wall=90.0)))
    finally:
        worker.close()
    earned = {one["test"] if "test" in one else one.get("claim"): one["points"] for one in result["results"]}
    assert result["points"] <= 1, earned  # for largest_difference, which is right


def test_what_crosses_is_evaluated_and_never_compiled(monkeypatch):
    packer = Packer(1)
    packer.things[3] = lambda x: tl.exp(x)
    crossed = packer.unpack({"compiled": {"#": 3}})
    assert type(crossed) is Evaluated

    def forbidden(*args, **kwargs):
        raise AssertionError("something is executed as source")

    for module in ("compiler.programs", "compiler.signatures", "compiler.operations", "core.source"):
        monkeypatch.setattr(f"tinygrad_lora.{module}.function_from_source", forbidden)
    assert np.array_equal(crossed(X), np.exp(X))
    assert crossed.graph.flops == 4
    with pytest.raises(Misbehaved, match="no plain value"):
        packer.learn_nodes([[5, "scale", [], [["factor", {"#": 3}]], None, None, None, False]], [])


def test_the_exercises_that_ask_for_a_program_evaluate_it(monkeypatch):
    step = load_exercise("10-step")
    ran = []
    monkeypatch.setattr("tinygrad_lora.compiler.programs.CompiledProgram.run", lambda *a: ran.append(a))
    result = run_checks(step, step.references, seed=1, budget=5)
    assert not ran and all(one.passed for one in result.results)


@pytest.mark.parametrize("name", ["__repr__", "=__repr__", "=__str__", "=__format__", "=__class__", "x y", "=x\ny"])
def test_a_class_that_came_in_does_not_say_how_it_is_written(name):
    peer = Peer(None, 1, lambda function, seconds: function(), lambda error: "")
    with pytest.raises(ValueError):
        peer._class(5, {"class": "A", "blank": False, "bases": [], "methods": [name], "takes": {}, "parameters": None})


@pytest.mark.parametrize("name", ["a b", "x\ny", "", Text("x"), 3, "x" * 1000, "f()"])
def test_the_name_of_a_submissions_class_is_an_identifier(name):
    with pytest.raises(ValueError, match="identifier"):
        identifier(name)
    assert identifier("MyLayer") == "MyLayer"


@pytest.mark.parametrize("name", ["f", "g é", "a b", "print", ""])
def test_the_name_of_a_program_is_plain_text_whatever_its_class(name):
    class Name(str):
        __format__ = __str__ = __repr__ = lambda self, how="": f"f(x): pass\n{CODE}\ndef f"
        isidentifier = lambda self: True  # noqa: E731

    def f(x):
        return x * 2

    f.__name__ = Name(name)
    RAN.clear()
    for options in ({}, {"buffers": False}):
        assert np.array_equal(tl.compile(f, **options)(X), 2 * X) and not RAN
    layer = type("Doubled", (tl.Layer,), {"__call__": lambda self, x: x * 2})
    layer.__name__ = Name(name)
    assert np.array_equal(tl.compile(layer())(X), 2 * X) and not RAN
