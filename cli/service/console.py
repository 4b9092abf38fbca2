"""Options of `shopcat serve` about the console: the pages, what they keep, and who may open them."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from cli.common import FILE, FOLDER

if TYPE_CHECKING:
    from serving.gateway.config import GatewayConfig


def default_data() -> Path:
    """Return the folder for data of this user (XDG Base Directory Specification)."""
    return Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state").expanduser() / "shopcat"


def _public_url(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str:
    """Return the scheme, the host and the port of an address."""
    if not value:
        return ""
    parts = urlsplit(value)
    try:
        host = parts.hostname if parts.port != 0 else None
    except ValueError:  # the port is not a number
        host = None
    has_more = bool(parts.username or parts.path.strip("/") or parts.query or parts.fragment)
    if not host or has_more or parts.scheme not in ("http", "https"):
        raise click.BadParameter(f"{value} is not an address like https://shopcat.example.com, without a path")
    return f"{parts.scheme}://{parts.netloc.lower()}"


def _database(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str:
    if value and urlsplit(value).scheme not in ("postgresql", "postgres"):
        raise click.BadParameter("it is not an address like postgresql://shopcat@db.example.com/shopcat")
    return value or ""


_OPTIONS = (
    click.option(
        "--console/--no-console",
        "console",
        default=None,
        help="Pages to try the models, review photos and send true values back.  [default: on with a loopback --host; "
        "elsewhere if there are keys and TLS]",
    ),
    click.option(
        "--public-url",
        callback=_public_url,
        metavar="URL",
        help="Address of the pages in a browser, if a proxy or a published port stands before the gateway.",
    ),
    click.option(
        "--data",
        type=FOLDER,
        default=default_data,
        show_default="$XDG_STATE_HOME/shopcat, or ~/.local/state/shopcat",
        help="Folder for what the console keeps: its database, the receipt key, photos for review.",
    ),
    click.option(
        "--database",
        callback=_database,
        metavar="URL",
        help="PostgreSQL database for feedback and review, postgresql://...; needs shopcat[postgres].  [default: "
        "console.db in the folder of --data]",
    ),
    click.option(
        "--receipt-key",
        type=FILE,
        help="File with the 32 bytes that sign receipts; all replicas need the same.  [default: receipt.key in the "
        "folder of --data, made at the first start]",
    ),
    click.option(
        "--keep-for-review",
        is_flag=True,
        help="Keep photos for review in the folder of --data, where the client agrees.",
    ),
    click.option(
        "--retention-days",
        default=30,
        show_default=True,
        type=click.IntRange(1, 3650),
        help="Days after which photos kept for review are deleted.",
    ),
    click.option(
        "--second-opinions",
        default=0.1,
        show_default=True,
        type=click.FloatRange(0, 1),
        help="Share of the kept photos that two people answer, 0 to 1.",
    ),
    click.option(
        "--appeal-days",
        default=14,
        show_default=True,
        type=click.IntRange(1, 365),
        help="Days within which an appeal should be decided.",
    ),
)


def console_options(function: Callable[..., None]) -> Callable[..., None]:
    """Return a command with the options of the console."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@dataclass(frozen=True)
class ConsoleOptions:
    """Options that the console depends on, as the command line names and describes them."""

    host: str
    no_gateway: bool
    api_keys: Path | None
    tls_cert: Path | None
    console: bool | None
    public_url: str
    data: Path
    database: str
    receipt_key: Path | None
    keep_for_review: bool
    retention_days: int
    second_opinions: float
    appeal_days: int

    def has_console(self) -> bool:
        """Return True if the service has a console.

        Raises:
            UsageError: if the options contradict each other.
        """
        is_local = _is_loopback(self.host) or _is_loopback(urlsplit(self.public_url).hostname or "")
        has_tls = self.tls_cert is not None or self.public_url.startswith("https:")
        is_safe = is_local or (self.api_keys is not None and has_tls)
        if self.no_gateway and self.console:
            raise click.UsageError("options that need the gateway: --console; leave out --no-gateway")
        if self.console and not is_safe:
            raise click.UsageError(
                f"--console with --host {self.host} needs --api-keys and --tls-cert, since it lets browsers sign in; "
                "behind a proxy with TLS, name the proxy's address with --public-url https://..."
            )
        found = is_safe and not self.no_gateway if self.console is None else self.console
        needing = {"--database": self.database, "--keep-for-review": self.keep_for_review}
        if not found and any(needing.values()):
            names = ", ".join(name for name, value in needing.items() if value)
            raise click.UsageError(f"options that need the console: {names}; {self._remedy()}")
        return found

    def console_settings(
        self, config: "GatewayConfig", given_bundles: Mapping[str, Path] = {}
    ) -> dict[str, Any] | None:
        """Return the settings of the console, whose data folder is made; None if the service has none.

        Args:
            config: settings of the gateway.
            given_bundles: folders of the bundles of the command line by the models' names.

        Raises:
            UserError: if the data folder can't be made, or psycopg is missing.
        """
        from console.settings import Options
        from runtime.errors import UserError

        if not self.has_console():
            return None
        if self.database:
            from console.storage.postgres import Postgres

            Postgres(self.database)
        try:
            self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not os.access(self.data, os.W_OK | os.X_OK):
                raise PermissionError("it is not writable")
        except OSError as error:
            raise UserError(
                f"--data {self.data} can't be used ({error}); name a folder that you may write to, or leave the pages "
                "out with --no-console"
            ) from error
        return Options(
            data=self.data.resolve(),
            database=self.database,
            gateway=config.url,
            public_url=self.public_url,
            keys=self.api_keys is not None,
            receipt_key=self.receipt_key_file(),
            metrics=config.metrics_url,
            keep_for_review=self.keep_for_review,
            retention_days=self.retention_days,
            second_opinions=self.second_opinions,
            appeal_days=self.appeal_days,
            given_bundles=dict(given_bundles),
        ).model_dump(mode="json")

    def kept_photos(self) -> Path | None:
        """Return the folder for photos that clients agree to keep; None if none is kept."""
        from pets.review.kept_photos import INCOMING

        return self.data.resolve() / INCOMING if self.keep_for_review and self.has_console() else None

    def receipt_key_file(self) -> Path | None:
        """Return the file of the key that signs receipts; it is made if it is the data folder's. None for no receipts.

        Raises:
            ReceiptKeyError: if the key can't be read or made.
        """
        from runtime.receipts import make_key, read_key

        if self.receipt_key is not None:
            read_key(self.receipt_key)
            return self.receipt_key.resolve()
        if not self.has_console():
            return None
        file = self.data.resolve() / "receipt.key"
        make_key(file)
        return file

    def _remedy(self) -> str:
        if self.console is False:
            return "leave out --no-console"
        if self.no_gateway:
            return "leave out --no-gateway"
        return "set --api-keys and --tls-cert, or a loopback --host"


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
