"""Lines of CSV tables to download, in which no spreadsheet finds a formula."""

import csv
import io
import re
from collections.abc import Iterable

# The beginning of a formula where a spreadsheet may begin a cell. One that splits lines at semicolons ignores quotes
# within them, so that it may be after a semicolon, a tab or a line break too. The last four signs are full-width ones.
_FORMULA = re.compile("(^|[;\t\r\n])([^\\S\t\r\n]*[-=+@\uff1d\uff0b\uff0d\uff20])")


def csv_line(cells: Iterable[object]) -> str:
    r"""Return a line of a table (RFC 4180). A text that a spreadsheet would compute gets an apostrophe in front.

    >>> csv_line(["=1+1", "a;=1+1", -1])
    "'=1+1,a;'=1+1,-1\r\n"
    """
    file = io.StringIO()
    csv.writer(file).writerow(_FORMULA.sub(r"\1'\2", cell) if isinstance(cell, str) else cell for cell in cells)
    return file.getvalue()
