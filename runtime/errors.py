"""Base class of all errors that the user can correct.

docs/reference/errors.md lists all its subclasses; ``python -m scripts.write_errors`` writes that page.
"""


class UserError(ValueError):
    """An error that the user can correct; its message names the fault and the remedy.

    Commands print the message without a traceback and exit with status 2.
    """


class InstallationError(UserError):
    """A command needs a package that is not installed, such as torch in an environment that only serves."""


class SessionError(UserError):
    """onnxruntime can't run the network on the requested device."""
