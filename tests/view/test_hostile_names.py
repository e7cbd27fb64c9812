"""Names that hold HTML, quotes, backslashes, LaTeX, control characters or emoji are text everywhere, never code.

And in generated code, where they are variables, no name is taken for another.
"""

import ast
import inspect
import keyword
import re
import runpy
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import tinygrad_lora as tl
from tinygrad_lora.compiler.engines.loops.program import written_as_loops
from tinygrad_lora.core.source import function_from_source
from tinygrad_lora.errors import ShapeError
from tinygrad_lora.view import draw_svg, failure
from tinygrad_lora.view.render import svg

NAMES = [
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "a & <b>'\"\\", "$x$ \\frac{1}{0} %_^{}~#",
    "]]> <!-- & --> <![CDATA[", "\N{SNAKE} \N{GREEK SMALL LETTER LAMDA}", "two\nlines\ttab", "javascript:alert(1)",
    "}{\\n",
]  # fmt: skip


@pytest.fixture(params=NAMES, name="loss")
def _loss(request):
    x, y = tl.parameter(np.array([3.0, np.inf]), request.param), tl.parameter(np.ones(2), "y")
    z = x * y
    z.name = request.param + "!"
    return tl.sum(z)


def name_of(loss):
    return loss.parents[0].parents[0].name


def assert_only_text(page):
    """None of the names became an element or an attribute of a page."""
    body = re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.DOTALL)  # the page's own
    assert "<script>alert" not in page and "<img src=x" not in body and "onerror=alert(1)>" not in body
    assert 'href="javascript:' not in page


def test_pictures_are_well_formed_and_hold_the_name_as_text(loss):
    picture = tl.draw(loss, values=True)
    for text in (svg(loss), draw_svg(picture.diagram)):
        root = ElementTree.fromstring(text)
        assert not [e for e in root.iter() if e.tag.endswith(("script", "image", "foreignObject"))]
        assert not [k for e in root.iter() for k in e.attrib if k.startswith("on")]
    assert_only_text(picture._repr_mimebundle_().get("text/html", ""))


def test_steps_and_explorers_show_text(loss):
    steps = tl.step_through(loss)
    assert_only_text(steps._repr_mimebundle_()["text/html"])
    assert all(len(str(event).splitlines()) == 1 for event in steps)

    def f(x):
        y = x * 2.0
        y.name = name_of(loss)
        return tl.exp(y + tl.parameter(np.ones(2), name_of(loss)))

    exploration = tl.explore(tl.compile(f).prepare(np.ones(2)))
    assert_only_text(exploration.page)
    assert_only_text(exploration._repr_mimebundle_()["text/html"])
    assert str(exploration)


def test_formulas_and_explanations_show_text(loss):
    formula = tl.formula(loss)
    assert formula.text.isprintable() or "\n" in formula.text
    assert "\\frac{1}{0}" not in formula.latex and not re.search(r"(?<!\\)\$", formula.latex)
    assert formula.latex.count("{") - formula.latex.count("\\{") == formula.latex.count("}") - formula.latex.count(
        "\\}"
    )
    loss.backward()
    message = tl.explain(loss.parents[0].parents[1], loss)
    assert str(message)
    assert_only_text(getattr(message, "_repr_html_", lambda: "")() or "")
    bad = tl.first_nonfinite(loss)
    assert len(str(bad).splitlines()) >= 1
    assert_only_text(bad._repr_html_())


def test_errors_show_text(loss):
    a = tl.parameter(np.ones((2, 3)), name_of(loss))
    with pytest.raises(ShapeError) as caught:
        a @ a
    assert len(str(caught.value).splitlines()) == 1
    assert_only_text(failure(caught.value).html)


def test_trees_and_listings_show_text(loss):
    layer = tl.Linear(2, 2, seed=0)
    layer.weight.name = name_of(loss)
    assert_only_text(tl.parameter_tree(tl.Sequential(layer))._repr_html_())
    assert len(tl.listing(loss).splitlines()) == 2 + 4, "a name stays on its line"


# --- Arguments and functions that are called like a word of the generated programs ---


def in_blocks(x, shift):
    """A loop over blocks, the last of them shorter."""
    return tl.tanh(tl.exp(x * 0.1) + shift) * x


def as_vectors(x, other):
    """Planned arrays that are read as vectors."""
    h = tl.tanh(x) * 2.0
    return tl.sum(h * tl.exp(h)), tl.sum(other)


FROZEN = tl.parameter(np.full((4, 4), 0.5), "frozen", trainable=False)


def of_all_kinds(x, y, rows):
    """What is packed, helpers, dtypes, products, and numbers of the program's own."""
    z = tl.relu(tl.sum(x)) * tl.cast(tl.cast(y, bool), float) + tl.take(x, rows) @ FROZEN.T
    z = z + tl.concatenate([tl.exp(x), x])[:3] * tl.constant(np.arange(4.0) ** 2) + (x @ y.T) @ x
    loss = tl.cross_entropy(x, rows) + tl.sum(z**5)
    return loss, *tl.gradients(loss, [x, y]), tl.max(rows), tl.where(y > 0.5, z, y), tl.mean(z, axis=0)


def random(*shapes):
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape) for shape in shapes]


PROGRAMS = [
    (in_blocks, random((4099, 64), (64,))),
    (as_vectors, random((4, 4), (16,))),
    (of_all_kinds, [*random((3, 4), (3, 4)), np.array([0, 2, 2])]),
]
WAYS = [{}, {"buffers": False}, {"engine": "numba"}]


def called(function, name, arguments):
    """The function as if its author had chosen other names."""

    def other(*args):
        return function(*args)

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    other.__name__, other.__signature__ = name, inspect.Signature([inspect.Parameter(a, kind) for a in arguments])
    return other


def run(function, arrays, way):
    """The source of a compiled function, and its results. Python itself runs the loops written for numba."""
    compiled = tl.compile(function, **way)
    if way.get("engine") != "numba":
        results = compiled(*arrays)
        return compiled.source, results if isinstance(results, tuple) else (results,)
    source = written_as_loops(tl.trace(function, *arrays), compiled.name).source
    return source, function_from_source(compiled.name, source)(*arrays, *[FROZEN.value] * (len(arrays) == 3))


def words(source):
    """All names in a program, also those of NumPy that it calls in full; of t0, t1, ... the first ten."""
    fields = ("id", "arg", "name", "asname", "attr")
    names = {str(getattr(node, field, "")) for node in ast.walk(ast.parse(source)) for field in fields}
    return sorted(n for n in names if n.isidentifier() and not keyword.iskeyword(n) and not re.fullmatch(r"t\d\d", n))


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize(("function", "arrays"), PROGRAMS, ids=[f.__name__ for f, _ in PROGRAMS])
def test_arguments_and_functions_may_be_called_like_any_word_of_the_program(function, arrays, way):
    if way.get("engine") == "numba" and function is in_blocks:
        arrays = [arrays[0][:3], arrays[1]]
    source, expected = run(function, arrays, way)
    hostile, n = words(source), len(arrays)
    hostile += hostile[: -len(hostile) % n]
    for i in range(0, len(hostile), n):
        for shift in range(1, n + 1):  # each word once as the name of the function, and beside other arguments
            renamed = called(function, hostile[(i + n + shift) % len(hostile)], hostile[i : i + n])
            source, result = run(renamed, arrays, way)
            for a, b in zip(result, expected, strict=True):
                assert_array_equal(a, b, source)


MAIN_WORDS = ["rng", "arrays", "results", "result", "i", "load_parameters", "print", "list", "tuple", "enumerate"]


@pytest.mark.parametrize("name", MAIN_WORDS)
def test_a_saved_program_may_be_called_like_a_word_of_its_main_part(name, tmp_path, capsys):
    weight, shift = tl.parameter(np.full(3, 2.0), "weight"), tl.constant(np.arange(3.0))
    for function in (name, "other"):
        if function == "other":
            shift.name = name  # a constant is a variable of the whole file
        compiled = tl.compile(called(lambda x: x * weight + shift, function, ["x"])).prepare(np.ones(3))
        path = compiled.save(tmp_path / "program.py", parameters=True)
        program = runpy.run_path(str(path), run_name="__main__")
        assert "output 0: float64[3], mean" in capsys.readouterr().out
        assert_array_equal(program[compiled.name](np.ones(3), weight.value), [2, 3, 4])


@pytest.mark.parametrize(
    "text", ["x\N{SUPERSCRIPT TWO}", "\N{LATIN SMALL LIGATURE FI}", "\N{CIRCLED DIGIT ONE}", "\u0301", "__"]
)
def test_names_that_python_reads_in_another_way_are_mended(text):
    weight = tl.parameter(np.full(3, 2.0), text)
    for way in WAYS[:2]:
        assert_array_equal(tl.compile(lambda fi, x2: (fi - x2) * weight, **way)(np.full(3, 5.0), np.ones(3)), [8, 8, 8])
