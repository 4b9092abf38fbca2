"""The console's database: SQLite in a file, or PostgreSQL by an address, with the same SQL on both."""

from pathlib import Path

from console.storage.connection import Connection, Row
from console.storage.database import Database
from console.storage.errors import StorageError

__all__ = ["Connection", "Database", "Row", "StorageError", "open_database"]


def open_database(data: Path, address: str = "") -> Database:
    """Open the console's database, and make it if there is none.

    Args:
        data: folder for the file ``console.db``, without an address.
        address: address of a PostgreSQL database, ``postgresql://...``.

    Raises:
        StorageError: if it can't be opened.
    """
    if address:
        from console.storage.postgres import Postgres

        return Database(Postgres(address))
    from console.storage.sqlite import Sqlite

    return Database(Sqlite(data / "console.db"))
