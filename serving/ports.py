"""Ports that a server listens on."""

import contextlib
import socket
from dataclasses import dataclass, fields

from runtime.errors import UserError

HOST = "127.0.0.1"


class PortError(UserError):
    """A port can't be used; the message names it and the option that sets another."""


@dataclass(frozen=True)
class Ports:
    """Ports of a server.

    Attributes:
        inference: port for prediction requests.
        metrics: port for ``/metrics``, ``/livez`` and ``/readyz``.
    """

    inference: int = 8080
    metrics: int = 8082

    def check_free(self, host: str = HOST, metrics_host: str = HOST) -> None:
        """Raise a `PortError` that names the first port in use, and the option that sets another."""
        hold_port(self.inference, host, "--port").close()
        hold_port(self.metrics, metrics_host, "--metrics-port").close()

    @classmethod
    def any_free(cls) -> "Ports":
        """Return ports that were free a moment ago."""
        with contextlib.ExitStack() as opened:
            probes = [opened.enter_context(socket.socket()) for _ in fields(cls)]
            for probe in probes:
                probe.bind((HOST, 0))
            return cls(*(probe.getsockname()[1] for probe in probes))


def hold_port(port: int, host: str, option: str) -> socket.socket:
    """Reserve a port for a program that is started later.

    Until the returned socket is closed, the system assigns the port to no other program. Programs that set
    SO_REUSEADDR, as Envoy and TorchServe do, can listen on it meanwhile.

    Args:
        port: port number.
        host: IP address of this machine.
        option: command-line option that sets the port, for the error message.

    Raises:
        PortError: if the port is in use or the address is not one of this machine.
    """
    held = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        held.bind((host, port))
    except (OSError, OverflowError) as error:
        held.close()
        raise PortError(
            f"port {port} of {host}, for {option}, can't be used ({error}); "
            f"stop the program that uses it, or set another port with {option}"
        ) from error
    return held
