"""What every test may use: Hypothesis profiles and the `golden` fixture."""

import difflib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from tinygrad_lora.compiler import first_call

GOLDEN = Path(__file__).parent / "golden"

# On your machine: new examples every run, and what failed is tried again first. In CI: the same examples every run,
# however slow the machine, so that a red run means a change and not luck.
settings.register_profile("dev", deadline=2_000)
settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev"))

# Every program that a test compiles is compared with its graph on its first call.
first_call.DEFAULT = True


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="rewrite tests/golden with what the tests produce now; read the diff before you commit it",
    )


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """`golden("name.txt", text)`: the text must be what tests/golden/name.txt says.

    Golden files show a reader what the package prints, and show a reviewer what a change did to it.
    """
    remedy = "if this is what you meant, run `pytest --update-golden` and read the diff"

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        produced = "\n".join(text.splitlines()) + "\n"
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(produced, encoding="utf-8", newline="\n")
            return
        if not path.exists():
            pytest.fail(f"tests/golden/{name} does not exist: run `pytest --update-golden` to write it", pytrace=False)
        expected = "\n".join(path.read_text(encoding="utf-8").splitlines()) + "\n"
        if produced != expected:
            difference = difflib.unified_diff(
                expected.splitlines(), produced.splitlines(), f"tests/golden/{name}", "produced now", lineterm=""
            )
            pytest.fail("\n".join([f"{name} changed: {remedy}", *difference]), pytrace=False)

    return compare
