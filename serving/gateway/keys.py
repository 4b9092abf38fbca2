"""Files that protect the gateway: API keys, and the certificate for TLS."""

import os
import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from serving.gateway.errors import GatewayError

_MIN_LENGTH = 16  # characters of an API key
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HELP = "write NAME: KEY, as in shop: 3d7f...; `openssl rand -hex 24` makes a key"


@dataclass(frozen=True)
class ApiKey:
    """An API key.

    Attributes:
        client: name of the client that has the key, for logs and metrics; a client may have several keys.
        key: the key.
    """

    client: str
    key: str = field(repr=False)


def read_keys(file: Path) -> list[ApiKey]:
    """Return the API keys of a file: lines ``NAME: KEY``; a line ``KEY`` names the client ``key-N`` by its number.

    Empty lines and lines that begin with # have no key.

    Raises:
        GatewayError: if the file can't be read or has no key, or if a line is wrong. The message repeats no key.
    """
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise GatewayError(f"the keys in {file} can't be read: {error}") from error
    keys: dict[str, tuple[int, ApiKey]] = {}
    for number, line in enumerate(lines, 1):
        if not line or line.startswith("#"):
            continue
        found = _parse(line, number, file)
        first, other = keys.setdefault(found.key, (number, found))
        if other.client != found.client and number != first:
            raise GatewayError(
                f"line {number} of {file} has the same key as line {first}, so that the name of its client is not "
                "known; give every client another key"
            )
    if not keys:
        raise GatewayError(f"{file} has no keys, so that every request would be rejected; {_HELP}")
    return [key for _, key in keys.values()]


def _parse(line: str, number: int, file: Path) -> ApiKey:
    """Return the key of a line."""
    name, separator, key = line.partition(": ")
    if not separator:
        name, key = f"key-{number}", line
    key = key.strip()
    if not _NAME.fullmatch(name):
        raise GatewayError(
            f"line {number} of {file} has no valid name before the colon: a name has 1 to 64 letters, digits, dots, "
            f"hyphens and underscores, and begins with a letter or digit; {_HELP}"
        )
    if not (key.isascii() and key.isprintable() and " " not in key and len(key) >= _MIN_LENGTH):
        raise GatewayError(
            f"line {number} of {file} has no valid key: a key has {_MIN_LENGTH} characters or more, all of them ASCII "
            f"and no space; {_HELP}"
        )
    return ApiKey(name, key)


def check_certificate(certificate: Path, key: Path) -> None:
    """Check that the files are a TLS certificate and its private key.

    Raises:
        GatewayError: if they are not, or can't be read.
    """
    for file in (certificate, key):
        if not os.access(file, os.R_OK):
            raise GatewayError(f"{file}, for TLS, can't be read; check that it exists and that you may read it")
    try:
        # An empty password, because OpenSSL would otherwise ask for one on the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except ssl.SSLError as error:
        raise GatewayError(
            f"{certificate} and {key} are not a certificate and its key, both PEM, the key without a password "
            f"({error.reason or error})"
        ) from error
