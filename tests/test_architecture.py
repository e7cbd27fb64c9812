"""What the design promises about the package's own code, checked. Who may import whom is in pyproject.toml."""

import ast
import functools
import io
import re
import subprocess
import sys
import token
import tokenize
from collections import defaultdict
from pathlib import Path
from types import ModuleType

import pytest

import tinygrad_lora

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "tinygrad_lora"
MODULES = sorted(PACKAGE.rglob("*.py"))

LARGEST_CORE = 450
LARGEST_FILE = 250

LAYOUT = {token.COMMENT, token.NL, token.NEWLINE, token.INDENT, token.DEDENT, token.ENCODING, token.ENDMARKER}

# Written as patterns, so that this file does not contain what it looks for.
ABSOLUTE_PATH = re.compile(r"(?<![\w.~-])/(?:work|home|root|Users)/|\b[A-Z]:\\Users\b")
REGISTRY = re.compile(r"\bpypi\.org|pythonhosted\.org|npmjs\.(?:org|com)|deb\.debian\.org|\bindex[-_]url\b")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def code_lines(source: str) -> int:
    """The lines that hold code. Blank lines, comments and strings that stand alone (docstrings) are free."""
    documentation = [
        ((node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset))
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    ]
    lines: set[int] = set()
    for part in tokenize.generate_tokens(io.StringIO(source).readline):
        documents = part.type == token.STRING and any(a <= part.start < b for a, b in documentation)
        if part.type not in LAYOUT and not documents:
            lines.update(range(part.start[0], part.end[0] + 1))
    return len(lines)


def test_the_counter_counts_code_and_nothing_else():
    source = '''"""A docstring
    of two lines."""

    # a comment
    x = 1  # counted: it bears code
    def f(
        a,
    ): """counted for its def, not for its docstring"""
    text = """a value is code,
    each line of it"""
    '''
    assert code_lines("\n".join(line.removeprefix("    ") for line in source.splitlines())) == 6


def test_the_core_can_be_read_in_an_afternoon():
    sizes = {name_of(path): code_lines(path.read_text(encoding="utf-8")) for path in (PACKAGE / "core").rglob("*.py")}
    assert sum(sizes.values()) <= LARGEST_CORE, f"{sum(sizes.values())} code lines in core: {sizes}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_file_has_two_jobs(path):
    size = code_lines(path.read_text(encoding="utf-8"))
    assert size <= LARGEST_FILE, f"{size} code lines in {name_of(path)}"


@pytest.mark.parametrize("path", [path for path in MODULES if path != PACKAGE / "core" / "source.py"], ids=name_of)
def test_only_source_py_turns_text_into_code(path):
    calls = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call)]
    names = [(call.func.id, call.lineno) for call in calls if isinstance(call.func, ast.Name)]
    assert not [f"{name} in line {line}" for name, line in names if name in {"exec", "eval"}]


@pytest.mark.parametrize("name", tinygrad_lora.__all__)
def test_a_public_name_says_what_it_is(name):
    thing = getattr(tinygrad_lora, name)
    if isinstance(thing, ModuleType) or not callable(thing):
        return  # a module documents itself where it is; a version string and its like need no words
    # An operation is an object, and its words are its class's. A class must have words of its own, not its base's.
    documentation = thing.__doc__
    assert documentation and documentation.strip(), f"{name} has no docstring"
    assert not documentation.startswith(f"{name}("), "these are the words that a dataclass makes up for itself"


def test_an_outside_library_is_imported_in_one_module():
    importers = defaultdict(set)
    for path in MODULES:
        for node in ast.walk(tree_of(path)):
            modules = []
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                modules = [node.module]
            for module in modules:
                importers[module.partition(".")[0]].add(name_of(path))
    for own in {"numpy", "tinygrad_lora", *sys.stdlib_module_names}:
        importers.pop(own, None)
    assert not {library: files for library, files in importers.items() if len(files) > 1}


def test_no_file_names_a_registry_or_a_folder_of_one_machine():
    # Files not yet added count too: they are the next commit.
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        files = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    found = []
    for name in filter(None, files):
        path = ROOT / name
        if not path.is_file() or path.suffix in {".npz", ".png"}:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
            if ABSOLUTE_PATH.search(line) or REGISTRY.search(line):
                found.append(f"{name}:{number}: {line.strip()[:120]}")
    assert not found, "\n".join(found)


def test_importing_the_package_loads_no_picture_library():
    code = "import sys, tinygrad_lora; print(*{'graphviz', 'rich', 'pygments', 'IPython'} & set(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert loaded.split() == []
