"""The questions of the tutorials on a page: a field for the answer, and responses that only their answer opens.

A static page cannot compute, and must not give anything away: `learn/predictions/sealed.py` says how that is done.
"""

import json
import re
from html import escape
from typing import Any

from build_site.mathml import mathml
from tinygrad_lora.learn.predictions.prediction import Question, load_prediction
from tinygrad_lora.learn.predictions.sealed import number_token, seal

HOW = {
    "number": "a number; three digits are enough",
    "truth": "true or false",
    "shape": "a shape, such as (2, 3)",
    "choice": "a letter",
}


def form(id: str) -> str:
    """The field for an answer, as HTML without blank lines."""
    question = load_prediction(id).question()
    outcomes = {one.answer: ("Not right: " + one.sentence, False) for one in reversed(question.foreseen)}
    outcomes[question.right] = ("Right. " + question.response, True)
    sealed = [
        seal(id, token(question, answer), f"{right:d}{as_html(f'{sentence}.'.replace('?.', '?'))}")
        for answer, (sentence, right) in outcomes.items()
    ]
    data = escape(json.dumps(sorted(sealed)), quote=True)
    return (
        f'<form class="predict" data-salt="{id}" data-kind="{question.kind}" data-sealed="{data}">'
        f"<label>Your answer, {HOW[question.kind]} {field(question)}</label> <button>Answer</button>"
        f'<output aria-live="polite"></output></form>'
    )


def field(question: Question) -> str:
    """Where the answer is typed, or chosen."""
    choices = {"choice": list(question.choices), "truth": ["true", "false"]}.get(question.kind)
    if choices is None:
        return '<input name="answer" autocomplete="off" size="12">'
    options = "".join(f"<option>{choice}</option>" for choice in ["", *choices])
    return f'<select name="answer">{options}</select>'


def token(question: Question, answer: Any) -> str:
    """An answer as text, the same for all that count as equal."""
    if question.kind == "number":
        return number_token(answer)
    if question.kind == "choice":
        return next(letter for letter, text in question.choices.items() if text == answer)
    return ",".join(map(str, answer)) if question.kind == "shape" else str(answer).lower()


def as_html(sentence: str) -> str:
    """Code and formulas set; everything else as it is."""
    parts = re.split(r"(`[^`]*`|\$[^$]*\$)", sentence)
    marks = {"`": lambda text: f"<code>{escape(text)}</code>", "$": mathml}
    return "".join(marks[part[0]](part[1:-1]) if part[:1] in marks else escape(part) for part in parts)
