"""Writes what is generated into docs/generated when a build begins: tutorials, API reference, index of errors."""

from pathlib import Path
from typing import Any

from build_site import engine, error_index, notebooks, reference
from tinygrad_lora.files import write_atomically

GENERATED = Path(__file__).resolve().parent.parent / "generated"


def pages() -> dict[str, str]:
    """The text of every generated file, by its name in the folder."""
    return {
        **notebooks.tutorials(),
        "tutorials.md": tutorials_page(),
        **reference.pages(),
        "errors.md": error_index.page(),
        "engine.md": engine.page(),
    }


def tutorials_page() -> str:
    """The list of the tutorials."""
    headings = notebooks.headings()
    minutes = sum(heading.minutes for heading in headings.values())
    rows = [
        f"| [{one.number} · {one.title}](tutorials/{stem}.ipynb), {one.minutes}&nbsp;min | {one.outcome} |"
        for stem, one in headings.items()
    ]
    return "\n".join(
        [
            "# Tutorials",
            "",
            f"{len(headings)} notebooks, {minutes // 60} hours and {minutes % 60} minutes in all. Each stands alone: a",
            "later one never needs the code that you wrote in an earlier one. `tinygrad-lora learn` lists them with",
            "what you have done, `tinygrad-lora learn 04` opens your own copy. `check` says what is right, and why",
            "something is wrong.",
            "",
            "| tutorial | after it |",
            "|---|---|",
            *rows,
            "",
            "```{toctree}",
            ":hidden:",
            "",
            *[f"tutorials/{stem}" for stem in headings],
            "```",
            "",
        ]
    )


def write(app: Any) -> None:
    """Write what changed, and remove what nobody writes any more."""
    wanted = pages()
    for path in GENERATED.rglob("*"):
        hidden = path.name.startswith(".")  # a file that another build is just writing
        if path.is_file() and not hidden and path.relative_to(GENERATED).as_posix() not in wanted:
            path.unlink()
    for name, text in wanted.items():
        path = GENERATED / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            write_atomically(path, text)


def setup(app: Any) -> dict[str, Any]:
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
