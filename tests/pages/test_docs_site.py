"""The documentation's site: what it is made of, and the built pages themselves.

The build takes a minute, so its tests are marked slow. The examples on the pages are run by test_docs.py.
"""

import importlib.util
import inspect
import io
import os
import re
import subprocess
import sys
import token
import tokenize
import tomllib
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

import pytest
from browser import NEEDS_A_BROWSER, screenshot

import tinygrad_lora as tl
from tinygrad_lora import core, errors
from tinygrad_lora.core.node import Op

ROOT = Path(__file__).resolve().parents[2]
for library in ("sphinx", "myst_nb", "furo", "latex2mathml", "jupytext"):
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed: the extra docs brings it", allow_module_level=True)

sys.path.insert(0, str(ROOT / "docs"))
import rooms_picture  # noqa: E402
from build_site import docstrings, engine, error_index, notebooks, reference  # noqa: E402
from build_site.mathml import mathml  # noqa: E402
from build_site.show import shown  # noqa: E402

DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.glob("*.md"), *DOCS.glob("cookbook/*.md")])


def address(page):
    """Where a page stands on the site."""
    return page.relative_to(DOCS).with_suffix(".html").as_posix()


EQUATION = re.compile(r"\$\$(.+?)\$\$|(?<![\w$`\\])\$([^$\n`]+(?:\n[^$\n`]+)?)\$(?![\w$])", re.DOTALL)
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
SHOW = re.compile(r"^```show$", re.MULTILINE)
SHOWN = re.compile(r'<div class="shown">\s*<(?:img|pre|svg|math|div|p|style)\b')


# --- Parts of it ---


@cache
def reference_pages():
    return reference.pages()


def texts():
    """Everything with equations in it: pages, tutorials, and the words of public names."""
    yield from ((path.name, FENCE.sub("", path.read_text(encoding="utf-8"))) for path in PAGES)
    for path in sorted((ROOT / "tutorials").glob("*.py")):
        words = [line[2:] for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("# ")]
        yield path.name, "\n".join(words)
    for name in tl.__all__:
        yield name, docstrings.docstring(getattr(tl, name))


def test_every_equation_becomes_mathml():
    found = {
        equation: where for where, text in texts() for pair in EQUATION.findall(text) for equation in pair if equation
    }
    assert len(found) > 200
    for equation, where in found.items():
        made = mathml(equation)
        ElementTree.fromstring(made.replace("&nbsp;", " "))
        shown_part = re.sub(r' alttext="[^"]*"', "", made)
        assert "\\" not in shown_part and "<mi>&amp;" not in shown_part, f"{where}: {equation}\n{made}"


def test_rows_of_equations_stand_below_each_other():
    made = mathml(r"\begin{aligned} a &= b \\ c &= d \end{aligned}", block=True)
    assert made.count("<mtr>") == 2 and 'display="block"' in made


def test_a_word_is_a_word_and_not_a_product_of_letters():
    assert "<mtext>one_hot</mtext>" in mathml(r"\operatorname{one\_hot}(t)")


@pytest.mark.slow
def test_the_reference_has_every_public_name():
    pages = reference_pages()
    for title, (_, names) in reference.groups().items():
        text = pages[f"reference/{reference.slug(title)}.md"]
        for name in names:
            assert re.search(rf"^::::::{{py:\w+}} {name}\b", text, re.MULTILINE), f"{title}: {name}"
    listed = {name for module, names in reference.groups().values() for name in names if module == tl.__name__}
    assert listed == set(tl.__all__)


@pytest.mark.slow
def test_every_entry_of_the_reference_has_words_and_source():
    for page, text in reference_pages().items():
        for entry in re.findall(r"^::::::\{py:(?:class|function)\} .*?^::::::$", text, re.DOTALL | re.MULTILINE):
            words = entry.partition("\n\n")[2]
            assert words[0] not in ":<\n" and "<details class='source'>" in entry, f"{page}: {entry[:80]}"
        assert not re.search(r"[\x00-\x08\x0b-\x1f]", text), f"{page}: a docstring with backslashes begins with r"


def test_an_entry_has_equation_shapes_gradients_errors_and_source():
    text = "".join(reference_pages().values())
    entry = text.partition("::::::{py:function} matmul(a, b)")[2].partition("\n::::::\n")[0]
    assert r"$Y = A B$, so $\bar A = \bar Y B^\top$" in entry
    assert "`tl.matmul(A, B)` with A (4, 3), B (3, 2) gives (4, 2)" in entry
    assert "<mtable" in entry and "class Matmul(Op):" in entry and "def vjp(self, g, y, a, b):" in entry
    entry = text.partition("::::::{py:function} cross_entropy(logits, labels, mask=None)")[2].partition("\n::::::\n")[0]
    assert "{py:exc}`ShapeError <tinygrad_lora.errors.ShapeError>`" in entry and "<img" in entry


def test_the_index_of_errors_shows_wrong_and_right_for_each():
    text = error_index.page()
    for name, kind in docstrings.ERRORS.items():
        entry = text.partition(f"::::{{py:exception}} {name}\n")[2].partition("\n::::\n")[0]
        assert "| Wrong | " in entry and "| Right | " in entry, name
        assert docstrings.docstring(kind).partition("\n")[0] in entry
    assert docstrings.ERRORS["ShapeError"] is errors.ShapeError


def test_lists_in_docstrings_become_lists_and_sources_paragraphs():
    text = "$y = x$.\n\nalpha: the scale,\n    or None.\nrank: a number.\n\nRaises ShapeError: no.\nSource: Hu 2021."
    assert docstrings.markdown(text).split("\n\n") == [
        "$y = x$.",
        "`alpha`\n: the scale, or None.",
        "`rank`\n: a number.",
        "Raises\n: {py:exc}`ShapeError <tinygrad_lora.errors.ShapeError>`: no.",
        "Source: Hu 2021.",
    ]


@pytest.mark.slow
def test_a_tutorial_on_the_site_has_hints_and_no_solutions():
    stem = next(iter(notebooks.headings()))
    files = notebooks.tutorials()
    assert (
        "Hint 1 of 3" in files[f"tutorials/{stem}.ipynb"] and "tinygrad-lora learn" in files[f"tutorials/{stem}.ipynb"]
    )
    assert "Hint 1 of 3" not in files[f"notebooks/{stem}.ipynb"]
    assert not [name for name, text in files.items() if "BEGIN SOLUTION" in text or "reference(" in text]


# --- What the pages show ---


def test_what_a_page_adds_stays_on_that_page():
    before = dict(Op.registry)
    page = (ROOT / "docs" / "adding_an_operation.md").read_text(encoding="utf-8")
    assert "img" in shown("tl.draw(softplus(tl.placeholder((2,))))", page)
    assert Op.registry == before


def test_what_a_page_saves_is_not_left_behind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown("x", ">>> x = open('saved.txt', 'w').close()\n")
    assert not any(tmp_path.iterdir())


def test_a_show_ends_with_an_expression():
    with pytest.raises(ValueError, match="the last line of a `show` is an expression"):
        shown("x = 3")


def test_the_page_about_the_architecture_names_every_layer():
    """As the contract in pyproject.toml lists them, which a linter holds."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = {contract["id"]: contract for contract in project["tool"]["importlinter"]["contracts"]}
    names = set(re.findall(r"\w+", " ".join(contracts["package"]["layers"]))) - {"__main__"}
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = text.partition("```text\n")[2].partition("```")[0]
    told = {name for line in table.splitlines() for name in re.findall(r"\w+", line.partition("  ")[0])}
    assert told == names


def test_the_map_shows_the_rooms_as_they_are():
    path = ROOT / "docs" / "static" / "rooms.svg"
    remedy = "python docs/rooms_picture.py draws it anew"
    assert path.read_text(encoding="utf-8") == rooms_picture.picture(), remedy


# --- The engine on one page ---


def test_the_page_of_the_engine_has_every_code_line_of_the_core():
    page, expected = engine.page(), []
    for name in engine.READING.findall(core.__doc__):
        source = inspect.getsource(importlib.import_module(f"tinygrad_lora.core.{name}"))
        expected += [line for line in without_documentation(source) if line.strip()]
    shown = [line for block in re.findall(r"^````python\n(.*?)^````$", page, re.DOTALL | re.MULTILINE)
             for line in block.splitlines() if line.strip()]  # fmt: skip
    assert shown == expected
    said = re.search(r"^(\d+) lines of code", page, re.MULTILINE)
    assert int(said[1]) == sum(not line.strip().startswith("#") for line in expected)


def without_documentation(source):
    """The lines of a file but its docstrings, by another way than that of the page: token by token."""
    lines, statement_begins = dict(enumerate(source.splitlines(), start=1)), True
    for part in tokenize.generate_tokens(io.StringIO(source).readline):
        if part.type == token.STRING and statement_begins:
            for number in range(part.start[0], part.end[0] + 1):
                del lines[number]
        if part.type in (token.NEWLINE, token.INDENT, token.DEDENT):
            statement_begins = True
        elif part.type not in (token.NL, tokenize.COMMENT, token.ENCODING):
            statement_begins = False
    return [*lines.values()]


def test_the_page_of_the_engine_asks_ten_questions_and_runs_every_file():
    page = engine.page()
    assert len(re.findall("<details", page)) == 10
    assert page.count("```pycon") == page.count("\n## ") - 1 == len(engine.READING.findall(core.__doc__))
    assert "Traceback" not in page


# --- The built pages ---


TUTORIALS = sorted((ROOT / "tutorials").glob("*.py"))
RUN_HERE = ("03", "07")


class Page(HTMLParser):
    """What a page links to, loads and can be linked at."""

    def __init__(self, path):
        super().__init__()
        self.links, self.loads, self.ids, self.images_without_words = [], [], {""}, []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.ids |= {given[key] for key in ("id", "name") if given.get(key)}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        if tag in ("script", "img", "iframe", "source") and given.get("src"):
            self.loads.append(given["src"])
        if tag == "link" and given.get("rel") in ("stylesheet", "icon", "preload"):
            self.loads.append(given["href"])
        if tag == "img" and ("alt" not in given or given["alt"] == given.get("src")):
            self.images_without_words.append(given.get("src", "")[:80])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    # All tutorials are run by tests/learn/test_tutorials.py; here two of them, so that pages have outputs.
    others = " ".join(f"*{path.stem}*" for path in TUTORIALS if path.stem[:2] not in RUN_HERE)
    environment["TINYGRAD_LORA_DOCS_NOT_RUN"] = others
    options = ["-W", "--keep-going", "-q", "-j", "auto", "-d", folder / "doctrees"]
    build = ["-m", "sphinx", *options, ROOT / "docs", folder / "html"]
    done = subprocess.run([sys.executable, *map(str, build)], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[:3000]
    return folder / "html"


@pytest.fixture(scope="module")
def pages(site):
    found = {path.relative_to(site).as_posix(): Page(path) for path in sorted(site.rglob("*.html"))}
    return {name: page for name, page in found.items() if not name.startswith("_static")}


@pytest.mark.slow
def test_every_page_is_there(pages):
    wanted = {address(path) for path in PAGES}
    wanted |= {f"generated/tutorials/{path.stem}.html" for path in (ROOT / "tutorials").glob("*.py")}
    wanted |= {"generated/errors.html", "generated/reference.html", "search.html", "genindex.html"}
    assert wanted <= set(pages)


@pytest.mark.slow
def test_no_link_within_the_site_is_broken(site, pages):
    broken = []
    for name, page in pages.items():
        for link in page.links + page.loads:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (site / name).parent / unquote(parts.path) if parts.path else site / name
            if not target.is_file():
                broken.append(f"{name}: {link}")
            elif parts.fragment.startswith("code="):
                assert "playground" in parts.path  # which reads the code in its address
            elif parts.fragment and target.suffix == ".html":
                key = target.resolve().relative_to(site.resolve()).as_posix()
                if unquote(parts.fragment) not in pages[key].ids:
                    broken.append(f"{name}: {link}")
    assert not broken, "\n".join(broken[:20])


@pytest.mark.slow
def test_pages_load_nothing_from_elsewhere(pages):
    assert not [(name, load) for name, page in pages.items() for load in page.loads if re.match(r"(https?:)?//", load)]


@pytest.mark.slow
def test_every_picture_says_in_words_what_it_shows(pages):
    assert not {name: page.images_without_words for name, page in pages.items() if page.images_without_words}


@pytest.mark.slow
@pytest.mark.parametrize("page", [path for path in PAGES if SHOW.search(path.read_text("utf-8"))], ids=address)
def test_what_a_page_shows_is_made_by_the_package(site, page):
    built = (site / address(page)).read_text(encoding="utf-8")
    assert len(SHOWN.findall(built)) == len(SHOW.findall(page.read_text(encoding="utf-8")))


@pytest.mark.slow
def test_charts_of_the_tutorials_are_on_their_pages(site):
    found = []
    for path in [path for path in TUTORIALS if path.stem[:2] in RUN_HERE]:
        page = (site / "generated" / "tutorials" / f"{path.stem}.html").read_text(encoding="utf-8")
        for title in re.findall(r'^chart = tl\.Chart\(\s*"([^"]+)"', path.read_text(encoding="utf-8"), re.MULTILINE):
            assert f'<img alt="{title}' in page, path.stem
            found.append(title)
    assert len(found) > 3, "the others need an answer first"


@pytest.mark.slow
def test_no_page_shows_an_error_or_raw_latex(site):
    for path in sorted(site.rglob("*.html")):
        text = path.read_text(encoding="utf-8")
        if "generated/tutorials" in path.as_posix() or path.parent in (site, site / "cookbook"):
            text = re.sub(r"<(pre|script|code|style)\b.*?</\1>|alttext=\"[^\"]*\"", "", text, flags=re.DOTALL)
            assert "$$" not in text and r"\frac" not in text, path.name


@pytest.mark.slow
class TestInABrowser:
    pytestmark = NEEDS_A_BROWSER

    def test_pages_fit_a_phone_and_say_nothing_on_the_console(self, browser, site, pages):
        page, said = browser.new_page(viewport={"width": 390, "height": 844}, offline=True), []
        page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        for name in pages:
            if name.startswith("playground/"):
                continue  # it must be served: see test_playground_site.py
            page.goto((site / name).as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
        assert not said

    def test_the_search_finds_a_function_without_a_network(self, browser, site):
        page = browser.new_page(offline=True)
        page.goto((site / "search.html").as_uri() + "?q=cross_entropy")
        page.wait_for_selector("#search-results li a")
        assert "cross_entropy" in page.inner_text("#search-results")
        screenshot(page, "docs-search")

    def test_the_search_for_gradient_finds_gradients_first_and_shows_a_line(self, browser, site):
        page = browser.new_page(offline=True)
        page.goto((site / "search.html").as_uri() + "?q=gradient")
        first = page.wait_for_selector("#search-results li:has(.context)")
        assert first.query_selector("a").inner_text() == "tinygrad_lora.gradients"
        assert len(first.query_selector(".context").inner_text()) > 20
        assert first.query_selector(".kind").inner_text() == "Reference"
        screenshot(page, "docs-search-gradient")

    def test_the_search_finds_every_recipe_among_the_first_three(self, browser, site):
        page = browser.new_page(offline=True)
        page.goto((site / "search.html").as_uri() + "?q=a")
        best = "Search._performSearch(...Search._parseQuery(title)).slice(-3).map(([page, , anchor]) => page + anchor)"
        for path in DOCS.glob("cookbook/*.md"):
            for title in re.findall(r"^## (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE):
                anchor = re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
                assert f"cookbook/{path.stem}#{anchor}" in page.evaluate(f"title => {best}", title), title

    def test_a_button_copies_what_is_typed_and_not_what_python_answers(self, browser, site):
        context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
        page = context.new_page()
        page.goto((site / "index.html").as_uri())
        page.hover("article div.highlight")
        page.click("article div.highlight button.copy")
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied.startswith("import tinygrad_lora as tl\nx = tl.parameter") and "10.0" not in copied
        compile(copied, "copied.py", "exec")
        page.goto((site / "cookbook/gradients.html").as_uri())
        buttons = page.locator("article div.highlight").count()
        assert page.locator("article div.highlight > button.copy").count() == buttons > 8
        context.close()

    @pytest.mark.parametrize("paper", ["A4", "Letter"])
    def test_the_cheat_sheet_is_one_page_of_paper(self, browser, site, paper):
        page = browser.new_page(viewport={"width": 700, "height": 1000})
        page.goto((site / "cheat_sheet.html").as_uri())
        assert len(re.findall(rb"/Type\s*/Page\b", page.pdf(format=paper))) == 1
        page.emulate_media(media="print")
        cut = "[...document.querySelectorAll('.sheet pre')].filter((e) => e.scrollWidth > e.clientWidth + 1)"
        assert page.evaluate(f"{cut}.map((e) => e.innerText)") == []
        screenshot(page, f"docs-cheat-sheet-{paper}")

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_the_chosen_theme_reaches_the_steppers(self, browser, site, scheme):
        other = {"light": "dark", "dark": "light"}[scheme]  # of the system, against what the reader chose
        page = browser.new_page(color_scheme=other, offline=True)
        page.add_init_script(f"localStorage.setItem('theme', '{scheme}')")
        page.goto((site / "index.html").as_uri())
        color = page.evaluate("getComputedStyle(document.querySelector('.tl-stepper')).color")
        light = sum(map(int, re.findall(r"\d+", color)[:3])) > 3 * 128
        assert light == (scheme == "dark"), color
        screenshot(page, f"docs-{scheme}")
