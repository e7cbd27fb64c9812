"""The page for who comes from PyTorch: both columns run, and print what the page shows."""

import contextlib
import io
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "from_pytorch.md").read_text(encoding="utf-8")
SECTION = re.compile(
    r'^## (?P<title>[^\n]*)\n(?:(?!^## ).)*?<div class="pair even">.*?'
    r"```python\n(?P<torch>.*?)```.*?```python\n(?P<ours>.*?)```.*?Both print:\n\n```text\n(?P<printed>.*?)```",
    re.DOTALL | re.MULTILINE,
)
PAIRS = [pytest.param(m["torch"], m["ours"], m["printed"], id=m["title"]) for m in SECTION.finditer(PAGE)]


pytestmark = pytest.mark.usefixtures("operations_go_again")


def printed_by(code):
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile(code, "example.py", "exec"), {"__name__": "example"})
    return output.getvalue()


def test_every_pair_is_read():
    assert len(PAIRS) == PAGE.count('<div class="pair even">') >= 10


@pytest.mark.parametrize(("torch", "ours", "printed"), PAIRS)
def test_our_column_prints_what_the_page_shows(torch, ours, printed):
    assert printed_by(ours) == printed


@pytest.mark.peers
@pytest.mark.parametrize(("torch", "ours", "printed"), PAIRS)
def test_the_column_of_pytorch_prints_the_same(torch, ours, printed):
    pytest.importorskip("torch")
    if "peft" in torch:
        pytest.importorskip("peft")
    assert printed_by(torch) == printed
