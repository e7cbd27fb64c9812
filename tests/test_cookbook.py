"""The recipes of the cookbook: each runs alone, says what it is for and when not to use it, and is found."""

import importlib.util
import os
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
for library in ("sphinx", "docutils"):
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed: the extra docs brings it", allow_module_level=True)

sys.path.insert(0, str(ROOT / "docs"))
from build_site.run_examples import failures, recipes  # noqa: E402

PAGES = sorted((ROOT / "docs" / "cookbook").glob("*.md"))
RECIPES = [(page.stem, *recipe) for page in PAGES for recipe in recipes(page.read_text(encoding="utf-8"))]
NAMES = [f"{page}: {title}" for page, title, _ in RECIPES]


pytestmark = pytest.mark.usefixtures("operations_go_again")


def own(text):
    """What stands on the page for this recipe alone."""
    return text.partition("\n## ")[2]


@pytest.mark.parametrize(("page", "title", "text"), RECIPES, ids=NAMES)
def test_a_recipe_runs_alone_and_prints_what_it_shows(page, title, text):
    assert failures(text, title) == []


def test_a_recipe_that_prints_something_else_is_found():
    assert "Expected" in failures("## One\n\n>>> 1 + 1\n3\n", "one")[0]


@pytest.mark.parametrize(("page", "title", "text"), RECIPES, ids=NAMES)
def test_a_recipe_says_what_for_and_when_not_and_shows_what_comes_of_it(page, title, text):
    lines = own(text)
    assert lines.index("**For:**") < lines.index("**Not for:**") < lines.index("```python")
    answer = re.search(r"^>>> .*\n(?:\.\.\. .*\n)*(?!>>> |\.\.\.)\S", lines, re.MULTILINE)
    assert answer or "```show" in lines, "a reader sees what it prints, or a picture"


def test_there_are_recipes_enough_and_the_index_leads_to_each():
    index = (ROOT / "docs" / "cookbook.md").read_text(encoding="utf-8")
    links = re.findall(r"^\* \[(.*)\]\(cookbook/(\w+)\.md#([\w-]+)\)$", index, re.MULTILINE)
    assert len(RECIPES) >= 20
    assert sorted((page, title) for title, page, _ in links) == sorted((page, title) for page, title, _ in RECIPES)
    for title, _, anchor in links:
        assert anchor == re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


def test_recipes_leave_nothing_behind():
    before = sorted(os.listdir())
    failures(">>> _ = open('left.txt', 'w').close()\n", "one")
    assert sorted(os.listdir()) == before


def test_the_cheat_sheet_runs_line_by_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "cheat_sheet.md").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    assert code.count("\n") > 60
    exec(compile(code, "cheat_sheet.py", "exec"), {"__name__": "example"})
