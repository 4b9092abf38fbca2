"""Transactions of a database: one writer at a time, and readers beside it."""

import contextlib
import threading
from collections.abc import Iterator, Sequence

from console.storage.connection import Connection, Engine, EngineConnection
from console.storage.errors import StorageError
from console.storage.migrations import MIGRATIONS, Migration


class Database:
    """A database with the current tables. Its methods may be called from any thread."""

    def __init__(self, engine: Engine, migrations: Sequence[Migration] = MIGRATIONS) -> None:
        """Open the database, and bring its tables up to date.

        Args:
            engine: kind and place of the database.
            migrations: all migrations, oldest first.

        Raises:
            StorageError: if it can't be opened, or is of a later version.
        """
        self._engine = engine
        self._writing = threading.Lock()
        self._idle: dict[bool, list[EngineConnection]] = {True: [], False: []}  # by whether they write
        with self.transaction() as connection:
            _migrate(connection, migrations)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Run a transaction that may write; it is durable when the block has ended, and undone if that raises an error.

        Only one is in progress at a time, in all processes that use the database, so that it may read, decide and then
        write. Keep it short, and never answer a client inside.

        Raises:
            StorageError: if the database can't be used.
        """
        with self._writing, self._transaction(writes=True) as connection:
            yield connection

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """Run a transaction that only reads, and sees one state of the database. Writers do not wait for it.

        Raises:
            StorageError: if the database can't be used.
        """
        with self._transaction(writes=False) as connection:
            yield connection

    @contextlib.contextmanager
    def _transaction(self, *, writes: bool) -> Iterator[Connection]:
        connection = self._begun(writes=writes)
        try:
            yield connection
            connection.commit()
        except BaseException:
            with contextlib.suppress(StorageError):
                connection.rollback()
            raise
        finally:
            if connection.is_usable:
                self._idle[writes].append(connection)
            else:
                connection.close()

    def _begun(self, *, writes: bool) -> EngineConnection:
        """Return a connection with a new transaction: an idle one, unless the server has closed it meanwhile."""
        while True:
            try:
                connection, is_new = self._idle[writes].pop(), False
            except IndexError:
                connection, is_new = self._engine.connect(writes=writes), True
            try:
                connection.begin()
            except StorageError:
                if is_new or connection.is_usable:
                    connection.close()
                    raise
                connection.close()
            else:
                return connection

    def close(self) -> None:
        """Close the connections that nobody uses."""
        for connections in self._idle.values():
            while connections:
                connections.pop().close()


def _migrate(connection: Connection, migrations: Sequence[Migration]) -> None:
    """Run the migrations that the database lacks."""
    connection.execute("CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY)")
    done = {row["name"] for row in connection.execute("SELECT name FROM migrations")}
    if unknown := sorted(done - {migration.name for migration in migrations}):
        raise StorageError(
            f"the database is of a later version of Shopcat, which has made {unknown[-1]}; run that version, or name "
            "another database with --data or --database"
        )
    for migration in migrations:
        if migration.name not in done:
            for statement in migration.statements:
                connection.execute(statement)
            connection.execute("INSERT INTO migrations (name) VALUES (?)", (migration.name,))
