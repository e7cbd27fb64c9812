"""What the tests of pages share."""

import pytest
from browser import chromium


@pytest.fixture(scope="module")
def browser():
    """Chromium, started once for each file."""
    with chromium() as started:
        yield started
