"""The questions of the tutorials on a page: each answer opens its own response, and the page shows none before."""

import html
import importlib.util
import json
import re
import sys
from pathlib import Path

import pytest
from browser import NEEDS_A_BROWSER, chromium, offline_pages

from tinygrad_lora.learn.predictions.prediction import all_predictions

ROOT = Path(__file__).resolve().parents[2]
for library in ("jupyter_cache", "jupytext", "latex2mathml"):
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed: the extra docs brings it", allow_module_level=True)
sys.path.insert(0, str(ROOT / "docs"))
from build_site import notebooks, predictions  # noqa: E402

QUESTIONS = {id: one.question() for id, one in all_predictions().items()}


def words(text):
    """What a reader sees of it, without formulas and code."""
    return " ".join(re.sub(r"<(math|code)\b.*?</\1>|`[^`]*`|\$[^$]*\$|<[^>]+>", " ", html.unescape(text)).split())


def test_every_tutorial_on_the_site_asks_and_gives_nothing_away():
    pages = {name: text for name, text in notebooks.tutorials().items() if name.startswith("tutorials/")}
    assert sum(text.count('class=\\"predict\\"') for text in pages.values()) == len(QUESTIONS)
    for name, text in pages.items():
        asked = [question for id, question in QUESTIONS.items() if id[:2] == name.split("/")[1][:2]]
        assert len(asked) >= 4 and "tl.predict(" not in text
        for question in asked:
            for sentence in (question.response, *(one.sentence for one in question.foreseen)):
                assert json.dumps(sentence)[1:-1] not in text


@pytest.mark.parametrize("id", QUESTIONS)
def test_a_form_has_one_sealed_response_for_each_answer(id):
    question, made = QUESTIONS[id], predictions.form(id)
    sealed = json.loads(html.unescape(re.search(r'data-sealed="([^"]*)"', made)[1]))
    answers = {predictions.token(question, one) for one in (question.right, *(f.answer for f in question.foreseen))}
    assert len({tag for tag, _ in sealed}) == len(sealed) == len(answers), "each of its own, up to three digits"
    assert "\n" not in made and sealed == sorted(sealed)
    assert not any(words(predictions.as_html(text)) in words(made) for text in (question.response, "Not right"))
    if question.kind == "number" and question.right:
        digits = f"{abs(float(question.right)):.17g}".replace(".", "").strip("0")
        assert not re.search(r"5$", digits[3:]) or len(digits) != 4, "halfway: two languages round it differently"


@pytest.mark.slow
@pytest.mark.parametrize("_", [pytest.param(None, marks=NEEDS_A_BROWSER)])
def test_a_browser_opens_the_response_that_belongs_to_an_answer(tmp_path, _):
    files = ROOT / "tinygrad_lora/view/assets/sealed.js", ROOT / "docs/static/predict.js"
    script = "".join(path.read_text(encoding="utf-8") for path in files)
    body = "".join(f'<div id="q{id}">{predictions.form(id)}</div>' for id in QUESTIONS)
    with chromium() as browser, offline_pages(browser, tmp_path / "page.html", 900, 700) as opened:
        page = opened(
            f'<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">{body}<script>{script}</script>'
        )

        def answered(id, text):
            form = page.locator(f"#q{id} form")
            chosen = form.locator("[name=answer]")
            chosen.select_option(text) if form.locator("select").count() else chosen.fill(text)
            before = form.locator("output").inner_html()
            form.locator("button").click()
            page.wait_for_function("([id, old]) => document.querySelector(`[id='q${id}'] output`).innerHTML !== old",
                                   arg=[id, before])  # fmt: skip
            return form.locator("output").get_attribute("data-right"), form.locator("output").inner_html()

        for id, question in QUESTIONS.items():
            for one in question.foreseen:
                typed = predictions.token(question, one.answer)
                right, shown = answered(id, typed)
                assert right == "0" and words(predictions.as_html("Not right")) in words(shown), (id, typed)
                page.evaluate(f"document.querySelector('#q' + CSS.escape('{id}') + ' output').innerHTML = 'anew'")
            right, shown = answered(id, predictions.token(question, question.right))
            assert right == "1" and words(predictions.as_html(question.response)) in words(shown), id
        assert answered("04-paths", "12345") == ("0", "Not right. Read on, find out why, and answer again.")
