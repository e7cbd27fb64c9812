"""Writes what is generated into docs/generated when a build begins: tutorials, API reference, index of errors."""

from pathlib import Path
from typing import Any

from build_site import engine, error_index, gallery, notebooks, reference
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
    """The gallery of the tutorials."""
    headings = notebooks.headings()
    minutes = sum(heading.minutes for heading in headings.values())
    return "\n".join(
        [
            "# The course",
            "",
            f"{len(headings)} tutorials, {minutes // 60} hours and {minutes % 60} minutes in all. Each is a notebook",
            "with exercises that are checked as you work. Each stands alone: you never need the code that you wrote in",
            "an earlier one. New to gradients? Begin with 01. Here for LoRA? Try 11. Here for the compiler? Try 09.",
            "",
            gallery.cards(headings),
            "",
            "You can read all of them here. To work on one, open your own copy: `tinygrad-lora learn 04`.",
            "`tinygrad-lora learn` lists them, with what you have done. In a notebook `check` says what is right, and",
            "why something is wrong. No Python on your machine? [The lab](../lab.md) runs the course in a browser.",
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
