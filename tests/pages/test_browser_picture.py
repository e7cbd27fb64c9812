"""A saved picture in a real browser: pan, zoom, search, what is inside a box, by keys, mouse and finger."""

import re
from base64 import b64encode

import numpy as np
import pytest
from browser import NEEDS_A_BROWSER, offline_pages, screenshot

import tinygrad_lora as tl
from tinygrad_lora.models.bert import BertModel
from tinygrad_lora.view import render
from tinygrad_lora.view.svg.style import DARK, LIGHT

pytestmark = [pytest.mark.slow, *NEEDS_A_BROWSER]

VIEW = "() => document.querySelector('.stage > svg').getAttribute('viewBox').split(' ').map(Number)"
BOXES = "() => [...document.querySelectorAll('.stage [data-box]')].map(b => b.dataset.box)"
STATUS = "() => document.querySelector('.status').textContent"


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    config = {"hidden_size": 8, "vocab_size": 11, "intermediate_size": 12, "num_attention_heads": 2}
    config |= {"num_hidden_layers": 3, "max_position_embeddings": 16}
    model = BertModel.from_config(config, seed=0)
    folder = tmp_path_factory.mktemp("pictures")
    small, large = render(model, folder / "small.html"), render(model, folder / "large.html", open="encoder.layer")
    return {"small": small.read_text(encoding="utf-8"), "large": large.read_text(encoding="utf-8")}


def folded(page, title):
    """The closed box with exactly this title."""
    return page.locator(".folded").filter(has=page.locator("text.title", has_text=re.compile(f"^{title}$")))


def test_one_file_asks_for_nothing_and_is_a_still_picture_without_scripts(browser, html, tmp_path):
    with offline_pages(browser, tmp_path / "page.html", 1100, 800) as opened:
        page = opened(html["small"], java_script_enabled=False)
        assert page.locator(".stage > svg").is_visible() and page.locator("header").count() == 0
        assert page.locator(".stage > svg").bounding_box()["height"] > 800  # natural size: the page scrolls


def test_keys_move_zoom_and_show_all_of_it(browser, html, tmp_path):
    with offline_pages(browser, tmp_path / "page.html", 1100, 800) as opened:
        page = opened(html["small"])
        assert page.evaluate(VIEW)[2] == 1100  # at first its top, as large as it was drawn
        page.keyboard.press("0")  # no click is needed
        whole = page.evaluate(VIEW)
        assert whole[2] > 1100
        page.keyboard.press("Tab")
        for _ in range(6):
            if page.evaluate("() => document.activeElement.className === 'stage'"):
                break
            page.keyboard.press("Tab")
        page.keyboard.press("ArrowRight")
        assert page.evaluate(VIEW)[0] > whole[0]
        page.keyboard.press("+")
        assert page.evaluate(VIEW)[2] == pytest.approx(0.8 * whole[2])
        page.keyboard.press("0")
        assert page.evaluate(VIEW) == whole


def test_search_finds_names_and_shapes_and_goes_from_one_to_the_next(browser, html, tmp_path):
    with offline_pages(browser, tmp_path / "page.html", 1100, 800) as opened:
        page = opened(html["small"])
        page.locator(".stage").focus()
        page.keyboard.press("/")
        page.keyboard.type("layernorm")
        count = page.locator(".found").count()
        assert count == 3 and page.evaluate(STATUS).startswith("3 of")
        page.keyboard.press("Enter")
        assert page.evaluate(STATUS).startswith("1 of 3: ") and page.locator(".current").count() == 1
        place, stage = page.locator(".current").bounding_box(), page.locator(".stage").bounding_box()
        assert abs(place["x"] + place["width"] / 2 - stage["x"] - stage["width"] / 2) < 2
        page.keyboard.press("Escape")
        assert page.locator(".found").count() == 0
        page.locator("input").fill("(1, 8, 12)")
        assert page.locator(".found").count() >= 1
        page.locator("input").fill("nothing of this name")
        assert page.evaluate(STATUS) == "no box"
        screenshot(page, "picture_search")


def test_a_closed_box_shows_what_is_inside_and_escape_leads_back(browser, html, tmp_path):
    with offline_pages(browser, tmp_path / "page.html", 1100, 800) as opened:
        page = opened(html["small"])
        before = page.evaluate(BOXES)
        box = folded(page, "attention")
        assert box.get_attribute("role") == "button" and box.get_attribute("aria-label").endswith("show what is inside")
        box.focus()
        page.keyboard.press("Enter")
        inside = page.evaluate(BOXES)
        assert inside != before and folded(page, "softmax").count() == 1
        folded(page, "softmax").click()
        assert page.locator(".stage text.title", has_text=re.compile("^exp$")).count() == 1
        screenshot(page, "picture_inside")
        page.keyboard.press("Escape")
        assert page.evaluate(BOXES) == inside
        page.keyboard.press("Escape")
        assert page.evaluate(BOXES) == before
        assert page.evaluate("() => document.activeElement.classList.contains('folded')")


def test_a_large_picture_has_a_map_and_a_small_one_has_none(browser, html, tmp_path):
    with offline_pages(browser, tmp_path / "page.html", 1100, 800) as opened:
        assert opened(html["small"]).locator(".map").count() == 0
        page = opened(html["large"])
        place = page.locator(".map").bounding_box()
        page.mouse.click(place["x"] + place["width"] / 2, place["y"] + 5)
        top = page.evaluate(VIEW)[1]
        page.mouse.click(place["x"] + place["width"] / 2, place["y"] + place["height"] - 5)
        assert page.evaluate(VIEW)[1] > top
        screenshot(page, "picture_map")


def test_the_mouse_drags_and_the_wheel_moves_or_zooms(browser, html, tmp_path):
    with offline_pages(browser, tmp_path / "page.html", 1100, 800) as opened:
        page = opened(html["small"])
        before = page.evaluate(VIEW)
        page.mouse.move(100, 300)
        page.mouse.down()
        page.mouse.move(200, 340, steps=4)
        page.mouse.up()
        after = page.evaluate(VIEW)
        assert after[0] < before[0] and after[1] < before[1] and after[2] == before[2]
        page.mouse.wheel(0, 100)
        page.wait_for_function(f"y => ({VIEW})()[1] > y", arg=after[1])
        page.keyboard.down("Control")
        page.mouse.wheel(0, -100)
        page.wait_for_function(f"w => ({VIEW})()[2] < w", arg=before[2])


def test_on_a_phone_a_finger_opens_a_box_and_nothing_is_wider_than_the_page(browser, html, tmp_path):
    with offline_pages(browser, tmp_path / "page.html", 390, 780) as opened:
        page = opened(html["small"], has_touch=True, is_mobile=True)
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
        page.get_by_role("button", name="Whole picture").tap()
        folded(page, "attention").tap()
        assert folded(page, "softmax").count() == 1
        page.get_by_role("button", name="Back").tap()
        screenshot(page, "picture_phone")


def test_dark_and_hostile_names(browser, tmp_path):
    name = "</script><img src=x onerror=alert(1)>"
    y = tl.tanh(tl.softmax(tl.parameter(np.ones((2, 3)), name)))
    html = render(y, tmp_path / "y.html").read_text(encoding="utf-8")
    with offline_pages(browser, tmp_path / "page.html", 700, 500) as opened:
        page = opened(html, color_scheme="dark")
        assert page.evaluate("() => getComputedStyle(document.querySelector('.paper')).fill") == "rgb(20, 24, 28)"
        page.locator(".folded").click()
        assert page.evaluate("() => getComputedStyle(document.querySelector('.paper')).fill") == "rgb(20, 24, 28)"
        screenshot(page, "picture_dark")


# The red, green and blue of one pixel of a PNG.
PIXEL = """async ([png, x, y]) => {
  const image = new Image();
  image.src = "data:image/png;base64," + png;
  await image.decode();
  const canvas = new OffscreenCanvas(image.width, image.height).getContext("2d");
  canvas.drawImage(image, 0, 0);
  return [...canvas.getImageData(x, y, 1, 1).data].slice(0, 3);
}"""
PAGES = {"light": ['data-jp-theme-light="true"', 'data-theme="light"', 'id="notebook"'],
         "dark": ['data-jp-theme-light="false"', 'data-theme="dark"']}  # fmt: skip


@pytest.mark.parametrize("system", ["light", "dark"])
def test_a_picture_in_a_page_follows_its_theme_and_not_the_system(browser, system):
    x = tl.parameter(3.0, "x")
    context = browser.new_context(color_scheme=system, offline=True)
    page, reader = context.new_page(), context.new_page()
    paper_of = {"light": LIGHT["paper"], "dark": DARK["paper"]}
    for picture in (tl.draw(x * x), tl.Chart("Chart").line([1, 2], [1, 2])):
        html = picture._repr_mimebundle_()["text/html"]
        for theme, paper in paper_of.items():
            for marked in PAGES[theme]:
                page.set_content(f"<!doctype html><body {marked}><div>{html}</div>")
                png = page.locator("img").screenshot()
                assert reader.evaluate(PIXEL, [b64encode(png).decode(), 3, 3]) == [*bytes.fromhex(paper[1:])], marked
        page.set_content(f"<!doctype html>{html}")  # a page that says nothing
        png = page.locator("img").screenshot()
        assert reader.evaluate(PIXEL, [b64encode(png).decode(), 3, 3]) == [*bytes.fromhex(paper_of[system][1:])]
    context.close()
