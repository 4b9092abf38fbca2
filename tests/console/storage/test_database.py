"""console.storage: the same transactions on SQLite and PostgreSQL; errors of both."""

import random
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from console.storage import Database, StorageError, open_database
from console.storage.migrations import Migration
from console.storage.sqlite import Sqlite
from runtime.errors import InstallationError
from tests.postgres import Server

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[3]
TABLE = "CREATE TABLE notes (id TEXT PRIMARY KEY, amount DOUBLE PRECISION, number BIGINT, photo BYTEA)"


@pytest.fixture
def database(data: Path, database_address: str) -> Database:
    """A database with a table of its own."""
    found = open_database(data, database_address)
    with found.transaction() as connection:
        connection.execute(TABLE)
    return found


def ids(database: Database) -> list[str]:
    with database.reading() as connection:
        return [row["id"] for row in connection.execute("SELECT id FROM notes ORDER BY id")]


def add(database: Database, name: str) -> None:
    with database.transaction() as connection:
        connection.execute("INSERT INTO notes (id) VALUES (?)", (name,))


def test_values_come_back_as_they_were(database: Database) -> None:
    row = {"id": "50 % of ü\u2028'?':x", "amount": 0.1 + 0.2, "number": 2**62, "photo": bytes(range(256))}
    with database.transaction() as connection:
        connection.execute("INSERT INTO notes VALUES (:id, :amount, :number, :photo)", row)
        assert connection.execute("UPDATE notes SET number = number WHERE id = ?", (row["id"],)).rowcount == 1
        connection.execute("INSERT INTO notes (id) VALUES (?)", ("empty",))
    with database.reading() as connection:
        found = connection.execute("SELECT * FROM notes WHERE id = :id", {"id": row["id"]}).fetchall()
        empty = connection.execute("SELECT * FROM notes WHERE id = ?", ("empty",)).fetchone()
        assert connection.execute("SELECT id FROM notes WHERE id = 'no'").fetchone() is None
    assert [{name: bytes(value) if name == "photo" else value for name, value in one.items()} for one in found] == [row]
    assert empty == {"id": "empty", "amount": None, "number": None, "photo": None}


def test_marks_inside_of_texts_are_no_parameters(database: Database) -> None:
    with database.reading() as connection:
        sql = "SELECT '? :name 100 % it''s' AS text, 7 % 4 AS rest, ? AS given -- what? :this is 5 %"
        (row,) = connection.execute(sql, (3,)).fetchall()
    assert (row["text"], row["rest"], int(row["given"])) == ("? :name 100 % it's", 3, 3)


def test_a_transaction_with_an_error_changes_nothing(database: Database) -> None:
    add(database, "kept")

    def fail() -> None:
        with database.transaction() as connection:
            connection.execute("INSERT INTO notes (id) VALUES ('lost')")
            raise ValueError("meanwhile")

    with pytest.raises(ValueError, match="meanwhile"):
        fail()
    assert ids(database) == ["kept"]
    add(database, "later")  # the connection is good for more
    assert ids(database) == ["kept", "later"]


def test_a_reader_sees_one_state_and_does_not_wait_for_a_writer(database: Database) -> None:
    add(database, "a")
    with database.reading() as reader:
        assert len(reader.execute("SELECT id FROM notes").fetchall()) == 1
        add(database, "b")
        assert len(reader.execute("SELECT id FROM notes").fetchall()) == 1
    assert ids(database) == ["a", "b"]


def test_a_reader_cannot_write(database: Database) -> None:
    def write() -> None:
        with database.reading() as connection:
            connection.execute("INSERT INTO notes (id) VALUES ('x')")

    with pytest.raises(Exception, match=r"read-?only"):
        write()
    assert ids(database) == []


def test_writers_of_several_processes_take_turns(data: Path, database_address: str, database: Database) -> None:
    """Each reads a number, and writes one more; without turns, some would write the same."""
    add(database, "counter")
    others = [database, open_database(data, database_address)]  # as another process has it

    def count(one: Database) -> None:
        for _ in range(20):
            with one.transaction() as connection:
                row = connection.execute("SELECT number FROM notes WHERE id = 'counter'").fetchone()
                assert row is not None
                number = (row["number"] or 0) + 1
                connection.execute("UPDATE notes SET number = ? WHERE id = 'counter'", (number,))

    threads = [threading.Thread(target=count, args=(one,)) for one in others * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.reading() as connection:
        assert connection.execute("SELECT number FROM notes").fetchone() == {"number": 80}


WRITER = """
import sys
from pathlib import Path
from console.storage import open_database
database = open_database(Path(sys.argv[1]), sys.argv[2])
number = 0
while True:
    with database.transaction() as connection:
        for part in range(3):
            connection.execute("INSERT INTO notes (id) VALUES (?)", (f"{sys.argv[3]}-{number}-{part}",))
    print(number, flush=True)
    number += 1
"""


def test_a_killed_process_loses_nothing_that_it_has_acknowledged(
    data: Path, database_address: str, database: Database
) -> None:
    rng = random.Random(0)
    for turn in range(5):
        command = [sys.executable, "-c", WRITER, str(data), database_address, str(turn)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            acknowledged = [int(process.stdout.readline()) for _ in range(rng.randrange(1, 40))]
            process.send_signal(signal.SIGKILL)
            acknowledged += [int(line) for line in process.stdout.read().splitlines()]
        found = [name for name in ids(database) if name.startswith(f"{turn}-")]
        expected = {f"{turn}-{number}-{part}" for number in acknowledged for part in range(3)}
        assert expected <= {*found}
        assert len(found) % 3 == 0  # nothing of a transaction that was cut
        add(database, f"after {turn}")


# Migrations


def test_a_later_version_adds_its_migrations_and_an_earlier_one_refuses(tmp_path: Path) -> None:
    first = Migration("0001_first.sql", ["CREATE TABLE a (id TEXT);"])
    second = Migration("0002_second.sql", ["CREATE TABLE b (id TEXT);", "INSERT INTO a VALUES ('moved');"])
    engine = Sqlite(tmp_path / "x.db")
    for migrations in ([first], [first, second], [first, second]):
        database = Database(engine, migrations)
    with database.reading() as connection:
        assert connection.execute("SELECT id FROM a").fetchall() == [{"id": "moved"}]
    with pytest.raises(StorageError, match=r"later version of Shopcat, which has made 0002_second\.sql"):
        Database(engine, [first])


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    wrong = Migration("0001_wrong.sql", ["CREATE TABLE a (id TEXT);", "INSERT INTO missing VALUES (1);"])
    engine = Sqlite(tmp_path / "x.db")
    with pytest.raises(sqlite3.OperationalError, match="no such table: missing"):
        Database(engine, [wrong])
    Database(engine, [Migration("0001_right.sql", ["CREATE TABLE a (id TEXT);"])])


def test_the_tables_are_the_same_on_both_engines(tmp_path: Path, postgres: Server) -> None:
    with open_database(tmp_path).reading() as connection:
        tables = [row["name"] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        ours = {
            (table, column["name"], column["type"].upper())
            for table in tables
            for column in connection.execute(f"PRAGMA table_info({table})")
        }
    with open_database(tmp_path, postgres.create("tables")).reading() as connection:
        sql = "SELECT * FROM information_schema.columns WHERE table_schema = current_schema()"
        theirs = {(row["table_name"], row["column_name"], row["data_type"].upper()) for row in connection.execute(sql)}
    assert ours == theirs


# Errors


def test_a_file_that_is_no_database_is_named(data: Path) -> None:
    (data / "console.db").write_bytes(b"no database, " * 100)
    with pytest.raises(StorageError, match=r"console\.db can't be used .*--data"):
        open_database(data)


def test_a_full_disk_is_an_error_of_the_database(data: Path) -> None:
    database = open_database(data)

    def fill() -> None:
        with database.transaction() as connection:
            connection.execute("PRAGMA max_page_count = 1")  # SQLite's own way to have no room
            connection.execute(TABLE)
            connection.execute("INSERT INTO notes (id, photo) VALUES ('x', ?)", (bytes(100_000),))

    with pytest.raises(StorageError, match="full"):
        fill()


def test_a_server_that_comes_back_is_used_again(tmp_path: Path, postgres: Server) -> None:
    database = open_database(tmp_path, postgres.create("restarted"))
    with database.transaction() as connection:
        connection.execute(TABLE)
    add(database, "before")
    assert ids(database) == ["before"]
    postgres.stop()
    with pytest.raises(StorageError, match="can't be used") as raised:
        add(database, "while it is down")
    assert "secret" not in str(raised.value)
    postgres.start()
    assert ids(database) == ["before"]
    add(database, "after")
    assert ids(database) == ["after", "before"]


def test_psycopg_is_named_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(InstallationError, match=r"shopcat\[postgres\]"):
        open_database(tmp_path, "postgresql://db.example/x")
