"""JupyterLite as files: the app, the kernel's extension, their settings, and the notebooks that it lists."""

import io
import json
import tarfile
import time
import zipfile
from pathlib import Path
from typing import Any

from .kernel import APP, EXTENSION
from .repairs import repair

NAME = "@jupyterlite/pyodide-kernel-extension"
IN_WHEEL = f"/share/jupyter/labextensions/{NAME}/"
PAGES = ("lab", "notebooks", "tree", "edit")  # of JupyterLite, those that a course needs
PARTS = ("bootstrap.js", "config-utils.js", "jupyter-lite.json", "jupyter-lite.ipynb", "manifest.webmanifest")
ASSETS = Path(__file__).with_name("assets")
WATCHED = ("lab/index.html", "notebooks/index.html")  # pages with kernels
WATCHDOG = '<script src="../watchdog.js"></script>'
NOW = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
ICONS = ("favicon-busy-1.ico", "favicon-notebook.ico")  # which the pages ask for, and the release does not bring


def write_app(out: Path, wheels: dict[str, Path]) -> None:
    """The app and the extension, without what only debugs them."""
    with zipfile.ZipFile(wheels[APP]) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith(".tgz"))
        content = wheel.read(name)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive:
            inside = member.name.removeprefix("package/")
            top = inside.partition("/")[0]
            if member.isfile() and not inside.endswith(".map") and (top in (*PAGES, "build") or inside in PARTS):
                _write(out / inside, archive.extractfile(member).read())  # type: ignore[union-attr]
    with zipfile.ZipFile(wheels[EXTENSION]) as wheel:
        for name in wheel.namelist():
            _, found, inside = name.partition(IN_WHEEL)
            if found and not name.endswith((".map", ".whl", "/")):
                _write(out / "extensions" / NAME / inside, wheel.read(name))
    repair(out / "build")
    for path in ASSETS.iterdir():
        _write(out / path.name, path.read_bytes())
    for page in WATCHED:
        text = (out / page).read_text(encoding="utf-8")
        assert "</head>" in text
        _write(out / page, text.replace("</head>", f"  {WATCHDOG}\n  </head>").encode())
    for name in ICONS:
        _write(out / "static" / "favicons" / name, (out / "lab" / "favicon.ico").read_bytes())


def write_settings(out: Path, packages: list[str]) -> None:
    """What the app reads when it starts: the one extension, and where Python comes from."""
    build = json.loads((out / "extensions" / NAME / "package.json").read_text(encoding="utf-8"))["jupyterlab"]["_build"]
    settings = json.loads((out / "jupyter-lite.json").read_text(encoding="utf-8"))
    settings["jupyter-config-data"] |= {
        "appName": "tinygrad_lora",
        "exposeAppInBrowser": True,  # so that the page can tell whether a kernel answers
        "settingsOverrides": {"@jupyterlab/apputils-extension:themes": {"adaptive-theme": True}},  # dark where all is
        "federated_extensions": [{"name": NAME, "liteExtension": True, **build}],
        "litePluginSettings": {
            f"{NAME}:kernel": {
                "pyodideUrl": "./pyodide/pyodide.js",
                "disablePyPIFallback": True,
                "pipliteUrls": [],
                "loadPyodideOptions": {"packages": packages},
            }
        },
    }
    _write_json(out / "jupyter-lite.json", settings)
    _write_json(out / "api" / "translations" / "all.json", {"data": {"en": {"displayName": "English"}}, "message": ""})
    _write_json(out / "api" / "translations" / "en.json", {"data": {}, "message": ""})
    _write_json(out / "build" / "schemas" / "all_federated.json", [])


def write_contents(out: Path, files: dict[str, bytes]) -> None:
    """The files that a visitor finds, by their paths, and the lists of them that the app asks for."""
    folders: dict[str, list[dict[str, Any]]] = {"": []}
    for path in sorted(files):
        _write(out / "files" / path, files[path])
        parent, _, name = path.rpartition("/")
        _folder(folders, parent).append(_model(path, "notebook" if name.endswith(".ipynb") else "file", files[path]))
    for folder, content in folders.items():
        model = {**_model(folder, "directory"), "content": content, "format": "json"}
        _write_json(out / "api" / "contents" / folder / "all.json", model)


def _folder(folders: dict[str, list[dict[str, Any]]], path: str) -> list[dict[str, Any]]:
    """The list of what is in a folder; it is in the list of its own folder, too."""
    if path not in folders:
        folders[path] = []
        _folder(folders, path.rpartition("/")[0]).append(_model(path, "directory"))
    return folders[path]


def _model(path: str, kind: str, content: bytes | None = None) -> dict[str, Any]:
    return {
        "path": path,
        "name": path.rpartition("/")[2],
        "type": kind,
        "size": None if content is None else len(content),
        "created": NOW,
        "last_modified": NOW,
        "content": None,
        "format": None,
        "mimetype": None,
        "writable": True,
    }


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _write_json(path: Path, value: Any) -> None:
    _write(path, (json.dumps(value, indent=1) + "\n").encode())
