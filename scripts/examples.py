"""Run the examples of README.md and docs/, and write their answers: ``python -m scripts.examples``.

A code block is an example if a comment before it names it, and the answer to it if the comment says so::

    <!-- example: NAME -->             a curl command, Python, or JSON objects that /predictions/sales accepts
    <!-- answer: NAME -->              the JSON answer to the curl command of that name
    <!-- answer: NAME shortened -->    the same; lists and strings may be cut, a cut string ends in "..."

Python examples print; each line that starts with ``print`` ends in a comment with the expected output.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
BUNDLES = ("model_store/demo", "model_store/pets")
ADDRESS = "127.0.0.1:8080"  # in the pages
WIDTH = 80  # characters of a line of JSON, as many as a page of the site shows

_BLOCK = re.compile(r"<!-- (example|answer): ([\w-]+)( shortened)? -->\n+```(\w+)\n(.*?)```", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A named code block.

    Attributes:
        page: the file.
        role: ``example`` or ``answer``.
        name: unique in the page, for its role.
        shortened: true if lists and strings of the answer may be cut.
        language: ``sh``, ``python`` or ``json``.
        text: the block's content.
    """

    page: Path
    role: str
    name: str
    shortened: bool
    language: str
    text: str

    @property
    def id(self) -> str:
        """Name for a test report."""
        return f"{self.page.relative_to(ROOT)}:{self.name}"


def blocks(role: str, language: str) -> list[Block]:
    """Return the named blocks of all pages with a role and a language."""
    found = [
        Block(page, found_role, name, bool(shortened), found_language, text)
        for page in PAGES
        for found_role, name, shortened, found_language, text in _BLOCK.findall(page.read_text(encoding="utf-8"))
    ]
    return [block for block in found if (block.role, block.language) == (role, language)]


def objects(text: str) -> list[dict[str, Any]]:
    """Parse JSON objects that follow each other."""
    found, decoder, text = [], json.JSONDecoder(), text.strip()
    while text:
        value, end = decoder.raw_decode(text)
        found.append(value)
        text = text[end:].strip()
    return found


@contextmanager
def running_service() -> Iterator[str]:
    """Run ``shopcat serve`` with the bundles that ship, and yield ``HOST:PORT``."""
    port, metrics_port = _free_port(), _free_port()
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "cli", "serve", *BUNDLES, "--workers", "1", "--cpu"]
        command += ["--port", str(port), "--metrics-port", str(metrics_port), "--model-store", f"{folder}/archives"]
        log = Path(folder, "log")
        with log.open("wb") as file:
            process = subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=file)
        try:
            _wait_until_ready(process, metrics_port, log)
            yield f"127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=100)


def _wait_until_ready(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"shopcat serve is not ready:\n{log.read_text(encoding='utf-8', errors='replace')}")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def run_curl(example: Block, address: str) -> Any:
    """Run a curl command against a service at ``HOST:PORT``, and return the JSON that it prints."""
    command = example.text.replace(ADDRESS, address)
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)


def run_python(page: Path, address: str) -> tuple[list[str], list[str]]:
    """Run the Python examples of a page in one process, with a service at ``HOST:PORT`` for those that ask one.

    Returns:
        The expected and the actual output, line by line.
    """
    text = "\n".join(block.text for block in blocks("example", "python") if block.page == page)
    expected = re.findall(r"^ *print\(.*\)  # (.*)$", text, re.MULTILINE)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-c", text.replace(ADDRESS, address)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120)
    return expected, [*done.stdout.replace(address, ADDRESS).splitlines(), *done.stderr.splitlines()]


def differences(shown: Any, actual: Any, *, shortened: bool, path: str = "") -> list[str]:
    """Return the places where an answer in a page differs from the real one.

    Floats may differ by 0.1 percent, or by 0.02, because some processors run the breed network in 8 bits.
    """
    if isinstance(shown, dict) and isinstance(actual, dict):
        if list(shown) != list(actual):
            return [f"{path}: fields {list(shown)}, really {list(actual)}"]
        pairs = [(f"{path}/{key}", shown[key], actual[key]) for key in shown]
    elif isinstance(shown, list) and isinstance(actual, list):
        if len(shown) != len(actual) and not (shortened and 0 < len(shown) < len(actual)):
            return [f"{path}: {len(shown)} values, really {len(actual)}"]
        pairs = [(f"{path}/{i}", *pair) for i, pair in enumerate(zip(shown, actual, strict=False))]
    elif isinstance(shown, str) and isinstance(actual, str) and shortened and shown.endswith("..."):
        return [] if actual.startswith(shown[:-3]) else [f"{path}: {shown}, really {actual[: len(shown)]}"]
    elif isinstance(shown, float) and isinstance(actual, float):
        same = abs(shown - actual) <= max(1e-3 * abs(actual), 2e-2)
        return [] if same else [f"{path}: {shown}, really {actual}"]
    else:
        return [] if shown == actual else [f"{path}: {shown!r}, really {actual!r}"]
    return [place for where, old, new in pairs for place in differences(old, new, shortened=shortened, path=where)]


def _like(shown: Any, actual: Any, *, shorten: bool) -> Any:
    """Return an answer with rounded probabilities and, if it is shortened, cut where the page cuts it."""
    if isinstance(actual, dict):
        old = shown if isinstance(shown, dict) else {}
        return {key: _like(old.get(key), value, shorten=shorten) for key, value in actual.items()}
    if isinstance(actual, list):
        old_items = shown if isinstance(shown, list) and shown else [None]
        kept = actual[: len(old_items)] if shorten and old_items != [None] else actual
        return [_like(old_items[min(i, len(old_items) - 1)], value, shorten=shorten) for i, value in enumerate(kept)]
    if isinstance(actual, str) and isinstance(shown, str) and shorten and shown.endswith("..."):
        return actual[: len(shown) - 3] + "..."
    if isinstance(actual, float) and abs(actual) < 1 and isinstance(shown, float) and len(str(shown)) <= 5:
        return round(actual, 3)
    return actual


def written(value: Any, indent: int = 0) -> str:
    """Write an answer as compact JSON; what does not fit on a line is broken between members."""
    text = json.dumps(value, separators=(",", ":"))
    if indent + len(text) <= WIDTH or not isinstance(value, dict | list):
        return text
    if isinstance(value, dict):
        parts = [f"{json.dumps(key)}:{written(member, indent + 1)}" for key, member in value.items()]
    else:
        parts = [written(member, indent + 1) for member in value]
    lines = [parts[0]]
    for part in parts[1:]:
        fits = indent + 2 + len(lines[-1]) + len(part) <= WIDTH and "\n" not in lines[-1] + part
        objects_in_a_list = isinstance(value, list) and isinstance(value[0], dict)
        if fits and not objects_in_a_list:
            lines[-1] += f",{part}"
        else:
            lines[-1] += ","
            lines.append(part)
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return f"{opening}{f'{chr(10)} {chr(32) * indent}'.join(lines)}{closing}"


def write_answers() -> None:
    """Write the real answers into all pages."""
    curls = {(block.page, block.name): block for block in blocks("example", "sh")}
    with running_service() as address:
        for answer in blocks("answer", "json"):
            actual = run_curl(curls[answer.page, answer.name], address)
            new = written(_like(json.loads(answer.text), actual, shorten=answer.shortened))
            text = answer.page.read_text(encoding="utf-8")
            answer.page.write_text(text.replace(f"```json\n{answer.text}```", f"```json\n{new}\n```"), encoding="utf-8")
        for page in PAGES:
            expected, actual_lines = run_python(page, address)
            text = page.read_text(encoding="utf-8")
            for old, line in zip(expected, actual_lines, strict=True):
                shown = rf"(^ *print\(.*\)  # ){re.escape(old)}$"
                text = re.sub(shown, lambda m: m[1] + line, text, count=1, flags=re.M)  # noqa: B023
            page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_answers()
