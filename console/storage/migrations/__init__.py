"""Migrations: SQL files that make the tables, in the order of their numbers, on both engines.

A file that a release has is never changed; a later one changes the tables.
"""

import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_NAME = re.compile(r"\d{4}_[a-z_]+\.sql")


@dataclass(frozen=True)
class Migration:
    """Statements that change the tables.

    Attributes:
        name: name of the file, which begins with its number.
        statements: the statements of SQL.
    """

    name: str
    statements: Sequence[str]


def read_migrations(folder: Path) -> Sequence[Migration]:
    """Return the migrations of a folder, oldest first."""
    files = sorted(file for file in folder.iterdir() if _NAME.fullmatch(file.name))
    return [Migration(file.name, _statements(file.read_text(encoding="utf-8"))) for file in files]


def _statements(text: str) -> Sequence[str]:
    """Return the statements of a text, each of which ends with a semicolon at the end of a line."""
    found, lines = [], list[str]()
    for line in text.splitlines():
        lines.append(line)
        if line.rstrip().endswith(";") and sqlite3.complete_statement(statement := "\n".join(lines)):
            found.append(statement.strip())
            lines = []
    return found


MIGRATIONS = read_migrations(Path(__file__).parent)
