"""The compiler explorer in a real browser: opened from disk, with the network off, driven by keys and clicks.

Needs a Chromium and the Python package playwright, which drives it; without them these tests are skipped.
"""

import numpy as np
import pytest
from browser import NEEDS_A_BROWSER, offline_pages

import tinygrad_lora as tl
from tinygrad_lora.commands.explore import compiled_function
from tinygrad_lora.named_object import EXAMPLE
from tinygrad_lora.view.explorer.explore import explore
from tinygrad_lora.view.explorer.union import KEPT, REWIRED
from tinygrad_lora.view.words.markup import Markup, page

pytestmark = [pytest.mark.slow, *NEEDS_A_BROWSER]
READABLE = 4.5  # the least contrast of text, by WCAG 2.2, 1.4.3

# What can be seen of the step that is shown: its name, the boxes with their marks, lines with theirs, what is lit.
SHOWN = """root => {
  const seen = e => e.getClientRects().length > 0;
  const steps = [...root.querySelectorAll(".step")].filter(s => seen(s.querySelector(".graph")));
  const [step] = steps;
  const boxes = [...step.querySelectorAll("svg [data-box]")].filter(seen);
  const each = told => Object.fromEntries(boxes.map(b => [b.dataset.box, told(b)]));
  return {
    steps: steps.length, name: step.dataset.name, count: root.querySelector(".count").textContent,
    spoken: root.querySelector("input").getAttribute("aria-valuetext"),
    boxes: each(b => b.classList[0]),
    places: each(b => b.querySelector("use").getBoundingClientRect().toJSON()),
    frames: each(b => getComputedStyle(b).getPropertyValue("--dashes").trim()),
    lines: [...step.querySelectorAll(".code .lines > *")].filter(seen).map(l => [l.tagName, l.textContent.trimEnd()]),
    lit: [...root.querySelectorAll(".lit")].filter(seen).map(e => e.dataset.box),
    told: root.querySelector(".status").textContent,
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
    for (let e = element; e; e = e.parentElement) {
      const color = numbers(getComputedStyle(e).backgroundColor);
      if (color[3]) return color;
    }
    return [255, 255, 255];
  };
  const texts = [...root.querySelectorAll("h2, h3, h4, p, b, dt, dd, th, td, li, a, span, ins, s, button:enabled")];
  return texts.filter(e => e.textContent.trim() && e.getClientRects().length).map(e => {
    const [a, b] = [light(numbers(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
    return [(a + 0.05) / (b + 0.05), e.textContent];
  });
}"""


@pytest.fixture
def open_page(browser, tmp_path):
    with offline_pages(browser, tmp_path / "page.html", 1500, 1000) as opened:
        yield opened


@pytest.fixture(scope="module")
def flagship():
    return explore(compiled_function(f"{EXAMPLE}:naive_lora"))


def small():
    w, a, b = (tl.parameter(np.ones(shape), name) for name, shape in (("W", (4, 3)), ("A", (4, 1)), ("B", (1, 3))))
    return explore(tl.compile(lambda x: tl.mean((x @ w + 2.0 * (x @ (a @ b))) * 6.0)).prepare(np.ones((2, 4))))


def root_of(shown, i=0):
    return shown.locator(".tl-explorer").nth(i)


def assert_shows(root, exploration, number):
    """The page shows what Python says of this step, and of no other."""
    step, shown = exploration.steps[number - 1], root.evaluate(SHOWN)
    assert shown["steps"] == 1
    name = {"trace": "As traced", "program": "The program"}.get(step.name, step.name)
    assert shown["name"] == name
    assert shown["count"] == shown["spoken"] == f"step {number} of {len(exploration.steps)}: {name}"
    boxes = {box: state for names, state in shown["boxes"].items() for box in names.split()}
    assert boxes.keys() == step.stage.states.keys()
    for names, state in shown["boxes"].items():  # a function that is closed stands for several boxes
        states = {step.stage.states[box] for box in names.split()}
        assert state == (states.pop() if len(states) == 1 else REWIRED)
        assert shown["frames"][names] == {"removed": "7 4", "rewired": "2 4"}.get(state, "")
    tags = {"same": "SPAN", "new": "INS", "gone": "DEL"}
    lines = [[tags[line.state], line.text.rstrip()] for line in step.lines]
    changed = [line for line in shown["lines"] if not line[1].endswith("as before")]
    assert all(line in lines for line in changed) and [t for t in changed if t[0] != "SPAN"] == [
        line for line in lines if line[0] != "SPAN"
    ]
    return shown


def test_the_arrow_keys_go_through_all_steps_and_no_box_moves(open_page, flagship):
    root = root_of(shown := open_page(flagship.page))
    shown.get_by_role("button", name="Whole graph").click()
    places = {}
    for number in range(1, len(flagship.steps) + 1):
        for box, place in assert_shows(root, flagship, number)["places"].items():
            assert places.setdefault(box, place) == pytest.approx(place, abs=0.01)
        shown.keyboard.press("ArrowRight")
    assert_shows(root, flagship, len(flagship.steps))  # it stays at the end
    shown.keyboard.press("ArrowLeft")
    assert_shows(root, flagship, len(flagship.steps) - 1)
    shown.keyboard.press("Home")
    assert_shows(root, flagship, 1)
    shown.keyboard.press("End")
    assert_shows(root, flagship, len(flagship.steps))


def test_the_keys_work_before_anything_is_focused(open_page, flagship):
    root = root_of(shown := open_page(flagship.page))
    shown.keyboard.press("ArrowRight")
    assert_shows(root, flagship, 2)


def test_a_graph_that_scrolls_keeps_the_arrow_keys_that_scroll_it(open_page, flagship):
    root = root_of(shown := open_page(flagship.page))
    shown.set_viewport_size({"width": 500, "height": 700})
    graph = root.locator(".step[data-now] .graph")
    graph.evaluate("graph => { graph.style.width = '150px'; graph.scrollLeft = 0; }")
    graph.focus()
    shown.keyboard.press("ArrowRight")
    graph.evaluate("graph => new Promise(go => graph.scrollLeft ? go() : graph.addEventListener('scroll', () => go()))")
    assert_shows(root, flagship, 1)
    graph.evaluate("graph => { graph.style.width = '5000px'; }")
    shown.keyboard.press("ArrowRight")
    assert_shows(root, flagship, 2)


def test_buttons_slider_and_links_go_where_they_say(open_page, flagship):
    root = root_of(open_page(flagship.page))
    button = {name: root.get_by_role("button", name=name) for name in ("First", "Back", "Next", "Last")}
    assert button["First"].is_disabled() and button["Back"].is_disabled()
    button["Next"].click()
    assert_shows(root, flagship, 2)
    button["Last"].click()
    assert_shows(root, flagship, len(flagship.steps))
    assert button["Next"].is_disabled() and root.evaluate("() => document.activeElement.textContent") == "Back"
    root.get_by_role("slider").fill("4")
    assert_shows(root, flagship, 4)
    root.locator("nav a").nth(6).click()
    assert_shows(root, flagship, 7)
    button["First"].click()
    assert_shows(root, flagship, 1)


def test_a_button_that_is_disabled_under_the_keyboard_passes_it_on(open_page, flagship):
    root = root_of(shown := open_page(flagship.page))
    for name, key, end in (("Next", "ArrowRight", len(flagship.steps)), ("Back", "ArrowLeft", 1)):
        root.get_by_role("button", name=name).focus()
        for _ in flagship.steps:
            shown.keyboard.press(key)
        assert_shows(root, flagship, end)
        assert shown.evaluate("document.activeElement.matches('button:enabled')")
    shown.keyboard.press("End")
    assert_shows(root, flagship, len(flagship.steps))


def test_a_source_line_a_box_and_a_generated_line_light_up_together(open_page, flagship):
    root = root_of(shown := open_page(flagship.page))
    root.locator("nav a").nth(3).click()
    line = root.locator(".written [data-box]").first
    boxes = set(line.get_attribute("data-box").split())
    line.hover()
    lit = root.evaluate(SHOWN)["lit"]
    there = boxes & set(flagship.steps[3].stage.states)
    assert there <= {box for names in lit for box in names.split()}
    assert all(boxes & set(names.split()) for names in lit)
    line.focus()  # the keyboard does the same
    shown.mouse.move(0, 0)
    assert root.evaluate(SHOWN)["lit"] == []
    root.locator(".step[data-now] .code [data-box]").nth(3).focus()
    assert root.evaluate(SHOWN)["lit"]
    box = root.locator(".step[data-now] svg .added[data-box]").first
    box.focus()
    shown_now = root.evaluate(SHOWN)
    name = box.get_attribute("data-box")
    assert all(name in names.split() for names in shown_now["lit"]) and len(shown_now["lit"]) >= 3
    assert shown_now["told"] == f"{flagship.steps[3].stage.descriptions[name]}; added"


def test_what_changed_is_in_view(open_page, flagship):
    root = root_of(shown := open_page(flagship.page))
    for step in flagship.steps[1:-1]:
        shown.keyboard.press("ArrowRight")
        inside = root.evaluate(
            """root => {
              const pane = root.querySelector(".step[data-now] .graph"), a = pane.getBoundingClientRect();
              return [...pane.querySelectorAll("g[data-box]:not(.kept)")].map(e => e.getBoundingClientRect())
                .filter(b => b.top >= a.top && b.bottom <= a.bottom && b.left >= a.left && b.right <= a.right).length;
            }"""
        )
        assert inside or all(state == KEPT for state in step.stage.states.values()), step.name


def test_two_on_one_page_do_not_disturb_each_other(open_page):
    first, second = small(), explore(tl.compile(lambda x: (x + 0.0) * 2.0 * 3.0).prepare(np.ones(3)))
    shown = open_page(page("two", Markup(first.html), Markup(second.html), Markup(first.html)))
    root_of(shown, 1).get_by_role("button", name="Next").click()
    assert_shows(root_of(shown, 0), first, 1)
    assert_shows(root_of(shown, 1), second, 2)
    root_of(shown, 2).get_by_role("button", name="Last").click()
    assert_shows(root_of(shown, 0), first, 1)
    assert_shows(root_of(shown, 2), first, len(first.steps))


def test_without_scripts_every_step_is_there_and_no_button(open_page, flagship):
    shown = open_page(flagship.page, java_script_enabled=False)
    assert shown.locator(".step:visible").count() == len(flagship.steps)
    assert shown.locator(".step svg:visible").count() == len(flagship.steps)
    assert shown.locator("button").count() == 0
    shown.locator("nav a").nth(3).click()  # a plain link
    assert shown.locator(".step").nth(3).bounding_box()["y"] < 1000


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read(open_page, flagship, scheme):
    shown = open_page(flagship.page, color_scheme=scheme)
    for i in (0, 3, len(flagship.steps) - 1):
        root_of(shown).locator("nav a").nth(i).click()
        contrasts = root_of(shown).evaluate(CONTRASTS)
        assert len(contrasts) > 50 and min(contrasts)[0] >= READABLE, min(contrasts)


def test_a_notebook_that_is_dark_makes_it_dark(open_page):
    shown = open_page(small().page)
    background = "() => getComputedStyle(document.querySelector('.tl-explorer')).backgroundColor"
    light = shown.evaluate(background)
    shown.evaluate("() => document.body.setAttribute('data-jp-theme-light', 'false')")
    assert shown.evaluate(background) != light


def test_notebooks_leave_the_keys_of_every_focusable_element_alone(open_page):
    root = root_of(open_page(small().page))
    missing = root.evaluate(
        """root => [...root.querySelectorAll("a, button, input, summary, [tabindex]")]
          .filter(e => e.getAttribute("data-lm-suppress-shortcuts") !== "true").length"""
    )
    assert missing == 0


# --- Zoom, the address, and small screens ---


def test_the_whole_graph_fits_and_can_be_read_by_zooming_in(open_page, flagship):
    shown = open_page(flagship.page)
    root, pane = root_of(shown), shown.locator(".step[data-now] .graph")
    size = "e => [e.querySelector('svg').getBoundingClientRect().width / e.querySelector('svg').viewBox.baseVal.width]"
    fits = "e => e.scrollWidth <= e.clientWidth + 1 && e.scrollHeight <= e.clientHeight + 1"
    natural = pane.evaluate(size)[0]
    whole = root.get_by_role("button", name="Whole graph")
    whole.click()
    assert pane.evaluate(fits) and whole.get_attribute("aria-pressed") == "true"
    box = root.locator(".step[data-now] g[data-box]").nth(8)
    before = box.bounding_box()
    x, y = before["x"] + before["width"] / 2, before["y"] + before["height"] / 2
    shown.mouse.dblclick(x, y)
    assert pane.evaluate(size)[0] == pytest.approx(1)  # as large as it was drawn: text has 12 pixels
    after, view = box.bounding_box(), pane.bounding_box()  # what was double-clicked is still in view
    assert view["x"] <= after["x"] and after["x"] + after["width"] <= view["x"] + view["width"]
    assert view["y"] <= after["y"] and after["y"] + after["height"] <= view["y"] + view["height"]
    root.get_by_role("button", name="Zoom in").click()
    assert pane.evaluate(size)[0] == pytest.approx(1.25)
    shown.keyboard.press("-")
    assert pane.evaluate(size)[0] == pytest.approx(1)
    for _ in range(2):
        whole.click()
    assert pane.evaluate(size)[0] == pytest.approx(natural)


def test_functions_are_closed_and_open_on_request(open_page, flagship):
    shown = open_page(flagship.page)
    root, count = root_of(shown), shown.locator(".step[data-now] g[data-box]")
    shown.keyboard.press("ArrowRight")
    closed = count.count()
    box = root.locator(".step[data-now] g[data-box*=' ']").first
    box.focus()
    assert "= mse(" in root.locator(".status").text_content() and root.locator(".step[data-now] .code .lit").count() > 1
    root.get_by_role("button", name="Whole graph").click()
    button = root.get_by_role("button", name="Open functions")
    button.focus()
    shown.keyboard.press("Enter")
    assert button.get_attribute("aria-pressed") == "true" and count.count() > closed
    pane = root.locator(".step[data-now] .graph")
    assert pane.evaluate("e => e.scrollWidth <= e.clientWidth + 1 && e.scrollHeight <= e.clientHeight + 1")
    assert_shows(root, flagship, 2)
    shown.keyboard.press("ArrowRight")
    assert_shows(root, flagship, 3)  # in every step
    shown.keyboard.press("Space")
    assert button.get_attribute("aria-pressed") == "false" and count.count() < len(flagship.steps[2].stage.states)


def test_the_address_has_the_step_and_the_line_that_was_clicked(open_page, flagship):
    shown = open_page(flagship.page)
    root = root_of(shown)
    shown.keyboard.press("ArrowRight")
    assert shown.evaluate("location.hash") == "#step-2"
    line = root.locator(".written [data-box]").nth(1)
    number = line.get_attribute("data-line")
    line.click()
    assert shown.evaluate("location.hash") == f"#step-2-line-{number}"
    shown.keyboard.press("ArrowRight")  # a line of the source stays
    assert shown.evaluate("location.hash") == f"#step-3-line-{number}"
    shown.reload()
    assert_shows(root, flagship, 3)
    assert root.locator("[data-pinned]").get_attribute("data-line") == number and root.evaluate(SHOWN)["lit"]
    code = root.locator(".step[data-now] .code .lines > [data-box]").nth(2)
    code.focus()
    shown.keyboard.press("Enter")
    address = shown.evaluate("location.hash")
    text = code.text_content()
    assert address.startswith("#step-3-code-")
    shown.reload()
    assert root.locator("[data-pinned]").text_content() == text
    root.locator("[data-pinned]").click()
    assert shown.evaluate("location.hash") == "#step-3" and root.locator("[data-pinned]").count() == 0


def test_a_line_of_the_program_lights_one_line_of_the_source_at_every_step(open_page, flagship):
    shown = open_page(flagship.page)
    root, places = root_of(shown), {}
    for step in flagship.steps:
        for line in root.locator(".step[data-now] .code .lines > [data-box]:not(del)").all():
            text = line.text_content().split("#")[0]
            if " = " in text:
                line.focus()
                lit = root.locator(".written .lit").evaluate_all("all => all.map(e => e.dataset.line)")
                assert len(lit) <= 1, (step.name, text)
                assert places.setdefault(text.split(" = ")[0], lit) == lit, (step.name, text)
        shown.locator("body").click(position={"x": 1, "y": 1})
        shown.keyboard.press("ArrowRight")


WIDTHS = [(1440, True), (1100, True), (390, False)]


@pytest.mark.parametrize(("width", "beside"), WIDTHS)
def test_the_code_stands_beside_the_graph_where_there_is_room(open_page, flagship, width, beside):
    shown = open_page(flagship.page)
    shown.set_viewport_size({"width": width, "height": 900})
    shown.reload()
    graph, code = (shown.locator(f".step[data-now] .{name}").bounding_box() for name in ("graph", "code"))
    assert (graph["x"] + graph["width"] <= code["x"]) == beside
    assert shown.evaluate("document.documentElement.scrollWidth <= innerWidth")
    first = shown.locator(".step[data-now] g[data-box]").first.bounding_box()
    assert graph["x"] <= first["x"] and first["x"] + first["width"] <= graph["x"] + graph["width"]
    if beside:
        assert shown.locator(".head").bounding_box()["height"] < 40  # one line
