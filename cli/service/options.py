"""Options of `shopcat serve`, and what they mean for the parts of the service."""

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.service.console import ConsoleOptions

if TYPE_CHECKING:
    from runtime.log_lines import LogFormat
    from serving.gateway.config import GatewayConfig
    from serving.gateway.rate_limit import RateLimit
    from serving.monitoring.watched import ReadyPolicy
    from serving.runner import Runner
    from serving.tuning.tuned import Tuned

logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class ServeOptions(ConsoleOptions):
    """Options of `shopcat serve`, as the command line names and describes them."""

    bundles: tuple[Path, ...]
    port: int
    metrics_port: int
    metrics_host: str
    workers: int
    runner: str
    cpu: bool
    instances: int
    tls_key: Path | None
    ready: "ReadyPolicy"
    model_store: Path
    rate_limit: "tuple[RateLimit, ...]"
    gateway_memory: int | None
    gateway_threads: int | None
    idle_at_stop: float
    health_check_interval: float
    log: Path | None
    log_format: "LogFormat"
    request_log: Path | None
    request_log_rate: float
    review_share: float | None
    max_pixels: int | None
    worker_memory: int | None
    allow_unpatched: bool
    tuned: Path | None = None

    def check(self) -> None:
        """Reject options that contradict each other."""
        is_torchserve = self.runner == "torchserve"
        needs_gateway = {
            "--host": is_torchserve and self.host != LOOPBACK,
            "--metrics-host": is_torchserve and self.metrics_host != LOOPBACK,
            "--instances": self.instances > 1,
            "--api-keys": self.api_keys,
            "--tls-cert": self.tls_cert,
            "--tls-key": self.tls_key,
            "--rate-limit": self.rate_limit,
            "--gateway-memory": self.gateway_memory,
            "--gateway-threads": self.gateway_threads,
        }
        if self.no_gateway and any(needs_gateway.values()):
            names = [name for name, value in needs_gateway.items() if value]
            raise click.UsageError(f"options that need the gateway: {', '.join(names)}; leave out --no-gateway")
        if bool(self.tls_cert) != bool(self.tls_key):
            raise click.UsageError("--tls-cert and --tls-key have to be set together")
        self.has_console()

        if self.runner == "python" and self.instances > 1:
            raise click.UsageError("--instances is for --runner torchserve; --workers sets the number of workers")
        if self.runner == "python" and self.no_gateway and len(self.bundles) > 1:
            raise click.UsageError(
                "--runner python without the gateway serves one bundle; leave out --no-gateway, or run a command for "
                "each bundle, with other ports"
            )

    def what_is_started(self) -> str:
        """Return the instances of the runner in words."""
        if self.runner == "python":
            return "workers"
        return f"{self.instances} TorchServe instance{'s' * (self.instances > 1)}"

    def make_runner(self) -> "Runner":
        """Return the runner."""
        environment = self.worker_environment()
        if self.runner == "python":
            from serving.python.runner import PythonRunner

            return PythonRunner(self.workers, self.cpu, environment, host=self.host, idle_at_stop=self.idle_at_stop)
        from serving.torchserve.runner import TorchServeRunner

        return TorchServeRunner(self.instances, self.workers, self.cpu, environment)

    def archives(self) -> list[Path]:
        """Archive the bundles, with tuned settings if there are any, and return the archives."""
        from runtime.bundle import name_of
        from runtime.device import count_gpus
        from serving.archives.archive import archive, check_bundles

        check_bundles(self.bundles)
        bundles = [self._chosen(bundle) for bundle in self.bundles]
        check_bundles(bundles)
        tuned = self.read_tuned()
        models = tuned.models if tuned else {}
        gpu = not self.cpu and count_gpus() > 0
        return [
            archive(bundle, self.model_store, settings.settings(with_workers=not self.workers), gpu=gpu)
            if (settings := models.get(name_of(bundle)))
            else archive(bundle, self.model_store, gpu=gpu)
            for bundle in bundles
        ]

    def given_bundles(self) -> dict[str, Path]:
        """Return the folders of the bundles of the command line by the models' names."""
        from runtime.bundle import name_of

        return {name_of(bundle): bundle.resolve() for bundle in self.bundles}

    def _chosen(self, bundle: Path) -> Path:
        """Return the folder to serve for a bundle: a bundle that people chose on a page, or itself. The log says so."""
        from console.choices import chosen_folder, resolve
        from runtime.bundle import name_of

        name, data = name_of(bundle), self.data.resolve()
        found = resolve(data, bundle)
        folder, unused = chosen_folder(data, name), found.unused
        if found.choice is not None and not self.has_console():
            unused = "without the console nobody could take it back"
        if unused:
            logger.warning("%s: serving %s; %s is not served, because %s", name, bundle, folder, unused)
            return bundle
        if (choice := found.choice) is not None:
            logger.warning(
                "%s: serving version %s from %s, which %s made from the labels of %s, in place of version %s in %s; "
                "take it back on the label page, or delete that folder and restart",
                *(name, choice.version, folder, choice.who, choice.origin, choice.instead_of_version, bundle),
            )
        return found.bundle

    def read_tuned(self) -> "Tuned | None":
        """Return the measured settings; None without any.

        Raises:
            TunedError: if the file can't be read, or is for another runner.
        """
        from serving.tuning.tuned import Tuned, TunedError

        if self.tuned is None:
            return None
        tuned = Tuned.read(self.tuned)
        if tuned.runner != self.runner:
            raise TunedError(f"{self.tuned} was measured with --runner {tuned.runner}; give the same option here")
        return tuned

    def worker_environment(self) -> dict[str, str]:
        """Return the environment variables that pass settings to the workers."""
        from handlers.safeguards.memory import request_memory
        from handlers.worker_settings import worker_environment
        from runtime.bundle import name_of
        from runtime.cores import n_cores
        from runtime.memory import memory_limit

        if self.worker_memory:
            memory = self.worker_memory << 20
        else:
            tuned = self.read_tuned()
            counts = [
                model.workers for name in map(name_of, self.bundles) if tuned and (model := tuned.models.get(name))
            ]
            default = n_cores()
            workers = self.workers * len(self.bundles) or sum(counts) + default * (len(self.bundles) - len(counts))
            memory = request_memory(memory_limit(), workers * self.instances)
        return worker_environment(
            review_share=self.review_share,
            max_pixels=self.max_pixels,
            keep_photos=self.kept_photos(),
            request_memory=memory,
            allow_unpatched=self.allow_unpatched,
            request_log_rate=self.request_log_rate,
            receipt_key=self.receipt_key_file(),
        )

    def warn(self, config: "GatewayConfig") -> None:
        """Log a warning for each missing protection, and one if the tuned settings are of another machine."""
        tuned, warnings = self.read_tuned(), config.warnings()
        if self.no_gateway and warnings:
            warnings = [
                f"anyone who can reach {config.url} can use the models; put an ingress with keys and TLS before it"
            ]
        for warning in [*warnings, *(tuned.warnings() if tuned else [])]:
            logger.warning("%s", warning)

    def gateway_config(self) -> "GatewayConfig":
        """Return the settings of the gateway."""
        from serving.gateway.certificate import certificate_files
        from serving.gateway.config import GatewayConfig, Timeouts
        from serving.gateway.keys import key_file
        from serving.gateway.tracing import tracing_from

        tuned = self.read_tuned()
        return GatewayConfig(
            self.port,
            self.host,
            keys=key_file(self.api_keys) if self.api_keys else None,
            tls=certificate_files(self.tls_cert, self.tls_key) if self.tls_cert and self.tls_key else None,
            rate_limits=self.rate_limit,
            public_url=self.public_url,
            tracing=tracing_from(os.environ),
            probes_port=self.metrics_port,
            probes_host=self.metrics_host,
            max_memory=self.gateway_memory and self.gateway_memory << 20,
            threads=self.gateway_threads or (tuned.gateway_threads if tuned else None),
            timeouts=Timeouts(idle_at_stop=self.idle_at_stop),
            health_check_interval=self.health_check_interval if self.runner == "torchserve" else None,
        )
