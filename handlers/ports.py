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
    """Where the server listens on 127.0.0.1.

    Attributes:
        inference: ``/predictions/MODEL``.
        management: ``/models``.
        metrics: ``/metrics`` for Prometheus.
    """

    inference: int = 8080
    management: int = 8081
    metrics: int = 8082

    def check_free(self) -> None:
        """Raise a `PortError` that names the first port that is taken, and the option to choose another."""
        for field in fields(self):
            option = "--port" if field.name == "inference" else f"--{field.name}-port"
            check_port(getattr(self, field.name), HOST, option)

    @classmethod
    def any_free(cls) -> "Ports":
        """Ports that were free a moment ago."""
        with contextlib.ExitStack() as opened:
            probes = [opened.enter_context(socket.socket()) for _ in fields(cls)]
            for probe in probes:
                probe.bind((HOST, 0))
            return cls(*(probe.getsockname()[1] for probe in probes))


def check_port(port: int, host: str, option: str) -> None:
    """Raise a `PortError` if a port can't be had; ``option`` is what chooses another.

    An address that is not this machine's is one, too.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            raise PortError(
                f"port {port} of {host}, for {option}, can't be had ({error}); "
                f"stop what uses it or choose another with {option}"
            ) from error
