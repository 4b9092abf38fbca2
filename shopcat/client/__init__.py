"""Clients of a running service: `Client`, and `AsyncClient` for asynchronous programs.

Both are thin. `shopcat.client.messages` writes requests and reads answers, `shopcat.client.attempts` decides about
retries; neither does input or output.
"""

from shopcat.client.asynchronous import AsyncClient
from shopcat.client.sync import Client

__all__ = ["AsyncClient", "Client"]
