"""Several hosts on one machine: network namespaces on a bridge, which links can be taken from or slowed."""

import ctypes
import os
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

GATEWAY = "10.0.0.1"
_NEW_NETWORK = 0x40000000  # CLONE_NEWNET


@dataclass(frozen=True)
class Network:
    """Namespaces of a gateway and of some hosts.

    Attributes:
        gateway: namespace of the gateway and its clients, which has the bridge.
        hosts: namespace of each host by its address.
    """

    gateway: str
    hosts: dict[str, str]

    def link(self, address: str) -> str:
        """Return the gateway's end of a host's cable."""
        return f"host{sorted(self.hosts).index(address)}"

    @contextmanager
    def cut_off(self, address: str) -> Iterator[None]:
        """Pull a host's cable until the block ends. No end learns of it: packets just do not arrive."""
        _ip("-n", self.gateway, "link", "set", self.link(address), "down")
        try:
            yield
        finally:
            _ip("-n", self.gateway, "link", "set", self.link(address), "up")

    @contextmanager
    def slow_link(self, address: str, rate: str) -> Iterator[None]:
        """Limit the rate at which a host can send until the block ends, as in ``64kbit``."""
        limit = ("tbf", "rate", rate, "burst", "4kb", "limit", "1mb")
        _run("tc", "-n", self.hosts[address], "qdisc", "add", "dev", "eth0", "root", *limit)
        try:
            yield
        finally:
            _run("tc", "-n", self.hosts[address], "qdisc", "del", "dev", "eth0", "root")


@contextmanager
def network(addresses: Sequence[str]) -> Iterator[Network]:
    """Make the namespaces, and remove them with all that still runs in them when the block ends.

    The test is skipped without the right to make namespaces.
    """
    if os.geteuid() or not (shutil.which("ip") and shutil.which("tc") and shutil.which("nsenter")):
        pytest.skip("needs root, ip, tc and nsenter, to make network namespaces")
    name = f"shopcat-{uuid.uuid4().hex[:8]}"
    made = Network(f"{name}-gateway", {address: f"{name}-{address}" for address in addresses})
    with ExitStack() as stack:
        for namespace in (made.gateway, *made.hosts.values()):
            try:
                _ip("netns", "add", namespace)
            except subprocess.CalledProcessError as error:
                pytest.skip(f"needs the right to make network namespaces: {error.stderr}")
            stack.callback(_remove, namespace)
            _ip("-n", namespace, "link", "set", "lo", "up")
        _ip("-n", made.gateway, "link", "add", "hosts", "type", "bridge")
        _ip("-n", made.gateway, "address", "add", f"{GATEWAY}/24", "dev", "hosts")
        _ip("-n", made.gateway, "link", "set", "hosts", "up")
        for address, namespace in made.hosts.items():
            link = made.link(address)
            _ip("link", "add", link, "netns", made.gateway, "type", "veth", "peer", "name", "eth0", "netns", namespace)
            _ip("-n", made.gateway, "link", "set", link, "master", "hosts", "up")
            _ip("-n", namespace, "address", "add", f"{address}/24", "dev", "eth0")
            _ip("-n", namespace, "link", "set", "eth0", "up")
        yield made


def inside(namespace: str, *command: str) -> list[str]:
    """Return a command that runs another in a namespace, as the same process."""
    return ["nsenter", f"--net=/run/netns/{namespace}", *command]


def entering(namespace: str) -> Callable[[], None]:
    """Return a function that moves the calling thread's new sockets to a namespace."""
    libc = ctypes.CDLL(None, use_errno=True)

    def enter() -> None:
        with Path("/run/netns", namespace).open() as file:
            if libc.setns(file.fileno(), _NEW_NETWORK):
                raise OSError(ctypes.get_errno(), f"the network namespace {namespace} can't be entered")

    return enter


def _remove(namespace: str) -> None:
    pids = subprocess.run(["ip", "netns", "pids", namespace], capture_output=True, text=True, check=False).stdout
    for pid in map(int, pids.split()):
        if pid != os.getpid() and psutil.pid_exists(pid):
            psutil.Process(pid).kill()
    _ip("netns", "delete", namespace)


def _ip(*arguments: str) -> None:
    _run("ip", *arguments)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
