"""The forms in which a notebook may show an object, by MIME type."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any


def chosen(
    forms: Mapping[str, Callable[[], Any]], include: Iterable[str] | None, exclude: Iterable[str] | None
) -> dict[str, Any]:
    """The forms that Jupyter asks for: those in `include` (None: all), without those in `exclude`.

    Each form is given as a function without arguments, so that only what is asked for is drawn.
    """
    wanted = set(forms if include is None else include) - set(exclude or ())
    return {kind: make() for kind, make in forms.items() if kind in wanted}
