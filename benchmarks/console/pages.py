"""Print the speed and the weight of the console's pages in Chromium, with a processor that is four times slower.

    shopcat serve model_store/demo model_store/pets    # in another terminal
    python -m benchmarks.console.pages http://127.0.0.1:8080

LCP is the time until the largest text or picture is painted, CLS the sum of the shifts of what was painted before. Both
come from the browser's own PerformanceObserver. The weight is that of a first visit, as it was sent.
"""

import shutil
import statistics

import click
from playwright.sync_api import Browser, sync_playwright

PAGES = {  # address, and a place that is there when the page is complete
    "forecast": ("/console/forecast", ".line.forecast"),
    "breed": ("/console/breed", ".drop"),
    "about": ("/console/about", ".model .text li"),
}
OBSERVE = """
window.seen = {lcp: 0, cls: 0};
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.seen.lcp = entry.startTime;
}).observe({type: "largest-contentful-paint", buffered: true});
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.seen.cls += entry.value;
}).observe({type: "layout-shift", buffered: true});
"""


def visit(browser: Browser, url: str, ready: str, slower: float) -> tuple[float, float, float]:
    """Return LCP in seconds, CLS, and the bytes that a first visit receives."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.add_init_script(OBSERVE)
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Emulation.setCPUThrottlingRate", {"rate": slower})
    session.send("Network.enable")
    received: list[float] = []
    session.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
    page.goto(url)
    page.locator(ready).first.wait_for()
    page.wait_for_load_state("networkidle")
    seen = page.evaluate("window.seen")
    context.close()
    return seen["lcp"] / 1000, seen["cls"], sum(received)


@click.command()
@click.argument("address")
@click.option("--visits", default=5, show_default=True, help="Visits of each page, each with an empty cache.")
@click.option("--slower", default=4.0, show_default=True, help="Factor by which the processor is slower.")
def main(address: str, visits: int, slower: float) -> None:
    """Measure the pages of the service at ADDRESS."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        raise click.ClickException("no Chromium; Debian has it in the package chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        print(f"{'page':10} {'LCP, s (median)':>16} {'LCP, s (worst)':>15} {'CLS (worst)':>12} {'kB':>6}")
        for name, (path, ready) in PAGES.items():
            measured = [visit(browser, address.rstrip("/") + path, ready, slower) for _ in range(visits)]
            lcp, cls, size = zip(*measured, strict=True)
            print(f"{name:10} {statistics.median(lcp):16.2f} {max(lcp):15.2f} {max(cls):12.3f} {max(size) / 1000:6.0f}")
        browser.close()


if __name__ == "__main__":
    main()
