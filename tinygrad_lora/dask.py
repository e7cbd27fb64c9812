"""Dask's cluster, for whoever spreads work over several machines. The only module that imports it."""

from __future__ import annotations

from typing import Any

from .errors.install import with_extra


def distributed(what: str) -> Any:
    """The package `distributed`. Raises ImportError, which says what needs it and how it is installed."""
    try:
        import distributed as package
    except ImportError:
        raise ImportError(f"{what} needs Dask: {with_extra('grade')}") from None
    return package
