"""SQLite as the console's database: one file, written ahead of a log (WAL)."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from console.storage.connection import Parameters, Result, Row
from console.storage.errors import StorageError

_LOCKED_S = 10.0  # time to wait for the writer of another process


class Sqlite:
    """A file with a database."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def connect(self, *, writes: bool) -> "SqliteConnection":
        """Return a new connection."""
        with _errors(self._file):
            return SqliteConnection(self._file, writes=writes)


class SqliteConnection:
    """A connection to the file."""

    is_usable = True

    def __init__(self, file: Path, *, writes: bool) -> None:
        self._file = file
        self._begin = "BEGIN IMMEDIATE" if writes else "BEGIN"
        # Threads of a pool use a connection one after another.
        self._connection = sqlite3.connect(file, timeout=_LOCKED_S, isolation_level=None, check_same_thread=False)
        self._connection.row_factory = _row
        self._connection.execute("PRAGMA journal_mode = WAL")
        # An answer that was acknowledged survives even a power failure.
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("PRAGMA foreign_keys = ON")
        if not writes:
            self._connection.execute("PRAGMA query_only = ON")

    def execute(self, sql: str, parameters: Parameters = (), /) -> Result:
        """Run a statement."""
        with _errors(self._file):
            return cast(Result, self._connection.execute(sql, parameters))

    def execute_many(self, sql: str, rows: Sequence[Parameters], /) -> None:
        """Run a statement for each row of parameters."""
        with _errors(self._file):
            self._connection.executemany(sql, rows)

    def begin(self) -> None:
        """Begin a transaction."""
        self.execute(self._begin)

    def commit(self) -> None:
        """Commit the transaction."""
        self.execute("COMMIT")

    def rollback(self) -> None:
        """Undo the transaction."""
        if self._connection.in_transaction:
            self.execute("ROLLBACK")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _row(cursor: sqlite3.Cursor, values: tuple[object, ...]) -> Row:
    return {column[0]: value for column, value in zip(cursor.description, values, strict=True)}


@contextmanager
def _errors(file: Path) -> Iterator[None]:
    """Turn SQLite's errors of a disk or a lock into a `StorageError`."""
    try:
        yield
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.DataError):
        raise
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR:  # a fault in a statement
            raise
        raise StorageError(
            f"the database {file} can't be used ({error}); check the folder's disk and rights, or name another folder "
            "with --data"
        ) from error
