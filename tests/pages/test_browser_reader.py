"""What a screen reader gets of the pages, from Chromium's own accessibility tree; and all of them by keyboard alone."""

from itertools import pairwise

import numpy as np
import pytest
from browser import NEEDS_A_BROWSER, offline_pages

import tinygrad_lora as tl
from tinygrad_lora.view import render

pytestmark = [pytest.mark.slow, *NEEDS_A_BROWSER]
# What a reader says of an element; nothing that can be used may be without one of these, or without a name.
ROLES = {"button", "link", "slider", "searchbox", "combobox", "group", "image", "list", "option", "DisclosureTriangle"}


@pytest.fixture
def open_page(browser, tmp_path):
    with offline_pages(browser, tmp_path / "page.html", 1440, 900) as opened:
        yield opened


NETWORK = tl.Sequential(tl.Linear(4, 5, seed=0), tl.gelu, tl.Linear(5, 3, seed=1))


def loss(x):
    return tl.cross_entropy(NETWORK(x), np.array([0, 1]))


def picture(tmp_path):
    return render(loss(tl.constant(np.ones((2, 4)), "x")), tmp_path / "picture.html")


def stepper(tmp_path):
    return tl.step_through(loss, np.ones((2, 4))).moving("2.bias").save(tmp_path / "steps.html")


def explorer(tmp_path):
    compiled = tl.compile(loss).prepare(np.ones((2, 4)))
    return tl.explore(compiled, tmp_path / "explorer.html").save(tmp_path / "explorer.html")


PAGES = {"picture": picture, "stepper": stepper, "explorer": explorer}


def tree(page):
    """The nodes of the accessibility tree that a reader can reach, as (role, name, description, properties)."""
    nodes = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]

    def text(node, part):
        return node.get(part, {}).get("value", "")

    for node in nodes:
        if not node["ignored"]:
            properties = {p["name"]: p["value"].get("value") for p in node.get("properties", ())}
            yield text(node, "role"), text(node, "name"), text(node, "description"), properties


@pytest.mark.parametrize("name", PAGES)
def test_everything_that_can_be_used_has_a_role_and_a_name(open_page, tmp_path, name):
    page = open_page(PAGES[name](tmp_path).read_text(encoding="utf-8"))
    usable = [node for node in tree(page) if node[3].get("focusable") and node[0] != "RootWebArea"]
    assert len(usable) > 6
    for role, spoken, _, _ in usable:
        assert role in ROLES and any(map(str.isalnum, spoken)), (role, spoken)
    # The tree knows whatever the Tab key reaches.
    reachable = "e => e.tabIndex >= 0 && !e.disabled && e.getClientRects().length > 0"
    count = page.locator("a, button, input, select, summary, [tabindex]").evaluate_all(
        f"all => all.filter({reachable}).length"
    )
    options = sum(role == "option" for role, *_ in usable)
    assert len(usable) - options >= count


@pytest.mark.parametrize("name", PAGES)
def test_every_picture_has_a_text_in_its_place_and_every_box_says_what_it_is(open_page, tmp_path, name):
    page = open_page(PAGES[name](tmp_path).read_text(encoding="utf-8"))
    words = [f"{spoken} {description}" for role, spoken, description, _ in tree(page) if role in ("group", "image")]
    if name == "explorer":
        assert any(text.startswith("Graph. ") for text in words)
    else:
        assert any("In order: " in text and "Output: " in text for text in words)
    assert any("= gelu(" in text for text in [spoken for _, spoken, _, _ in tree(page)])


@pytest.mark.parametrize("name", ["stepper", "explorer"])
def test_the_slider_says_which_step_it_is_at(open_page, tmp_path, name):
    page = open_page(PAGES[name](tmp_path).read_text(encoding="utf-8"))
    slider = page.get_by_role("slider", name="Step")
    slider.focus()
    said = set()
    for number in (1, 2, 3):
        text = slider.get_attribute("aria-valuetext")
        assert text.startswith(f"step {number} of ") and text[-1].isalnum()
        (place,) = [p for role, spoken, _, p in tree(page) if (role, spoken) == ("slider", "Step")]
        assert place["valuemin"] == 1 and place["valuemax"] >= 3
        said.add(text)
        page.keyboard.press("ArrowRight")
    assert len(said) == 3
    live = page.locator("[aria-live=polite]").all_text_contents()  # and what happens in it is read out
    assert any(text.strip() for text in live)


# --- By keyboard alone ---


def tab_to(page, what, most=200):
    """Press Tab until an element that this selector matches has the focus."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate("what => document.activeElement.matches(what)", what):
            outline = page.evaluate(
                "() => { const s = getComputedStyle(document.activeElement); return s.outlineStyle + s.outlineWidth; }"
            )
            return outline
    raise AssertionError(f"no {what} within {most} presses of Tab")


def pressed(page, *keys):
    for key in keys:
        page.keyboard.press(key)


def test_a_picture_by_keyboard_alone(open_page, tmp_path):
    page = open_page(picture(tmp_path).read_text(encoding="utf-8"))
    view = "() => document.querySelector('.stage > svg').getAttribute('viewBox')"
    status = page.locator(".status")
    seen = [page.evaluate(view)]
    for key in ("+", "ArrowRight", "ArrowDown", "-", "0"):  # on a fresh page
        pressed(page, key)
        seen.append(page.evaluate(view))
    assert all(a != b for a, b in pairwise(seen))
    pressed(page, "/")
    page.keyboard.type("(2, 5)")
    pressed(page, "Enter")
    assert status.text_content().startswith("1 of 3: ")
    pressed(page, "Enter", "Shift+Enter")
    assert status.text_content().startswith("1 of 3: ")
    pressed(page, "Escape")
    assert not page.get_by_role("searchbox").input_value()
    assert tab_to(page, ".folded") != "none0px"
    pressed(page, "Enter")
    assert status.text_content().startswith("Inside ")
    pressed(page, "Escape")
    assert page.evaluate("() => document.activeElement.matches('.folded')")
    pressed(page, "Space")
    assert status.text_content().startswith("Inside ")
    tab = page.get_by_role("button", name="Back to the picture around it")
    tab.focus()
    pressed(page, "Enter")
    assert status.text_content().endswith(" boxes")


def test_a_stepper_by_keyboard_alone(open_page, tmp_path):
    page = open_page(stepper(tmp_path).read_text(encoding="utf-8"))
    root = page.locator(".tl-stepper")

    def step():
        return int(root.get_attribute("data-step"))

    last = int(root.locator("input").first.get_attribute("max"))
    for key, at in (("ArrowRight", 2), ("ArrowDown", 3), ("ArrowLeft", 2), ("ArrowUp", 1), ("End", last), ("Home", 1)):
        pressed(page, key)
        assert step() == at, key
    pressed(page, "?")
    assert root.locator(".help").is_visible()
    pressed(page, "?", "h")
    assert not root.locator(".help").is_visible() and root.locator(".heat").count() == 1
    pressed(page, "h", "+", "Space")
    assert root.get_by_role("combobox").input_value() == "2"
    assert root.get_by_role("button", name="Pause").count() == 1
    pressed(page, "Space")
    assert root.get_by_role("button", name="Play").count() == 1
    pressed(page, "Home")
    assert tab_to(page, "button") != "none0px"
    assert tab_to(page, "[data-box]") != "none0px"
    box = page.evaluate("() => document.activeElement.dataset.box")
    pressed(page, "Enter")
    value = root.locator("li[aria-current] b").text_content()
    pressed(page, "Enter")
    gradient = root.locator("li[aria-current] b").text_content()
    assert value.startswith("forward: ") and (gradient.startswith("backward: ready") or gradient == value), box
    root.get_by_role("slider", name="2.bias[0]").focus()
    pressed(page, "ArrowRight")
    assert root.locator("[data-moved]").count() > 0


def test_an_explorer_by_keyboard_alone(open_page, tmp_path):
    page = open_page(explorer(tmp_path).read_text(encoding="utf-8"))
    root = page.locator(".tl-explorer")
    for key, at in (("ArrowRight", "2"), ("End", root.get_by_role("slider").get_attribute("max")), ("Home", "1")):
        pressed(page, key)
        assert root.get_attribute("data-step") == at, key
    size = "() => document.querySelector('[data-now] .graph svg').getBoundingClientRect().width"
    widths = [page.evaluate(size)]
    for key in ("+", "+", "-"):
        pressed(page, key)
        widths.append(page.evaluate(size))
    assert all(a != b for a, b in pairwise(widths))
    for button in ("Whole graph", "Open functions"):
        root.get_by_role("button", name=button).focus()
        pressed(page, "Space")
        assert root.get_by_role("button", name=button).get_attribute("aria-pressed") == "true"
    tab_to(page, "nav a")
    pressed(page, "Tab", "Enter")
    assert root.get_attribute("data-step") == "2"
    assert tab_to(page, ".lines > [data-box]") != "none0px"
    pressed(page, "Enter")
    assert page.evaluate("() => document.activeElement.getAttribute('aria-pressed')") == "true"
    assert root.locator(".lit").count() > 1
    pressed(page, "Space")
    assert page.evaluate("() => document.activeElement.getAttribute('aria-pressed')") == "false"
    tab_to(page, "g[data-box]")
    assert root.locator(".status").text_content().count(",") > 0
    tab_to(page, "summary")
    pressed(page, "Enter")
    assert page.evaluate("() => document.activeElement.parentElement.open")
