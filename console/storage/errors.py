"""Error of the console's database."""

from runtime.errors import UserError


class StorageError(UserError):
    """The console's database can't be opened or used; the message names it and the remedy."""
