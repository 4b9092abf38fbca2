"""PostgreSQL as the console's database, for services with several replicas."""

import functools
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from console.storage.connection import Parameters, Result
from console.storage.errors import StorageError
from runtime.errors import InstallationError

if TYPE_CHECKING:
    import psycopg

_CONNECT_S = 5
_LOCKED_S = 10  # time to wait for the writer of another process
_WRITER = 0x73686F70636174  # number of the advisory lock that the only writer has: "shopcat"
# A quoted text or name, a cast, a percent sign, or a parameter.
_TOKENS = re.compile(r"""'(?:[^']|'')*'|"[^"]*"|--[^\n]*|::|%|\?|:([A-Za-z_]\w*)""")


def translate(sql: str) -> str:
    """Return a statement with psycopg's parameters in place of ``?`` and ``:name``.

    >>> translate("SELECT '?' || ?::text WHERE a % 2 = :b")
    "SELECT '?' || %s::text WHERE a %% 2 = %(b)s"
    """

    def replace(match: re.Match[str]) -> str:
        if match[1]:
            return f"%({match[1]})s"
        return "%s" if match[0] == "?" else match[0].replace("%", "%%")

    return _TOKENS.sub(replace, sql)


_translated = functools.lru_cache(1000)(translate)


def without_password(address: str) -> str:
    """Return an address for a message.

    >>> without_password("postgresql://shopcat:secret@db.example:5432/shopcat?sslmode=require")
    'postgresql://db.example:5432/shopcat'
    """
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


class Postgres:
    """A database of a PostgreSQL server."""

    def __init__(self, address: str) -> None:
        """Set up.

        Raises:
            InstallationError: if psycopg is not installed.
        """
        try:
            import psycopg  # noqa: F401
        except ImportError as error:
            raise InstallationError(
                "--database needs psycopg, which is not installed; run `pip install 'shopcat[postgres]'`"
            ) from error
        self._address = address

    def connect(self, *, writes: bool) -> "PostgresConnection":
        """Return a new connection."""
        import psycopg
        from psycopg.rows import dict_row

        with _errors(self._address):
            connection = psycopg.connect(
                self._address,
                autocommit=True,
                connect_timeout=_CONNECT_S,
                application_name="shopcat",
                prepare_threshold=None,  # a pooler may pass each transaction to another connection
                row_factory=dict_row,
            )
            connection.execute(f"SET lock_timeout = '{_LOCKED_S}s'")
        return PostgresConnection(self._address, connection, writes=writes)


class PostgresConnection:
    """A connection to the server."""

    def __init__(self, address: str, connection: "psycopg.Connection[dict[str, Any]]", *, writes: bool) -> None:
        self._address, self._connection, self._writes = address, connection, writes

    @property
    def is_usable(self) -> bool:
        """Return False if the server has closed the connection."""
        return not self._connection.closed and not self._connection.broken

    def execute(self, sql: str, parameters: Parameters = (), /) -> Result:
        """Run a statement."""
        with _errors(self._address):
            query = _translated(sql)
            return cast(Result, self._connection.execute(query, parameters))

    def execute_many(self, sql: str, rows: Sequence[Parameters], /) -> None:
        """Run a statement for each row of parameters, without waiting for each."""
        with _errors(self._address), self._connection.cursor() as cursor:
            cursor.executemany(_translated(sql), rows)

    def begin(self) -> None:
        """Begin a transaction; a writer waits until the writers of other processes have ended theirs."""
        if self._writes:
            self.execute("BEGIN")
            self.execute("SELECT pg_advisory_xact_lock(?)", (_WRITER,))
        else:
            self.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")

    def commit(self) -> None:
        """Commit the transaction."""
        self.execute("COMMIT")

    def rollback(self) -> None:
        """Undo the transaction."""
        if self.is_usable:
            self.execute("ROLLBACK")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


@contextmanager
def _errors(address: str) -> Iterator[None]:
    """Turn errors of the server or the connection into a `StorageError`."""
    import psycopg

    try:
        yield
    except (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError) as error:
        message = str(error).partition("\n")[0]
        raise StorageError(
            f"the database {without_password(address)} can't be used ({message}); check --database, and that its "
            "server runs"
        ) from error
