"""Names that hold HTML, quotes, backslashes, LaTeX, control characters or emoji are text everywhere, never code."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

import tinygrad_lora as tl
from tinygrad_lora.errors import ShapeError
from tinygrad_lora.view import draw_svg, failure, svg

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

    found = tl.explore(tl.compile(f).prepare(np.ones(2)))
    assert_only_text(found.page)
    assert_only_text(found._repr_mimebundle_()["text/html"])
    assert str(found)


def test_formulas_and_explanations_show_text(loss):
    formula = tl.formula(loss)
    assert formula.text.isprintable() or "\n" in formula.text
    assert "\\frac{1}{0}" not in formula.latex and not re.search(r"(?<!\\)\$", formula.latex)
    assert formula.latex.count("{") - formula.latex.count("\\{") == formula.latex.count("}") - formula.latex.count(
        "\\}"
    )
    loss.backward()
    told = tl.explain(loss.parents[0].parents[1], loss)
    assert str(told)
    assert_only_text(getattr(told, "_repr_html_", lambda: "")() or "")
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
