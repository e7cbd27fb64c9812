"""The stepper in a real browser: opened from disk, with the network off, driven by keys and clicks.

Needs a Chromium and the Python package playwright, which drives it; without them these tests are skipped.
"""

import numpy as np
import pytest
from browser import NEEDS_A_BROWSER, offline_pages, screenshot

import tinygrad_lora as tl
from tinygrad_lora.view.stepper.page import step_through

pytestmark = [pytest.mark.slow, *NEEDS_A_BROWSER]
READABLE = 4.5  # the least contrast of text, by WCAG 2.2, 1.4.3
HOSTILE = ["</script><script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "a & <b>'\"\\ $x$", "\N{SNAKE}"]

# What the page shows now, as an object like an event of the timeline.
SHOWN = """root => {
  const svg = [...root.querySelectorAll("svg")].find(s => s.style.display !== "none");
  const text = (box, kind) => box.querySelector("text." + kind)?.textContent ?? "";
  const used = [...svg.querySelectorAll("[data-used]")].map(a => [a.dataset.from, a.dataset.to]);
  return {
    step: Number(root.dataset.step), phase: root.dataset.phase, count: root.querySelector(".count").textContent,
    card: [...root.querySelector(".card").children].map(e => e.textContent),
    current: [...root.querySelectorAll("li")].findIndex(li => li.getAttribute("aria-current") === "step") + 1,
    spoken: root.querySelector("input").getAttribute("aria-valuetext"), used,
    boxes: Object.fromEntries([...svg.querySelectorAll("[data-box]")].map(
      b => [b.dataset.box, [text(b, "value"), text(b, "gradient"), b.dataset.mark]])),
  };
}"""

# The contrast of every text that is shown, with the nearest background below it, as [ratio, text].
CONTRASTS = """root => {
  const probe = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const numbers = color => {
    probe.clearRect(0, 0, 1, 1); probe.fillStyle = color; probe.fillRect(0, 0, 1, 1);
    return [...probe.getImageData(0, 0, 1, 1).data];
  };
  const linear = v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const behind = element => {
    if (element instanceof SVGElement) {
      const box = element.closest("[data-box]");
      return box ? numbers(getComputedStyle(box.querySelector("rect")).fill) : null;
    }
    for (let e = element; e; e = e.parentElement) {
      const color = numbers(getComputedStyle(e).backgroundColor);
      if (color[3]) return color;
    }
    return [255, 255, 255];
  };
  const texts = [...root.querySelectorAll("b, .numbers, .say, small, .count, .title, button:enabled, [data-box] text")];
  return texts.filter(e => e.textContent && e.getClientRects().length && behind(e)).map(e => {
    const style = getComputedStyle(e), color = e instanceof SVGElement ? style.fill : style.color;
    const [a, b] = [light(numbers(color)), light(behind(e))].sort((x, y) => y - x);
    return [(a + 0.05) / (b + 0.05), e.textContent];
  });
}"""


@pytest.fixture
def open_page(browser, tmp_path):
    with offline_pages(browser, tmp_path / "page.html", 1400, 900) as opened:
        yield opened


def diamond(x="x", y="y"):
    x, y = tl.parameter(3.0, x), tl.parameter(4.0, y)
    z = x * y + y
    z.name = "z"
    return step_through(z)


def lora():
    rng = np.random.default_rng(0)
    x, w = tl.constant(rng.normal(size=(2, 4)), "x"), tl.parameter(rng.normal(size=(4, 3)), "W", trainable=False)
    a, b = tl.parameter(rng.normal(size=(4, 1)), "A"), tl.parameter(rng.normal(size=(1, 3)), "B")
    return step_through(tl.mse(tl.relu(x @ w + 2.0 * (x @ a @ b)), np.ones((2, 3))))


def passes():
    w, a, b = (tl.parameter(np.ones(shape), name) for name, shape in (("W", (4, 3)), ("A", (4, 1)), ("B", (1, 3))))
    return step_through(tl.compile(lambda x: tl.mean((x @ w + 2.0 * (x @ (a @ b))) * 6.0)).prepare(np.ones((2, 4))))


def page_of(*fragments):
    return f'<!doctype html><html><meta charset="utf-8"><body>{"<hr>".join(fragments)}</body></html>'


def root_of(page, i=0):
    return page.locator(".tl-stepper").nth(i)


def assert_shows(root, steps, number):
    """The page shows what Python's event says, in the picture, the card, the list and for a screen reader."""
    event, shown = steps.events[number - 1], root.evaluate(SHOWN)
    assert shown["step"] == shown["current"] == number and shown["count"] == f"step {number} of {len(steps)}"
    assert shown["phase"] == event.phase
    head = f"{event.phase}: {event.kind} {event.place}"
    rule = f"{event.equation} Here {event.letters}." if event.letters else event.equation
    assert shown["card"] == [part for part in (head, event.numbers, event.note, rule) if part]
    assert shown["spoken"] == f"step {number} of {len(steps)}, {head}"
    assert {box: tuple(state) for box, state in shown["boxes"].items()} == dict(event.states)
    if event.to_box:
        assert shown["used"] and all(edge == [event.to_box, event.box] for edge in shown["used"])
    elif event.kind == "evaluate":
        assert {end for _, end in shown["used"]} == {event.box}
    else:
        assert not shown["used"]


@pytest.mark.parametrize("make", [diamond, lora, passes])
def test_the_arrow_keys_go_through_all_steps_that_python_tells(open_page, make):
    steps = make()
    page = open_page(page_of(steps.html))
    root = root_of(page)
    page.keyboard.press("Tab")
    for number in range(1, len(steps) + 1):
        assert_shows(root, steps, number)
        page.keyboard.press("ArrowRight")
    assert_shows(root, steps, len(steps))  # it stays at the end
    for number in range(len(steps) - 1, 0, -1):
        page.keyboard.press("ArrowLeft")
        assert_shows(root, steps, number)
    page.keyboard.press("End")
    assert_shows(root, steps, len(steps))
    page.keyboard.press("Home")
    assert_shows(root, steps, 1)


def chain(length):
    y = x = tl.parameter(1.0, "x")
    for _ in range(length):
        y = tl.tanh(y)
    return step_through(y * x)


def test_a_picture_that_scrolls_keeps_the_arrow_keys_that_scroll_it(open_page):
    page = open_page(page_of((steps := chain(40)).html))
    root, frame = root_of(page), page.locator(".pictures")
    page.evaluate("document.addEventListener('keydown', e => { document.title += e.key; })")
    frame.focus()
    page.keyboard.press("ArrowDown")
    page.wait_for_function("document.querySelector('.pictures').scrollTop > 0")
    page.keyboard.press("ArrowUp")
    page.wait_for_function("document.querySelector('.pictures').scrollTop === 0")
    page.keyboard.press("ArrowUp")  # at its end as well
    assert_shows(root, steps, 1)
    page.keyboard.press("ArrowRight")  # it is not wider than its pane
    assert_shows(root, steps, 2)
    assert page.title() == ""
    root.locator("ol").focus()
    page.keyboard.press("ArrowDown")  # the list goes from step to step
    assert_shows(root, steps, 3)


def test_a_small_picture_has_nothing_to_scroll(open_page):
    page = open_page(page_of((steps := diamond()).html))
    page.locator(".pictures").focus()
    page.keyboard.press("ArrowDown")
    assert_shows(root_of(page), steps, 2)


def test_buttons_slider_and_list_go_where_they_say(open_page, tmp_path):
    steps = diamond()
    page = open_page(steps.save(tmp_path / "saved.html").read_text(encoding="utf-8"))
    root = root_of(page)
    button = {name: root.get_by_role("button", name=name) for name in ("First", "Back", "Next", "Last")}
    assert button["First"].is_disabled() and button["Back"].is_disabled()
    button["Next"].click()
    assert_shows(root, steps, 2)
    button["Last"].click()
    assert_shows(root, steps, len(steps))
    assert button["Next"].is_disabled() and button["Last"].is_disabled()
    assert page.evaluate("document.activeElement.textContent") == "Back"  # the keyboard is not lost
    button["Back"].click()
    assert_shows(root, steps, len(steps) - 1)
    button["First"].click()
    assert_shows(root, steps, 1)
    root.get_by_role("slider").fill("8")
    assert_shows(root, steps, 8)
    root.locator("li").nth(4).click()
    assert_shows(root, steps, 5)


def test_a_button_that_is_disabled_under_the_keyboard_passes_it_on(open_page):
    page = open_page(page_of((steps := diamond()).html))
    root = root_of(page)
    for name, key, end in (("Next", "ArrowRight", len(steps)), ("Back", "ArrowLeft", 1)):
        root.get_by_role("button", name=name).focus()
        for _ in steps:
            page.keyboard.press(key)
        assert_shows(root, steps, end)
        assert page.evaluate("document.activeElement.matches('button:enabled')")
    page.keyboard.press("End")
    assert_shows(root, steps, len(steps))


def test_play_goes_on_by_itself_until_it_is_paused_or_at_the_end(open_page):
    steps = diamond()
    page = open_page(page_of(""))
    page.clock.install()
    page.reload()
    page.evaluate("html => { document.body.innerHTML = html; }", steps.html)
    page.evaluate(
        "() => { const old = document.querySelector('script:last-of-type'), now = document.createElement('script');"
        " now.textContent = old.textContent; old.replaceWith(now); }"  # as notebooks run the scripts of an output
    )
    root = root_of(page)
    root.get_by_role("button", name="Play").click()
    page.clock.run_for(2500)
    assert_shows(root, steps, 3)
    root.get_by_role("button", name="Pause").click()
    page.clock.run_for(5000)
    assert_shows(root, steps, 3)
    root.get_by_role("button", name="Play").click()
    page.clock.run_for(60_000)
    assert_shows(root, steps, len(steps))
    root.get_by_role("button", name="Play").click()  # from the end it begins again
    assert_shows(root, steps, 1)


def test_two_on_one_page_are_independent_even_of_the_same_object(open_page):
    steps, other = diamond(), lora()
    page = open_page(page_of(steps.html, steps.html, other.html))
    first, second, third = (root_of(page, i) for i in range(3))
    first.locator("input").focus()
    for _ in range(7):
        page.keyboard.press("ArrowRight")
    third.get_by_role("button", name="Last").click()
    assert_shows(first, steps, 8)
    assert_shows(second, steps, 1)
    assert_shows(third, other, len(other))


def test_without_scripts_there_are_the_picture_and_the_list(open_page):
    steps = diamond()
    page = open_page(page_of(steps.html), java_script_enabled=False)
    assert page.locator("button, input").count() == 0
    assert page.locator("ol li").count() == len(steps) and page.locator("ol li").last.is_visible()
    assert steps.events[7].numbers in page.locator("ol li").nth(7).inner_text()
    screenshot(page, "stepper_without_scripts")
    box = page.locator("img").bounding_box()
    assert box["width"] > 100 and box["height"] > 100  # it could be read: a broken image is a small icon
    assert "In order: %2 = multiply(x, y)" in page.locator("img").get_attribute("alt")


def test_a_notebook_leaves_the_keys_to_whatever_can_have_the_focus(open_page):
    page = open_page(page_of(lora().html))
    bare = "e => e.tabIndex >= 0 && e.getAttribute('data-lm-suppress-shortcuts') !== 'true'"
    unnamed = f"[...document.querySelectorAll('.tl-stepper *')].filter({bare}).map(e => e.outerHTML.slice(0, 80))"
    assert page.evaluate(unnamed) == []
    page.evaluate("document.addEventListener('keydown', e => { document.title += e.key; })")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    assert page.title() == "Tab"  # no key that the stepper uses gets through to the page
    assert page.locator("[role=status][aria-live=polite]").count() == 1


def test_a_step_whose_picture_was_left_out_says_so(open_page, monkeypatch):
    monkeypatch.setattr("tinygrad_lora.view.stepper.page.LARGEST_PICTURES", 100)
    steps = passes()
    page = open_page(page_of(steps.html))
    page.keyboard.press("Tab")
    seen = []
    for _ in steps:
        seen.append((page.locator("svg:visible").count(), page.locator(".blank").is_visible()))
        page.keyboard.press("ArrowRight")
    assert len(seen) > 2 and seen == [(1, False), *[(0, True)] * (len(seen) - 2), (1, False)]


THEMES = {
    "light": ("light", "", ""),
    "dark system": ("dark", "", ""),
    "dark page": ("light", 'data-theme="dark"', ""),
    "dark notebook": ("light", "", 'data-jp-theme-light="false"'),
    "light notebook on a dark system": ("dark", "", 'data-jp-theme-light="true"'),
}


@pytest.mark.parametrize("theme", THEMES)
def test_all_text_is_readable_in_light_and_dark(open_page, theme):
    scheme, of_page, of_body = THEMES[theme]
    html = page_of(lora().html).replace("<html>", f"<html {of_page}>").replace("<body>", f"<body {of_body}>")
    page = open_page(html, color_scheme=scheme)
    root = root_of(page)
    page.keyboard.press("Tab")
    for _ in range(3):
        contrasts = root.evaluate(CONTRASTS)
        assert len(contrasts) > 40
        assert not [text for ratio, text in contrasts if ratio < READABLE]
        for _ in range(12):
            page.keyboard.press("ArrowRight")
    screenshot(page, f"stepper_{theme.replace(' ', '_')}")
    background = root.evaluate("e => getComputedStyle(e).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == theme.startswith("light")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_only_text(open_page, name):
    steps = diamond(name)
    page = open_page(page_of(steps.html))
    root = root_of(page)
    page.keyboard.press("Tab")
    assert_shows(root, steps, 1)
    page.keyboard.press("End")
    assert_shows(root, steps, len(steps))
    assert page.locator("img, script[src]").count() == 0


# --- Keys, address, boxes and what moves ---


def test_on_a_page_of_its_own_the_keys_work_before_anything_is_focused(open_page):
    page = open_page(page_of((steps := diamond()).html))
    page.keyboard.press("ArrowRight")
    assert_shows(root_of(page), steps, 2)
    page.keyboard.press("End")
    assert_shows(root_of(page), steps, len(steps))


def test_beside_another_or_inside_something_no_key_is_taken_from_the_page(open_page):
    steps = diamond()
    for html in (page_of(steps.html, steps.html), page_of(f"<div>{steps.html}</div>")):
        page = open_page(html)
        page.evaluate("document.addEventListener('keydown', e => { document.title += e.defaultPrevented; })")
        for key in ("ArrowRight", "End", " ", "?"):
            page.keyboard.press(key)
        assert page.title() == "false" * 4 and page.evaluate("location.hash") == ""
        assert_shows(root_of(page), steps, 1)


def test_space_plays_and_plus_and_minus_choose_the_speed(open_page):
    page = open_page(page_of((steps := diamond()).html))
    page.clock.install()
    page.reload()
    root, speed = root_of(page), page.get_by_label("Speed")
    page.keyboard.press(" ")
    page.clock.run_for(2500)
    assert_shows(root, steps, 3)
    page.keyboard.press("+")  # twice as fast, from now on
    assert speed.input_value() == "2"
    page.clock.run_for(1300)
    assert_shows(root, steps, 5)
    page.keyboard.press(" ")
    page.clock.run_for(5000)
    assert_shows(root, steps, 5)
    for _ in range(4):
        page.keyboard.press("-")
    assert speed.input_value() == "0.5"
    page.get_by_role("button", name="Next").focus()
    page.keyboard.press(" ")  # presses the button
    assert_shows(root, steps, 6)


def test_a_question_mark_shows_the_keys_and_hides_them(open_page):
    page = open_page(page_of(diamond().html))
    help, asks = page.locator(".help"), page.get_by_role("button", name="Keys")
    assert not help.is_visible() and asks.get_attribute("aria-expanded") == "false"
    page.keyboard.press("?")
    assert "Space" in help.inner_text() and asks.get_attribute("aria-expanded") == "true"
    asks.click()
    assert not help.is_visible()


def test_the_address_says_the_step_and_leads_to_it(open_page):
    page = open_page(page_of((steps := diamond()).html))
    page.keyboard.press("ArrowRight")
    assert page.evaluate("location.hash") == "#step-2"
    page.evaluate("location.hash = '#step-8'")
    page.wait_for_function("document.querySelector('.tl-stepper').dataset.step === '8'")
    page.reload()
    assert_shows(root_of(page), steps, 8)
    for wrong in ("#step-0", "#step-99", "#step-x", "#"):
        page.evaluate("hash => { location.hash = hash; }", wrong)
        page.reload()
        assert_shows(root_of(page), steps, len(steps) if wrong == "#step-99" else 1)


@pytest.mark.parametrize("how", ["click", "Enter"])
def test_a_box_leads_to_its_value_and_then_to_its_gradient(open_page, how):
    steps = diamond()
    page = open_page(page_of(steps.html))
    for name, box in (("%2", "n2"), ("y", "n1")):
        shown = page.locator(f"[data-box={box}]")
        for kinds in (("visit", "evaluate"), ("ready",), ("visit", "evaluate")):
            shown.click() if how == "click" else shown.press("Enter")
            assert_shows(root_of(page), steps, next(e.number for e in steps if e.label == name and e.kind in kinds))
    assert page.get_by_role("group", name="Picture").get_by_role("button").count() == 4


def test_the_slider_says_what_is_forward_and_what_is_backward(open_page):
    page = open_page(page_of(diamond().html))
    strip = page.locator(".phases span").evaluate_all("all => all.map(e => [e.textContent, +e.style.flexGrow])")
    assert strip == [["forward", 5], ["backward", 9]]


ARROW = """() => {
  const svg = document.querySelector(".pictures svg"), used = svg.querySelector("[data-used]");
  const inside = (box, e) => { const [a, b] = [box.getBoundingClientRect(), e.getBoundingClientRect()];
    return Math.abs(b.top - a.bottom) < 3 && b.left > a.left && b.right < a.right; };
  const visible = e => getComputedStyle(e).display !== "none";
  return {
    heads: [...used.querySelectorAll(".head")].filter(visible).map(e => e.classList.contains("back")),
    arrives: inside(svg.querySelector(`[data-box="${used.dataset.from}"]`), used.querySelector(".back")),
    carried: svg.querySelector(".moving").textContent,
  };
}"""
PLACE = "() => { const b = document.querySelector('.moving').getBoundingClientRect(); return [b.x, b.y]; }"


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_a_contribution_goes_back_along_its_arrow_and_carries_its_number(open_page, motion):
    steps = diamond()
    page = open_page(page_of(steps.html), reduced_motion=motion)
    for event in steps:
        if event.kind == "contribute":
            assert page.evaluate(ARROW) == {"heads": [True], "arrives": True, "carried": event.sent}
            start = page.evaluate(PLACE)
            page.wait_for_timeout(400)
            assert (page.evaluate(PLACE) == start) == (motion == "reduce")
        else:
            assert page.locator(".moving, .back").count() == 0
        page.keyboard.press("ArrowRight")


def test_what_still_waits_says_so_in_the_picture(open_page):
    page = open_page(page_of(diamond().html) + "")
    page.evaluate("location.hash = '#step-8'")
    page.reload()
    assert page.locator("[data-box=n1] .gradient").text_content() == "1, waiting for 1 of 2"
    assert page.locator("[data-partial]").evaluate_all("all => all.map(e => e.dataset.box)") == ["n1"]
    page.keyboard.press("End")
    assert page.locator("[data-partial]").count() == 0


# --- The user's own lines ---


def halves(x):
    low = x * 0.5  # a line that is much wider than the pane in which it stands: it begins where all others begin
    high = low + 1.0
    return tl.sum(low * high)


def own_lines():
    return step_through(halves, tl.parameter(np.ones(3), "x"))


def test_the_line_at_work_is_marked_and_the_code_stands_beside_the_picture(open_page):
    steps = own_lines()
    page = open_page(page_of(steps.html))
    texts = {line.number: line.text for excerpt in steps.timeline.source for line in excerpt.lines}
    for event in steps:
        marked = page.locator(".written [aria-current]").all_text_contents()
        assert marked == ([texts[event.origin[1]] + "\n"] if event.origin else [])
        assert page.evaluate("document.querySelector('.written').scrollLeft") == 0
        page.keyboard.press("ArrowRight")
    for width, beside in ((1440, True), (1100, True), (390, False)):
        page.set_viewport_size({"width": width, "height": 900})
        code, picture = page.locator(".written").bounding_box(), page.locator(".pictures").bounding_box()
        apart = code["x"] + code["width"] <= picture["x"] or picture["x"] + picture["width"] <= code["x"]
        assert apart == beside
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_on_a_phone_the_explanation_stays_in_view(open_page):
    page = open_page(page_of(chain(40).html))
    page.set_viewport_size({"width": 390, "height": 844})
    for place in (0, 0.5, 1):
        page.evaluate("part => scrollTo(0, part * document.body.scrollHeight)", place)
        card = page.locator(".card").bounding_box()
        assert card["y"] >= -1 and card["y"] + card["height"] <= 845


# --- Two runs side by side ---


def test_two_runs_go_together_and_the_first_node_that_differs_is_marked(open_page, tmp_path):
    x = tl.parameter(3.0, "x")
    one, two = (step_through(lambda y: (x * y + y) * x, np.asarray(y)) for y in (4.0, 4.5))
    page = open_page(one.beside(two).save(tmp_path / "both.html").read_text(encoding="utf-8"))
    first, second = root_of(page, 0), root_of(page, 1)
    for number in range(1, len(one) + 1):
        assert_shows(first, one, number)
        assert_shows(second, two, number)
        page.keyboard.press("ArrowRight")
    second.get_by_role("button", name="First").click()
    assert_shows(first, one, 1)
    assert "differ first at forward: visit y" in page.locator(".difference").inner_text()
    marked = page.locator("[data-differs]").evaluate_all(
        "all => all.map(e => [e.dataset.box, e.lastChild.textContent])"
    )
    assert len(marked) == 2 and all("differs first" in words for _, words in marked)
    left, right = first.bounding_box(), second.bounding_box()
    assert left["x"] + left["width"] <= right["x"]
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


# --- A value that can be moved ---


def test_moving_a_value_changes_the_numbers_in_place_and_a_step_leads_back(open_page):
    steps = diamond().moving("x", 0.0, 5.0)
    page = open_page(page_of(steps.html))
    root, slider = root_of(page), page.get_by_role("slider", name="x")
    slider.focus()
    page.keyboard.press("End")  # the keys of the slider are its own
    shown = {box: tuple(texts[:2]) for box, texts in root.evaluate(SHOWN)["boxes"].items()}
    x, y = tl.parameter(5.0, "x"), tl.parameter(4.0, "y")
    expected = step_through(x * y + y).events[-1].states
    assert shown == {box: tuple(state[:2]) for box, state in expected.items()}
    assert page.locator(".movers output").inner_text() == "5"
    assert "x = 5 in the place of 3" in page.locator(".card").inner_text()
    assert page.locator("[data-moved]").count() > 1
    root.get_by_role("button", name="Back").click()
    assert_shows(root, steps, len(steps) - 1)
    assert page.locator("[data-moved]").count() == 0 and page.locator(".movers output").inner_text() == "3"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_array_is_shown_in_colors_on_request_with_a_scale_and_its_numbers(open_page, scheme):
    steps = lora()
    page = open_page(steps.html, color_scheme=scheme)
    root = page.locator(".tl-stepper")
    assert root.locator(".heat").count() == 0
    page.keyboard.press("h")
    button = root.get_by_role("button", name="Heatmap")
    assert button.get_attribute("aria-pressed") == "true"
    for event in steps:
        cells = root.locator(".card .cells i").evaluate_all("all => all.map(c => c.title)")
        assert cells == [
            f"[{i}, {j}] = {float(f'{n:.4g}'):g}" for i, row in enumerate(event.heat) for j, n in enumerate(row)
        ]
        if event.heat:
            assert root.locator(".heat [role=img]").get_attribute("aria-label").startswith(f"{len(event.heat)} by ")
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Home")
    most = max(abs(n) for row in steps.events[0].heat for n in row)
    scale = root.locator(".heat span")
    assert scale.text_content() == f"\N{MINUS SIGN}{most:.4g} to {most:.4g}"
    root.locator(".cells i").nth(1).hover()
    assert scale.text_content() == f"[0, 1] = {steps.events[0].heat[0][1]:.4g}"
    colors = root.locator(".cells i").evaluate_all("all => all.map(c => getComputedStyle(c).backgroundColor)")
    assert len({*colors}) == len(colors)
    button.focus()
    page.keyboard.press("Enter")
    assert root.locator(".heat").count() == 0


def test_numbers_alone_need_no_colors(open_page):
    page = open_page(diamond().html)
    assert not page.get_by_role("button", name="Heatmap").is_visible()
    page.keyboard.press("h")
    assert page.locator(".heat").count() == 0
