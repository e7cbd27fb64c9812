"""How long it takes in the playground from a keystroke to the picture: `python tests/benchmarks/playground.py`.

A browser opens the page, and for each example types a digit and takes it away again, ten times. The time is that of the
page itself, from the key to the frame after the new picture is there.
"""

import statistics
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "pages"))

from browser import chromium

from tinygrad_lora.play.examples import EXAMPLES
from tinygrad_lora.play.server import Playground

WATCH = """() => {
  window.times = [];
  let start = 0;
  addEventListener("keydown", () => { start = performance.now(); }, true);
  const done = () => requestAnimationFrame(() => {
    if (start) window.times.push(performance.now() - start);
    start = 0;
  });
  for (const part of ["picture", "said"]) {
    new MutationObserver(done).observe(document.querySelector(`#${part} .content`), { childList: true });
  }
}"""


def main() -> None:
    with Playground() as server, chromium() as browser:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(server.address)
        page.wait_for_selector("#sheet[data-run]", timeout=60_000)
        page.evaluate(WATCH)
        everything = []
        for name in EXAMPLES:
            page.select_option("#example", name)
            page.wait_for_timeout(1500)
            page.click(".cm-content .cm-line:last-child")
            page.evaluate("window.times.length = 0")
            for _ in range(10):
                for key in ("7", "Backspace"):  # an expression of its own at the end, and the code as it was
                    page.keyboard.press(key)
                    page.wait_for_timeout(600)
            times = page.evaluate("window.times")
            everything += times
            median, slowest = statistics.median(times), max(times)
            print(f"{name:30} median {median:5.0f} ms, slowest {slowest:5.0f} ms, {len(times)} keystrokes")
        print(f"{'all':30} median {statistics.median(everything):5.0f} ms")
        server.shutdown()
        thread.join()


if __name__ == "__main__":
    main()
