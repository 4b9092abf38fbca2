"""Files that protect the gateway: API keys, and the certificate for TLS."""

import os
import ssl
from pathlib import Path

from serving.gateway.config import GatewayError

_MIN_LENGTH = 16  # characters of an API key


def read_keys(file: Path) -> list[str]:
    """Return the API keys of a file: one per line, without duplicates, empty lines and lines that begin with #.

    Raises:
        GatewayError: if the file can't be read or has no key, or if a key is too short or does not fit in a header.
    """
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise GatewayError(f"the keys in {file} can't be read: {error}") from error
    keys = {}
    for number, line in enumerate(lines, 1):
        if not line or line.startswith("#"):
            continue
        if not (line.isascii() and line.isprintable() and " " not in line and len(line) >= _MIN_LENGTH):
            raise GatewayError(
                f"line {number} of {file} is not a key: a key has {_MIN_LENGTH} characters or more, all of them ASCII "
                f"and no space; `openssl rand -hex 24` makes one"
            )
        keys[line] = number
    if not keys:
        raise GatewayError(f"{file} has no keys, so that every request would be rejected; write one key a line")
    return list(keys)


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
