"""Runs the examples of the pages that are read for their examples, when the documentation is built.

What a recipe prints must be what its page shows, or the build warns, and a warning is an error. An example that needs a
package that is not there is left out here; the tests run all of them.
"""

import doctest
from contextlib import chdir
from importlib.util import find_spec
from tempfile import TemporaryDirectory
from typing import Any

from sphinx.util import logging

from tinygrad_lora.core.node import Op

PAGES = ("cookbook/", "cheat_sheet", "questions")
EXTRAS = {"tinygrad-lora[interop]": ("safetensors", "onnx"), "tinygrad-lora[speed]": ("numba",)}
LOG = logging.getLogger(__name__)


def run(app: Any, name: str, content: list[str]) -> None:
    """Run the examples of a page, section by section, each after the lines before the first section."""
    if not name.startswith(PAGES):
        return
    known = dict(Op.registry)
    for title, text in recipes(content[0]):
        if all(find_spec(module) for extra, modules in EXTRAS.items() if extra in text for module in modules):
            LOG.debug("running %s: %s", name, title)
            for problem in failures(text, f"{name}: {title}"):
                LOG.warning(problem, location=name, type="examples")
        Op.registry.clear()
        Op.registry.update(known)


def recipes(page: str) -> list[tuple[str, str]]:
    """The title and the text of each section, with the lines before the first one in front."""
    first, *sections = page.split("\n## ")
    return [(section.partition("\n")[0], f"{first}\n## {section}") for section in sections] or [("", first)]


def failures(text: str, name: str) -> list[str]:
    """What the examples in a text print that they do not show."""
    said: list[str] = []
    test = doctest.DocTestParser().get_doctest(text, {"__name__": "__main__"}, name, None, 0)
    with TemporaryDirectory() as folder, chdir(folder):
        doctest.DocTestRunner(verbose=False).run(test, out=said.append)
    return ["".join(said)] if said else []


def setup(app: Any) -> dict[str, Any]:
    app.connect("source-read", run)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
