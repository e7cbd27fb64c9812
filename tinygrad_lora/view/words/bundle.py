"""What a notebook asks an object for: its forms, by MIME type."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any


def chosen(
    forms: Mapping[str, Callable[[], Any]], include: Iterable[str] | None, exclude: Iterable[str] | None
) -> dict[str, Any]:
    """The forms that Jupyter wants: those of `include`, all if it is None, without those of `exclude`.

    Each form is a function without arguments, because a picture that nobody asks for need not be drawn.
    """
    wanted = set(forms if include is None else include) - set(exclude or ())
    return {kind: make() for kind, make in forms.items() if kind in wanted}
