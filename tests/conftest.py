"""What holds for every test: the same examples for everyone, which tests are left out, and the shared fixtures."""

import difflib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers

from tinygrad_lora.compiler.checks import first_call

GOLDEN = Path(__file__).parent / "golden"

# The same examples on every machine and in every run, however slow it is: a red run means a change and not luck.
settings.register_profile(
    "fixed", derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("quick", settings.get_profile("fixed"), max_examples=10)  # the first of them
# Hypothesis also draws numbers that stand in the package's modules, as far as they are loaded: the examples of a test
# would depend on the tests before it. (Its own version decides, too, and is held in pyproject.toml.)
providers._get_local_constants = lambda: providers.Constants()


def pytest_configure(config: pytest.Config) -> None:
    """Leave out what takes long, unless it is asked for: with `--all`, or in any words after `-m`."""
    everything = config.getoption("--all")
    settings.load_profile("fixed" if everything else "quick")
    if not config.option.markexpr:
        config.option.markexpr = "not long" if everything else "not long and not slow"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """First the files that take longest, those of pages: with several processes, none of them is waited for alone."""
    items.sort(key=lambda item: item.path.parent.name != "pages")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many tests compared with another library: where none is installed, a green run says nothing about them."""
    stats = terminalreporter.stats
    reports = [one for kind in ("passed", "failed", "skipped") for one in stats.get(kind, [])]
    reports = [one for one in reports if isinstance(one, pytest.TestReport)]  # and not that a whole module was skipped
    peers = [one for one in reports if "peers" in one.keywords and (one.when == "call" or one.skipped)]
    if peers:
        skipped = sum(one.skipped for one in peers)
        terminalreporter.write_line(f"beside PyTorch, PEFT or JAX: {len(peers) - skipped} ran, {skipped} were skipped")


# Every program that a test compiles is compared with its graph on its first call.
first_call.DEFAULT = True


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="the slow tests, too: what continuous integration runs")
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


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    """Chromium, started once for each file of pages."""
    from browser import chromium  # needs Playwright, which only those tests may ask for

    with chromium() as started:
        yield started


@pytest.fixture
def operations_go_again():
    """Operations that an example adds are gone after the test."""
    from tinygrad_lora.core.node import Op

    known = dict(Op.registry)
    yield
    Op.registry.clear()
    Op.registry.update(known)
