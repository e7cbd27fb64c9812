"""The forms in which a notebook may show an object, by MIME type."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from .markup import image

Kinds = Iterable[str] | None  # MIME types
Forms = Mapping[str, Callable[[], str]]  # by MIME type; functions, so that only what is asked for is drawn


class Shown:
    """An object that notebooks show in one of several forms."""

    html: Any

    def _forms(self) -> Forms:
        """The forms of this object: its text and its HTML, unless a class has others."""
        return {"text/plain": lambda: str(self), "text/html": lambda: self.html}

    def _repr_mimebundle_(self, include: Kinds = None, exclude: Kinds = None, **_: Any) -> dict[str, Any]:
        """The forms that Jupyter asks for: those in `include` (None: all), without those in `exclude`."""
        forms = self._forms()
        wanted = set(forms if include is None else include) - set(exclude or ())
        return {kind: make() for kind, make in forms.items() if kind in wanted}


def picture_forms(text: Callable[[], str], svg: Callable[[], str], alternative: str) -> Forms:
    """The forms of a picture: text and SVG, and an `img`, which even an untrusted notebook shows."""
    drawn = cache(svg)  # two forms show it
    return {
        "text/plain": text, "image/svg+xml": drawn, "text/html": lambda: image(drawn(), "svg+xml", alternative)
    }  # fmt: skip


class Written:
    """What `print` shows as its `.text`."""

    def __str__(self: Any) -> str:
        return str(self.text)


class Typeset(Written):
    """A formula, which `print` shows as its `.text` and a notebook as its `.latex`."""

    __repr__ = Written.__str__

    def _repr_latex_(self: Any) -> str:
        return f"$$\n{self.latex}\n$$"


class Explained(Written):
    """An explanation, which `print` shows as its `.text` and a notebook as its `.html`."""

    def _repr_html_(self: Any) -> str:
        return str(self.html)
