"""Routes that take all methods of their address, so that a later route with a wider pattern takes none of them."""

from starlette.routing import Match, Route
from starlette.types import Scope


class Address(Route):
    """Route of an address that no later route may take, as ``/review/export`` is no ``/review/{case}``.

    It answers a method that it lacks with method-not-allowed.
    """

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match an address with any method."""
        match, child = super().matches(scope)
        return Match.FULL if match is Match.PARTIAL else match, child
