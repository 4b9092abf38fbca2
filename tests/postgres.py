"""A PostgreSQL server from Debian's package, which a test starts for itself."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg.sql import SQL, Identifier


@dataclass
class Server:
    """A server that listens on a Unix socket in its folder.

    Attributes:
        folder: folder of its socket and its data.
        programs: folder of its programs.
    """

    folder: Path
    programs: Path

    def address(self) -> str:
        """Return the address of its database, as --database takes it."""
        return f"postgresql://shopcat:secret@/postgres?host={self.folder}"

    def create(self, schema: str) -> str:
        """Make an empty schema, which is faster than a database, and return the address that uses it alone."""
        with psycopg.connect(self.address(), autocommit=True) as connection:
            connection.execute(SQL("CREATE SCHEMA {}").format(Identifier(schema)))
        return f"{self.address()}&options=-csearch_path%3D{schema}"

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        settings = f"-c listen_addresses='' -c unix_socket_directories={self.folder} -c fsync=off"
        log = str(self.folder / "log")
        self.run("pg_ctl", "start", "--wait", "-D", str(self.folder / "data"), "--log", log, "-o", settings)

    def stop(self) -> None:
        """Stop the server at once, with its connections."""
        self.run("pg_ctl", "stop", "--wait", "-D", str(self.folder / "data"), "--mode", "immediate")

    def run(self, program: str, *arguments: str) -> None:
        """Run one of its programs, as another user if this one is root, as which it does not run."""
        is_root = os.getuid() == 0
        user = {"user": self.folder.stat().st_uid, "extra_groups": []} if is_root else {}
        command = [self.programs / program, *arguments]
        # Not into a pipe, which the server would inherit and keep open.
        with (self.folder / "output").open("w") as output:
            streams = {"stdout": output, "stderr": subprocess.STDOUT}
            done = subprocess.run(command, cwd=self.folder, check=False, **streams, **user)
        assert done.returncode == 0, (self.folder / "output").read_text()


@contextmanager
def running_postgres() -> Iterator[Server]:
    """Run a server until the block ends.

    Without PostgreSQL, the test is skipped. If SHOPCAT_POSTGRES_REQUIRED is set, it fails instead.
    """
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)  # Debian's
    folders += [Path(found).resolve().parent] if (found := shutil.which("initdb")) else []
    if not folders:
        reason = "PostgreSQL is not installed; Debian has it in the package postgresql"
        if os.environ.get("SHOPCAT_POSTGRES_REQUIRED"):
            pytest.fail(f"{reason}, but SHOPCAT_POSTGRES_REQUIRED demands tests with it")
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # short, because it has a socket
    if os.getuid() == 0:
        os.chown(folder, pwd.getpwnam("nobody").pw_uid, -1)
    server = Server(folder, folders[0])
    try:
        server.run("initdb", "-D", str(folder / "data"), "--username", "shopcat", "--auth", "trust", "--no-sync")
        server.start()
        yield server
    finally:
        if (folder / "data" / "postmaster.pid").exists():
            server.stop()
        shutil.rmtree(folder)
