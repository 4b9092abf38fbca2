"""Files that Envoy reads: its configuration, and those that it reads again when they change."""

import contextlib
import ipaddress
import itertools
import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from schemas import openapi
from serving.gateway.certificate import Certificate
from serving.gateway.config import HEADERS_KB, MAX_BODY, GatewayConfig, ServedModel
from serving.gateway.keys import ApiKey
from serving.gateway.rate_limit import RateLimit, describe
from serving.gateway.refusals import access_log_rate, access_logs, refusals
from serving.ports import HOST

logger = logging.getLogger(__name__)

_FOLDER = Path(__file__).resolve().parent
_RATE = "access_log_rate.json"
_REFRESH_S = 0.5  # between two looks at the files of keys and the certificate


def render(config: GatewayConfig, models: Sequence[ServedModel], folder: Path) -> str:
    """Return Envoy's configuration.

    Args:
        config: settings of the gateway.
        models: models that clients may use.
        folder: Envoy's private folder, with the other files and the administration socket.
    """
    probes_host = ipaddress.ip_address(config.probes_host)
    limits = f"each address may send {describe(config.rate_limits)}" if config.rate_limits else ""
    return _rendered(
        "envoy.yaml.jinja",
        config=config,
        folder=folder,
        models=models,
        probes_host={"0.0.0.0": HOST, "::": "::1"}.get(str(probes_host), str(probes_host)),  # noqa: S104
        auth=(_FOLDER / "auth.lua").read_text(encoding="utf-8"),
        refusals=refusals(MAX_BODY, {model.name: model.max_body for model in models}, HEADERS_KB, limits),
        access_logs=access_logs(folder / _RATE),
        sampler=config.tracing and config.tracing.envoy_sampler(),
        max_body=MAX_BODY,
        headers_kb=HEADERS_KB,
    )


def render_routes(config: GatewayConfig, models: Sequence[ServedModel]) -> str:
    """Return Envoy's routes, with the digests of the API keys and the rate limits."""
    return _rendered(
        "routes.yaml.jinja",
        config=config,
        models=models,
        probes=["/livez", "/readyz", *(f"/readyz/{model.name}" for model in models)],
        version=str(time.time_ns()),
        contract=openapi.served({model.name: model.kind or model.name for model in models}),
        max_body=MAX_BODY,
        clients=_clients(config),
        buckets=_buckets(config),
    )


def _rendered(template: str, **values: Any) -> str:
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701 - no HTML
    return environment.from_string((_FOLDER / template).read_text(encoding="utf-8")).render(**values)


def _limits(key: ApiKey, config: GatewayConfig) -> Sequence[RateLimit]:
    return config.rate_limits if key.limits is None else key.limits


def _clients(config: GatewayConfig) -> Mapping[str, str] | None:
    """Return what auth.lua knows: clients by the digests of their keys, with their limits in words."""
    if not config.keys:
        return None
    clients = {}
    for key in config.keys.value:
        limits = _limits(key, config)
        clients[key.digest] = key.client + (f"\nthe client {key.client} may send {describe(limits)}" if limits else "")
    return clients


def _buckets(config: GatewayConfig) -> Sequence[tuple[str, RateLimit]]:
    """Return each limit with the client that has it; without keys with "", which stands for every address."""
    if not config.keys:
        return [("", limit) for limit in config.rate_limits]
    found = {(key.client, limit) for key in config.keys.value for limit in _limits(key, config)}
    return sorted(found, key=lambda bucket: (bucket[0], bucket[1].seconds))


class EnvoyFiles:
    """The files in Envoy's private folder, except for the endpoints.

    Envoy reads the routes and the certificate again when they change, and requests in progress are answered as before.
    """

    def __init__(self, config: GatewayConfig, models: Sequence[ServedModel], folder: Path) -> None:
        """Write the files.

        Args:
            config: settings of the gateway.
            models: models that clients may use.
            folder: Envoy's private folder.
        """
        self._config, self._models, self._folder = config, models, folder
        self._next_look, self._number = 0.0, itertools.count()
        self._keys: Sequence[ApiKey] | None = None
        self._certificate: Certificate | None = None
        (folder / _RATE).write_text(json.dumps(access_log_rate()))
        (folder / "envoy.yaml").write_text(render(config, models, folder), encoding="utf-8")
        self._write_routes()
        self._write_certificate()

    def refresh(self) -> None:
        """Write the API keys and the certificate again if their files have changed.

        Calls that follow each other quickly do nothing. If a file can't be written, a later call tries again.
        """
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + _REFRESH_S
        config = self._config
        try:
            if config.keys:
                config.keys.refresh()
                if config.keys.value != self._keys:
                    self._write_routes()
            if config.tls:
                config.tls.refresh()
                if config.tls.value != self._certificate:
                    self._write_certificate()
        except OSError as error:
            logger.error("the gateway's files in %s can't be written: %s", self._folder, error)

    def _write_routes(self) -> None:
        keys = self._config.keys.value if self._config.keys else None
        with _atomic(self._folder / "routes.yaml") as file:
            file.write_text(render_routes(self._config, self._models), encoding="utf-8")
        self._keys = keys

    def _write_certificate(self) -> None:
        """Write the certificate and its key under new names, then the file that names them, which Envoy watches."""
        if not self._config.tls:
            return
        certificate = self._config.tls.value
        number = next(self._number)
        chain, key = self._folder / f"certificate-{number}.pem", self._folder / f"key-{number}.pem"
        key.touch(mode=0o600)
        chain.write_bytes(certificate.chain)
        key.write_bytes(certificate.key)
        secret = {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
            "name": "certificate",
            "tls_certificate": {"certificate_chain": {"filename": str(chain)}, "private_key": {"filename": str(key)}},
        }
        with _atomic(self._folder / "certificate.yaml") as file:
            file.write_text(json.dumps({"version_info": str(time.time_ns()), "resources": [secret]}))
        self._certificate = certificate


@contextlib.contextmanager
def _atomic(file: Path) -> Iterator[Path]:
    """Yield the path of a new file, which replaces the old one when the block ends."""
    new = file.with_name(f"{file.name}.new")
    yield new
    new.replace(file)
