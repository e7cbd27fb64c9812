"""The questions of the tutorials on a page: a field for the answer, and responses that only their answer opens.

A static page cannot compute, and must not give anything away. So it holds a tag and an encrypted response for each
answer that is foreseen. Both are made from a salted hash of the answer, rounded to three digits; `static/predict.js`
makes the same hash of what was typed. This hides the answers from a reader of the page's source, not from somebody who
tries all numbers.
"""

import hashlib
import json
import re
from html import escape
from typing import Any

from build_site.mathml import mathml
from tinygrad_lora.learn.predictions.prediction import Question, load_prediction

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
        seal(id, token(question, answer), f"{sentence}.", right) for answer, (sentence, right) in outcomes.items()
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
        mantissa, exponent = f"{float(answer) or 0.0:.2e}".split("e")
        return f"{mantissa}e{int(exponent):+d}"  # as JavaScript writes it
    if question.kind == "choice":
        return next(letter for letter, text in question.choices.items() if text == answer)
    return ",".join(map(str, answer)) if question.kind == "shape" else str(answer).lower()


def seal(salt: str, answer: str, sentence: str, right: bool) -> tuple[str, str]:
    """The tag by which an answer finds its response, and the response, encrypted with that answer."""
    key = hashlib.sha256(f"{salt} {answer}".encode()).digest()
    text = (("1" if right else "0") + as_html(sentence)).encode()
    stream = b"".join(hashlib.sha256(key + bytes([i])).digest() for i in range(len(text) // 32 + 1))
    return hashlib.sha256(key + b"tag").hexdigest()[:16], bytes(a ^ b for a, b in zip(text, stream, strict=False)).hex()


def as_html(sentence: str) -> str:
    """Code and formulas set; everything else as it is."""
    parts = re.split(r"(`[^`]*`|\$[^$]*\$)", sentence)
    marks = {"`": lambda text: f"<code>{escape(text)}</code>", "$": mathml}
    return "".join(marks[part[0]](part[1:-1]) if part[:1] in marks else escape(part) for part in parts)
