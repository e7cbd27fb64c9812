"""What the design promises about the package's own code, checked. Who may import whom is in pyproject.toml."""

import ast
import functools
import gc
import re
import subprocess
import sys
import tomllib
from collections import Counter, defaultdict
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from code_lines import code_lines

import tinygrad_lora

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "tinygrad_lora"
MODULES = sorted(PACKAGE.rglob("*.py"))
EXERCISES = sorted((ROOT / "tutorials" / "exercises").rglob("*.py"))
BENCH = sorted(path for name in ("bench", "feedback") for path in (ROOT / "tests" / "benchmarks" / name).rglob("*.py"))
BUDGET = ROOT / "tests" / "budget.toml"

LARGEST_CORE = 792
LARGEST_ENGINE = 920
LARGEST_FILE = 250
MOST_MODULES = 15
MOST_LIKE_THINGS = 25  # where one file looks like the next, and a reader needs to read one of them
LIKE_THINGS = {"tinygrad_lora/commands", "tinygrad_lora/compiler/passes", "tinygrad_lora/nn/adapters/variants"}

# Written as patterns, so that this file does not contain what it looks for.
ABSOLUTE_PATH = re.compile(r"(?<![\w.~-])/(?:work|home|root|Users)/|\b[A-Z]:\\Users\b")
REGISTRY = re.compile(r"\bpypi\.org|pythonhosted\.org|npmjs\.(?:org|com)|deb\.debian\.org|\bindex[-_]url\b")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module", autouse=True)
def no_garbage_collection():
    """The collector would walk the trees of all files, again and again while they grow."""
    gc.disable()
    yield
    gc.enable()


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def nodes_of(path: Path) -> dict[type, list]:
    """All nodes of a file's tree, by their type: walked once, for all that look for something."""
    nodes = defaultdict(list)
    for node in ast.walk(tree_of(path)):
        nodes[type(node)].append(node)
    return nodes


@functools.cache
def lines_of(path: Path) -> int:
    return code_lines(path.read_text(encoding="utf-8"))


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


def sizes_of(*paths: Path) -> dict[str, int]:
    return {name_of(path): lines_of(path) for path in paths}


def test_the_core_can_be_read_in_an_afternoon():
    sizes = sizes_of(*(PACKAGE / "core").rglob("*.py"))
    assert sum(sizes.values()) <= LARGEST_CORE, f"{sum(sizes.values())} code lines in core: {sizes}"


def test_the_engine_is_as_long_as_the_readme_says():
    sizes = sizes_of(*(PACKAGE / "core").rglob("*.py"), PACKAGE / "library.py", PACKAGE / "errors" / "__init__.py")
    assert sum(sizes.values()) <= LARGEST_ENGINE, f"{sum(sizes.values())} code lines: {sizes}"
    for name in ("README.md", "docs/index.md", "docs/architecture.md"):
        assert f"{LARGEST_ENGINE:,} lines" in (ROOT / name).read_text(encoding="utf-8"), name


def test_the_core_says_in_which_order_to_read_it():
    words = ast.get_docstring(tree_of(PACKAGE / "core" / "__init__.py"))
    order = re.findall(r"^\d+\. `(\w+)`", words, re.MULTILINE)
    assert sorted(order) == sorted(path.stem for path in (PACKAGE / "core").glob("[!_]*.py"))


def test_no_file_has_two_jobs():
    sizes = {name_of(path): lines_of(path) for path in [*MODULES, *EXERCISES, *BENCH]}
    assert not {name: f"{size} code lines" for name, size in sizes.items() if size > LARGEST_FILE}


def test_the_structure_of_a_node_is_fixed_at_birth():
    structure = {"op", "parents", "params", "_shape", "_dtype"}
    assigned = {
        f"{name_of(path)}: {target.attr}"
        for path in [*MODULES, *EXERCISES] for target in nodes_of(path)[ast.Attribute]
        if isinstance(target.ctx, ast.Store | ast.Del) and target.attr in structure
    }  # fmt: skip
    assert assigned == {f"tinygrad_lora/core/node.py: {name}" for name in structure}, (
        "only ComputationNode.__init__ may"
    )


def test_a_folder_can_be_looked_through():
    modules = Counter(name_of(path.parent) for path in [*MODULES, *EXERCISES] if path.name != "__init__.py")
    limits = dict.fromkeys(modules, MOST_MODULES) | dict.fromkeys(LIKE_THINGS, MOST_LIKE_THINGS)
    assert not {name: f"{n} modules" for name, n in modules.items() if n > limits[name]}
    assert modules.keys() >= LIKE_THINGS


HEADER = """\
# The code lines of each folder of the package and of the exercises, those of the files in it and not of its folders,
# and of all together.
# A folder must not grow beyond its number. `pytest --update-golden tests/test_architecture.py` writes the numbers of
# now; a commit that raises one says why.
"""


def test_the_package_stays_within_its_budget(request):
    sizes = Counter()
    for path in [*MODULES, *EXERCISES]:
        sizes[name_of(path.parent)] += lines_of(path)
    sizes["the package"] = sum(map(lines_of, MODULES))
    sizes["with the exercises"] = sum(map(lines_of, [*MODULES, *EXERCISES]))
    if request.config.getoption("--update-golden"):
        table = "".join(f'"{name}" = {size}\n' for name, size in sorted(sizes.items()))
        BUDGET.write_text(HEADER + table, encoding="utf-8", newline="\n")
    budget = tomllib.loads(BUDGET.read_text(encoding="utf-8"))
    assert sorted(sizes) == sorted(budget), "a folder came or went: `pytest --update-golden` writes the table anew"
    over = {name: f"{size} code lines, {budget[name]} in budget.toml" for name, size in sizes.items()
            if size > budget[name]}  # fmt: skip
    assert not over, "either it needs fewer lines, or `pytest --update-golden`, and the commit says why"


def test_only_source_py_turns_text_into_code():
    named = [
        f"{name_of(path)}:{node.lineno}: {node.func.id}"
        for path in [*MODULES, *EXERCISES] if path != PACKAGE / "core" / "source.py"
        for node in nodes_of(path)[ast.Call] if isinstance(node.func, ast.Name) and node.func.id in {"exec", "eval"}
    ]  # fmt: skip
    assert not named


@pytest.mark.parametrize("name", tinygrad_lora.__all__)
def test_a_public_name_says_what_it_is(name):
    thing = getattr(tinygrad_lora, name)
    if isinstance(thing, ModuleType) or not callable(thing):
        return  # a module documents itself where it is; a version string and its like need no words
    # An operation is an object, and its words are its class's. A class must have words of its own, not its base's.
    documentation = thing.__doc__
    assert documentation and documentation.strip(), f"{name} has no docstring"
    assert not documentation.startswith(f"{name}("), "these are the words that a dataclass makes up for itself"


def modules():
    """The dotted names of all modules of the package, folders included."""
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in MODULES]
    return [name for name in names if not name.endswith("__main__")]


# A module with one function of its name, which its folder exports: `import a.b as x` gives the function.
NAMED_LIKE_THEIR_FUNCTION = {
    "checking.check_pass", "checking.shrink", "learn.progress", "learn.quiz",
    "learn.using", "view.plots.memory", "view.render",
}  # fmt: skip


def test_no_name_hides_a_module():
    """`import a.b.c as x` reads attributes: a function called like a folder would hide all that is in the folder."""
    hidden = set()
    for name in modules():
        folder, _, last = name.rpartition(".")
        try:
            module = import_module(name)
        except ImportError as error:  # an optional library
            assert not (error.name or "").startswith("tinygrad_lora"), name
            continue
        if folder and getattr(import_module(folder), last) is not module:
            hidden.add(name.removeprefix("tinygrad_lora."))
    assert hidden <= NAMED_LIKE_THEIR_FUNCTION


def test_nothing_walks_all_objects_of_the_process():
    calls = [
        f"{name_of(path)}:{node.lineno}" for path in [*MODULES, *EXERCISES] for node in nodes_of(path)[ast.Attribute]
        if node.attr in {"get_objects", "get_referrers"}
    ]  # fmt: skip
    assert not calls


# Names that several classes share, in how many files: each network has parts of its own that its papers call so.
SHARED_NAMES = {"Block": 2, "SelfAttention": 2}


def test_a_class_name_means_one_thing():
    files = defaultdict(set)
    for path in MODULES:
        for node in tree_of(path).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                files[node.name].add(name_of(path))
    shared = {name: sorted(where) for name, where in files.items() if len(where) > SHARED_NAMES.get(name, 1)}
    assert not shared, shared


def test_an_outside_library_is_imported_in_one_module():
    importers = defaultdict(set)
    for path in [*MODULES, *EXERCISES, *BENCH]:
        nodes = nodes_of(path)
        imported = [alias.name for node in nodes[ast.Import] for alias in node.names]
        for module in [*imported, *(node.module for node in nodes[ast.ImportFrom] if node.level == 0)]:
            importers[module.partition(".")[0]].add(name_of(path))
    for own in {"numpy", "tinygrad_lora", "wrong_answers", *sys.stdlib_module_names}:
        importers.pop(own, None)
    assert not {library: files for library, files in importers.items() if len(files) > 1}


def test_no_file_names_a_registry_or_a_folder_of_one_machine():
    # Files not yet added count too: they are the next commit.
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        files = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    lines = []
    for name in filter(None, files):
        path = ROOT / name
        if not path.is_file() or path.suffix in {".npz", ".png"}:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        for match in [*ABSOLUTE_PATH.finditer(text), *REGISTRY.finditer(text)]:
            lines.append(f"{name}:{text[: match.start()].count(chr(10)) + 1}: {match.group()}")
    assert not lines, "\n".join(lines)


def test_the_stub_names_what_the_package_loads():
    """Type checkers read __init__.pyi and Python runs __init__.py: both give the same names from the same modules."""
    statements = ast.parse((PACKAGE / "__init__.pyi").read_text(encoding="utf-8")).body
    imports = [one for one in statements if isinstance(one, ast.ImportFrom)]
    public = {alias.name: import_module(f".{one.module}", "tinygrad_lora") for one in imports if one.module
            for alias in one.names if alias.name not in tinygrad_lora._PARTS}  # fmt: skip
    assert sorted(public) == tinygrad_lora.__all__
    for name, module in public.items():
        assert getattr(tinygrad_lora, name) is getattr(module, name), name
    parts = [alias.name for one in imports for alias in one.names if alias.name in tinygrad_lora._PARTS]
    assert sorted(tinygrad_lora._PARTS) == sorted(parts)
    for part in parts:
        assert getattr(tinygrad_lora, part) is import_module(f"tinygrad_lora.{tinygrad_lora._PARTS[part]}")
    (listed,) = [one.value for one in statements if isinstance(one, ast.Assign)]
    assert sorted(ast.literal_eval(listed)) == sorted([*public, *parts])
    assert {*public, *parts} <= set(dir(tinygrad_lora))


def test_an_unknown_name_is_refused_as_by_any_module():
    with pytest.raises(AttributeError, match="module 'tinygrad_lora' has no attribute 'matmull'"):
        tinygrad_lora.matmull


def test_a_name_that_went_says_what_to_use_instead():
    with pytest.raises(AttributeError, match=r"no attribute 'load_rxnmapper': .* load_minilm\(\)"):
        tinygrad_lora.load_rxnmapper


def loaded_by(code):
    code += "; import sys; print(*{'numpy', 'graphviz', 'rich', 'pygments', 'IPython'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return run.stdout.split()


def test_importing_the_package_loads_nothing_and_its_engine_no_picture_library():
    assert loaded_by("import tinygrad_lora") == []
    assert loaded_by("import tinygrad_lora; tinygrad_lora.add") == ["numpy"]
