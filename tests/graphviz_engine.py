"""Whether some Graphviz can draw here: tests that need one skip with its reason."""

import pytest

from tinygrad_lora.errors import RenderError
from tinygrad_lora.view.graphviz import engines

try:
    engines.convert("digraph { a }", "svg")
    NO_ENGINE = ""
except RenderError as error:
    NO_ENGINE = str(error)
needs_engine = pytest.mark.skipif(bool(NO_ENGINE), reason=NO_ENGINE or "there is an engine")
