"""Pictures as files: which engine draws them, and that a file is complete or not there."""

import re
import stat
import sys
import xml.etree.ElementTree as ET
from base64 import b64decode

import numpy as np
import pytest
from graphviz_engine import needs_engine

import tinygrad_lora as tl
from tinygrad_lora.errors import RenderError
from tinygrad_lora.view import draw, render
from tinygrad_lora.view.graphviz import engines
from tinygrad_lora.view.render import LARGEST_PNG, svg

HOSTILE = [
    '<b>"&',
    r"\N\G\l",
    "naïve 中文 🐍",
    "a\nb\0c",
    "--> x",
    "x" * 300,
    '"]};',
    "a|b{c}",
    "",
    "&lt;",
    "]]>",
    "</svg>",
    "\ud800",
]

needs_scripts = pytest.mark.skipif(sys.platform == "win32", reason="the fake engines are scripts")


def tiny(name="z"):
    x, y = tl.parameter(3.0, "x"), tl.parameter(4.0, "y")
    z = x * y + y
    z.name = name
    return z


@pytest.fixture
def engine(tmp_path):
    """`engine(name, body)`: an executable Python script that stands for Graphviz."""

    def write(name, body):
        path = tmp_path / name
        code = path.with_suffix(".py")
        code.write_text(f"import sys\n{body}\n", encoding="utf-8")
        # Not "#!" and Python: its path may have spaces.
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{code}" "$@"\n', encoding="utf-8")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)

    return write


@pytest.fixture
def alone(monkeypatch):
    """No engine anywhere: a test puts in what it needs."""
    monkeypatch.delenv(engines.VARIABLE, raising=False)
    monkeypatch.setattr(engines, "pure_binary", lambda: None)
    monkeypatch.setattr(engines.shutil, "which", lambda name: None)
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    return monkeypatch


# --- The chain of engines ---

GOOD = "sys.stdin.read(); print('<svg><!-- by {name} --><text font-family=\"Helvetica,sans-Serif\"/></svg>')"
PARTIAL = "print('<svg></svg>'); sys.stderr.write('out of ink'); sys.exit(1)"


@needs_scripts
def test_the_variable_comes_first_then_the_wheel_then_the_system(alone, engine):
    alone.setattr(engines.shutil, "which", lambda name: engine("system", GOOD.format(name="system")))
    assert b"by system" in engines.convert("digraph {}", "svg")
    alone.setattr(engines, "pure_binary", lambda: engine("pure", GOOD.format(name="pure")))
    assert b"by pure" in engines.convert("digraph {}", "svg")
    alone.setenv(engines.VARIABLE, engine("mine", GOOD.format(name="mine")))
    assert b"by mine" in engines.convert("digraph {}", "svg")


@needs_scripts
@pytest.mark.parametrize("broken", [PARTIAL, "print('<svg>')", "", "print('no picture')", "raise SystemExit(3)"])
def test_a_broken_engine_is_passed_over(alone, engine, broken):
    alone.setenv(engines.VARIABLE, engine("broken", broken))
    alone.setattr(engines, "pure_binary", lambda: engine("pure", GOOD.format(name="pure")))
    assert b"by pure" in engines.convert("digraph {}", "svg")


@needs_scripts
def test_an_engine_that_hangs_is_stopped(alone, engine):
    alone.setattr(engines, "SECONDS", 0.5)
    alone.setenv(engines.VARIABLE, engine("slow", "import time; time.sleep(60)"))
    with pytest.raises(RenderError, match="timed out"):
        engines.convert("digraph {}", "svg")


@needs_scripts
def test_without_an_engine_the_error_says_what_was_tried_and_what_to_install(alone, engine, tmp_path):
    alone.setenv(engines.VARIABLE, str(tmp_path / "nowhere"))
    alone.setattr(engines.shutil, "which", lambda name: engine("dot", PARTIAL))
    with pytest.raises(RenderError) as caught:
        render(tiny(), tmp_path / "z.png")
    message = str(caught.value)
    assert "pip install graphviz-pure" in message and ".txt" in message
    assert "nowhere" in message and "out of ink" in message
    assert "graphviz-pure: not installed" in message and "pygraphviz: not installed" in message
    assert not (tmp_path / "z.png").exists()


def test_pygraphviz_comes_last_and_must_be_new_enough(alone):
    class Graph:
        def __init__(self, string):
            self.graph_attr = {}

        def draw(self, format, prog):
            return b"\x89PNG" + self.graph_attr["dpi"].encode() + b"IEND"

    fake = type("pygraphviz", (), {"__version__": "1.14", "AGraph": Graph})
    alone.setitem(sys.modules, "pygraphviz", fake)
    with pytest.raises(RenderError, match=r"1\.14; 2 or later"):
        engines.convert("digraph {}", "png")
    fake.__version__ = "2.0"
    assert engines.convert("digraph {}", "png") == b"\x89PNG192IEND"


def test_text_and_dot_need_no_engine(alone, tmp_path):
    assert render(tiny(), tmp_path / "z.txt").read_text().startswith("Computation of z")
    assert render(tiny(), tmp_path / "z.dot").read_text().startswith("digraph")


def test_this_package_draws_the_svg_itself(alone, tmp_path):
    picture = draw(tiny(), rankdir="LR", legend=False)
    text = render(picture, tmp_path / "z.svg").read_text()
    assert ET.fromstring(text).get("role") == "img" and "data-box" in text
    assert "thick" not in text and "output: the result" not in text  # no legend
    assert text == svg(picture) + "\n" == picture.svg() + "\n"
    bundle = picture._repr_mimebundle_()
    assert bundle["image/svg+xml"] == picture.svg() and bundle["text/html"].startswith("<img")


@needs_scripts
def test_the_variable_may_say_that_no_graphviz_is_wanted(alone, engine):
    alone.setattr(engines, "pure_binary", lambda: engine("pure", GOOD.format(name="pure")))
    alone.setenv(engines.VARIABLE, engines.NONE)
    with pytest.raises(RenderError, match="no Graphviz is wanted"):
        engines.convert("digraph {}", "svg")
    assert "data-box" in svg(tiny())


# --- Files ---


@needs_engine
def test_each_ending_gives_its_kind_of_file(tmp_path):
    svg_file = render(tiny(), tmp_path / "new" / "folder" / "z.SVG")
    assert ET.parse(svg_file).getroot().tag.endswith("svg")
    png = render(draw(tiny()), str(tmp_path / "z.png")).read_bytes()
    width = int.from_bytes(png[16:20], "big")
    assert png.startswith(b"\x89PNG") and width > 600  # sharp: at least two pixels a point
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "z.png"]


def test_another_ending_is_refused_with_the_possible_ones(tmp_path):
    for name in ("z.gif", "z", "z.svg.bak"):
        with pytest.raises(ValueError, match=r"\.svg, \.png, \.pdf, \.dot, \.txt"):
            render(tiny(), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_failure_leaves_the_old_file_and_nothing_else(alone, tmp_path):
    path = tmp_path / "z.png"
    path.write_text("old")
    with pytest.raises(RenderError):
        render(tiny(), path)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["z.png"]


def test_a_bitmap_of_a_large_graph_is_refused(tmp_path):
    node = tl.placeholder((2,), name="x")
    for _ in range(LARGEST_PNG):
        node = tl.tanh(node)
    with pytest.raises(RenderError, match=r"use SVG"):
        render(node, tmp_path / "x.png")


# --- SVG ---


def test_an_svg_has_words_and_ids():
    text = svg(tiny(), values=True)
    root = ET.fromstring(text)
    assert root.get("role") == "img" and text.startswith("<svg") and "<!--" not in text
    names = root.get("aria-labelledby"), root.get("aria-describedby")
    words = {e.get("id"): e.text for e in root.iter()}
    assert [words[name] for name in names] == [draw(tiny()).diagram.title, draw(tiny()).alternative]
    assert {e.get("data-box") for e in root.iter()} >= {"n0", "n1", "n2", "n3"}
    assert "prefers-color-scheme:dark" in text


def test_no_text_is_smaller_than_eleven_pixels():
    sizes = [int(size) for size in re.findall(r"font-size:(\d+)px", svg(tiny()))]
    assert sizes and min(sizes) >= 11
    assert min(map(int, re.findall(r"fontsize=\"?(\d+)", draw(tiny()).source))) >= 11


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_only_text(name):
    x = tl.parameter(np.ones(2), name)
    y = x * 2.0
    y.name = f"{name}'"
    root = ET.fromstring(svg(y, values=True, title=name))
    shown = "".join(e.text or "" for e in root.iter() if e.tag.endswith("text"))
    readable = "".join(c if c.isprintable() else " " for c in name).strip()
    assert (readable or "parameter")[:80] in shown


@needs_engine
def test_a_notebook_gets_an_image_that_survives_where_nothing_is_trusted():
    bundle = draw(tiny("<b>'\""))._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", "image/svg+xml"}
    (tag,) = re.findall('<img .*?">', bundle["text/html"])
    image = ET.fromstring(tag.replace('">', '"/>'))
    kind, data = image.get("src").split(",")
    assert image.tag == "img" and kind == "data:image/svg+xml;base64"
    assert b64decode(data).decode() == bundle["image/svg+xml"]
    assert "<b>'\"" in image.get("alt")
    assert set(draw(tiny())._repr_mimebundle_(include=["text/plain"])) == {"text/plain"}
    assert "text/html" not in draw(tiny())._repr_mimebundle_(exclude=["text/html"])


@needs_engine
def test_the_methods_of_graphviz_work_without_a_system_dot():
    assert draw(tiny()).pipe(format="svg").rstrip().endswith(b"</svg>")
