"""Reading of tables about a project's photos: rows of CSV, and photos by their hash or name."""

import csv
import io
from collections.abc import Iterator

from labelling.projects.errors import ProjectError
from labelling.projects.store import Project
from runtime.csv_lines import original_text


def read_rows(text: str, *needed: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows of CSV text with their line numbers; a missing cell is empty.

    Args:
        text: the text, with a line of column names. Apostrophes that `csv_line` added are removed.
        needed: names of the columns that there must be, besides ``sha256`` or ``name``.

    Raises:
        ProjectError: if a column is missing, or the text is no CSV.
    """
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), restval="")
    try:
        columns = set(reader.fieldnames or ())
        if not columns.issuperset(needed) or not columns & {"sha256", "name"}:
            raise ProjectError(f"columns: there are {sorted(columns)}; give {', '.join(needed)}, and sha256 or name")
        for row in reader:
            row.pop(None, None)  # cells beyond the last column
            yield reader.line_num, {column: original_text(cell) for column, cell in row.items()}
    except csv.Error as error:
        line = reader.line_num + 1
        raise ProjectError(f"line {line}: it is no CSV ({error}); separate the cells with commas") from error


def photo_hashes(project: Project) -> dict[str, str | None]:
    """Return the hash of each photo of a project by its hash and by its name; None for a name that several have.

    Photos that can't be decoded have no label, and are left out.
    """
    hashes: dict[str, str | None] = {}
    for photo in project.photos:
        usable = None if photo.state == "broken" else photo.sha256
        hashes[photo.name] = None if photo.name in hashes else usable
    return hashes | {photo.sha256: photo.sha256 for photo in project.photos if photo.state != "broken"}
