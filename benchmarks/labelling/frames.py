"""Measure the map of photos in Chromium without a GPU: frames while it moves, and the time until all of it is drawn.

    python -m benchmarks.labelling.frames

A made-up project of each size is dragged and zoomed for five seconds, with WebGL 2 by SwiftShader and with Canvas 2D. A
frame is a gap of `requestAnimationFrame`. The whole map is drawn when a pixel can be read after the drawing. The memory
is what only the renderer process of the page has, after the moves. It prints a Markdown table.
"""

import argparse
import math
import shutil
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import psutil
from playwright.sync_api import Browser, Page, expect, sync_playwright

from benchmarks.labelling.drawn_project import MAP, serving
from benchmarks.markdown import table_row

SOFTWARE = ("--enable-unsafe-swiftshader",)
RENDERERS = {"WebGL 2, SwiftShader": SOFTWARE, "Canvas 2D": ("--disable-3d-apis",)}
SIZES = (10_000, 50_000, 100_000)
SECONDS = 5
STAGE = "shopcat-label-map .stage"
ELEMENT = "document.querySelector('shopcat-label-map')"
START = f"""() => {{
  const stage = {ELEMENT}.stage;
  const seen = window.seen = {{gaps: [], shares: [], last: 0, input: 0}};
  const count = (now) => {{
    if (seen.last > 0) seen.gaps.push(now - seen.last);
    seen.last = now;
    seen.shares.push(Math.min(1, stage.pace.count / stage.order.length));
    seen.asked = requestAnimationFrame(count);
  }};
  requestAnimationFrame(count);
  for (const type of ["pointermove", "wheel"])
    stage.box.addEventListener(type, () => {{ seen.input = performance.now(); }});
}}"""
STOP = f"""() => new Promise((resolve) => {{
  const {{seen}} = window;
  const {{stage}} = {ELEMENT};
  cancelAnimationFrame(seen.asked);
  const look = () => {{
    if (!stage.drawn.complete) return requestAnimationFrame(look);
    const {{gl, context}} = stage.renderer;
    if (gl) gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
    else context.getImageData(0, 0, 1, 1);
    resolve({{gaps: seen.gaps, shares: seen.shares, rest: performance.now() - seen.input}});
  }};
  look();
}})"""


class Moves(NamedTuple):
    """Measurements of a map that was moved.

    Attributes:
        frames: frames a second.
        slow: 95th percentile of a frame, in ms.
        share: median share of the photos that a frame could have.
        rest: ms from the last event until everything is drawn.
        megabytes: memory of the page.
    """

    frames: float
    slow: float
    share: float
    rest: float
    megabytes: float


def drag(page: Page, seconds: float) -> None:
    """Drag the map in circles and zoom in and out."""
    box = page.locator(STAGE).bounding_box()
    assert box is not None
    x, y, radius = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, box["height"] / 4
    page.mouse.move(x + radius, y)
    page.mouse.down()
    start, step = time.perf_counter(), 0
    while (passed := time.perf_counter() - start) < seconds:
        page.mouse.move(x + radius * math.cos(3 * passed), y + radius * math.sin(3 * passed))
        step += 1
        if step % 8 == 0:
            page.mouse.wheel(0, -120 if passed % 2 < 1 else 120)
    page.mouse.up()


def memory_of(process: psutil.Process) -> float:
    """Return the megabytes that only the browser's largest renderer process has."""
    renderers = [child for child in process.children(recursive=True) if "--type=renderer" in child.cmdline()]
    return max(child.memory_full_info().uss for child in renderers) / 1e6


def measure(browser: Browser, process: psutil.Process, address: str, photos: int, seconds: float) -> Moves:
    """Open the map, move it, and return the measurements."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(120_000)
    page.goto(address)
    expect(page.locator(STAGE)).to_have_attribute("aria-label", f"Map of {photos} photos", timeout=120_000)
    page.get_by_role("button", name="Move", exact=True).click()
    page.locator(STAGE).scroll_into_view_if_needed()
    page.wait_for_load_state("networkidle")
    drag(page, 1)  # the map learns how much it may draw
    page.evaluate(START)
    drag(page, seconds)
    seen = page.evaluate(STOP)
    megabytes = memory_of(process)
    page.close()
    gaps = sorted(seen["gaps"])
    mean = statistics.fmean(gaps)
    return Moves(1000 / mean, gaps[int(0.95 * len(gaps))], statistics.median(seen["shares"]), seen["rest"], megabytes)


@contextmanager
def browsing(options: tuple[str, ...]) -> Iterator[tuple[Browser, psutil.Process]]:
    """Run a Chromium, and give it with its process."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        sys.exit("no Chromium; Debian has it in the package chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", *options])
        yield browser, psutil.Process()
        browser.close()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of photos")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="seconds of movement")
    options = parser.parse_args()
    print(
        table_row("map", ("photos", "frames a second", "95th percentile, ms", "drawn in motion", "all after, ms", "MB"))
    )
    print(table_row("---", ["---:"] * 6))
    for photos in options.sizes:
        with serving(photos, labelled=200) as address:
            for name, arguments in RENDERERS.items():
                with browsing(arguments) as (browser, process):
                    moves = measure(browser, process, address + MAP, photos, options.seconds)
                share = f"{moves.share:.0%}"
                row = (f"{moves.frames:.0f}", f"{moves.slow:.0f}", share, f"{moves.rest:.0f}", f"{moves.megabytes:.0f}")
                print(table_row(name, (f"{photos:,}", *row)), flush=True)


if __name__ == "__main__":
    main()
