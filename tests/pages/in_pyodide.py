"""What test_lab_site.py runs in a kernel of the lab. NumPy is not there: no package index has it for Pyodide."""

import ast
import json
import sys
import warnings
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path


def report():
    """What was found, as JSON."""
    found = {"platform": sys.platform, "python": list(sys.version_info[:2]), "needed": what_the_pictures_need()}
    kernel = sys.modules.pop("pyodide_kernel")  # as outside of a notebook, where the package loads when it is needed
    try:
        package = import_module("tinygrad_lora")
        folder = Path(package.__file__).parent
        found |= {"version": package.__version__, "missing": what_is_missing(folder)}
        found |= {"refused": what_is_refused(folder, Path.cwd()), "places": places(folder / "view" / "layout")}
    finally:
        sys.modules["pyodide_kernel"] = kernel
    return json.dumps(found)


def what_the_pictures_need():
    """In a notebook the package turns its pictures on when it is imported."""
    try:
        import_module("tinygrad_lora")
    except ModuleNotFoundError as error:
        return error.name


def what_is_missing(package):
    """How many modules can be imported, and what the others lack. What is in a package that cannot be is left out."""
    paths = (path.relative_to(package.parent).with_suffix("") for path in package.rglob("*.py"))
    names = {".".join(path.parts).removesuffix(".__init__") for path in paths if "tutorials" not in path.parent.parts}
    whole, failed, lacking = 0, (), set()
    for name in sorted(names):
        if f"{name}.".startswith(failed):
            continue
        try:
            import_module(name)
            whole += 1
        except ModuleNotFoundError as error:
            failed += (f"{name}.",)
            lacking.add(error.name)
    return [whole, sorted(lacking)]


def what_is_refused(package, notebooks):
    """Every module, and every cell of every tutorial, that this Python does not compile without a warning."""
    sources = {str(path): path.read_text(encoding="utf-8") for path in package.rglob("*.py")}
    for path in sorted(notebooks.glob("[0-9]*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        sources |= {f"{path.name}, cell {number}": cell for number, cell in enumerate(code)}
    complaints = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name, source in sources.items():
            try:
                compile(source, name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            except (SyntaxError, Warning) as error:
                complaints.append(f"{name}: {error!r}")
    return [len(sources), complaints]


def places(folder):
    """Where the layout puts boxes and lines: it knows only Python, so it is loaded without the rest of the package."""
    spec = spec_from_file_location("layout", folder / "__init__.py", submodule_search_locations=[str(folder)])
    layout = sys.modules["layout"] = module_from_spec(spec)
    spec.loader.exec_module(layout)
    widths = [layout.text_width("matmul" * (1 + i % 4), 11.0) for i in range(60)]
    blocks = [layout.LayoutBlock(f"n{i}", width, 30.0 + i % 3) for i, width in enumerate(widths)]
    pairs = {(i, j) for i in range(60) for j in (i + 1, i + 2 + i % 5, i + 13) if j < 60}
    lines = [layout.LayoutLine(f"n{i}", f"n{j}", 6.0) for i, j in sorted(pairs)]
    frames = [layout.Frame("f", ("n20", "n21", "n22"), (), above=12.0)]
    placed = layout.arrange(blocks, lines, frames)
    return json.loads(json.dumps([placed.width, placed.height, placed.blocks, placed.frames, placed.lines]))
