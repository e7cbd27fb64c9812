"""Links that open a tutorial where nothing needs to be installed: from one setting in pyproject.toml."""

import tomllib
from pathlib import Path
from urllib.parse import quote

from tinygrad_lora.errors.install import from_repository

ROOT = Path(__file__).resolve().parents[2]


def setting() -> dict[str, str]:
    """`repository`, `branch` and `lab`; what is empty has no links."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        links: dict[str, str] = tomllib.load(file)["tool"]["tinygrad_lora"]["links"]
    return links


def addresses(name: str, where: dict[str, str]) -> dict[str, str]:
    """The addresses of a tutorial's notebook, such as "04_order.ipynb", by the name of the place."""
    repository, branch, lab = where["repository"].strip("/"), where["branch"], where["lab"].rstrip("/")
    found = {}
    if lab:
        found["the lab"] = f"{lab}/notebooks/index.html?path={quote(name)}"
    if repository:
        at, file = f"{repository}/{quote(branch, safe='')}", f"tutorials/{quote(name)}"
        found["Binder"] = f"https://mybinder.org/v2/gh/{at}?labpath={quote(file, safe='')}"
        found["Colab"] = f"https://colab.research.google.com/github/{repository}/blob/{quote(branch)}/{file}"
    return found


def of_tutorial(name: str) -> str:
    """The links of a tutorial as Markdown, or nothing."""
    where = setting()
    links = [f"[open it in {place}]({address})" for place, address in addresses(name, where).items()]
    if where["repository"]:  # Colab knows only what it is told
        links[-1] += f", where you first run `%{from_repository(where['repository'])}`"
    return ", ".join(links)
