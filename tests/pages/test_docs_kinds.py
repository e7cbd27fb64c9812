"""Four kinds of pages: each page of the documentation has one, and is reached where it always was."""

import importlib.util
import re
import sys
from html import escape
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
for library in ("sphinx", "myst_nb", "latex2mathml", "jupytext"):
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed: the extra docs brings it", allow_module_level=True)

sys.path.insert(0, str(ROOT / "docs"))
from build_site import gallery, gallery_pictures, kinds, notebooks, pages, try_it  # noqa: E402

DOCS = ROOT / "docs"
SOURCES = [
    path for path in sorted(DOCS.rglob("*.md")) if not {"generated", "build_site"} & {*path.relative_to(DOCS).parts}
]
NAMES = {path.relative_to(DOCS).with_suffix("").as_posix() for path in SOURCES}
# Where pages have been since the first edition: links from elsewhere lead there.
ADDRESSES = [
    "adding_a_pass",
    "adding_an_operation",
    "architecture",
    "feedback",
    "finetuning",
    "first_look",
    "glossary",
    "grading",
    "index",
    "install",
    "lab",
    "lora",
    "numbers",
    "performance",
    "pictures",
    "playground",
    "teaching",
    "training",
    "variants",
    "generated/tutorials",
    "generated/reference",
    "generated/errors",
    "generated/engine",
]


def test_each_page_has_one_kind_and_stands_in_the_navigation():
    by_page = kinds.kinds()
    assert {*by_page.values()} == {*kinds.LABELS}
    assert NAMES - {"index"} <= {*by_page}, "these stand in no list of index.md, nor in one of a page there"
    listed = [
        name for names in kinds.listed((DOCS / "index.md").read_text(encoding="utf-8")).values() for name in names
    ]
    assert len(listed) == len({*listed}), "a page has one kind"


def test_what_a_page_lists_is_of_its_kind(tmp_path):
    (tmp_path / "index.md").write_text("```{toctree}\n:caption: Reference\n\nfolder/a\n```\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.md").write_text("# A\n\n```{toctree}\n:hidden:\n\nb\n/c\n```\n")
    assert kinds.kinds(tmp_path) == {"folder/a": "Reference", "folder/b": "Reference", "c": "Reference"}


def test_old_addresses_lead_to_a_page():
    made = {f"generated/{name}" for name in ("tutorials", "reference", "errors", "engine")}
    assert {*ADDRESSES} <= NAMES | made
    assert {name.removeprefix("generated/") + ".md" for name in made} <= {*re.findall(r'"(\w+\.md)"', pages_source())}


def pages_source():
    return Path(pages.__file__).read_text(encoding="utf-8") + '"reference.md"'  # which reference.pages() adds


def test_each_tutorial_has_a_card_with_a_picture_that_says_what_it_shows():
    headings = notebooks.headings()
    cards = re.findall(r'<a class="card" href="(.*?)">(.*?)</a>', gallery.cards(headings), re.DOTALL)
    assert [address for address, _ in cards] == [f"tutorials/{stem}.html" for stem in headings]
    for heading, (_, card) in zip(headings.values(), cards, strict=True):
        words = escape(getattr(gallery_pictures, f"picture_{heading.number}").__doc__)
        assert f'alt="{words}"' in card and heading.outcome in card and f"{heading.minutes} minutes" in card


# --- The way from the first page to a gradient of one's own ---


def test_the_first_thing_to_press_opens_the_playground_with_a_function_in_it():
    """So that a reader who never saw this opens one page, the playground, and types."""
    text = (DOCS / "index.md").read_text(encoding="utf-8")
    before_any_heading = text.partition("\n## ")[0]
    button = re.search(r"```playground (.*?)\n:button:\n(.*?)```", before_any_heading, re.DOTALL)
    assert button and before_any_heading.index(button[0]) < before_any_heading.index("<a class")
    assert "tl.parameter" in button[2]


def test_the_address_of_the_playground_holds_the_code():
    assert try_it.address("x = 1\n") == "#code=eCA9IDEK"
    assert "=" not in try_it.address("ab").removeprefix("#code=")
