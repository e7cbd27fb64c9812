"""Builds HTML and SVG: whatever is not `Markup` is text, and text is always escaped."""

import re
from base64 import b64encode
from collections.abc import Sequence
from html import escape
from importlib import resources
from string import Template

ASSETS = "view/assets"
# A picture of two themes has that of its page; by itself it would ask the system. `#notebook` is an older export.
PAGE_THEME = """\
:where([data-theme="light"],[data-jp-theme-light="true"],#notebook) .tl-image{color-scheme:light}
:where([data-theme="dark"],[data-jp-theme-light="false"]) .tl-image{color-scheme:dark}"""

Row = Sequence[object]  # of a table


class Markup(str):
    """A string that is already HTML or SVG, and is not escaped again."""


def text(value: object) -> Markup:
    """`value` as escaped text; markup stays as it is."""
    return value if isinstance(value, Markup) else Markup(escape(sound(str(value))))


def sound(value: str) -> str:
    """The string with a question mark for each character that no page may contain: lone surrogates and NUL."""
    return value.encode("utf-8", "replace").decode().replace("\0", "?")


def joined(parts: list[Markup] | tuple[Markup, ...], by: str = "") -> Markup:
    """Pieces of markup joined, with `by` between them."""
    return Markup(by.join(parts))


SHAPES = {"rect", "path", "use"}


def element(tag: str, *children: object, **attributes: object) -> Markup:
    """One element. Attributes are passed as `class_="x"` or `aria_label="x"`, and left out if they are None.

    Empty shapes of SVG are written with one tag, to keep pictures small.

    >>> element("p", "1 < 2", class_="law")
    '<p class="law">1 &lt; 2</p>'
    """
    start = void(tag, **attributes)
    if tag in SHAPES and not children:
        return Markup(f"{start[:-1]}/>")
    return Markup(f"{start}{''.join(map(text, children))}</{tag}>")


def void(tag: str, **attributes: object) -> Markup:
    """An element that has no content and no end, such as `img`."""
    present = {name.rstrip("_").replace("_", "-"): x for name, x in attributes.items() if x is not None}
    return Markup(" ".join([f"<{tag}", *(f'{name}="{text(x)}"' for name, x in present.items())]) + ">")


def image(
    data: str | bytes, kind: str, alt: str, style: str | None = "max-width: 100%", **attributes: object
) -> Markup:
    """An `img` with its picture inside it, so that even an untrusted notebook shows it.

    `kind` is "svg+xml" or "png", `alt` the picture in words. An SVG follows the theme of the page.
    """
    code = b64encode(data.encode() if isinstance(data, str) else data).decode()
    source = f"data:image/{kind};base64,{code}"
    if kind != "svg+xml":
        return void("img", alt=alt, style=style, **attributes, src=source)
    picture = void("img", alt=alt, style=style, class_="tl-image", **attributes, src=source)
    return Markup(picture + element("style", Markup(PAGE_THEME)))


def asset(folder: str, name: str) -> Markup:
    """The text of a file of the package, to go into a page unchanged: `asset("view/assets", "page.css")`."""
    return Markup(resources.files("tinygrad_lora").joinpath(folder, name).read_text(encoding="utf-8"))


def script(*names: str) -> Markup:
    """Scripts of `view/assets` as one element, in a function of their own, so that a page may hold several.

    They are written without indentation, which would be a fifth of them.
    """
    code = re.sub(r"\n\s+", "\n", "".join(asset(ASSETS, name) for name in names))
    return element("script", Markup(f'(function () {{\n"use strict";\n{code}}})();\n'))


def fill(template: str, **values: object) -> Markup:
    """The template with every $name replaced. Raises KeyError for a name that has no value."""
    return Markup(Template(template).substitute({name: text(value) for name, value in values.items()}))


def page(title: str, *content: Markup, style: str = "") -> Markup:
    """A page that holds all it needs; its content security policy forbids it to load anything."""
    rules = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
    head = [
        void("meta", charset="utf-8"),
        void("meta", http_equiv="Content-Security-Policy", content=rules),
        void("meta", name="viewport", content="width=device-width, initial-scale=1"),
        void("meta", name="generator", content="tinygrad_lora"),
        element("title", title),
        element("style", Markup(style)),
    ]
    return Markup(f"<!doctype html>\n{element('html', element('head', *head), element('body', *content), lang='en')}\n")


def table(headings: Row, rows: Sequence[Row], caption: str, last: Row | None = None) -> Markup:
    """A table whose first column names the rows; `last` is its footer. Columns of numbers get the class "number".

    It scrolls if the screen is narrower than the table.
    """
    kinds = ["number" if all(_is_number(row[i]) for row in rows) else None for i in range(len(headings))]

    def line(cells: Row, head: bool = False) -> Markup:
        named = [("th", "col")] * len(cells) if head else [("th", "row"), *[("td", None)] * (len(cells) - 1)]
        columns = zip(named, cells, kinds, strict=True)
        return element("tr", *(element(tag, cell, scope=scope, class_=kind) for (tag, scope), cell, kind in columns))

    head, body = element("thead", line(headings, head=True)), element("tbody", *map(line, rows))
    foot = element("tfoot", line(last)) if last else ""
    return scrolling(element("table", element("caption", caption), head, body, foot), caption)


def scrolling(content: Markup, label: str, class_: str = "scroll") -> Markup:
    """A box that scrolls if its content is wider than the screen, by keyboard as well."""
    return element("div", content, class_=class_, tabindex=0, role="group", aria_label=label)


def _is_number(cell: object) -> bool:
    return not isinstance(cell, Markup) and str(cell).lstrip("-")[:1].isdigit() and str(cell)[-1:] in "0123456789%"
