"""Everything that a database of the console holds, on either engine."""

import re

from console.storage import Database
from console.storage.migrations import MIGRATIONS


def contents(database: Database) -> str:
    """Return all values of all tables as text."""
    made = "\n".join(statement for migration in MIGRATIONS for statement in migration.statements)
    tables = re.findall(r"CREATE TABLE (\w+)", made)
    assert tables
    with database.reading() as connection:
        rows = [row for table in tables for row in connection.execute(f"SELECT * FROM {table}")]
    return "\n".join(str(value) for row in rows for value in row.values())
