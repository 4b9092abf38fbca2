"""Break every part of the documented container under load, and see whether a request is lost.

    python -m benchmarks.endurance model_store/demo model_store/pets [--minutes 30] [--connections 16]

The image is built, and run with the restrictions of compose.yaml, with TLS and API keys. Clients send all kinds of
requests of `benchmarks.soak`. After a 429, a 503 or a broken connection they send the request again.

Meanwhile photos and documents arrive that are made to use up memory. SIGHUP reloads the bundles. Envoy, a TorchServe
and a worker are killed, /tmp is filled, and the certificate is replaced.

The exit status is 1 unless all of this holds:

- Every request gets its expected status within 60 s. Each client gives up after that.
- The service is ready again after each fault.
- The container's memory stays below its limit, and the kernel kills no process of it.
- New connections get the new certificate.
"""

import http.client
import io
import random
import shutil
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from benchmarks.load_generator.patient import Client, Tally
from benchmarks.markdown import table_row
from benchmarks.servers.container import PROGRAM, build, inside, restrictions, run
from benchmarks.soak import Request, parse_arguments, request_kinds
from serving.ports import HOST, Ports

READY_S = 120.0  # time for the service to be ready after its start or a fault
FULL_S = 20.0  # time for which /tmp is full
CROWD = 50  # hostile requests at once
KEY = "k" * 32


class Fault(NamedTuple):
    """Something that happens to the service.

    Attributes:
        name: name in the table.
        at: share of the whole time at which it happens.
        happen: function that makes it happen, and returns what it saw.
    """

    name: str
    at: float
    happen: Callable[[], str]


def hostile_requests() -> list[Request]:
    """Return requests that are small to send and large to read, with the status of their answers."""

    def png(mode: str, side: int) -> bytes:
        file = io.BytesIO()
        Image.new(mode, (side, side)).save(file, "PNG")
        return file.getvalue()

    lists = b'{"items":[' + b"[]," * 330_000 + b"[]]}"
    return [
        Request("a photo of 50 megapixels", "/predictions/pets", png("LA", 7071), "image/png", 413, 1),
        Request("a photo of 23 megapixels", "/predictions/pets", png("RGBA", 4800), "image/png", 200, 1),
        Request("1 MB of empty lists", "/predictions/sales", lists, "application/json", 413, 1),
        Request("2 MB of spaces", "/predictions/sales", b" " * 2_000_000, "application/json", 413, 1),
    ]


class Container:
    """The running container.

    Attributes:
        name: its ID.
        port: port for requests.
        probes_port: port for probes and metrics.
        certificates: folder with ``tls.crt`` and ``tls.key``, which are links as in a Kubernetes secret.
    """

    def __init__(self, name: str, ports: Ports, certificates: Path) -> None:
        """Describe a running container."""
        self.name, self.port, self.probes_port, self.certificates = name, ports.inference, ports.metrics, certificates

    def ready(self) -> bool:
        """Return True if the service says that it is ready."""
        connection = http.client.HTTPConnection(HOST, self.probes_port, timeout=5)
        with suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        return False

    def kill(self, pattern: str) -> str:
        """Kill the first process whose command line has a pattern, with SIGKILL; return its PID."""
        script = """
import os, sys
for pid in sorted(filter(str.isdigit, os.listdir("/proc")), key=int):
    try:
        command = open(f"/proc/{pid}/cmdline", "rb").read().replace(b"\\0", b" ").decode()
    except OSError:
        continue
    if sys.argv[1] in command and int(pid) != os.getpid():
        os.kill(int(pid), 9)
        print(pid)
        break
"""
        return f"process {inside(self.name, 'python', '-c', script, pattern).strip() or 'not found'} killed"

    def reload(self) -> str:
        """Send SIGHUP."""
        run("kill", "--signal=HUP", self.name)
        return "SIGHUP sent"

    def fill(self) -> str:
        """Fill /tmp for some seconds."""
        inside(self.name, "sh", "-c", "cat /dev/zero >/tmp/filling", check=False)
        left = inside(self.name, "df", "--output=avail", "/tmp").split()[-1]
        time.sleep(FULL_S)
        inside(self.name, "rm", "/tmp/filling")
        return f"{left} KiB free for {FULL_S:g} s"

    def rotate(self) -> str:
        """Replace the certificate, and wait until new connections get it."""
        before = self.served_certificate()
        write_certificate(self.certificates)
        until = time.monotonic() + READY_S
        while self.served_certificate() == before:
            if time.monotonic() > until:
                raise RuntimeError("the old certificate is still served")
            time.sleep(0.2)
        return "new connections get the new certificate"

    def served_certificate(self) -> str:
        """Return the certificate that a new connection gets, PEM; empty if there is no connection."""
        with suppress(OSError):
            return ssl.get_server_certificate((HOST, self.port))
        return ""

    def memory(self) -> tuple[int, int, int]:
        """Return the container's peak memory and its limit in bytes, and the number of processes that were killed."""
        script = """
import os
v1, v2 = "/sys/fs/cgroup/memory/memory.", "/sys/fs/cgroup/memory."
names = (v2 + "peak", v2 + "max", v2 + "events") if os.path.exists(v2 + "max") else (
    v1 + "max_usage_in_bytes", v1 + "limit_in_bytes", v1 + "oom_control")
peak, limit, events = (open(name).read() for name in names)
print(peak.strip(), limit.strip(), dict(line.split() for line in events.splitlines()).get("oom_kill", 0))
"""
        peak, limit, killed = inside(self.name, "python", "-c", script).split()
        return int(peak), int(limit), int(killed)


def write_certificate(folder: Path) -> None:
    """Write a new certificate and key, and switch the links to them at once, as Kubernetes does with a secret."""
    place = folder / f"..{time.time_ns()}"
    place.mkdir()
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "2", "-subj", "/CN=shopcat", "-addext", f"subjectAltName=IP:{HOST}"),
            *("-keyout", place / "tls.key", "-out", place / "tls.crt"),
        ],
        check=True,
        capture_output=True,
    )
    (place / "tls.key").chmod(0o644)  # the container's user is another
    new = folder / "..new"
    new.symlink_to(place.name)
    new.rename(folder / "..data")
    for name in ("tls.crt", "tls.key"):
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")


@contextmanager
def running_container(bundles: Sequence[Path], log: Path) -> Iterator[Container]:
    """Build and run the container until the block ends, and write its log to a file."""
    image, ports = build(), Ports.any_free()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)
        for name in ("bundles", "tls"):
            (folder / name).mkdir()
        for bundle in bundles:
            shutil.copytree(bundle, folder / "bundles" / bundle.name)
        write_certificate(folder / "tls")
        (folder / "keys").write_text(f"benchmark: {KEY}\n")
        container = run(
            *("run", "--detach", *restrictions("host")),
            *(f"--volume={folder}:/config:ro", image, "serve", *(f"/config/bundles/{path.name}" for path in bundles)),
            *("--port", str(ports.inference), "--metrics-port", str(ports.metrics), "--api-keys", "/config/keys"),
            *("--tls-cert", "/config/tls/tls.crt", "--tls-key", "/config/tls/tls.key"),
        ).strip()
        try:
            running = Container(container, ports, folder / "tls")
            wait_until_ready(running)
            yield running
        finally:
            with log.open("wb") as file:
                subprocess.run([PROGRAM, "logs", container], stdout=file, stderr=file, check=True)
            run("rm", "--force", "--time=100", container, check=False)


def wait_until_ready(container: Container) -> float:
    """Wait until the service is ready; return the seconds that it took.

    Raises:
        RuntimeError: if it is not ready in time.
    """
    start = time.monotonic()
    while not container.ready():
        if time.monotonic() - start > READY_S:
            raise RuntimeError(f"not ready after {READY_S:g} s")
        time.sleep(0.1)
    return time.monotonic() - start


def crowd(container: Container, requests: Sequence[Request], tally: Tally) -> str:
    """Send hostile requests over ``CROWD`` connections at once, and wait for their answers."""

    def send(request: Request) -> None:
        client = Client(container.port, container.certificates / "tls.crt", KEY, tally)
        client.ask(request)
        client.close()

    threads = [
        threading.Thread(target=send, args=(requests[place % len(requests)],), daemon=True) for place in range(CROWD)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return f"{CROWD} requests answered"


def send_requests(container: Container, kinds: Sequence[Request], until: float, seed: int, tally: Tally) -> None:
    """Send random requests until a time of the monotonic clock."""
    rng, client = random.Random(seed), Client(container.port, container.certificates / "tls.crt", KEY, tally)
    while time.monotonic() < until:
        (request,) = rng.choices(kinds, [kind.weight for kind in kinds])
        client.ask(request)
    client.close()


def endure(container: Container, kinds: Sequence[Request], minutes: float, connections: int, tally: Tally) -> list[str]:
    """Run the load with all faults, print a table of them, and return a sentence for each that did not end well."""
    hostile, failures = hostile_requests(), []
    faults = [
        Fault(f"{CROWD} hostile requests", 0.08, lambda: crowd(container, hostile, tally)),
        Fault("a reload", 0.2, container.reload),
        Fault("Envoy killed", 0.32, lambda: container.kill("envoy -c")),
        Fault("TorchServe killed", 0.42, lambda: container.kill("org.pytorch.serve.ModelServer")),
        Fault("a worker killed", 0.54, lambda: container.kill("model_service_worker")),
        Fault("/tmp full", 0.64, container.fill),
        Fault("the certificate replaced", 0.76, container.rotate),
        Fault(f"{CROWD} hostile requests again", 0.86, lambda: crowd(container, hostile, tally)),
    ]
    start = time.monotonic()
    until = start + 60 * minutes
    arguments = [(container, kinds, until, seed, tally) for seed in range(connections)]
    threads = [threading.Thread(target=send_requests, args=given, daemon=True) for given in arguments]
    for thread in threads:
        thread.start()
    print("| fault | seen | ready again, s |\n|---|---|---:|", flush=True)
    for fault in faults:
        time.sleep(max(start + fault.at * 60 * minutes - time.monotonic(), 0))
        try:
            seen = fault.happen()
            time.sleep(1)  # the service's time to notice
            print(table_row(fault.name, [seen, f"{1 + wait_until_ready(container):.1f}"]), flush=True)
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            failures.append(f"{fault.name}: {error}")
    for thread in threads:
        thread.join()
    return failures


def main() -> None:
    """Run the container under load, print tables, and exit with the verdict."""
    args = parse_arguments(__doc__, minutes=30, connections=16, log=Path("build/endurance.log"))
    kinds, tally = request_kinds(args.sales), Tally()
    with running_container([args.sales, args.pets], args.log) as container:
        faults = endure(container, kinds, args.minutes, args.connections, tally)
        try:
            peak, limit, killed = container.memory()
        except RuntimeError as error:
            raise SystemExit("\n".join([*faults, f"the container has ended: {error}"])) from error
    print("\n| request | last status | requests |\n|---|---:|---:|")
    for (name, status), count in sorted(tally.outcomes.items()):
        print(table_row(name, [str(status), f"{count:,}"]))
    print("\n| attempt | number |\n|---|---:|")
    for outcome, count in sorted(tally.attempts.items()):
        print(table_row(outcome, [f"{count:,}"]))
    print(f"\npeak memory {peak / 2**20:,.0f} MiB of {limit / 2**20:,.0f}; {killed} processes killed by the kernel")
    faults += [f"{killed} processes were killed by the kernel"] * bool(killed) + wrong_answers(kinds, tally)
    print("\n".join(faults) or "every request was answered as expected, and every fault was survived")
    raise SystemExit(bool(faults))


def wrong_answers(kinds: Sequence[Request], tally: Tally) -> list[str]:
    """Return a sentence for each kind of request with an unexpected last status."""
    expected = {request.name: request.status for request in [*kinds, *hostile_requests()]}
    return [
        f"{count:,} x {name}: {status or 'no answer'} instead of {expected[name]}"
        for (name, status), count in sorted(tally.outcomes.items())
        if status != expected[name]
    ]


if __name__ == "__main__":
    main()
