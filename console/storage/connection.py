"""Connections to a database, whichever engine it has.

SQL is written once for both engines: with ``?`` or ``:name`` for parameters, and with what SQLite and PostgreSQL both
understand. Migrations have the types ``TEXT``, ``BIGINT``, ``DOUBLE PRECISION`` and ``BYTEA``. An identifier is a text
that the program makes, and a time is a number of seconds since 1970, or ISO text.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

Row = dict[str, Any]
Parameters = Sequence[Any] | Mapping[str, Any]


class Result(Protocol):
    """Rows of a statement, each a dictionary."""

    @property
    def rowcount(self) -> int:
        """Return the number of rows that the statement changed."""
        ...

    def fetchone(self) -> Row | None:
        """Return the next row; None after the last."""
        ...

    def fetchall(self) -> list[Row]:
        """Return all further rows."""
        ...

    def __iter__(self) -> Iterator[Row]: ...


class Connection(Protocol):
    """A connection inside of a transaction."""

    def execute(self, sql: str, parameters: Parameters = (), /) -> Result:
        """Run a statement.

        Args:
            sql: statement with ``?`` or ``:name`` for parameters.
            parameters: values of the parameters.

        Raises:
            StorageError: if the database does not answer, is full, or is locked for too long.
        """
        ...

    def execute_many(self, sql: str, rows: Sequence[Parameters], /) -> None:
        """Run a statement once for each row of parameters, which is faster than one call for each.

        Raises:
            StorageError: as for `execute`.
        """
        ...


class Engine(Protocol):
    """Kind of database, and the way to connect to it."""

    def connect(self, *, writes: bool) -> "EngineConnection":
        """Return a new connection.

        Raises:
            StorageError: if that is impossible.
        """
        ...


class EngineConnection(Connection, Protocol):
    """A connection to one kind of database."""

    @property
    def is_usable(self) -> bool:
        """Return False if the connection is broken."""
        ...

    def begin(self) -> None:
        """Begin a transaction: of the only writer, or of a reader that sees one state of the database."""
        ...

    def commit(self) -> None:
        """Make the transaction's changes durable."""
        ...

    def rollback(self) -> None:
        """Undo the transaction's changes."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...
