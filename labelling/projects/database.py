"""The database of a project: one SQLite file, written ahead of a log (WAL), with one writer at a time.

A transaction that has ended survives a kill and a power failure. Events are append-only: triggers reject a change.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from labelling.projects.errors import ArchivedError, FullError, ProjectError, UnknownError

VERSION = 2  # of the tables
_APPLICATION = 0x53684C62  # "ShLb", in the file's header; why: a file of another program is rejected
_LOCKED_S = 20.0  # time to wait for the writer of another process

_BATCHES = """
CREATE TABLE batches (
    id INTEGER PRIMARY KEY,
    time REAL NOT NULL,
    who TEXT NOT NULL,
    how TEXT NOT NULL CHECK (how IN
        ('lasso', 'click', 'similar', 'suggestion', 'confirm', 'second', 'audit', 'import', 'merge', 'undo', 'redo')),
    space TEXT,
    target INTEGER REFERENCES batches,  -- batch that is undone or redone
    CHECK ((target IS NOT NULL) = (how IN ('undo', 'redo')))
) STRICT
"""
_OF_BATCHES = (
    "CREATE INDEX batches_of ON batches (who, id)",
    "CREATE INDEX batches_to ON batches (target, id) WHERE target IS NOT NULL",
    """
CREATE VIEW live AS  -- batches of labels that are not undone
    SELECT * FROM batches b WHERE target IS NULL
    AND IFNULL((SELECT how FROM batches WHERE target = b.id ORDER BY id DESC LIMIT 1), 'redo') = 'redo'
""",
)
_REFUSALS = """
CREATE TABLE refusals (  -- photos that somebody has deselected from a label, in a batch of that label
    batch INTEGER NOT NULL REFERENCES batches,
    photo INTEGER NOT NULL REFERENCES photos,
    label INTEGER NOT NULL REFERENCES labels,
    PRIMARY KEY (batch, photo)
) STRICT, WITHOUT ROWID
"""
_PREDICTIONS = """
CREATE TABLE predictions (  -- of other models, which were imported
    model TEXT NOT NULL,
    photo INTEGER NOT NULL REFERENCES photos,
    label TEXT NOT NULL,
    probability REAL NOT NULL,
    PRIMARY KEY (model, photo)
) STRICT, WITHOUT ROWID
"""
_TABLES = f"""
CREATE TABLE project (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    name TEXT NOT NULL,
    created REAL NOT NULL,
    seed TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'archived', 'deleted')),
    photos_version INTEGER NOT NULL  -- changes whenever photos, their states or their groups do
) STRICT;
CREATE TABLE photos (
    number INTEGER PRIMARY KEY,
    sha256 TEXT NOT NULL UNIQUE CHECK (length(sha256) = 64),
    name TEXT NOT NULL,
    path BLOB,  -- NULL for an uploaded photo, whose path comes from its hash
    size INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    width INTEGER,
    height INTEGER,
    dhash INTEGER,
    twin INTEGER REFERENCES photos,  -- first photo of its group of near duplicates
    state TEXT NOT NULL CHECK (state IN ('new', 'ok', 'broken')),
    kind TEXT,
    reason TEXT
) STRICT;
CREATE TABLE labels (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    key TEXT NOT NULL UNIQUE,  -- the name without case
    colour TEXT NOT NULL,
    retired INTEGER NOT NULL CHECK (retired IN (0, 1))
) STRICT;
{_BATCHES};
{"; ".join(_OF_BATCHES)};
CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    batch INTEGER NOT NULL REFERENCES batches,
    photo INTEGER NOT NULL REFERENCES photos,
    label INTEGER REFERENCES labels,
    source INTEGER REFERENCES events,  -- event that an undo or redo restores, or whose label a merge replaces
    UNIQUE (batch, photo)
) STRICT;
CREATE INDEX events_of ON events (photo, id);
CREATE TABLE audit (
    photo INTEGER PRIMARY KEY REFERENCES photos,
    draw INTEGER NOT NULL
) STRICT;
{_PREDICTIONS};
CREATE TABLE models (
    id INTEGER PRIMARY KEY,
    time REAL NOT NULL,
    labels_hash TEXT NOT NULL,
    draw INTEGER NOT NULL,  -- of the audit
    figures TEXT NOT NULL,
    judged INTEGER NOT NULL DEFAULT 0 CHECK (judged IN (0, 1))  -- 1 once somebody has seen what the audit says of it
) STRICT;
{_REFUSALS};
"""


def _append_only(*tables: str) -> list[str]:
    """Return triggers that reject changes of tables."""
    return [
        f"CREATE TRIGGER {table}_{change.lower()} BEFORE {change} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{table} are append-only'); END"
        for table in tables
        for change in ("UPDATE", "DELETE")
    ]


# Statements by the version that they upgrade. A new table takes the place of one whose checks have changed.
_UPGRADES = {
    1: (
        "DROP VIEW live",
        _BATCHES.replace("TABLE batches", "TABLE new_batches"),
        "INSERT INTO new_batches SELECT * FROM batches",
        "DROP TABLE batches",
        "ALTER TABLE new_batches RENAME TO batches",
        *_OF_BATCHES,
        _REFUSALS,
        _PREDICTIONS,
        *_append_only("batches", "refusals"),
        "ALTER TABLE models ADD COLUMN judged INTEGER NOT NULL DEFAULT 0 CHECK (judged IN (0, 1))",
        "UPDATE models SET judged = 1",  # each of them counted as seen
    ),
}


class Database:
    """A project's database. Its methods may be called from any thread.

    Args:
        file: the file.

    Raises:
        UnknownError: if there is no file.
        ProjectError: if it belongs to another program or to another version, or can't be read.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._writing = threading.Lock()
        self._idle: dict[bool, list[sqlite3.Connection]] = {True: [], False: []}  # by whether they write
        if not file.is_file():
            raise UnknownError(f"{file.parent} is no project, because it has no {file.name}; name another folder")
        with self._transaction(writes=False) as connection:
            version = _check(file, connection)
        if version < VERSION:
            _upgrade(file)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Run a transaction that may write; it is durable when the block has ended, and undone if that raises an error.

        Raises:
            ArchivedError: if the project is archived.
            ProjectError: if the project is deleted, or the file can't be written.
            FullError: if the disk is full.
        """
        with self._writing, self._transaction(writes=True) as connection:
            state = connection.execute("SELECT state FROM project").fetchone()["state"]
            if state == "deleted":
                raise UnknownError(f"the project in {self.file.parent} has been deleted; open another one")
            if state == "archived":
                raise ArchivedError(f"the project in {self.file.parent} is archived; restore it before you change it")
            yield connection

    @contextmanager
    def managing(self) -> Iterator[sqlite3.Connection]:
        """Run a transaction like `writing`, on an archived or deleted project too."""
        with self._writing, self._transaction(writes=True) as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Run a transaction that only reads, and sees one state of the project. Writers do not wait for it.

        Raises:
            ProjectError: if the file can't be read.
        """
        with self._transaction(writes=False) as connection:
            yield connection

    def copy(self, file: Path) -> None:
        """Write one state of the database to a new file. Writers do not wait for it.

        Raises:
            ProjectError: if a file can't be read or written.
            FullError: if the disk is full.
        """
        file.touch(mode=0o600)
        with self.reading() as connection, _errors(file):
            copied = sqlite3.connect(file)
            try:
                connection.backup(copied)
            finally:
                copied.close()

    def close(self) -> None:
        """Close the connections that nobody uses."""
        for connections in self._idle.values():
            while connections:
                connections.pop().close()

    @contextmanager
    def _transaction(self, *, writes: bool) -> Iterator[sqlite3.Connection]:
        with _errors(self.file):
            try:
                connection = self._idle[writes].pop()
            except IndexError:
                connection = _connect(self.file, writes=writes)
            try:
                connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                connection.close()
                raise
            self._idle[writes].append(connection)


def create(file: Path, name: str, *, created: float, seed: str) -> None:
    """Create the database of a new project, in a folder that no other process uses yet.

    Args:
        file: path of the new file.
        name: name of the project.
        created: time, seconds since 1970.
        seed: text that the random orders of photos come from.
    """
    file.touch(mode=0o600)
    with _errors(file):
        connection = sqlite3.connect(file, isolation_level=None)
        try:
            connection.executescript(
                f"PRAGMA application_id = {_APPLICATION}; PRAGMA user_version = {VERSION}; PRAGMA journal_mode = WAL; "
                f"BEGIN; {_TABLES} {'; '.join(_append_only('batches', 'events', 'refusals'))}; COMMIT"
            )
            connection.execute("INSERT INTO project VALUES (1, ?, ?, ?, 'open', 0)", (name, created, seed))
            connection.execute("INSERT INTO labels VALUES (0, 'can''t tell', 'can''t tell', '#888888', 0)")
        finally:
            connection.close()


def _connect(file: Path, *, writes: bool) -> sqlite3.Connection:
    # mode=rw: a file that was deleted meanwhile is not created again. Threads use a connection one after another.
    uri = f"file:{quote(str(file.absolute()))}?mode=rw"
    connection = sqlite3.connect(uri, uri=True, timeout=_LOCKED_S, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    if not writes:
        connection.execute("PRAGMA query_only = ON")
    return connection


def _check(file: Path, connection: sqlite3.Connection) -> int:
    """Return the version of a project's database, after a check that it is one that can be used or upgraded."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if application != _APPLICATION:
        raise ProjectError(f"{file} is a database of another program; name the folder of a project")
    if version not in (*_UPGRADES, VERSION):
        age, remedy = ("a later", "run that version") if version > VERSION else ("an older", "export it with that one")
        raise ProjectError(
            f"{file} was written by {age} version of Shopcat (format {version}, here {VERSION}); {remedy}, "
            "or name another project"
        )
    return version


def _upgrade(file: Path) -> None:
    """Bring the tables to this version, in one transaction; another process may do the same."""
    with _errors(file):
        connection = _connect(file, writes=True)
        try:
            connection.execute("PRAGMA foreign_keys = OFF")  # why: a table is replaced by one of the same name
            connection.execute("BEGIN IMMEDIATE")
            for version in range(connection.execute("PRAGMA user_version").fetchone()[0], VERSION):
                for statement in _UPGRADES[version]:
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {version + 1}")
            connection.execute("COMMIT")
        finally:
            connection.close()


@contextmanager
def _errors(file: Path) -> Iterator[None]:
    """Turn SQLite's errors of a file or a disk into a `ProjectError`. Errors in statements stay as they are."""
    try:
        yield
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.DataError):
        raise
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", None)
        if code == sqlite3.SQLITE_ERROR:
            raise
        if code == sqlite3.SQLITE_FULL:
            raise FullError(
                f"the disk of {file} is full; free some space and try again. What was confirmed is saved"
            ) from error
        if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            raise ProjectError(
                f"{file} is no database, or is damaged ({error}); restore a copy, or delete the project"
            ) from error
        if not file.exists():
            raise UnknownError(f"the project in {file.parent} has been deleted; open another one") from error
        raise ProjectError(
            f"{file} can't be used ({error}); check the folder's disk and rights, and try again"
        ) from error
