"""How long it takes in the playground from a keystroke to the picture, with local Python and in the browser.

    python tests/benchmarks/playground.py                 the server of `tinygrad-lora play`; bar: a median of 150 ms
    python tests/benchmarks/playground.py build/playground    the static site in this folder, once warm; bar: 500 ms

A browser opens the page, and for each example types a digit and takes it away again, ten times. The time is that of the
page itself, from the key to the frame after the new picture is there. Of a site it also tells the size; bars: 20 MB,
and 9 MB where the server compresses.
"""

import gzip
import statistics
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "pages"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "docs"))

from browser import chromium
from lab_site.check import served

from tinygrad_lora.play.examples import EXAMPLES
from tinygrad_lora.play.server import Playground

# The time of a keystroke is that of the last part that it changed: the picture, or what takes its place.
WATCH = """() => {
  window.times = [];
  let start = 0;
  let latest = 0;
  window.taken = () => {
    if (latest) window.times.push(latest);
    latest = 0;
    return window.times;
  };
  addEventListener("keydown", () => {
    window.taken();
    start = performance.now();
  }, true);
  const done = () => requestAnimationFrame(() => { latest = performance.now() - start; });
  for (const part of ["picture", "said", "value"]) {
    new MutationObserver(done).observe(document.querySelector(`#${part} .content`), { childList: true });
  }
}"""


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    if folder:
        files = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
        raw, compressed = sum(map(len, files)) / 1e6, sum(len(gzip.compress(content, 6)) for content in files) / 1e6
        print(f"first load: {raw:.1f} MB, {compressed:.1f} MB where the server compresses")
    with served(folder) if folder else local() as address, chromium() as browser:
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(address)
        page.wait_for_selector("#sheet[data-run]", timeout=180_000)
        page.evaluate(WATCH)
        everything = []
        for name in EXAMPLES:
            times = typed(page, name, between=1500 if folder else 600)
            everything += times
            median, slowest = statistics.median(times), max(times)
            print(f"{name:30} median {median:5.0f} ms, slowest {slowest:5.0f} ms, {len(times)} keystrokes", flush=True)
        print(f"{'all':30} median {statistics.median(everything):5.0f} ms")


def typed(page: Any, example: str, between: int) -> list[float]:
    """Milliseconds from each key to its picture, with so many milliseconds between keys."""
    page.select_option("#example", example)
    page.wait_for_timeout(2 * between)
    page.click(".cm-content .cm-line:last-child")
    page.evaluate("() => { window.taken(); window.times.length = 0; }")
    for _ in range(10):
        for key in ("7", "Backspace"):  # an expression of its own at the end, and the code as it was
            page.keyboard.press(key)
            page.wait_for_timeout(between)
    return list(page.evaluate("window.taken()"))


@contextmanager
def local() -> Iterator[str]:
    """The address of a playground with local Python."""
    with Playground() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.address
        finally:
            server.shutdown()
            thread.join()


if __name__ == "__main__":
    main()
