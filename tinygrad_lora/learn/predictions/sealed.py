"""Responses on a page that cannot compute: each is encrypted with the answer that it belongs to.

The page holds a tag and a response for each answer that is foreseen. Both are made from a salted hash of the answer,
rounded to three digits; `view/assets/sealed.js` makes the same hash of what was typed. This hides the answers from a
reader of the page's source, not from somebody who tries all numbers.
"""

import hashlib
from typing import Any


def number_token(x: Any) -> str:
    """A number as text, the same for all that count as equal, and as JavaScript writes it."""
    mantissa, exponent = f"{float(x) or 0.0:.2e}".split("e")
    return f"{mantissa}e{int(exponent):+d}"


def seal(salt: str, answer: str, response: str) -> tuple[str, str]:
    """The tag by which an answer finds its response, and the response, encrypted with that answer."""
    key = hashlib.sha256(f"{salt} {answer}".encode()).digest()
    text = response.encode()
    stream = b"".join(hashlib.sha256(key + bytes([i])).digest() for i in range(len(text) // 32 + 1))
    return hashlib.sha256(key + b"tag").hexdigest()[:16], bytes(a ^ b for a, b in zip(text, stream, strict=False)).hex()
