"""The playground in a real browser: all follows what is typed, and the page outlives whatever is typed."""

import threading

import pytest
from browser import NEEDS_A_BROWSER, screenshot

from tinygrad_lora.play.examples import EXAMPLES
from tinygrad_lora.play.server import Playground

pytestmark = [*NEEDS_A_BROWSER, pytest.mark.slow]
WAIT = 60_000  # milliseconds


@pytest.fixture(scope="module")
def playground():
    with Playground(limit=30.0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def page(browser, playground, request):
    """The page with its first sheet. At the end: nothing on the console, and no other host was asked for anything."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page, troubles = context.new_page(), []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda message: troubles.append(message.text))
    page.on("request", lambda r: None if r.url.startswith(playground.address) else troubles.append(r.url))
    if getattr(request, "param", None):
        page.route(f"**/{request.param}", lambda route: route.fulfill(body="", content_type="text/javascript"))
    page.goto(playground.address)
    settled(page, 1)
    yield page
    context.close()
    assert not troubles


def settled(page, run):
    """Wait for this run, or a later one. The page's policy lets nobody evaluate text, so it is asked over and over."""
    for _ in range(WAIT // 20):
        if int(page.get_attribute("#sheet", "data-run") or 0) >= run:
            return
        page.wait_for_timeout(20)
    pytest.fail("nothing came of the run")


def runs(page):
    return int(page.get_attribute("#sheet", "data-run"))


def written(page, text):
    """Put this text into the editor as a person does: mark all, and type."""
    before = runs(page)
    page.click(".cm-content")
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(text)
    settled(page, before + 1)


def test_all_parts_follow_a_change(page):
    assert page.inner_text("#numbers tbody").split("\n")[0].startswith("x")
    page.click(".cm-line:nth-child(3)")  # y = tl.parameter(3.0)
    page.keyboard.press("End")
    for _ in range(4):
        page.keyboard.press("Backspace")
    before = runs(page)
    page.keyboard.type("5.0)")
    settled(page, before + 1)
    page.wait_for_selector("#numbers:has-text('10')", timeout=WAIT)
    assert "10" in page.text_content("#picture svg") and "x * y" in page.inner_text("#program")
    screenshot(page, "playground")


def test_what_belongs_to_the_line_with_the_cursor_is_marked_and_the_other_way_round(page):
    page.click(".cm-line:nth-child(4)")
    assert page.inner_text("tr.here th") == "z" and page.locator("g.box.here").count() == 1
    assert "z = x * y" in page.inner_text("#program .here")
    page.click(".cm-line:nth-child(2)")
    assert page.inner_text("tr.here th") == "x"
    page.hover("#numbers tr:has-text('∂z/∂y')")
    assert page.inner_text(".cm-line.tied") == "y = tl.parameter(3.0)"


def test_an_error_marks_its_line_and_leaves_the_picture(page):
    written(page, "x = tl.parameter([1.0, 2.0])\ny = x @ tl.parameter([1.0])\n")
    assert page.inner_text(".cm-line.wrong").startswith("y =") and page.locator("#said img").count() == 1
    assert page.locator("#sheet.stale #picture svg").count() == 1
    written(page, "x = tl.parameter(2.0)\ny = x * x\n")
    assert page.locator(".cm-line.wrong, .stale").count() == 0 and not page.text_content("#said .content").strip()


def test_every_example_can_be_chosen(page):
    for name in EXAMPLES:
        before = runs(page)
        page.select_option("#example", name)
        settled(page, before + 1)
        shown = page.text_content("#picture .content") + page.text_content("#value .content")
        assert shown.strip() or "fit" in name, name


def test_an_endless_loop_is_stopped_and_the_page_lives(page):
    before = runs(page)
    page.click(".cm-content")
    page.keyboard.press("Control+a")
    page.keyboard.insert_text("while True: pass\n")
    page.wait_for_selector("#stop:not([disabled])", timeout=WAIT)
    page.click("#stop")
    settled(page, before + 1)
    assert "stopped" in page.inner_text("#state")
    written(page, "x = tl.parameter(7.0)\ny = x + 1.0\n")
    assert "8" in page.inner_text("#numbers") and not page.inner_text("#state")


def test_the_address_holds_the_code(page):
    written(page, "Größe = tl.parameter(2.0)\nz = Größe * 3.0  # ∂\n")
    page.reload()
    settled(page, 1)
    assert page.inner_text(".cm-content").startswith("Größe = ") and "Größe" in page.inner_text("#numbers")


def test_the_editor_can_be_left_with_the_keyboard_alone(page):
    page.click(".cm-content")
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    assert not page.evaluate("document.activeElement.closest('.cm-editor')")
    assert all(
        page.evaluate(
            "[...document.querySelectorAll('select, button, textarea, [contenteditable=true]')]"
            ".map((e) => e.getAttribute('aria-label') || e.innerText || e.labels?.[0]?.innerText)"
        )
    )


@pytest.mark.parametrize("page", ["codemirror.js"], indirect=True)
def test_without_the_editor_a_plain_text_area_does_everything(page):
    page.fill("#source", "x = tl.parameter(4.0)\ny = x * x\n")
    page.wait_for_selector("#numbers:has-text('16')", timeout=WAIT)
    page.click("#source")
    page.keyboard.press("Control+Home")
    assert page.inner_text("tr.here th") == "x"
    page.select_option("#example", "A diamond")
    page.wait_for_selector("#numbers:has-text('left')", timeout=WAIT)


def test_on_a_phone_nothing_is_wider_than_the_screen(browser, playground):
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(playground.address)
    settled(page, 1)
    page.select_option("#example", "LoRA")
    settled(page, 2)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    screenshot(page, "playground_phone")
    context.close()
