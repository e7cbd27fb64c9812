"""What the demo leaves behind: a page that is whole, honest and alone, and files that work."""

import contextlib
import copy
import re
import struct
import subprocess
import sys
import zlib
from base64 import b64decode
from html import unescape
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from graphviz_engine import needs_engine
from html_reader import Reader

import tinygrad_lora as tl
from tinygrad_lora.demo import charts, files, gallery, page, run_experiment, tables, write_files
from tinygrad_lora.demo.naive import naive_lora
from tinygrad_lora.errors import RenderError
from tinygrad_lora.view.graphviz import engines
from tinygrad_lora.view.words import markup
from tinygrad_lora.view.words.highlight import code, plain

HOSTILE = [
    "<script>alert(1)</script>",
    '" onload="x',
    "]]></svg>",
    "&lt;",
    "\ud800",
    "a\0b",
    "$total ${x} $",
    "中文 🐍",
]
ASSETS = Path(tl.__file__).parent / "assets"


@pytest.fixture(scope="module")
def experiment():
    return run_experiment(epochs=1)


@pytest.fixture(scope="module")
def paths(experiment, tmp_path_factory):
    return write_files(experiment, tmp_path_factory.mktemp("demo") / "made" / "for it")


@pytest.fixture(scope="module")
def html(paths):
    return paths["page"].read_text(encoding="utf-8")


@needs_engine
def test_every_file_is_there_and_the_page_comes_last(paths):
    assert {key: path.name for key, path in paths.items()} == {
        "graph": "graph.svg", "picture": "graph.png", "code": "training_step.py", "report": "report.txt",
        "pretrained": "pretrained.npz", "adapter": "adapter.npz", "page": "index.html",
    }  # fmt: skip
    assert list(paths)[-1] == "page"
    assert sorted(p.name for p in paths["page"].parent.iterdir()) == sorted(p.name for p in paths.values())
    assert paths["picture"].read_bytes().startswith(b"\x89PNG")


def test_a_page_that_fails_leaves_the_old_one_whole(experiment, tmp_path, monkeypatch):
    (tmp_path / "index.html").write_text("old")
    monkeypatch.setattr(files, "page", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_files(experiment, tmp_path)
    assert (tmp_path / "index.html").read_text() == "old"
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_the_page_is_well_formed_and_its_headings_are_in_order(html):
    reader = Reader(html)
    assert html.startswith("<!doctype html>") and reader.all("html") == [{"lang": "en"}]
    assert all(len(reader.all(tag)) == 1 for tag in ("h1", "header", "main", "footer"))
    levels = [int(tag[1]) for tag, _ in reader.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and all(b <= a + 1 for a, b in pairwise(levels))
    ids = [a["id"] for _, a in reader.elements if "id" in a]
    assert all(ids.count(section["aria-labelledby"]) == 1 for section in reader.all("section"))
    assert len(html.encode()) < 600_000


def test_the_page_loads_nothing_and_runs_nothing(html, paths):
    reader = Reader(html)
    for tag, attributes in reader.elements:
        assert tag not in {"script", "link", "iframe", "object", "base", "form"}
        assert not [name for name in attributes if name.startswith("on")]
        assert attributes.get("src", "data:image/png;base64,").startswith("data:image/png;base64,")
        for name in ("href", "xlink:href"):
            assert name not in attributes or (paths["page"].parent / attributes[name]).is_file()
    style = html.partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style and "@import" not in style
    (policy,) = (a["content"] for a in reader.all("meta") if "http-equiv" in a)
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def test_every_image_and_chart_has_words(html):
    reader = Reader(html)
    assert len(reader.all("img")) == 20 + gallery.SHOWN
    assert all(re.fullmatch(r"an? (upright|rotated) \d", a["alt"]) for a in reader.all("img"))
    named = ("aria-label", "aria-labelledby")  # the second where this package drew it
    pictures = [a for a in reader.all("svg") if "overflow" not in a.get("style", "")]  # others are inside of them
    assert all(any(a.get(n) for n in named) or a.get("aria-hidden") == "true" for a in pictures)
    assert all(a["scope"] in ("row", "col") for a in reader.all("th"))
    assert all(a["aria-label"] and a["role"] == "group" for _, a in reader.elements if "tabindex" in a)


def test_every_percentage_comes_from_the_experiment(experiment, html):
    e, labels = experiment, experiment.rotated.y_test
    known = [e.upright_accuracy, e.rotated_before, e.rotated_after, e.switched_off_accuracy, e.trainable / e.total]
    shares = {f"{x:.1%}" for x in known} | {"10%"}  # ten digits to guess from
    for logits in (e.logits_before, e.logits_after):
        right = logits.argmax(-1) == labels
        shares |= {f"{right[labels == digit].mean():.0%}" for digit in range(10)}
    shown = set(re.findall(r"[\d.]+%", Reader(html).text))
    assert shown == shares
    for number in (f"{e.trainable:,}", f"{e.total:,}", "64-128-64-10", f"{e.adapting_losses[0]:.1f}"):
        assert number in html
    assert "1,438 images, 64 at each of 22 steps" in Reader(html).text


def test_the_rows_of_the_layers_add_up(experiment):
    rows = re.findall(r"<tr>(.*?)</tr>", tables.layer_table(experiment))
    numbers = [[int(n.replace(",", "")) for n in re.findall(r">([\d,]+)</td>", row)[-2:]] for row in rows[1:]]
    *layers, total = numbers
    assert [sum(column) for column in zip(*layers, strict=True)] == total == [experiment.total, experiment.trainable]


def test_an_adapter_that_changes_the_old_logits_is_called_a_bug(experiment, html):
    assert "bit for bit" in html and "this is a bug" not in html
    broken = copy.copy(experiment)
    broken.switched_off_is_exact = False
    words = page.page(broken, None, [])
    assert "bit for bit" not in words and "this is a bug" in words


def test_a_slower_compiled_step_is_called_slow(experiment):
    slow = copy.copy(experiment)
    slow.eager_seconds, slow.compiled_seconds = 1e-3, 2.5e-3
    assert "The compiled step is 2.5 times as slow." in page.page(slow, None, [])


def test_the_same_seed_gives_the_same_page_except_for_times(experiment):
    again = run_experiment(epochs=1)
    for name in ("eager_seconds", "compiled_seconds", "seconds"):
        setattr(again, name, getattr(experiment, name))
    assert page.page(again, "<svg></svg>", ["adapter.npz"]) == page.page(experiment, "<svg></svg>", ["adapter.npz"])


def test_a_png_holds_the_pixels_it_was_made_from():
    image = np.arange(24).reshape(4, 6) / 23
    data, chunks = gallery.png(image), {}
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at = 8
    while at < len(data):
        (n,) = struct.unpack(">I", data[at : at + 4])
        kind, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + n]
        assert struct.unpack(">I", data[at + 8 + n : at + 12 + n])[0] == zlib.crc32(kind + content)
        chunks[kind], at = content, at + 12 + n
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    assert struct.unpack(">IIBBBBB", chunks[b"IHDR"]) == (6, 4, 8, 0, 0, 0, 0)
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(4, 7)
    assert (rows[:, 0] == 0).all() and np.array_equal(rows[:, 1:], np.round(255 * (1 - image)))


def test_the_images_on_the_page_are_pngs(html):
    for image in Reader(html).all("img"):
        data = b64decode(image["src"].partition(",")[2], validate=True)
        assert struct.unpack(">II", data[16:24]) == (8, 8)


def test_the_grid_shows_the_first_images_and_some_that_are_wrong(experiment):
    first, late = gallery.chosen(experiment)
    wrong = experiment.logits_after.argmax(-1) != experiment.rotated.y_test
    assert first == list(range(len(first))) and len(first) + len(late) == gallery.SHOWN
    assert len(late) == min(gallery.WRONG, wrong[gallery.SHOWN :].sum()) and wrong[late].all()
    signs = re.findall(r"[✓✗] \w+", gallery.grid(experiment))
    assert len(signs) == 2 * gallery.SHOWN and set(signs) <= {"✓ right", "✗ wrong"}


@pytest.mark.parametrize("losses", [[2.3], [2.3, 2.3], [0.0, 1e-12], list(np.geomspace(20, 0.01, 500))], ids=len)
def test_the_trainings_follow_each_other_in_the_chart(losses):
    chart = charts.loss_chart([charts.Curve(6, "first", losses), charts.Curve(1, "second", losses)], 22)
    first, _, turn, second, band = chart.marks
    assert (first.series, second.series, band.series) == (6, 1, 1)
    np.testing.assert_array_equal(np.append(first.xs[0], second.xs[0]), np.arange(1, 2 * len(losses) + 1))
    assert turn.xs[0] == len(losses) + 0.5
    assert (band.ys[0] <= second.ys[0] * 1.001).all() and (second.ys[0] <= band.ys[1] * 1.001).all()
    logarithms = np.log(np.maximum(losses, charts.LEAST))
    np.testing.assert_allclose(second.ys[0], np.exp(charts.running_mean(logarithms, 22)))
    assert "first: " in chart.alternative and len(Reader(chart.svg()).all("svg")) == 2


def test_a_running_mean_is_the_mean_of_the_neighbors():
    values = np.array([4.0, 0.0, 2.0, 6.0, 8.0])
    assert np.allclose(charts.running_mean(values, 3), [2, 2, 8 / 3, 16 / 3, 7])
    assert np.array_equal(charts.running_mean(values, 1), values)


@pytest.mark.parametrize("words", HOSTILE)
def test_words_never_become_markup(words, experiment, monkeypatch):
    curve = charts.Curve(0, words, [1.0, 2.0])
    monkeypatch.setattr(tables.platform, "system", lambda: words)
    monkeypatch.setattr(page, "listing", lambda _: words)
    for content in (
        markup.element("p", words, title=words),
        markup.fill("<p>$words</p>", words=words),
        markup.table([words, words], [[words, words]], words),
        code(words, words),
        plain(words, words),
        charts.loss_chart([curve, curve], 2).svg(),
        page.page(experiment, None, []),
    ):
        reader = Reader(content)
        assert not reader.all("script") and not [a for _, a in reader.elements if "onload" in a]
        content.encode()
        assert "\0" not in content


def test_a_name_in_the_template_needs_a_value():
    with pytest.raises(KeyError):
        markup.fill("$missing")


OF_AN_EARLIER_RUN = ("graph.svg", "graph.png", "graph.txt")  # which would show another model


def written(experiment, folder):
    """The paths, and the page as it is read, of a demo that finds files of an earlier run."""
    for name in OF_AN_EARLIER_RUN:
        (folder / name).write_text("an older model")
    paths = write_files(experiment, folder)
    assert sorted(p.name for p in folder.iterdir()) == sorted(p.name for p in paths.values())
    reader = Reader(paths["page"].read_text(encoding="utf-8"))
    assert {a["href"] for a in reader.all("a")} == {p.name for p in paths.values()} - {"index.html"}
    return paths, reader


def test_without_graphviz_only_the_png_is_missing(experiment, tmp_path, monkeypatch):
    monkeypatch.setenv(engines.VARIABLE, engines.NONE)
    paths, reader = written(experiment, tmp_path)
    assert paths["graph"].name == "graph.svg" and "picture" not in paths
    picture = paths["graph"].read_text(encoding="utf-8")
    assert picture.startswith("<svg") and picture.strip() in paths["page"].read_text(encoding="utf-8")
    assert "as a list" not in reader.text


def test_a_graph_too_large_for_a_picture_is_listed(experiment, tmp_path, monkeypatch):
    def too_large(obj):
        raise RenderError("a picture of 3,000 boxes cannot be read")

    monkeypatch.setattr(files, "draw", too_large)
    paths, reader = written(experiment, tmp_path)
    assert paths["graph"].name == "graph.txt" and "picture" not in paths
    assert "The graph is too large for a picture" in reader.text and "LoRALinear" in reader.text


def test_the_two_snippets_on_the_page_bring_the_adapted_network_back(experiment, html, paths, monkeypatch):
    blocks = [unescape(re.sub("<[^>]*>", "", block)) for block in re.findall(r"<pre>(.*?)</pre>", html, re.DOTALL)]
    pretrained, adapter = (next(b for b in blocks if name in b) for name in ("pretrained.npz", "adapter.npz"))
    assert pretrained.count("\n") == adapter.count("\n") == 1  # two lines each
    monkeypatch.chdir(paths["page"].parent)
    names = {"np": np, "tl": tl}
    exec(pretrained, names)
    x = experiment.rotated.x_test
    assert np.array_equal(names["model"].forward(x), experiment.logits_before)
    exec(adapter, names)
    assert np.array_equal(names["model"].forward(x), experiment.logits_after)
    with contextlib.closing(names["saved"]) as saved:
        assert int(saved["rank"]) == experiment.rank and float(saved["alpha"]) == experiment.rank


def test_the_training_step_runs_alone(paths):
    done = subprocess.run([sys.executable, "-I", paths["code"]], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("output 0: float64[]") and "tinygrad_lora" not in paths["code"].read_text()[99:]


def test_the_report_says_what_it_is_and_what_the_compiler_says(experiment, paths):
    text = paths["report"].read_text(encoding="utf-8")
    assert text.startswith("What the compiler did to one LoRA training step")
    assert experiment.adapting_step.report in text and experiment.adapting_step.explain() in text


def test_the_table_of_passes_has_a_row_for_each_snapshot(experiment):
    step = experiment.adapting_step
    rows = Reader(tables.pass_table(step)).all("tr")
    assert len(rows) == len(step.snapshots) + 3  # the headings, the graph as traced, and the sum
    assert {s.name for s in step.snapshots} <= set(tables.MEANING)


def test_the_compiler_finds_the_order_that_users_of_lora_choose_by_hand():
    naive = naive_lora()
    assert (
        naive.written
        == "y = x @ W + b + 2 * (x @ (A @ B))\nloss = tl.mse(y, target)\nreturn loss, *tl.gradients(loss, [A, B])\n"
    )
    assert f"{naive.before.flops / 1e6:.2f} {naive.after.flops / 1e6:.2f}" == "13.45 4.69"
    assert "= x @ A " in naive.compiled.source and "A @ B" not in naive.compiled.source
    assert naive.difference < 1e-12


def luminance(color):
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return np.dot(
        [0.2126, 0.7152, 0.0722], [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    )


@pytest.mark.parametrize("theme", range(3), ids=["light", "dark", "print"])
def test_every_color_of_text_can_be_read(theme):
    css = (ASSETS / "demo.css").read_text(encoding="utf-8")
    block = re.findall(r":root \{(.*?)\}", css, re.DOTALL)[theme]
    colors = dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", block))
    for name in ("ink", "muted", "accent", "old", "keyword", "number", "string"):
        for background in ("paper", "tint"):
            light, dark = sorted((luminance(colors[name]), luminance(colors[background])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, f"{name} on {background}"
