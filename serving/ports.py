"""The ports that a server listens on."""

import contextlib
import socket
from dataclasses import dataclass, fields

from runtime.errors import UserError

HOST = "127.0.0.1"


class PortError(UserError):
    """A port that can't be had; the message names it and the option that chooses another."""


@dataclass(frozen=True)
class Ports:
    """Where a server listens on 127.0.0.1.

    Attributes:
        inference: ``/predictions/MODEL``.
        metrics: ``/metrics`` for Prometheus.
    """

    inference: int = 8080
    metrics: int = 8082

    def check_free(self) -> None:
        """Raise a `PortError` that names the first port that is taken, and the option to choose another."""
        for port, option in ((self.inference, "--port"), (self.metrics, "--metrics-port")):
            hold_port(port, HOST, option).close()

    @classmethod
    def any_free(cls) -> "Ports":
        """Ports that were free a moment ago."""
        with contextlib.ExitStack() as opened:
            probes = [opened.enter_context(socket.socket()) for _ in fields(cls)]
            for probe in probes:
                probe.bind((HOST, 0))
            return cls(*(probe.getsockname()[1] for probe in probes))


def hold_port(port: int, host: str, option: str) -> socket.socket:
    """Hold a port for a program that is started later and asks for it by its number.

    Until the socket is closed nobody is given the port by chance. Who sets SO_REUSEADDR, as Envoy and TorchServe do,
    can listen on it meanwhile.

    Args:
        port: by its number.
        host: the address.
        option: what chooses another.

    Raises:
        PortError: if the port can't be had. An address that is not this machine's is one, too.
    """
    held = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        held.bind((host, port))
    except (OSError, OverflowError) as error:
        held.close()
        raise PortError(
            f"port {port} of {host}, for {option}, can't be had ({error}); "
            f"stop what uses it or choose another with {option}"
        ) from error
    return held
