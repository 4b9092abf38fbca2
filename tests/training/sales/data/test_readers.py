"""training.sales.data.readers: errors of some lines of a CSV file name the lines of the file."""

import pytest

from training.sales.data.readers import UnreadableError, read_csv_lines

ROWS = [b"1,2\n", b'1,"two\nlines"\n', b"\n", b"3,4\r\n"] * 5


@pytest.mark.parametrize("header", [b"a,b\n", b"sep=,\na,b\n", b"\xef\xbb\xbfa,b\r\n"])
@pytest.mark.parametrize("begin", [0, 1, 2, 10, 19, 20])
@pytest.mark.parametrize(
    ("row", "words"),
    [
        (b"1,2,3\n", "line {}"),
        (b'1,"two\n', "EOF inside string starting at line {};"),
        (b"1,\xff\n", "not UTF-8 text (line {});"),
    ],
)
def test_an_error_of_some_lines_names_the_line_of_the_file(header: bytes, begin: int, row: bytes, words: str) -> None:
    """Rows before it have several lines."""
    before, lines = b"".join(ROWS[:begin]), b"".join(ROWS[begin:])
    with pytest.raises(UnreadableError) as error:
        read_csv_lines(header, lines + row, before.count(b"\n"))
    number = (header + before + lines).count(b"\n") + 1
    assert words.format(number) in str(error.value)
