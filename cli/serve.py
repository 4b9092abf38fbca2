"""The command that serves."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import click

from cli.bundles import of_kind
from cli.common import FILE, FOLDER, command

_PORT = click.IntRange(1, 65535)


@click.command()
@click.argument("bundles", nargs=-1, type=FOLDER)
@click.option("--port", default=8080, show_default=True, type=_PORT, help="Of /predictions.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on; 0.0.0.0 for all.")
@click.option("--metrics-port", default=8082, show_default=True, type=_PORT, help="Of /metrics, /livez and /readyz.")
@click.option(
    "--metrics-host", default="127.0.0.1", show_default=True, help="The address of it, for a Prometheus elsewhere."
)
@click.option(
    "--workers", default=0, type=click.IntRange(0, 256), help="Workers a model.  [default: one a GPU, or one a core]"
)
@click.option("--cpu", is_flag=True, help="Compute on the CPU, even if there is a GPU.")
@click.option(
    "--instances", default=1, show_default=True, type=click.IntRange(1, 64), help="TorchServes, each with its workers."
)
@click.option("--api-keys", type=FILE, help="A file with keys, one a line; a request must have one of them.")
@click.option("--tls-cert", type=FILE, help="A certificate, PEM, to speak HTTPS with.")
@click.option("--tls-key", type=FILE, help="The certificate's key, PEM.")
@click.option("--no-edge", is_flag=True, help="Without the front door: TorchServe itself is at --port.")
@click.option(
    "--model-store", type=FOLDER, default=Path("model_store/archives"), show_default=True, help="Where archives go."
)
@click.option("--log", type=click.Path(path_type=Path, dir_okay=False), help="A file for the server's log.")
@click.option(
    "--audit-log",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file for a line of JSON a request.  [default: a temporary one]",
)
@command
def serve(
    bundles: tuple[Path, ...],
    port: int,
    host: str,
    metrics_port: int,
    metrics_host: str,
    workers: int,
    cpu: bool,
    instances: int,
    api_keys: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    no_edge: bool,
    model_store: Path,
    log: Path | None,
    audit_log: Path | None,
) -> None:
    """Serve bundles until Ctrl-C.

    BUNDLES are served on 127.0.0.1; model_store/sales if none is named.
    Each is archived for TorchServe first; the server keeps a copy, so what is archived later does not change it. The
    addresses, and a request with its answer, are printed when all workers are ready.

    \b
    SIGTERM, SIGINT  take no more requests, answer those that were taken, and end
    SIGHUP           serve what the bundles are now, without a pause
    With --no-edge SIGTERM and SIGINT end it at once, and SIGHUP changes nothing.
    """  # noqa: D301 - click's mark is the character, not a backslash and a b
    from serving.gateway.config import Door, check_certificate, read_keys
    from serving.gateway.envoy import find_envoy
    from serving.ports import Ports
    from serving.service import Service, serve, serve_bare
    from serving.torchserve.archive import archive, check_bundles
    from serving.torchserve.server import Server

    bundles = bundles or (Path("model_store/sales"),)
    if no_edge and ({host, metrics_host} != {"127.0.0.1"} or instances > 1 or api_keys or tls_cert or tls_key):
        raise click.UsageError(
            "--host, --metrics-host, --instances, --api-keys, --tls-cert and --tls-key need the front door"
        )
    if bool(tls_cert) != bool(tls_key):
        raise click.UsageError("--tls-cert and --tls-key belong together")
    check_bundles(bundles)

    def archives() -> list[Path]:
        check_bundles(bundles)
        return [archive(bundle, model_store) for bundle in bundles]

    def show(url: str, models: Mapping[str, Path], server: Server, log: Path, audit: Path) -> None:
        for name, path in models.items():
            bundle = path / "bundle"
            address = f"{url}/predictions/{name}"
            click.echo(of_kind(bundle).first_answer(address, bundle, partial(server.ask, name)))
        click.echo(f"log: {log}\naudit log: {audit}\nCtrl-C stops it.")

    if no_edge:
        ports = Ports(port, metrics_port)
        ports.check_free()  # before anything is written

        def ready(server: Server) -> None:
            show(f"http://127.0.0.1:{port}", server.models, server, server.log, server.audit_log)

        click.echo(f"starting TorchServe with {', '.join(map(str, bundles))} ...")
        serve_bare(archives, ready, ports=ports, workers=workers, cpu=cpu, log=log, audit_log=audit_log)
    else:
        door = Door(
            port,
            host,
            keys=read_keys(api_keys) if api_keys else (),
            tls=(tls_cert, tls_key) if tls_cert and tls_key else None,
            probes=metrics_port,
            probes_host=metrics_host,
        )
        find_envoy()
        if door.tls:
            check_certificate(*door.tls)
        for warning in door.warnings():
            click.echo(f"Warning: {warning}", err=True)

        def all_ready(service: Service) -> None:
            (server, *_) = service.servers
            show(door.url, server.models, server, server.log, server.audit_log)

        click.echo(f"starting {instances} TorchServe{'s' * (instances > 1)} with {', '.join(map(str, bundles))} ...")
        serve(door, archives, all_ready, instances=instances, workers=workers, cpu=cpu, log=log, audit_log=audit_log)
    click.echo("stopped")
