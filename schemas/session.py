"""Clients of a service: roles of their keys, and the session of a browser."""

from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

Role = Literal["predict", "review", "label", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)


def cookie_name(*, is_secure: bool) -> str:
    """Return the name of the cookie with a browser's key, which the console sets and the gateway reads.

    Browsers take ``__Host-`` from this host alone, and only over HTTPS.
    """
    return "__Host-shopcat-key" if is_secure else "shopcat-key"


class Session(BaseModel):
    """The client that a request comes from, as the service knows it."""

    model_config = ConfigDict(extra="forbid")

    client: str | None = Field(description="Name of the client; null if the service has keys and the request has none.")
    roles: list[Role] = Field(description="Roles of the client's key. `admin` includes all others.")
    keys: bool = Field(description="True if the service demands API keys.")
