"""The gallery of the tutorials: a card for each, with a picture, its outcome and how long it takes."""

import re
from html import escape

from build_site import gallery_pictures
from build_site.show import as_html
from tinygrad_lora.learn.tutorials import Heading


def cards(headings: dict[str, Heading]) -> str:
    """The cards as HTML, by the name of each tutorial's page."""
    return "\n".join(['<div class="gallery">', *[_card(stem, one) for stem, one in headings.items()], "</div>"])


def _card(stem: str, heading: Heading) -> str:
    make = getattr(gallery_pictures, f"picture_{heading.number}")
    words = escape(" ".join((make.__doc__ or "").split()), quote=True)
    picture = re.sub(r' alt="[^"]*"', lambda _: f' alt="{words}"', as_html(make()), count=1)
    return (
        f'<a class="card" href="tutorials/{stem}.html">{picture}'
        f"<strong>{heading.number} · {escape(heading.title)}</strong>"
        f"<span>{heading.minutes} minutes. Afterwards {escape(heading.outcome)}</span></a>"
    )
