"""A running service with its pages, and a Chromium that looks at them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

from serving.ports import HOST, Ports
from tests.integration.waiting import until

ROOT = Path(__file__).parents[3]
BUNDLES = (ROOT / "model_store" / "demo", ROOT / "model_store" / "pets")
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
SECONDS = 45  # that a page may take on a busy machine; a test waits no longer than it must
QUIET = (  # a browser that asks no other host for anything
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-3d-apis",  # no WebGL, as on a machine without a GPU: no page here needs it
)
# Counts layout shifts and violations of the content security policy from the first moment of a page.
OBSERVE = """
window.shopcatSeen = {shift: 0, violations: []};
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shopcatSeen.shift += entry.value;
}).observe({type: "layout-shift", buffered: true});
document.addEventListener("securitypolicyviolation", (event) => {
  window.shopcatSeen.violations.push(`${event.violatedDirective}: ${event.blockedURI}`);
});
"""

# Waits for the end of all transitions. A page's policy allows no `wait_for_function`, which evaluates a text later.
AT_REST = "Promise.all(document.getAnimations().map((animation) => animation.finished.catch(() => null)))"


@contextmanager
def service(folder: Path, *options: str) -> Iterator[str]:
    """Run `shopcat serve` with both models until the block ends, and give its address when it is ready."""
    ports, log = Ports.any_free(), folder / "output"
    command = [sys.executable, "-m", "cli", "serve", *map(str, BUNDLES), "--runner", "python", "--workers", "1"]
    command += ["--port", str(ports.inference), "--metrics-port", str(ports.metrics), "--data", str(folder / "data")]
    command += ["--model-store", str(folder / "store"), "--idle-at-stop", "0", *options]
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT)
    try:
        ready = until(lambda: "Ctrl-C stops it" in log.read_text() or process.poll() is not None, 180)
        assert ready, log.read_text()
        assert process.poll() is None, log.read_text()
        yield f"{'https' if '--tls-cert' in options else 'http'}://{HOST}:{ports.inference}"
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture(scope="module")
def console_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a service without keys."""
    with service(tmp_path_factory.mktemp("console")) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium. It ends with the module, because its event loop would disturb asynchronous tests of others."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        reason = "no Chromium; Debian has it in the package chromium"
        (pytest.fail if os.environ.get("SHOPCAT_BROWSER_REQUIRED") else pytest.skip)(reason)
    expect.set_options(timeout=SECONDS * 1000)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=list(QUIET))
        yield running
        running.close()


@dataclass
class Watched:
    """A page, and what no page may do.

    Attributes:
        page: the page.
        faults: messages of errors and warnings, requests to other hosts.
    """

    page: Page
    host: str
    faults: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def watch(self) -> None:
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        self.page.on("console", self._on_message)
        self.page.on("request", self._on_request)

    def _on_message(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(f"{message.type}: {message.text} ({message.location.get('url')})")

    def _on_request(self, request: Request) -> None:
        if not request.url.startswith((self.host, "blob:", "data:")):
            self.faults.append(f"request to {request.url}")

    def seen(self, name: str) -> Any:
        return self.page.evaluate(f"window.shopcatSeen.{name}")

    def check(self) -> None:
        """Fail if the page did what no page may do."""
        faults = [fault for fault in self.faults if not any(text in fault for text in self.expected)]
        assert faults == []
        assert self.seen("violations") == []


OpenPage = Callable[..., Watched]


@pytest.fixture
def open_page(browser: Browser, console_service: str) -> Iterator[OpenPage]:
    """Open a page of the service in a new context; the pages are checked at the end of the test."""
    opened: list[Watched] = []

    def open_at(path: str, host: str = console_service, width: int = 1280, **options: Any) -> Watched:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, permissions=["clipboard-read", "clipboard-write"], **options
        )
        context.set_default_timeout(SECONDS * 1000)
        context.add_init_script(OBSERVE)
        watched = Watched(context.new_page(), host)
        watched.watch()
        opened.append(watched)
        watched.page.goto(host + path)
        return watched

    yield open_at
    for watched in opened:
        watched.check()
        watched.page.context.close()


def choose(page: Page, *files: Path | dict[str, Any]) -> None:
    """Give the page of breeds a photo."""
    page.locator(".file:not(.camera) input").set_input_files(files)  # type: ignore[arg-type]


def violations(page: Page) -> list[str]:
    """Return the violations of WCAG 2.2 AA that axe finds on a page at rest, with the elements."""
    page.evaluate(AT_REST)  # halfway between two colours, contrast is low
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": LEVELS}}).response["violations"]
    return [f"{rule['id']}: {[node['html'][:200] for node in rule['nodes']]}" for rule in found]
