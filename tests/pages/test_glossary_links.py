"""The tutorials on the site link each term of the glossary where they use it first, and nothing that is no prose."""

import html
import importlib.util
import json
import re
import sys
from pathlib import Path

import pytest

for library in ("jupyter_cache", "jupytext", "latex2mathml"):
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed: the extra docs brings it", allow_module_level=True)
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "docs"))
from build_site import glossary, notebooks  # noqa: E402

from tinygrad_lora.learn.release.glossary import linked, meanings  # noqa: E402

TERM = re.compile(r"\{term\}`([^`<]*) <([^`>]*)>`")


def test_every_tutorial_links_each_term_once_and_only_terms_of_the_glossary():
    for name, text in notebooks.tutorials().items():
        links = TERM.findall("\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"]))
        explained = re.findall(r'<abbr title=\\"([^"]*)\\">', text)
        if name.startswith("notebooks/"):
            assert not links and len(explained) >= 2, "a notebook outside the site has the meaning itself"
            assert set(explained) <= {html.escape(meaning) for meaning in meanings().values()}
            assert len(explained) == len(set(explained))
            continue
        assert not explained
        targets = [target for _, target in links]
        assert len(targets) >= 3 and len(set(targets)) == len(targets), name
        assert set(targets) <= set(glossary.terms())


def test_prose_is_linked_at_the_first_use_and_code_formulas_and_headings_are_not():
    text = "# A node\n\n`node` and $node$ and a [node](x.md)\n\nThe nodes of a graph. A node again."
    assert glossary.linked(text, set()) == text.replace("The nodes", "The {term}`nodes <node>`")
    assert glossary.linked("A leaf-like nodeless thing", set()) == "A leaf-like nodeless thing"
    assert glossary.linked("A backward pass.", set()) == "A {term}`backward pass <backward pass>`."
    assert glossary.linked("in place of a share", set()) == "in place of a share"
    assert glossary.linked("A **share** is", set()) == "A **{term}`share <share>`** is"
    assert (
        glossary.linked("**leaves**", set()) == "**{term}`leaves <leaf>`**"
        and glossary.linked("leaf", {"leaf"}) == "leaf"
    )


def test_a_word_is_explained_once_in_plain_text():
    assert all(meaning and ("$" in meaning or not re.search(r"[`{}<>]", meaning)) for meaning in meanings().values())
    text, seen = "`node` A node and a node. A **share**.\n\n# A leaf", set()
    shown = linked(text, seen)
    assert shown.count("<abbr") == 2 and seen == {"node", "share"} and re.sub("<[^>]*>", "", shown) == text
    assert linked(shown, set(seen)) == shown and glossary.linked(shown, set()).count("{term}") == 2
    assert linked("The central difference.", set()) == "The central difference.", "its meaning is a formula"
