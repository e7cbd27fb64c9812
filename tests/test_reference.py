"""Every public name is described in full: its parameters, what it returns and raises, and an example that runs."""

import doctest
import os
import subprocess
import sys
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sphinx")  # the pages of the reference are made beside it

from build_site import complete, docstrings

import tinygrad_lora as tl

ROOT = Path(__file__).resolve().parents[1]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
RUN = f"""
import doctest
import numpy as np
import tinygrad_lora as tl
text = open("example.txt", encoding="utf-8").read()
print(doctest.DocTestRunner(optionflags={FLAGS}).run(doctest.DocTestParser().get_doctest(text, globals(), "", "", 0)))
"""
SKIPPED = "  # doctest: +SKIP"


@cache
def entries():
    return {entry.name: entry for entry in complete.entries()}


def test_no_public_name_lacks_a_description():
    assert len(entries()) > 370
    assert not complete.missing()


@pytest.mark.parametrize(
    ("text", "lacks"),
    [
        ("", "a docstring"),
        ("What.\n\na: one\nReturns two.\nRaises ValueError for three.", "parameters: b; an example"),
        ("What.\n\na, b: one\nRaises ValueError for three.\n\n>>> f(1, 2)", "what it returns"),
        ("What.\n\na, b: one\nReturns two.\n\n>>> f(1, 2)", "what it raises: ValueError"),
        ("What.\n\na: one\n    more\nb: two\nReturns three.\nRaises ValueError for four.\n\n>>> f(1, 2)", ""),
    ],
)
def test_what_is_missing_is_found(text, lacks):
    def f(a, b):
        if a > b:
            raise ValueError(f"{a} is above {b}")
        return a

    entry = complete.Entry("f", f, (text,), "", ("a", "b"))
    assert "; ".join(entry.lacks()) == lacks


def examples():
    """The entries with an example of their own. Several have the same, by inheritance."""
    texts = {entry.words[0]: name for name, entry in entries().items() if ">>> " in entry.words[0]}
    return {name: text for text, name in texts.items()}


@pytest.mark.parametrize("name", examples())
def test_an_example_gives_what_it_shows(name, tmp_path, monkeypatch):
    # pytest's own search for examples passes over decorated functions and over properties.
    monkeypatch.setenv("TINYGRAD_LORA_PROGRESS", str(tmp_path / "progress.jsonl"))
    test = doctest.DocTestParser().get_doctest(examples()[name], {"np": np, "tl": tl}, name, name, 0)
    said = []
    with warnings.catch_warnings():
        result = doctest.DocTestRunner(optionflags=FLAGS).run(test, out=said.append)
    assert not result.failed, "".join(said)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, text in examples().items() if SKIPPED in text])
def test_an_example_that_changes_or_needs_much_gives_what_it_shows(name, tmp_path):
    """It is left out otherwise, and runs in a process of its own."""
    (tmp_path / "example.txt").write_text(examples()[name].replace(SKIPPED, ""), encoding="utf-8")
    process = subprocess.run(
        [sys.executable, "-c", RUN],
        capture_output=True, text=True, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    if "ModelError" in process.stdout:
        pytest.skip("the model is not on this machine")
    assert "failed=0" in process.stdout, process.stdout + process.stderr


def test_a_list_of_parameters_becomes_a_list_of_definitions():
    text = "$y = x$.\n\nalpha, **beta: the scale,\n    or None.\nReturns y.\nRaises ShapeError: no.\n\n>>> f()\n3"
    assert docstrings.markdown(text) == "\n\n".join(
        [
            "$y = x$.",
            "`alpha, **beta`\n: the scale, or None.",
            "Returns\n: y.",
            "Raises\n: {py:exc}`ShapeError <tinygrad_lora.errors.ShapeError>`: no.",
            "```pycon\n>>> f()\n3\n```",
        ]
    )
