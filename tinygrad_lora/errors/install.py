"""How this package is installed, said once: messages, notebooks, handouts and pages say what these functions give.

It is on no package index so far. So whoever has not got it installs it from a checkout of its source. Where it is
installed, pip knows it by its name, and fetches only what an extra brings.
"""

from collections.abc import Iterator
from contextlib import contextmanager


def from_checkout(extra: str, folder: str = ".") -> str:
    """The line that installs the package, with what an extra brings; `folder` is that of the checkout."""
    return f'pip install "{folder}[{extra}]"' if extra else f"pip install {folder}"


def from_repository(repository: str) -> str:
    """The line that installs the package from GitHub; `repository` is owner/name."""
    return f"pip install git+https://github.com/{repository}"


def with_extra(extra: str) -> str:
    """The line that adds what an extra brings, where the package is installed."""
    return f'pip install "tinygrad-lora[{extra}]"'


@contextmanager
def needing(what: str, extra: str, error: type[Exception] = ImportError) -> Iterator[None]:
    """Where an import in this block fails, `error` says what needs the library, and which line adds it."""
    try:
        yield
    except ImportError:
        raise error(f"{what}: {with_extra(extra)}") from None
