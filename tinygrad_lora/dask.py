"""Dask's cluster, for whoever spreads work over several machines. The only module that imports it."""

from typing import Any

from .errors.install import needing


def distributed(what: str) -> Any:
    """The package `distributed`. Raises ImportError, which says what needs it and how it is installed."""
    with needing(f"{what} needs Dask", "grade"):
        import distributed as package
    return package
