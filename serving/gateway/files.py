"""Files that Envoy reads: its configuration, and those that it reads again when they change."""

import contextlib
import json
import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any

import jinja2

from schemas import openapi
from schemas.console import SECTIONS as CONSOLE_SECTIONS
from schemas.session import cookie_name
from serving.gateway.certificate import Certificate
from serving.gateway.config import (
    CONSOLE_MAX_BODY,
    HEADERS_KB,
    KEYLESS_LIMIT,
    MAX_BODY,
    AdmissionLimit,
    GatewayConfig,
    ServedModel,
)
from serving.gateway.keys import ApiKey
from serving.gateway.rate_limit import UNITS, RateLimit, address_filter, client_filter, describe, keyless_filter
from serving.gateway.refusals import access_log_rate, access_logs, refusals
from serving.gateway.tracing import DRAW_HEADER

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
    by_address = bool(config.rate_limits) and config.keys is None
    limits = f"each address may send {describe(config.rate_limits)}" if by_address else ""
    has_keyless = config.console is not None and config.keys is not None
    return _rendered(
        "envoy.yaml.jinja",
        config=config,
        folder=folder,
        models=models,
        probes_host=config.local_probes_host,
        auth=(_FOLDER / "auth.lua").read_text(encoding="utf-8"),
        refusals=refusals(
            MAX_BODY,
            {model.name: model.max_body for model in models},
            HEADERS_KB,
            limits,
            CONSOLE_MAX_BODY if config.console else None,
            f"each address may send {describe([KEYLESS_LIMIT])}" if has_keyless else "",
        ),
        access_logs=access_logs(folder / _RATE),
        draw_header=DRAW_HEADER,
        sampler=config.tracing and config.tracing.envoy_sampler(),
        rate_units=UNITS,
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
        contract=openapi.served(
            {model.name: model.kind or model.name for model in models}, with_console=config.console is not None
        ),
        max_body=MAX_BODY,
        console_sections=CONSOLE_SECTIONS,
        console_max_body=CONSOLE_MAX_BODY,
        clients=_clients(config),
        rate_limits=_rate_limits(config),
        keyless_limit=keyless_filter(KEYLESS_LIMIT) if config.keys else None,
        draw_header=DRAW_HEADER,
    )


def _rendered(template: str, **values: Any) -> str:
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701 - no HTML
    return environment.from_string((_FOLDER / template).read_text(encoding="utf-8")).render(**values)


def _limits(key: ApiKey, config: GatewayConfig) -> Sequence[RateLimit]:
    return config.rate_limits if key.limits is None else key.limits


def _clients(config: GatewayConfig) -> Mapping[str, str] | None:
    """Return what auth.lua knows: by the digests of the keys, the clients with their roles and their limits in words.

    It also knows the name of the cookie with a key, and the origin of the pages if that is not the request's own.
    """
    if not config.keys:
        return None
    is_secure = (config.public_url or config.url).startswith("https:")
    clients = {"cookie": cookie_name(is_secure=is_secure), "origin": config.public_url}
    for key in config.keys.value:
        limits = _limits(key, config)
        lines = [key.client, ",".join(key.roles)]
        if limits:
            lines.append(f"the client {key.client} may send {describe(limits)}")
        clients[key.digest] = "\n".join(lines)
    return clients


def _rate_limits(config: GatewayConfig) -> Mapping[str, Mapping[str, Any]]:
    """Return the settings of the filter for each period that has limits, by the period's unit."""
    if config.keys is None:
        return {limit.unit: address_filter(limit) for limit in config.rate_limits}
    by_unit: dict[str, dict[str, RateLimit]] = {unit: {} for unit in UNITS}
    for key in sorted(config.keys.value, key=attrgetter("client")):
        for limit in _limits(key, config):
            by_unit[limit.unit][key.client] = limit  # all keys of a client have the same limits
    return {unit: client_filter(limits) for unit, limits in by_unit.items() if limits}


def _limits_resource(models: Sequence[ServedModel]) -> dict[str, Any]:
    """Return the number of requests that may be in progress for each model, as Envoy's runtime settings."""
    names = ("max_requests", "max_pending_requests", "max_retries")
    breakers = {model.name: {"default": dict.fromkeys(names, model.max_concurrent)} for model in models}
    layer = {"circuit_breakers": breakers}
    return {"@type": "type.googleapis.com/envoy.service.runtime.v3.Runtime", "name": "limits", "layer": layer}


def _admission_resource(name: str, limit: AdmissionLimit | None) -> dict[str, Any]:
    """Return the filter that applies an admission limit. Without a limit, no route enables the filter."""
    limit = limit or AdmissionLimit("", 1, 1, 1.0)
    controller = {
        "sample_aggregate_percentile": {"value": 50},
        "concurrency_limit_params": {
            "max_concurrency_limit": limit.max_concurrent,
            "concurrency_update_interval": "0.05s",
        },
        # Fixed: to measure it, Envoy would have to admit fewer requests for a while.
        "min_rtt_calc_params": {
            "fixed_value": f"{limit.target_latency_ms / 1000}s",
            "buffer": {"value": 0},
            "min_concurrency": limit.min_concurrent,
        },
    }
    kind = "type.googleapis.com/envoy.extensions.filters.http.adaptive_concurrency.v3.AdaptiveConcurrency"
    settings = {
        "@type": kind,
        "enabled": {"default_value": True, "runtime_key": "admission.enabled"},
        "concurrency_limit_exceeded_status": {"code": "TooManyRequests"},
        "gradient_controller_config": controller,
    }
    return {
        "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
        "name": name,
        "typed_config": settings,
    }


class EnvoyFiles:
    """The files in Envoy's private folder, except for the endpoints.

    Envoy reads the routes, the limits and the certificate again when they change, and requests in progress are answered
    as before.
    """

    def __init__(self, config: GatewayConfig, models: Sequence[ServedModel], folder: Path) -> None:
        """Write the files.

        Args:
            config: settings of the gateway.
            models: models that clients may use.
            folder: Envoy's private folder.
        """
        self._config, self._models, self._folder = config, models, folder
        self._next_look, self._n_certificates, self._is_failing = 0.0, 0, False
        self._keys: Sequence[ApiKey] | None = None
        self._certificate: Certificate | None = None
        (folder / _RATE).write_text(json.dumps(access_log_rate()))
        self._writing = threading.RLock()
        self.change_limits(models)
        self._write_certificate()

    def change_limits(self, models: Sequence[ServedModel]) -> None:
        """Apply other limits of the same models.

        Raises:
            OSError: if a file can't be written.
        """
        with self._writing:
            with _atomic(self._folder / "envoy.yaml") as file:  # for the next start of Envoy
                file.write_text(render(self._config, models, self._folder), encoding="utf-8")
            self._write_resource("limits.yaml", _limits_resource(models))
            for model in models:
                limits = {limit.path: limit for limit in model.limits}
                for path in ("predictions", "explanations"):
                    name = f"admission-{model.name}-{path}"
                    self._write_resource(f"{name}.yaml", _admission_resource(name, limits.get(path)))
            self._models = models
            self._write_routes()

    def refresh(self) -> None:
        """Write the API keys and the certificate again if their files have changed.

        Calls that follow each other quickly do nothing. If a file can't be written, a later call tries again.
        """
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + _REFRESH_S
        config = self._config
        try:
            with self._writing:
                if config.keys:
                    config.keys.refresh()
                    if config.keys.value != self._keys:
                        self._write_routes()
                if config.tls:
                    config.tls.refresh()
                    if config.tls.value != self._certificate:
                        self._write_certificate()
            self._is_failing = False
        except OSError as error:
            if not self._is_failing:
                logger.error("the gateway's files in %s can't be written; trying again: %s", self._folder, error)
            self._is_failing = True

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
        chain, key = self._certificate_paths(self._n_certificates)
        key.touch(mode=0o600)
        chain.write_bytes(certificate.chain)
        key.write_bytes(certificate.key)
        secret = {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
            "name": "certificate",
            "tls_certificate": {"certificate_chain": {"filename": str(chain)}, "private_key": {"filename": str(key)}},
        }
        self._write_resource("certificate.yaml", secret)
        self._certificate = certificate
        self._n_certificates += 1
        for file in self._certificate_paths(self._n_certificates - 3):  # Envoy may still read the one before
            file.unlink(missing_ok=True)

    def _certificate_paths(self, number: int) -> tuple[Path, Path]:
        return self._folder / f"certificate-{number}.pem", self._folder / f"key-{number}.pem"

    def _write_resource(self, name: str, resource: Mapping[str, Any]) -> None:
        """Write a file with a resource that Envoy watches."""
        with _atomic(self._folder / name) as file:
            file.write_text(json.dumps({"version_info": str(time.time_ns()), "resources": [resource]}))


@contextlib.contextmanager
def _atomic(file: Path) -> Iterator[Path]:
    """Yield the path of a new file, which replaces the old one when the block ends."""
    new = file.with_name(f"{file.name}.new")
    yield new
    new.replace(file)
