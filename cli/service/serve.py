"""The command that serves."""

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.common import FILE, FOLDER, REVIEW_SHARE, RUNNER, command
from cli.kinds import kind_commands
from cli.service.console import console_options
from cli.service.options import LOOPBACK, ServeOptions

if TYPE_CHECKING:
    from runtime.log_lines import LogFormat
    from serving.gateway.rate_limit import RateLimit
    from serving.runner import Server
    from serving.service import Service

logger = logging.getLogger(__name__)

_PORT = click.IntRange(1, 65535)
_PAGES_S = 30.0  # time that the last line waits for the pages
_END = "Ctrl-C stops it."
_NEW_FILE = click.Path(path_type=Path, dir_okay=False)


def _rate_limits(
    _context: click.Context, _parameter: click.Parameter, texts: tuple[str, ...]
) -> "tuple[RateLimit, ...]":
    from serving.gateway.rate_limit import parse_rate_limits

    try:
        return parse_rate_limits(texts)
    except ValueError as error:
        raise click.BadParameter(f"{' '.join(texts)} has {error}") from error


def _warn_of_old_name(_context: click.Context, _parameter: click.Parameter, value: bool) -> bool:
    if value:
        click.echo(
            "Warning: --no-edge (SHOPCAT_SERVE_NO_EDGE) is now --no-gateway (SHOPCAT_SERVE_NO_GATEWAY); "
            "the next release removes the old name",
            err=True,
        )
    return value


def _warn_of_old_log(_context: click.Context, _parameter: click.Parameter, value: Path | None) -> Path | None:
    if value:
        click.echo(
            "Warning: --audit-log (SHOPCAT_SERVE_AUDIT_LOG) is now --request-log (SHOPCAT_SERVE_REQUEST_LOG); "
            "the next release removes the old name",
            err=True,
        )
    return value


@click.command()
@click.argument("bundles", nargs=-1, type=FOLDER)
@click.option("--port", default=8080, show_default=True, type=_PORT, help="Port for prediction requests.")
@click.option(
    "--host", default=LOOPBACK, show_default=True, help="IP address for prediction requests; 0.0.0.0 for all."
)
@click.option(
    "--metrics-port", default=8082, show_default=True, type=_PORT, help="Port for /metrics, /livez and /readyz."
)
@click.option(
    "--metrics-host",
    default=LOOPBACK,
    show_default=True,
    help="IP address for /metrics, /livez and /readyz; 0.0.0.0 for all, :: for all with IPv6.",
)
@click.option(
    "--workers",
    default=0,
    type=click.IntRange(0, 256),
    help="Worker processes of each model; with TorchServe, in each instance.  [default: of --tuned, or one for each "
    "GPU, or CPU core]",
)
@RUNNER
@click.option("--cpu", is_flag=True, help="Compute on the CPU, even if there is a GPU.")
@click.option(
    "--instances", default=1, show_default=True, type=click.IntRange(1, 64), help="Number of TorchServe instances."
)
@click.option(
    "--ready",
    type=click.Choice(["any", "all"]),
    default="any",
    show_default=True,
    help="/readyz answers 200 while any of the models can answer, or only while all can.",
)
@click.option(
    "--api-keys",
    type=FILE,
    help="File with API keys, lines NAME: KEY [LIMITS] [roles=...]; each request needs one of them.",
)
@click.option("--tls-cert", type=FILE, help="Certificate for HTTPS, a PEM file.")
@click.option("--tls-key", type=FILE, help="Private key of the certificate, a PEM file.")
@click.option(
    "--rate-limit",
    multiple=True,
    callback=_rate_limits,
    metavar="N/PERIOD",
    help="Requests of each client, such as 10/s, 100/min, 1000/h or 5000/day; may be repeated. A client is a name in "
    "the file of --api-keys, or an address without it.  [default: no limit]",
)
@click.option(
    "--gateway-memory",
    type=click.IntRange(min=32),
    help="Memory of the gateway in MiB.  [default: a quarter of the container's or machine's, from 64 to 1,024]",
)
@click.option(
    "--gateway-threads",
    type=click.IntRange(1, 256),
    help="Threads of the gateway.  [default: of --tuned, or one for every 8 cores, and at least one]",
)
@click.option(
    "--idle-at-stop",
    default=10.0,
    show_default=True,
    type=click.FloatRange(0, 60),
    help="Seconds that a stop waits for requests on connections that are open and idle.",
)
@click.option("--tuned", type=FILE, help="Settings that `shopcat tune` has measured on this machine.")
@click.option("--no-gateway", is_flag=True, help="Serve without the gateway: the runner itself listens on --port.")
@click.option("--no-edge", is_flag=True, hidden=True, callback=_warn_of_old_name)
@click.option(
    "--model-store",
    type=FOLDER,
    default=Path("model_store/archives"),
    show_default=True,
    help="Folder for the archives that the runner loads.",
)
# Tests set it lower, so that they need not wait for the gateway to notice a change.
@click.option("--health-check-interval", default=2.0, type=click.FloatRange(0.05, 60), hidden=True)
@click.option("--log", type=_NEW_FILE, help="File to append all log lines to, as JSON, besides stderr.")
@click.option(
    "--log-format",
    type=click.Choice(["json", "text"]),
    help="Form of the log lines on stderr.  [default: text on a terminal, otherwise json]",
)
@click.option(
    "--request-log", type=_NEW_FILE, help="File for a line of JSON about each request.  [default: a temporary one]"
)
@click.option("--audit-log", type=_NEW_FILE, hidden=True, callback=_warn_of_old_log)
@click.option(
    "--request-log-rate",
    default=20.0,
    show_default=True,
    type=click.FloatRange(min=0),
    help="Answers that each worker writes to the request log, per second; 0 for all. Problems do not count.",
)
@REVIEW_SHARE
@click.option(
    "--max-pixels",
    type=click.IntRange(1_000_000, 100_000_000),
    help="Pixels of a photo that may be decoded, at 8 bytes of memory each.  [default: 26 million; twice as many for "
    "most JPEGs, half as many for WebP]",
)
@click.option(
    "--worker-memory",
    type=click.IntRange(min=64),
    help="Memory that requests may take in a worker beyond its model, in MiB.  [default: half of the container's or "
    "machine's memory, divided by the number of workers; at least 256]",
)
@click.option(
    "--allow-unpatched",
    is_flag=True,
    help="Serve even if TorchServe is not the version that shopcat patches. A warning says what does not work then.",
)
@console_options
@command
def serve(**given: Any) -> None:
    """Serve bundles until Ctrl-C.

    Without BUNDLES, model_store/sales is served.
    The command first makes an archive of each bundle. The server runs a copy of the archive, so that a later
    `shopcat archive` does not change it. When all workers are ready, the command prints the address of each model, with
    a request and its answer, and the address of the pages for a browser.

    \b
    SIGTERM, SIGINT  accept no more requests, answer the accepted ones, and end
    SIGHUP           serve the current contents of the bundles, without a pause
    With --no-gateway, SIGHUP has no effect, and TorchServe ends at once on SIGTERM and SIGINT.
    """  # noqa: D301 - click's mark is the character, not a backslash and a b
    run(**given)


def run(
    *,
    bundles: tuple[Path, ...],
    no_gateway: bool,
    no_edge: bool,
    request_log: Path | None,
    audit_log: Path | None,
    log_format: "LogFormat | None",
    page: str = "",
    **options: Any,
) -> None:
    """Serve until a signal, with the options of `serve`; ``page`` is the address, within the pages, to open."""
    from serving.archives.archive import check_bundles
    from serving.logs import logging_to

    bundles = bundles or (Path("model_store/sales"),)
    log_format = log_format or ("text" if sys.stderr.isatty() else "json")
    serve_options = ServeOptions(
        bundles=bundles,
        no_gateway=no_gateway or no_edge,
        request_log=request_log or audit_log,
        log_format=log_format,
        **options,
    )
    serve_options.check()
    with logging_to(log_format, serve_options.log), _logged_errors():
        check_bundles(bundles)
        if serve_options.no_gateway:
            _serve_without_gateway(serve_options)
        else:
            _serve_with_gateway(serve_options, page)
        _print(serve_options, "stopped")


@contextmanager
def _logged_errors() -> Iterator[None]:
    """Log an error that ends the service, and exit with code 2. An unforeseen one is logged with its traceback."""
    from runtime.errors import UserError

    try:
        yield
    except (UserError, OSError) as error:
        logger.error("%s", error, exc_info=not isinstance(error, UserError))
        raise SystemExit(2) from None


def _print(options: ServeOptions, text: str) -> None:
    """Print a text for a terminal, or log it where lines of JSON are expected."""
    if options.log_format == "text":
        click.echo(text)
    else:
        logger.info("%s", text)


def _serve_with_gateway(options: ServeOptions, page: str) -> None:
    """Serve until a signal, with Envoy on the port and the runner behind it."""
    from serving.console.address import announced
    from serving.gateway.envoy import find_envoy
    from serving.service import serve

    config = options.gateway_config()
    find_envoy()
    console = options.console_settings(config, options.given_bundles())
    options.warn(config)

    url = config.public_url or config.url

    def on_ready(service: "Service") -> None:
        pages = _pages(service, f"{url}/console/{page}")
        announce(url)
        if page:
            _print(options, f"{pages}{_END}")
        else:
            _show(options, config.url, service.servers, pages=pages)

    _print(options, f"starting {options.what_is_started()} with {_names(options)} ...")
    with announced(options.data) if console else nullcontext(str) as announce:
        serve(
            config,
            options.archives,
            options.make_runner(),
            on_ready,
            request_log=options.request_log,
            ready=options.ready,
            console=console,
        )


def _serve_without_gateway(options: ServeOptions) -> None:
    """Serve until a signal, with the runner itself on the port."""
    from serving.ports import Ports
    from serving.without_gateway import serve_without_gateway

    ports = Ports(options.port, options.metrics_port)
    ports.check_free(options.host, options.metrics_host)  # before anything is written
    config = options.gateway_config()
    options.warn(config)

    def on_ready(server: "Server") -> None:
        _show(options, config.url, [server])

    _print(options, f"starting {options.what_is_started()} with {_names(options)} ...")
    serve_without_gateway(
        options.archives,
        options.make_runner(),
        on_ready,
        ports=ports,
        request_log=options.request_log,
        ready=options.ready,
        metrics_host=options.metrics_host,
    )


def _pages(service: "Service", url: str) -> str:
    """Return a line with the address of the pages, once they can be opened; an empty text if there are none."""
    if service.console is None:
        return ""
    if service.console.wait_until_up(_PAGES_S):
        return f"open {url} in a browser\n"
    return f"the pages, {url}, can't be opened yet; the log has the cause\n"


def _names(options: ServeOptions) -> str:
    return ", ".join(map(str, options.bundles))


def _show(options: ServeOptions, url: str, servers: "Sequence[Server]", pages: str = "") -> None:
    """Print each model's address with a request and its answer, the request log's path, and the line of the pages."""
    shown: set[str] = set()
    for server in servers:
        for name in [name for name in server.models if name not in shown]:
            bundle = server.models[name] / "bundle"
            address = f"{url}/predictions/{name}"
            _print(options, kind_commands(bundle).first_answer(address, bundle, partial(server.ask, name)))
        shown |= server.models.keys()
    _print(options, f"request log: {servers[0].request_log}\n{pages}{_END}")
