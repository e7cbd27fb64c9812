"""The page of the demo in a real browser: its graph is read beside the code, without scrolling sideways."""

import pytest
from browser import NEEDS_A_BROWSER, chromium, offline_pages, screenshot

from tinygrad_lora.demo.experiment import run_experiment
from tinygrad_lora.demo.files import write_files

pytestmark = [pytest.mark.slow, *NEEDS_A_BROWSER]
# For each graph that is shown: whether it fits its frame, the size of its text, and whether the code is beside it.
GRAPHS = """() => [...document.querySelectorAll("div.paper")].filter(e => e.getClientRects().length).map(frame => {
  const svg = frame.querySelector("svg");
  const code = document.querySelector(".broad > :last-child pre").getBoundingClientRect();
  const shrinks = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
  return [frame.scrollWidth <= frame.clientWidth, 12 * shrinks, code.left > frame.getBoundingClientRect().right];
})"""


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    paths = write_files(run_experiment(4, 0, 1), tmp_path_factory.mktemp("demo"))
    return paths["page"].read_text(encoding="utf-8")


@pytest.mark.parametrize(("width", "beside", "least"), [(1440, True, 11), (1100, True, 9), (390, False, 10)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_graph_fits_beside_its_code(html, tmp_path, width, beside, least, scheme):
    with chromium() as browser, offline_pages(browser, tmp_path / "page.html", width, 900) as opened:
        page = opened(html, color_scheme=scheme)
        ((fits, size, right),) = page.evaluate(GRAPHS)
        assert fits and size >= least and right == beside
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert "lora" in page.locator("div.paper:visible svg").text_content()
        page.locator("div.paper:visible").scroll_into_view_if_needed()
        screenshot(page, f"demo_{width}_{scheme}")
