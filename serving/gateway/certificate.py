"""The certificate for TLS and its private key."""

import os
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from serving.gateway.errors import GatewayError
from serving.gateway.reloaded import Reloaded


@dataclass(frozen=True)
class Certificate:
    """A certificate, with those of its issuers, and its private key; PEM.

    Attributes:
        chain: content of the certificate's file.
        key: content of the key's file.
    """

    chain: bytes
    key: bytes = field(repr=False)


def certificate_files(certificate: Path, key: Path) -> Reloaded[Certificate]:
    """Return the certificate in two files, which may be replaced while the service runs.

    Raises:
        GatewayError: if they are not a certificate and its key, or can't be read.
    """
    return Reloaded((certificate, key), lambda: read_certificate(certificate, key))


def read_certificate(certificate: Path, key: Path) -> Certificate:
    """Read a certificate and its private key.

    Raises:
        GatewayError: if they are not, or can't be read.
    """
    for file in (certificate, key):
        if not os.access(file, os.R_OK):
            raise GatewayError(f"{file}, for TLS, can't be read; check that it exists and that you may read it")
    try:
        found = Certificate(certificate.read_bytes(), key.read_bytes())
        # An empty password, because OpenSSL would otherwise ask for one on the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except ssl.SSLError as error:
        raise GatewayError(
            f"{certificate} and {key} are not a certificate and its key, both PEM, the key without a password "
            f"({error.reason or error})"
        ) from error
    except OSError as error:
        raise GatewayError(f"{certificate} and {key}, for TLS, can't be read: {error}") from error
    return found
