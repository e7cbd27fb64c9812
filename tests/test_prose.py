"""The English of pages and tutorials: easy to read, spelled right, and without what a linter of prose objects to.

`docs/prose/accept.txt` holds the words that no dictionary has, `docs/prose/reject.txt` words that these pages do
without, one in a line, as the linter Vale reads them.
"""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
from prose import WORD, grade, of_a_notebook, plain, sentences, syllables

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
TUTORIALS = sorted((ROOT / "tutorials").glob("*.py"))
PAGES = [*sorted(DOCS.glob("*.md")), *sorted(DOCS.glob("cookbook/*.md"))]
OTHERS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
WITHOUT_SENTENCES = {"changelog", "glossary", "cheat_sheet"}  # an address, entries, and code
NINTH_GRADE = 9.0
LONGEST = 45  # words of a sentence
IGNORED = ("typography.", "dates_times.")  # straight quotes, as in code; and what takes numbers for dates


def markdown(path):
    text = path.read_text(encoding="utf-8")
    return of_a_notebook(text) if path.suffix == ".py" else text


def name(path):
    return path.relative_to(ROOT).as_posix()


def listed(file):
    return (DOCS / "prose" / file).read_text(encoding="utf-8").splitlines()


READ = [path for path in [*TUTORIALS, *PAGES] if path.stem not in WITHOUT_SENTENCES]


@pytest.mark.parametrize("path", READ, ids=name)
def test_tutorials_and_guides_are_read_with_ease_after_nine_years_of_school(path):
    text = plain(markdown(path))
    assert grade(text) <= NINTH_GRADE
    assert [" ".join(words) for words in sentences(text) if len(words) > LONGEST] == []


def test_the_measure_tells_easy_from_hard():
    easy = "A node has a value. It also has a gradient. Both are numbers."
    hard = (
        "The aforementioned differentiation methodology necessitates considerable computational infrastructure, "
        "notwithstanding the availability of approximations that practitioners customarily consider satisfactory."
    )
    assert grade(easy) < 5 < 20 < grade(hard)
    counted = {"node": 1, "value": 2, "gradient": 3, "added": 2, "compiled": 2, "idea": 3, "created": 3, "learn": 1}
    assert {word: syllables(word) for word in counted} == counted


def test_code_equations_and_tables_are_no_prose():
    text = "# Title\n\nThe `code` is $x + 1$ [here](a.md).\n\n```python\nx = 1\n```\n\n| a | b |\n\n* One *item*.\n"
    assert list(sentences(plain(text))) == [["The", "number", "is", "number", "here"], ["One", "item"]]
    source = "# %% [markdown]\n# Read **this**.\n\n# %%\nx = 1\n\n# %% [markdown] instructor=true\n# Not this.\n"
    assert list(sentences(plain(of_a_notebook(source)))) == [["Read", "this"]]


def words_of(path):
    for word in WORD.findall(plain(markdown(path), "·")):
        yield word.replace("’", "'").removesuffix("'s").strip("'")


def test_every_word_is_in_the_dictionary_or_in_the_vocabulary(request):
    spellchecker = pytest.importorskip("spellchecker", reason="needs the extra docs")
    dictionary, vocabulary, found = spellchecker.SpellChecker(), set(listed("accept.txt")), {}
    for path in [*TUTORIALS, *PAGES, *OTHERS]:
        for word in words_of(path):
            if len(word) > 2 and word.lower() not in dictionary:
                found.setdefault(word, name(path))
    # At the start of a sentence, or in a command's name, it is the same word.
    used = {word for word in found if word == word.lower() or word.lower() not in found}
    unknown = {word: found[word] for word in used - vocabulary}
    if request.config.getoption("--update-golden"):
        (DOCS / "prose" / "accept.txt").write_text("\n".join(in_order(used)) + "\n", encoding="utf-8")
        return
    remedy = (
        "repair it, or run `pytest --update-golden tests/test_prose.py`, and read the diff of docs/prose/accept.txt"
    )
    assert not unknown, f"no dictionary has it: {remedy}"
    assert vocabulary <= used, f"words that are used nowhere any more: {remedy}"


def in_order(words):
    return sorted({*words}, key=lambda word: (word.lower(), word))


def test_the_lists_of_words_are_sorted_and_each_word_stands_once():
    for file in ("accept.txt", "reject.txt"):
        words = listed(file)
        assert words == in_order(words), file


@pytest.mark.parametrize("path", [*TUTORIALS, *PAGES, *OTHERS], ids=name)
def test_no_page_uses_a_word_that_we_do_without(path):
    text = plain(markdown(path))
    found = [
        word for word in listed("reject.txt") if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE)
    ]
    assert found == []


def test_a_linter_of_prose_finds_nothing(tmp_path):
    if importlib.util.find_spec("proselint") is None:
        pytest.skip("proselint is not installed: the extra docs brings it")
    for path in [*TUTORIALS, *PAGES, *OTHERS]:
        (tmp_path / name(path).replace("/", "-")).with_suffix(".md").write_text(plain(markdown(path), "·"), "utf-8")
    assert objections(tmp_path) == []


def test_the_linter_finds_what_is_there_to_be_found(tmp_path):
    if importlib.util.find_spec("proselint") is None:
        pytest.skip("proselint is not installed: the extra docs brings it")
    (tmp_path / "a.md").write_text("At the end of the day it is very unique, in a nutshell.\n")
    assert objections(tmp_path)


def objections(folder):
    """What proselint says, one line each: "file:line:column: check: why"."""
    command = [sys.executable, "-m", "proselint", "check", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert not done.stderr, done.stderr
    lines = [line.removeprefix(f"{folder}/") for line in done.stdout.splitlines()]
    return [line for line in lines if not line.split(": ")[1].startswith(IGNORED)]
