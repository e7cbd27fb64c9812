"""The suite itself: every run draws the same examples, no assertion looks at a clock, what is slow waits for --all."""

import ast
import functools
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import conftest
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers

TESTS = Path(__file__).resolve().parent
CLOCKS = {"monotonic", "perf_counter", "perf_counter_ns", "process_time", "thread_time", "time"}

SAMPLE = """import pytest
def test_quick(): pass
@pytest.mark.slow
def test_slow(): pass
@pytest.mark.long
def test_long(): pass
"""


@functools.cache
def sources():
    """The text of every file of tests."""
    return {path: path.read_text(encoding="utf-8") for path in TESTS.rglob("test_*.py")}


def trees_with(*words):
    """Every file of tests that contains one of these words, parsed."""
    pattern = re.compile(rf"\b({'|'.join(words)})\b")
    return {path: ast.parse(source) for path, source in sources().items() if pattern.search(source)}


def test_every_run_draws_the_same_examples():
    used = settings.default
    assert used.derandomize and used.database is None
    assert len(providers._get_local_constants()) == 0, "what is drawn would depend on the modules that are loaded"


def test_a_slow_machine_fails_no_test():
    assert settings.default.deadline is None and HealthCheck.too_slow in settings.default.suppress_health_check


def test_no_assertion_looks_at_a_clock():
    trees = trees_with(*CLOCKS, "seconds", "elapsed").values()
    for node in [one for tree in trees for one in ast.walk(tree) if isinstance(one, ast.Assert)]:
        for part in ast.walk(node):
            assert not (isinstance(part, ast.Call) and name_of(part.func) in CLOCKS), ast.unparse(node)
        for compared in [one for one in ast.walk(node) if isinstance(one, ast.Compare)]:
            limits = any(isinstance(sign, ast.Lt | ast.LtE | ast.Gt | ast.GtE) for sign in compared.ops)
            assert not (limits and name_of(compared.left) in ("seconds", "elapsed")), ast.unparse(node)


@pytest.mark.parametrize(
    ("asked", "everything", "chosen"),
    [("", False, "not long and not slow"), ("", True, "not long"), ("long", False, "long"), ("long", True, "long")],
)
def test_what_takes_long_is_left_out_unless_it_is_asked_for(asked, everything, chosen):
    config = SimpleNamespace(option=SimpleNamespace(markexpr=asked), getoption={"--all": everything}.get)
    used = settings.default
    try:
        conftest.pytest_configure(config)
        assert config.option.markexpr == chosen
        assert settings.default.max_examples == (100 if everything else 10)
    finally:
        settings.load_profile("fixed" if used.max_examples == 100 else "quick")


PEERS = {"torch", "peft", "transformers", "bitsandbytes", "jax"}


def functions_of(tree):
    """The functions of a module, each by its own name and by the one that a fixture has for its users."""
    named = {}
    for function in [node for node in tree.body if isinstance(node, ast.FunctionDef)]:
        named[function.name] = function
        for decorator in [one for one in function.decorator_list if isinstance(one, ast.Call)]:
            named |= {k.value.value: function for k in decorator.keywords if k.arg == "name"}
    return named


def asks_for_a_peer(node, functions, seen=()):
    """Whether this code skips without a peer, itself or in what it calls and the fixtures that it takes."""
    for part in ast.walk(node):
        name = part.arg if isinstance(part, ast.arg) else name_of(part)
        if isinstance(part, ast.Call) and name_of(part.func) == "importorskip":
            if getattr(part.args[0], "value", "") in PEERS:
                return True
        elif name in functions.keys() - {*seen} and asks_for_a_peer(functions[name], functions, (*seen, name)):
            return True
    return False


def unmarked(tree):
    """The tests of a module that skip without a peer and have no mark `peers`, or the other way around."""
    functions = functions_of(tree)
    rest = [node for node in tree.body if not isinstance(node, ast.FunctionDef)]
    if any("pytestmark = [pytest.mark.peers" in ast.unparse(node) for node in rest):
        return set() if any(asks_for_a_peer(node, {}) for node in rest) else {"the module"}
    tests = [function for name, function in functions.items() if name.startswith("test_")]
    marked = {test.name for test in tests if "pytest.mark.peers" in [*map(ast.unparse, test.decorator_list)]}
    needing = {test.name for test in tests if asks_for_a_peer(test, functions)}
    return marked ^ needing | ({"the module"} if any(asks_for_a_peer(node, {}) for node in rest) else set())


def test_what_compares_with_a_peer_is_marked():
    trees = trees_with("importorskip", "peers").items()
    wrong = {path.name: unmarked(tree) for path, tree in trees if path != Path(__file__)}
    assert not {name: tests for name, tests in wrong.items() if tests}


def test_a_missing_mark_is_seen_through_fixtures_and_helpers():
    skipping = "def theirs():\n    pytest.importorskip('torch')\n"
    fixture = "@pytest.fixture(name='peft')\ndef _peft():\n    return theirs()\n"
    test = "def test_both(peft): pass\n"
    assert unmarked(ast.parse(skipping + fixture + test)) == {"test_both"}
    assert unmarked(ast.parse(f"{skipping}{fixture}@pytest.mark.peers\n{test}")) == set()
    assert unmarked(ast.parse(f"@pytest.mark.peers\n{test}")) == {"test_both"}
    assert unmarked(ast.parse(f"torch = pytest.importorskip('torch')\n{test}")) == {"the module"}


def name_of(node):
    return getattr(node, "attr", getattr(node, "id", ""))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "run"),
    [((), ["quick"]), (("--all",), ["quick", "slow"]), (("-m", "long"), ["long"]), (("-m", "slow"), ["slow"])],
    ids=["nothing asked", "--all", "-m long", "-m slow"],
)
def test_pytest_chooses_so(arguments, run, tmp_path):
    shutil.copy(TESTS / "conftest.py", tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n  slow\n  long\n", encoding="utf-8")
    (tmp_path / "test_sample.py").write_text(SAMPLE, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *arguments]
    printed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).stdout
    assert re.findall(r"::test_(\w+)", printed) == run, printed
