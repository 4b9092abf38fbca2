"""Closed-loop HTTP load generator: each connection sends its next request once the previous answer has arrived.

It uses `wrk` where the machine has it, otherwise the loop of `shopcat tune`.
"""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from serving.tuning.load import Load, LoadError, measure_load

__all__ = ["Load", "LoadError", "generator", "measure"]

WRK_SCRIPT = """
local headers, bodies, turn = {{{headers}}}, {{}}, 0
local file = io.open({bodies}, "rb")
for number, size in ipairs({{{sizes}}}) do
  bodies[number] = file:read(size)
end
file:close()
request = function()
  turn = turn % #bodies + 1
  return wrk.format("POST", nil, headers, bodies[turn])
end
done = function(summary, latency, requests)
  local failed = summary.errors
  local errors = failed.connect + failed.status + failed.read + failed.write + failed.timeout
  io.write(string.format('{{"requests": %d, "errors": %d, "seconds": %f, "p50": %f, "p99": %f}}\\n',
    summary.requests, errors, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
"""


def generator(rejections: bool = False) -> str:
    """Return the name of the generator that `measure` uses on this machine: ``wrk`` or ``epoll``."""
    return "epoll" if rejections or not shutil.which("wrk") else "wrk"


def measure(
    url: str,
    bodies: Sequence[bytes],
    *,
    connections: int,
    seconds: float,
    content_type: str = "application/json",
    headers: Mapping[str, str] = {},
    rejections: bool = False,
) -> Load:
    """POST each of ``bodies`` in turn to ``url`` over ``connections`` keep-alive connections for about ``seconds``.

    Args:
        url: address of the requests.
        bodies: their bodies.
        connections: number of connections.
        seconds: time after which nothing more is sent.
        content_type: content type of the bodies.
        headers: further headers.
        rejections: count answers with a 503 as rejected, and connect again after the time in Retry-After.
            wrk can't, so the epoll loop does it.

    Raises:
        LoadError: if an answer is neither a 200 nor a rejection that counts, or a connection breaks.
    """
    fields = {"Content-Type": content_type, **headers}
    if generator(rejections) == "epoll":
        return measure_load(url, bodies, fields, connections, seconds, rejections)
    return _wrk(url, bodies, fields, connections, seconds)


def _wrk(url: str, bodies: Sequence[bytes], headers: Mapping[str, str], connections: int, seconds: float) -> Load:
    with tempfile.TemporaryDirectory() as folder:
        content, script = Path(folder, "bodies"), Path(folder, "post.lua")
        content.write_bytes(b"".join(bodies))
        sizes = ", ".join(str(len(body)) for body in bodies)
        script.write_text(
            WRK_SCRIPT.format(
                headers=", ".join(f"[{json.dumps(name)}] = {json.dumps(value)}" for name, value in headers.items()),
                bodies=json.dumps(str(content)),
                sizes=sizes,
            )
        )
        # wrk takes whole seconds only. One thread is enough for the rates of a small machine.
        duration = f"-d{max(1, round(seconds))}s"
        command = ["wrk", "-t1", f"-c{connections}", duration, "--timeout", "60s", "-s", str(script), url]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    figures = json.loads(output.strip().splitlines()[-1])
    if figures["errors"]:
        raise LoadError(f"{url}: {figures['errors']} of {figures['requests']} answers were not 200")
    return Load(figures["requests"], figures["requests"] / figures["seconds"], figures["p50"], figures["p99"])
