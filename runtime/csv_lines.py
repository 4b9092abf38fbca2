"""Lines of CSV tables, in which no spreadsheet finds a formula, and which can be read back exactly."""

import csv
import io
import re
from collections.abc import Iterable

# Places where a spreadsheet may begin a cell with a formula, with apostrophes and spaces before its sign. A spreadsheet
# that splits lines at semicolons ignores quotes within them, so that a cell may begin after a semicolon, a tab or a
# line break too. The last four signs are full-width ones. A cell that begins with a tab or a line break counts as well.
_FORMULA = "(?<![^;\t\r\n])(?='*[^\\S\t\r\n]*[-=+@\uff1d\uff0b\uff0d\uff20])|\\A(?='*[\t\r\n])"
_ESCAPE = re.compile(_FORMULA)
_ESCAPED = re.compile("|".join(part.replace("(?='*", "'(?='*") for part in _FORMULA.split("|")))


def csv_line(cells: Iterable[object]) -> str:
    r"""Return a line of a table (RFC 4180). A text that a spreadsheet would compute gets an apostrophe in front.

    >>> csv_line(["=1+1", "a;=1+1", -1])
    "'=1+1,a;'=1+1,-1\r\n"
    """
    file = io.StringIO()
    csv.writer(file).writerow(_ESCAPE.sub("'", cell) if isinstance(cell, str) else cell for cell in cells)
    return file.getvalue()


def original_text(cell: str) -> str:
    """Return the text of a cell as it was before `csv_line` added apostrophes.

    >>> original_text("'=1+1"), original_text("'tis"), original_text("''=1+1")
    ('=1+1', "'tis", "'=1+1")
    """
    return _ESCAPED.sub("", cell)
