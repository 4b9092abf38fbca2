"""The error of a gateway that can't be run."""

from runtime.errors import UserError


class GatewayError(UserError):
    """The gateway can't be run as requested; the message names the file or the option."""
