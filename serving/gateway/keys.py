"""API keys: the file that names the clients, their keys, rate limits and roles."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from schemas.session import ROLES, Role
from serving.gateway.errors import GatewayError
from serving.gateway.rate_limit import RateLimit, parse_rate_limits
from serving.gateway.reloaded import Reloaded

_LENGTHS = 16, 512  # characters of an API key; auth.lua has the longest too
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ROLES = "roles="
_HELP = "write NAME: KEY, as in shop: 3d7f...; `openssl rand -hex 24` makes a key"


@dataclass(frozen=True)
class ApiKey:
    """An API key.

    Attributes:
        client: name of the client that has the key, for logs and metrics; a client may have several keys.
        key: the key.
        limits: rate limits of the client; None for those of ``--rate-limit``.
        roles: roles of the client.
    """

    client: str
    key: str = field(repr=False)
    limits: tuple[RateLimit, ...] | None = None
    roles: tuple[Role, ...] = ("predict",)

    @property
    def digest(self) -> str:
        """SHA-256 digest of the key, in hexadecimal."""
        return hashlib.sha256(self.key.encode()).hexdigest()


def key_file(file: Path) -> Reloaded[Sequence[ApiKey]]:
    """Return the API keys of a file, which may change while the service runs.

    Raises:
        GatewayError: as `read_keys`.
    """
    return Reloaded((file,), lambda: read_keys(file))


def read_keys(file: Path) -> Sequence[ApiKey]:
    """Return the API keys of a file.

    A line is ``NAME: KEY``, and may end with rate limits such as ``10/s 5000/day``, or with ``unlimited``, and with
    roles such as ``roles=predict,review``. A line with a key alone names the client ``key-N`` by its number. Empty
    lines and lines that begin with # have no key.

    Raises:
        GatewayError: if the file can't be read or has no key, or if a line is wrong. The message repeats no key.
    """
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise GatewayError(f"the keys in {file} can't be read: {error}") from error
    keys: dict[str, tuple[int, ApiKey]] = {}  # by key, with the numbers of their lines
    clients: dict[str, tuple[int, ApiKey]] = {}  # by name
    for number, line in enumerate(lines, 1):
        if not line or line.startswith("#"):
            continue
        found = _parse(line, f"line {number} of {file}", number)
        first, other = keys.setdefault(found.key, (number, found))
        if other.client != found.client:
            raise GatewayError(
                f"line {number} of {file} has the same key as line {first}, so that the client's name is not known; "
                "give every client another key"
            )
        first, other = clients.setdefault(found.client, (number, found))
        for name, differs in (("rate limits", other.limits != found.limits), ("roles", other.roles != found.roles)):
            if differs:
                raise GatewayError(
                    f"line {number} of {file} has other {name} than line {first}, which has the same client "
                    f"{found.client}; write the same {name} in all of the client's lines"
                )
    if not keys:
        raise GatewayError(f"{file} has no keys, so that every request would be rejected; {_HELP}")
    return [key for _, key in keys.values()]


def _parse(line: str, where: str, number: int) -> ApiKey:
    """Return the key of a line."""
    name, separator, rest = line.partition(": ")
    if not separator:
        name, rest = f"key-{number}", line
    if not _NAME.fullmatch(name):
        raise GatewayError(
            f"{where} has no valid name before the colon: a name has 1 to 64 letters, digits, dots, hyphens and "
            f"underscores, and begins with a letter or digit; {_HELP}"
        )
    key, *others = rest.split() if separator else [rest]
    least, most = _LENGTHS
    if not (key.isascii() and key.isprintable() and " " not in key and least <= len(key) <= most):
        raise GatewayError(
            f"{where} has no valid key: a key has {least} to {most} characters, all of them ASCII and no space; {_HELP}"
        )
    limits = [text for text in others if not text.startswith(_ROLES)]
    try:
        return ApiKey(
            name,
            key,
            None if not limits else () if limits == ["unlimited"] else parse_rate_limits(limits),
            _roles([text.removeprefix(_ROLES) for text in others if text.startswith(_ROLES)]),
        )
    except ValueError as error:
        raise GatewayError(f"{where} ends with {error}") from error


def _roles(texts: Sequence[str]) -> tuple[Role, ...]:
    """Return the roles of texts like ``predict,review``; ``admin`` has all roles, and no text means ``predict``.

    Raises:
        ValueError: if a text names another role, or there are two texts.
    """
    if not texts:
        return ("predict",)
    names = set(texts[0].split(","))
    if len(texts) > 1 or not names <= {*ROLES}:
        raise ValueError(f"unknown or repeated roles; write roles= once, with some of {','.join(ROLES)}")
    return ROLES if "admin" in names else tuple(role for role in ROLES if role in names)
