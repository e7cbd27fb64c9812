"""The page of the playground, and the files that it asks for."""

import json
from collections.abc import Callable, Mapping
from functools import partial

from ..view.words.markup import Markup, asset, element, joined, void
from .examples import EXAMPLES
from .sheet import PARTS

ASSETS = "play/assets"
# Nothing comes from another host, and only the page's own scripts run. Pictures bring their styles along.
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
FILES: Mapping[str, tuple[str, Callable[[], str]]] = {
    name: (f"text/{kind}; charset=utf-8", partial(asset, ASSETS, name))
    for kind, names in (("css", ["play.css"]), ("javascript", ["play.js", "worker.js", "codemirror.js"]))
    for name in names
}
EMPTY = "It appears as soon as there is something to see."


def page(runner: str = "server", first: Mapping[str, str] | None = None) -> Markup:
    """The page. `runner` says who runs the code: the "server" that sent the page, or a "worker" in the browser itself.

    `first` holds the parts of the first example, so that there is something to see before anything runs.
    """
    policy = POLICY.partition("; frame-ancestors")[0]  # which only a header can say
    head = joined([
        void("meta", charset="utf-8"),
        void("meta", name="viewport", content="width=device-width, initial-scale=1"),
        void("meta", http_equiv="Content-Security-Policy", content=policy),
        void("meta", name="color-scheme", content="light dark"),
        element("title", "tinygrad_lora: the playground"),
        void("link", rel="stylesheet", href="play.css"),
        element("script", Markup(json.dumps(EXAMPLES).replace("<", "\\u003c")), type="application/json", id="examples"),
        element("script", src="codemirror.js", defer=""),
        element("script", src="play.js", defer=""),
    ])  # fmt: skip
    body = joined([_bar(), _editor(), element("main", *map(partial(_part, first or {}), PARTS), id="sheet")])
    return Markup(f"<!doctype html>\n{element('html', head, element('body', body, data_runner=runner), lang='en')}\n")


def _bar() -> Markup:
    choices = [element("option", name, value=name) for name in EXAMPLES]
    return element(
        "header",
        element("h1", "Playground"),
        element("label", "Start from ", element("select", *choices, id="example")),
        element("button", "Check", type="button", id="check", hidden="", title="Ctrl-Enter"),
        element("button", "Start over", type="button", id="again", hidden=""),
        element("button", "Copy link", type="button", id="link"),
        element("button", "Stop", type="button", id="stop", disabled=""),
        element("output", "", id="state", role="status"),
    )


def _editor() -> Markup:
    source = next(iter(EXAMPLES.values()))
    hint = "Change a line: all else follows. np is NumPy, tl is tinygrad_lora. Escape, then Tab, leaves the editor."
    area = element("textarea", source, id="source", spellcheck="false", aria_label="Code", rows="12")
    task = element("div", id="task", hidden="")  # of an exercise
    return element("section", task, element("h2", "Code"), area, element("p", hint, class_="hint"), id="code")


def _part(first: Mapping[str, str], name: str) -> Markup:
    content = element("div", Markup(first.get(name, "")), class_="content")
    live = "polite" if name == "said" else None
    return element("section", element("h2", PARTS[name]), content, id=name, aria_live=live)
